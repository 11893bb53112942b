"""Power laws in a notebook: of one variable, of several, and by how much two of them differ.

from analysis.power_law import fit_power_law

fit = fit_power_law(flops, error, floor="free", holdout=0.25)    # error = E + A flops^-alpha
print(fit.alpha, fit.interval("alpha"), fit.valid, fit.failed_checks, fit.reason)
"""

from analysis.laws.joint_law import JointFit, fit_joint
from analysis.laws.power_law_fit import PowerLawFit, difference, fit_power_law

__all__ = ["JointFit", "PowerLawFit", "difference", "fit_joint", "fit_power_law"]
