"""What theory says of embeddings, in numpy and scipy alone: the percent error and its level for uniform embeddings, the
mutual information of two views, and the points that a hyperplane separates."""

from mmcr_core.theory.error import (
    FINAL_SHARE,
    PERCENT_ERROR,
    Decomposition,
    RepresentationCollapse,
    decompose,
    detect_collapse,
    effective_rank,
    expected_percent_error,
    final_steps,
    nuclear_norm_bound,
    nuclear_rank,
    percent_error,
    simulate_uniform,
)
from mmcr_core.theory.mutual_information import InformationBound, mutual_information_bound
from mmcr_core.theory.separability import linearly_separable, separable_probability

__all__ = [
    "FINAL_SHARE",
    "PERCENT_ERROR",
    "Decomposition",
    "InformationBound",
    "RepresentationCollapse",
    "decompose",
    "detect_collapse",
    "effective_rank",
    "expected_percent_error",
    "final_steps",
    "linearly_separable",
    "mutual_information_bound",
    "nuclear_norm_bound",
    "nuclear_rank",
    "percent_error",
    "separable_probability",
    "simulate_uniform",
]
