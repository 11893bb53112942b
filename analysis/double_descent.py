"""Double descent in a notebook: where the percent error peaks as P or D varies, and whether there is a peak at all.

from analysis.double_descent import find_peak

peak = find_peak(points, 64, error)                              # points: P of each run, at D = 64
print(peak.location, peak.interval, peak.found, peak.reason)     # location in log2(P / D)
"""

from analysis.estimates.peak import Peak, find_peak, find_peaks, peak_table

__all__ = ["Peak", "find_peak", "find_peaks", "peak_table"]
