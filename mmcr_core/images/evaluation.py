"""What is measured of a trained network on images: held-out percent error, and a probe of its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from mmcr_core.images.datasets import Images
from mmcr_core.images.encoders import ImageNetwork
from mmcr_core.images.probes import extract_features, knn_accuracy, linear_accuracy
from mmcr_core.images.source import heldout_views
from mmcr_core.objectives.base import centroids, measure, normalised
from mmcr_core.spec import EvaluateSpec, RunSpec

LEVEL = 0.95  # of intervals


@dataclass(frozen=True)
class Measure:
    """One number that was measured: `subject` says of what, `low` and `high` are its 95 % interval, `count` how many
    batches or images stand behind it. `value` is None where there is nothing to measure it on."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0
    subject: str = ""


def asked_for(evaluate: EvaluateSpec) -> dict[str, int]:
    """Names of the measures that a spec asks for, with the count that it fixes (0: whatever there is)."""
    names = {"heldout_percent_error": evaluate.heldout_batches} if evaluate.heldout_batches else {}
    return names | ({f"{evaluate.probe}_accuracy": 0} if evaluate.probe != "none" else {})


@torch.no_grad()
def evaluate(network: ImageNetwork, spec: RunSpec, images: Images) -> list[Measure]:
    """What `spec.evaluate` asks for, with the network frozen and in the mode in which it was on return.

    The held-out percent error is the mean over batches of P images with K random views, its interval Student's t over
    batches; it is absent where the held-out set has fewer than P images. A probe's accuracy has Wilson's interval; it
    is absent without labels.
    """
    training = network.training
    network.eval()
    measures = [_heldout(network, spec, images)] if spec.evaluate.heldout_batches else []
    if spec.evaluate.probe != "none":
        measures.append(_probe(network, spec, images))
    network.train(training)
    return measures


def embed(network: ImageNetwork, batch: Tensor, precision: str) -> Tensor:
    """(P * K, C, S, S) views -> (P, K, D) float32 embeddings, the network in a run's precision."""
    kind = batch.device.type
    with torch.autocast("cpu" if kind == "meta" else kind, torch.bfloat16, enabled=precision == "bf16"):
        z: Tensor = network(batch)
    return z.float()


def deviation(measured: Measure) -> float | None:
    """Standard deviation between the batches behind a held-out mean; None for a single one."""
    if measured.low is None or measured.high is None:
        return None
    half = (measured.high - measured.low) / 2
    return float(half * np.sqrt(measured.count) / stats.t.ppf((1 + LEVEL) / 2, measured.count - 1))


def _heldout(network: ImageNetwork, spec: RunSpec, images: Images) -> Measure:
    name, count = "heldout_percent_error", spec.evaluate.heldout_batches
    if len(images.heldout) < spec.P:
        return Measure(name, None, count=count)
    embeddings = (embed(network, heldout_views(spec, images, batch), spec.precision) for batch in range(count))
    errors = torch.stack([measure(centroids(normalised(z)))["percent_error"] for z in embeddings])
    values: NDArray[np.float64] = errors.double().cpu().numpy()
    mean = float(values.mean())
    if count < 2:
        return Measure(name, mean, count=count)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return Measure(name, mean, mean - half, mean + half, count)


def _probe(network: ImageNetwork, spec: RunSpec, images: Images) -> Measure:
    name = f"{spec.evaluate.probe}_accuracy"
    bank, asked = images.train_labels >= 0, images.heldout_labels >= 0
    if not bool(bank.any()) or not bool(asked.any()):
        return Measure(name, None)
    features = extract_features(network.encoder, images.train[bank], spec.views)
    queries = extract_features(network.encoder, images.heldout[asked], spec.views)
    accuracy = knn_accuracy if spec.evaluate.probe == "knn" else linear_accuracy
    value = accuracy(features, images.train_labels[bank], queries, images.heldout_labels[asked])
    interval = stats.binomtest(round(value * len(queries)), len(queries)).proportion_ci(LEVEL, "wilson")
    return Measure(name, value, float(interval.low), float(interval.high), len(queries))
