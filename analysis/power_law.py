"""Power laws in a notebook: of one variable, of several, and by how much two of them differ.

from analysis.power_law import fit_power_law

fit = fit_power_law(flops, error, floor="free", holdout=0.25)    # error = E + A flops^-alpha
print(fit.alpha, fit.interval("alpha"), fit.valid, fit.failed_checks, fit.reason)
"""

from analysis.fitting.multivariate_fit import JointFit, fit_joint
from analysis.fitting.power_law_fit import PowerLawFit, difference, fit_power_law

__all__ = ["JointFit", "PowerLawFit", "difference", "fit_joint", "fit_power_law"]
