"""FLOPs of measuring a network once, counted before it runs: mostly those of embedding images."""

from __future__ import annotations

import functools

from mmcr_core.config.run import NAMED_CLASSES, RunSpec, ZeroShotSpec
from mmcr_core.data import registry
from mmcr_core.evaluation import zero_shot
from mmcr_core.evaluation.embedding_metrics import IMAGES, MANIFOLDS, NAMES
from mmcr_core.evaluation.linear_probe import FEW, FOLDS, INVERSE_STRENGTHS
from mmcr_core.training.flops import caption_flops, loss_flops, network_flops

FEATURES = 512  # of an encoder, and
CLASSES = 10  # of a data set, where a probe's own work is counted; small beside the features themselves
LBFGS_STEPS = 40
LABELED = {("stl10", "unlabeled"): 0, ("stl10", "train+unlabeled"): 5_000}  # training images; elsewhere all


def evaluation_flops(spec: RunSpec, train: int, heldout: int) -> float:
    """FLOPs of all that `spec.evaluate` asks for after one of its steps, with so many images; of a user's own files as
    if all had labels."""
    network = (spec.encoder, spec.projector, spec.D, len(spec.views.mean), spec.views.size)
    view, caption = network_flops(*network, backward=False), caption_flops(*network, backward=False)
    asked, sample = spec.evaluate, min(heldout, IMAGES)
    flops = 0.0
    if heldout >= spec.P:
        batch = spec.P * (spec.image_views * view + (spec.dataset.captions or 0) * caption) + loss_flops(spec.P, spec.D)
        flops += asked.heldout_batches * batch
    bank = LABELED.get((spec.dataset.name, spec.dataset.split), train)
    bank = min(bank, asked.probe_images or bank)
    gained = [probe for probe in asked.probes if probe in asked.measures]
    if bank and asked.probes:
        flops += (bank + heldout) * view * (2 if gained else 1)
        amounts = 1 if asked.labels_per_class is None else 2
        flops += sum(_probe_flops(probe, bank, heldout) * amounts for probe in [*asked.probes, *gained])
    if any(name in NAMES for name in asked.measures):
        flops += 2 * sample * view
    if "capacity" in asked.measures:
        flops += MANIFOLDS * max(MANIFOLDS, spec.K) * view
    if {"retrieval", "modality_gap"} & set(asked.measures):
        flops += sample * (view + caption)
    if "zero_shot" in asked.measures:
        shown, texts = _zero_shot(asked.zero_shot, NAMED_CLASSES.get(spec.dataset.name, CLASSES))
        flops += (heldout if shown is None else shown) * view + texts * caption
    return flops


@functools.lru_cache(maxsize=16)
def _zero_shot(given: ZeroShotSpec | None, own_classes: int) -> tuple[int | None, int]:
    """How many images of another set are looked at (None: the run's own), and how many texts."""
    classes, templates = zero_shot.texts(given, ("",) * own_classes)
    return registry.count(given.dataset)[1] if given else None, len(classes) * len(templates)


def _probe_flops(probe: str, bank: int, heldout: int) -> float:
    """Beside the features."""
    if probe == "knn":
        return 2.0 * bank * heldout * FEATURES
    fits = len(INVERSE_STRENGTHS) * (FOLDS if bank < FEW else 1) + 1
    return 4.0 * LBFGS_STEPS * fits * bank * FEATURES * CLASSES
