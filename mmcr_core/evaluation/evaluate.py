"""What is measured of a run's network, on images or on image-text pairs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from mmcr_core.config.run import DatasetSpec, EvaluateSpec, RunSpec
from mmcr_core.config.run_id import dataset_content, digest
from mmcr_core.data.image_set import Images
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.registry import load
from mmcr_core.evaluation import image_evaluation, image_text_evaluation, zero_shot
from mmcr_core.evaluation.confidence_intervals import Measure
from mmcr_core.evaluation.probe_metrics import Name
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import Network

__all__ = ["Measure", "Requested", "evaluate", "requested_measures"]


@dataclass(frozen=True)
class Requested:
    """What a run asks of a measure: the `count` that it fixes (0: whatever there is), the `digest` of all that the
    number depends on beside the run's own identity, and whether there is nothing of that kind (`of_run`)."""

    count: int
    digest: str
    of_run: bool

    def met_by(self, count: int, digest: str | None) -> bool:
        """Whether a stored measure is the one asked for. One without a digest is of a version that wrote none: it is,
        where it depends on the run alone and on no fewer batches."""
        return digest == self.digest if digest else self.of_run and count >= self.count


def requested_measures(spec: RunSpec, *, trained: bool = True) -> dict[Name, Requested]:
    """Name and subject of each measure that a run asks for. `trained`: of a network that is, so that it may have gained
    something."""
    return _requested(spec.dataset, spec.evaluate, trained)


@functools.lru_cache(maxsize=64)
def _requested(dataset: DatasetSpec, evaluate: EvaluateSpec, trained: bool) -> dict[Name, Requested]:
    counts = image_evaluation.requested_measures(evaluate, trained=trained)
    counts |= image_text_evaluation.requested_measures(dataset, evaluate)
    return {
        name: Requested(count, digest([dataset_content(dataset), count, beside]), not beside)
        for name, count in counts.items()
        for beside in [_beside_the_run(name[0], evaluate)]
    }


def _beside_the_run(name: str, evaluate: EvaluateSpec) -> dict[str, Any]:
    """What a measure depends on that is no part of a run's identity."""
    looked_at = evaluate.zero_shot
    if name in zero_shot.NAMES and looked_at:
        return {"dataset": dataset_content(looked_at.dataset), "texts": looked_at.digest}
    if name.startswith(("knn_", "linear_")) and evaluate.probe_images:
        return {"probe_images": evaluate.probe_images}
    return {}


def evaluate(network: Network, spec: RunSpec, data: Images, *, trained: bool = True) -> list[Measure]:
    """What `spec.evaluate` asks for, with the network frozen and in the mode in which it was on return."""
    if isinstance(network, PairNetwork):
        given, shown = spec.evaluate.zero_shot, data
        if given and "zero_shot" in spec.evaluate.measures and given.dataset != spec.dataset:
            shown = load(given.dataset, data.heldout.device, spec.views.size)
        assert isinstance(data, Pairs)
        return image_text_evaluation.evaluate(network, spec, data, shown, trained=trained)
    return image_evaluation.evaluate(network, spec, data, trained=trained)
