"""What is measured of a run's network, on images or on image-text pairs."""

from __future__ import annotations

from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_set import Images
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.registry import load
from mmcr_core.evaluation import image_evaluation, image_text_evaluation
from mmcr_core.evaluation.confidence_intervals import Measure
from mmcr_core.evaluation.probe_metrics import Name
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import Network

__all__ = ["Measure", "evaluate", "requested_measures"]


def requested_measures(spec: RunSpec, *, trained: bool = True) -> dict[Name, int]:
    """Name and subject of each measure that a run asks for, with the count that it fixes (0: whatever there is).
    `trained`: of a network that is, so that it may have gained something."""
    return image_evaluation.requested_measures(
        spec.evaluate, trained=trained
    ) | image_text_evaluation.requested_measures(spec)


def evaluate(network: Network, spec: RunSpec, data: Images, *, trained: bool = True) -> list[Measure]:
    """What `spec.evaluate` asks for, with the network frozen and in the mode in which it was on return."""
    if isinstance(network, PairNetwork):
        given, shown = spec.evaluate.zero_shot, data
        if given and "zero_shot" in spec.evaluate.measures and given.dataset != spec.dataset:
            shown = load(given.dataset, data.heldout.device, spec.views.size)
        assert isinstance(data, Pairs)
        return image_text_evaluation.evaluate(network, spec, data, shown, trained=trained)
    return image_evaluation.evaluate(network, spec, data, trained=trained)
