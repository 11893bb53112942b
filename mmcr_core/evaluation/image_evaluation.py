"""What is measured of a network on images: held-out percent error, probes of its features, and its embeddings."""

from __future__ import annotations

import torch

from mmcr_core.config.run import EvaluateSpec, RunSpec
from mmcr_core.data.image_loader import heldout_views
from mmcr_core.data.image_set import Images
from mmcr_core.evaluation.confidence_intervals import Measure, deviation, mean_of
from mmcr_core.evaluation.embedding_metrics import NAMES, embedding_measures
from mmcr_core.evaluation.probe_metrics import Name, accuracies, accuracy_names
from mmcr_core.models.encoders import ImageNetwork
from mmcr_core.models.mixed_precision import embed
from mmcr_core.objectives.base import centroids, measure, normalized

__all__ = ["Measure", "Name", "deviation", "evaluate", "requested_measures"]


def requested_measures(evaluate: EvaluateSpec, *, trained: bool = True) -> dict[Name, int]:
    """Name and subject of each measure that a spec asks for, with the count that it fixes (0: whatever there is).
    `trained`: of a network that is, so that it may have gained something."""
    names = {("heldout_percent_error", ""): evaluate.heldout_batches} if evaluate.heldout_batches else {}
    names |= dict.fromkeys(accuracy_names(evaluate, trained), 0)
    return names | {name: 0 for asked in evaluate.measures for name in NAMES.get(asked, [])}


@torch.no_grad()
def evaluate(network: ImageNetwork, spec: RunSpec, images: Images, *, trained: bool = True) -> list[Measure]:
    """What `spec.evaluate` asks for, with the network frozen and in the mode in which it was on return.

    The held-out percent error is the mean over batches of P images with K random views, its interval Student's t over
    batches; it is absent where the held-out set has fewer than P images. A probe's accuracy has Wilson's interval; it
    is absent without labels. The table of all is in docs/measures.md.
    """
    training = network.training
    network.eval()
    measures = [_heldout(network, spec, images)] if spec.evaluate.heldout_batches else []
    if spec.evaluate.probes:
        measures += accuracies(network, spec, images, trained)
    measures += embedding_measures(network, spec, images)
    network.train(training)
    return measures


def _heldout(network: ImageNetwork, spec: RunSpec, images: Images) -> Measure:
    name, count = "heldout_percent_error", spec.evaluate.heldout_batches
    if len(images.heldout) < spec.P:
        return Measure(name, None, count=count)
    embeddings = (embed(network, (heldout_views(spec, images, batch),), spec.precision) for batch in range(count))
    errors = torch.stack([measure(centroids(normalized(z)))["percent_error"] for z in embeddings])
    return mean_of(name, errors.double().cpu().numpy())
