"""From a result store to fits, figures and a report. Reads parquet only; imports neither torch nor ray.

Commands, and modules for notebooks -> pages -> verdicts -> SweepAnalysis -> laws -> reading -> sweeps.storage:
imports go this way only.

from analysis import SweepAnalysis, find_peak, fit_joint, fit_power_law, open_results
"""

from __future__ import annotations

import importlib
import logging

TYPE_CHECKING = False
if TYPE_CHECKING:  # as type checkers read it, without the cost of `typing`
    from analysis.estimates.peak import find_peak
    from analysis.fitting.multivariate_fit import fit_joint
    from analysis.fitting.power_law_fit import fit_power_law
    from analysis.opened_results import open_results
    from analysis.sweep_analysis import SweepAnalysis

logging.getLogger("analysis").addHandler(logging.NullHandler())  # silent until somebody asks, as -v does

__all__ = ["SweepAnalysis", "find_peak", "fit_joint", "fit_power_law", "open_results"]

_HOMES = {
    "SweepAnalysis": "analysis.sweep_analysis",
    "find_peak": "analysis.estimates.peak",
    "fit_joint": "analysis.fitting.multivariate_fit",
    "fit_power_law": "analysis.fitting.power_law_fit",
    "open_results": "analysis.opened_results",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute '{name}'")
    found: object = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
