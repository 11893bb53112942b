"""What is measured of held-out images' embeddings without labels: information, rank, alignment; and their capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_loader import random_views
from mmcr_core.data.image_set import Images
from mmcr_core.evaluation.confidence_intervals import Array, Measure, jackknife, mean_of
from mmcr_core.manifold_capacity import manifold_capacity
from mmcr_core.models.encoders import Embedding
from mmcr_core.rng import generator
from mmcr_core.theory import effective_rank, mutual_information_bound

IMAGES = 4096  # that are measured, at most
BLOCK = 256  # images that are embedded at a time
GROUPS = 10  # of the jackknife
MANIFOLDS = 50  # of a capacity, at most, and points of each
LEAST = 4  # held-out images that say anything
LEAST_OF_A_CLASS = 10
CHOICE, POINTS = 2**40, 2**41  # counters of the stream: of which images, of a capacity's views

CAPACITY = ("capacity", "capacity_radius", "capacity_dimension")
NAMES: dict[str, list[tuple[str, str]]] = {  # what is asked for -> names and subjects
    "mutual_information": [("mutual_information_bound", "")],
    "effective_rank": [("effective_rank", ""), ("feature_effective_rank", "")],
    "alignment": [("alignment", "")],
    "capacity": [(name, subject) for subject in ("views", "classes") for name in CAPACITY],
}


class Sample(NamedTuple):
    """Held-out images: unit embeddings z (N, 2, D) of two random views each (of pairs: a view and a caption), features
    (N, F) of the first, and labels (N,), -1 where there is none."""

    z: Tensor
    features: Tensor
    labels: Tensor


@torch.no_grad()
def embedding_measures(
    network: Embedding, spec: RunSpec, images: Images, draw: Callable[[], Sample] | None = None
) -> list[Measure]:
    """What `spec.evaluate.measures` asks for of those in NAMES, of a network in eval mode; absent where there are fewer
    than LEAST held-out images, or the network is about to diverge. The views are drawn by the run's seed from a stream
    of their own, so that they are the same at every step. `draw`: gives what else is to be compared than two views."""
    asked = [name for name in spec.evaluate.measures if name in NAMES]
    draw = draw or (lambda: _sample(network, spec, images))
    sample = draw() if asked and len(images.heldout) >= LEAST else None
    if sample is None or not bool(sample.z.isfinite().all() & sample.features.isfinite().all()):
        return [Measure(name, None, subject=subject) for each in asked for name, subject in NAMES[each]]
    of: dict[str, Callable[[], list[Measure]]] = {
        "mutual_information": lambda: [_information(sample)],
        "effective_rank": lambda: [
            _rank("effective_rank", sample.z[:, 0]),
            _rank("feature_effective_rank", sample.features),
        ],
        "alignment": lambda: [
            mean_of("alignment", (sample.z[:, 0] * sample.z[:, 1]).sum(dim=1).double().cpu().numpy())
        ],
        "capacity": lambda: [
            *_capacity("views", _view_manifolds(network, spec, images)),
            *_capacity("classes", _class_manifolds(sample)),
        ],
    }
    return [measured for name in asked for measured in of[name]()]


def sampled(spec: RunSpec, count: int) -> Tensor:
    """Indices of the held-out images that are measured, of `count`."""
    if count <= IMAGES:
        return torch.arange(count)
    return torch.from_numpy(generator(spec.seed, "measures", CHOICE).permutation(count)[:IMAGES])


def _sample(network: Embedding, spec: RunSpec, images: Images) -> Sample:
    chosen = sampled(spec, len(images.heldout)).to(images.heldout.device)
    z, features = [], []
    for block, part in enumerate(chosen.split(BLOCK)):
        views = random_views(images.heldout[part], spec.views, 2, generator(spec.seed, "measures", block))
        embedded, of_encoder = _embed(network, views, spec.precision)
        z.append(embedded.view(len(part), 2, -1))
        features.append(of_encoder.view(len(part), 2, -1)[:, 0])
    return Sample(torch.cat(z), torch.cat(features), images.heldout_labels[chosen])


def _embed(network: Embedding, views: Tensor, precision: str) -> tuple[Tensor, Tensor]:
    """(B, C, S, S) views -> unit embeddings (B, D) and features (B, F), float32, the network in a run's precision."""
    with torch.autocast(views.device.type, torch.bfloat16, enabled=precision == "bf16"):
        features = network.encoder(views)
        z = network.projector(features)
    return nn.functional.normalize(z.float(), dim=1), features.float()


def _information(sample: Sample) -> Measure:
    z = sample.z.double().cpu().numpy()
    bound = mutual_information_bound(z[:, 0], z[:, 1])
    return Measure("mutual_information_bound", bound.value, bound.low, bound.high, len(z))


def _rank(name: str, rows: Tensor) -> Measure:
    """Effective rank of (N, F) rows as they are, not centered, with a jackknife over groups of them."""
    rows = rows.double()

    def rank(gram: Tensor) -> float:
        return effective_rank(torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().cpu().numpy())

    whole, groups = rows.T @ rows, min(GROUPS, len(rows))
    without = [rank(whole - part.T @ part) for part in (rows[group::groups] for group in range(groups))]
    return jackknife(name, rank(whole), without, len(rows))


def _view_manifolds(network: Embedding, spec: RunSpec, images: Images) -> Array:
    """(M, N, D): held-out images with N random views each."""
    points = max(MANIFOLDS, spec.K)
    order = generator(spec.seed, "measures", CHOICE).permutation(len(images.heldout))[:MANIFOLDS]
    chosen = torch.from_numpy(order).to(images.heldout.device)
    manifolds = []
    for place, part in enumerate(chosen.split(max(1, BLOCK // points))):
        rng = generator(spec.seed, "measures", POINTS + place)
        z, _ = _embed(network, random_views(images.heldout[part], spec.views, points, rng), spec.precision)
        manifolds.append(z.view(len(part), points, -1))
    return torch.cat(manifolds).double().cpu().numpy()


def _class_manifolds(sample: Sample) -> Array | None:
    """(M, N, D): classes of held-out images with N of them each, one view an image."""
    labels = sample.labels.cpu().numpy()
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    classes = [members for members in classes if len(members) >= LEAST_OF_A_CLASS][:MANIFOLDS]
    if len(classes) < 2:
        return None
    points = min(MANIFOLDS, *map(len, classes))
    z: Array = sample.z[:, 0].double().cpu().numpy()
    return np.stack([z[members[:points]] for members in classes])


def _capacity(subject: str, manifolds: Array | None) -> list[Measure]:
    """None where there are not two manifolds, or not finite ones, or all embeddings are one."""
    if manifolds is None or not np.isfinite(manifolds).all() or np.ptp(manifolds, axis=(0, 1)).max() <= 1e-12:
        return [Measure(name, None, subject=subject) for name in CAPACITY]
    found = manifold_capacity(manifolds)
    parts = (
        (found.alpha, found.alpha_interval),
        (found.radius, found.radius_interval),
        (found.dimension, found.dimension_interval),
    )
    return [
        Measure(name, value, *interval, len(manifolds), subject)
        for name, (value, interval) in zip(CAPACITY, parts, strict=True)
    ]
