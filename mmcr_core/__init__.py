"""The science of MMCR pretraining, on tensors. Knows nothing of Ray, YAML or the result store.

from mmcr_core import MMCRLoss, Pretraining, expected_percent_error, make_objective, percent_error
"""

from __future__ import annotations

import importlib
import logging
import os

# Before torch loads OpenMP: threads that spin for each other take 20 times as long where others use the cores too.
# A short spin, of some microseconds, keeps the speed of a quiet machine, which none at all costs a fifth of.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

TYPE_CHECKING = False
if TYPE_CHECKING:  # as type checkers read it, without the cost of `typing`
    from mmcr_core.objectives import make_objective
    from mmcr_core.objectives.mmcr import MMCRLoss
    from mmcr_core.theory import expected_percent_error, percent_error
    from mmcr_core.training.pretraining import Pretraining

logging.getLogger("mmcr_core").addHandler(logging.NullHandler())  # silent until somebody asks, as -v does

__all__ = ["MMCRLoss", "Pretraining", "expected_percent_error", "make_objective", "percent_error"]

_HOMES = {
    "MMCRLoss": "mmcr_core.objectives.mmcr",
    "Pretraining": "mmcr_core.training.pretraining",
    "expected_percent_error": "mmcr_core.theory",
    "make_objective": "mmcr_core.objectives",
    "percent_error": "mmcr_core.theory",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mmcr_core' has no attribute '{name}'")
    found: object = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
