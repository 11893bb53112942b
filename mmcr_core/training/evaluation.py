"""What is measured of a run's network, on images or on image-text pairs."""

from __future__ import annotations

from mmcr_core.images import evaluation
from mmcr_core.images.accuracy import Name
from mmcr_core.images.image_set import Images
from mmcr_core.images.measured import Measure
from mmcr_core.pairs import pair_evaluation
from mmcr_core.pairs.pair_set import Pairs
from mmcr_core.pairs.towers import PairNetwork
from mmcr_core.spec import RunSpec
from mmcr_core.training.data import load
from mmcr_core.training.networks import Network

__all__ = ["Measure", "asked_for", "evaluate"]


def asked_for(spec: RunSpec, *, trained: bool = True) -> dict[Name, int]:
    """Name and subject of each measure that a run asks for, with the count that it fixes (0: whatever there is).
    `trained`: of a network that is, so that it may have gained something."""
    return evaluation.asked_for(spec.evaluate, trained=trained) | pair_evaluation.asked_for(spec)


def evaluate(network: Network, spec: RunSpec, data: Images, *, trained: bool = True) -> list[Measure]:
    """What `spec.evaluate` asks for, with the network frozen and in the mode in which it was on return."""
    if isinstance(network, PairNetwork):
        given, shown = spec.evaluate.zero_shot, data
        if given and "zero_shot" in spec.evaluate.measures and given.dataset != spec.dataset:
            shown = load(given.dataset, data.heldout.device, spec.views.size)
        assert isinstance(data, Pairs)
        return pair_evaluation.evaluate(network, spec, data, shown, trained=trained)
    return evaluation.evaluate(network, spec, data, trained=trained)
