"""Accuracy of probes on frozen features, with all labels and with few, and what training has gained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcr_core.config.run import EvaluateSpec, RunSpec
from mmcr_core.data.image_set import Images
from mmcr_core.data.sampler import kept_images
from mmcr_core.evaluation.confidence_intervals import Measure, gain_of, share_of
from mmcr_core.evaluation.knn_probe import NEIGHBORS, extract_features, few_labels, knn_predictions
from mmcr_core.evaluation.linear_probe import linear_predictions
from mmcr_core.models.encoders import Embedding, ImageNetwork, build_network

Name = tuple[str, str]  # of a measure, and its subject


def accuracy_names(evaluate: EvaluateSpec, trained: bool) -> list[Name]:
    """Names and subjects of the accuracies that a spec asks for, and of the gains of a network that is `trained`."""
    names = []
    for probe in evaluate.probes:
        for per_class in _amounts(evaluate):
            names.append((f"{probe}_accuracy", _subject(per_class)))
            if trained and probe in evaluate.measures:
                names.append((f"{probe}_gain", _subject(per_class)))
    return names


@torch.no_grad()
def accuracies(
    network: Embedding, spec: RunSpec, images: Images, trained: bool, build: Callable[[], Embedding] | None = None
) -> list[Measure]:
    """What `accuracy_names` names, of a network in eval mode; absent without labels, or where it is about to diverge.

    With few labels a nearest-neighbor vote is among as many neighbors as a class has labels, 20 at most. A gain is
    over the untrained network, which the run's seed makes again (or `build`, in eval mode, where it is not one of
    images only), on the same held-out images and from the same labels.
    """
    bank = probe_bank(images.train_labels, spec.evaluate.probe_images)
    asked = images.heldout_labels >= 0
    nothing = [Measure(name, None, subject=subject) for name, subject in accuracy_names(spec.evaluate, trained)]
    if not len(bank) or not bool(asked.any()):
        return nothing
    shown = images.train[bank], images.train_labels[bank], images.heldout[asked], images.heldout_labels[asked]
    now = _Probed(network, spec, *shown)
    if not now.finite:
        return nothing
    gains = trained and any(probe in spec.evaluate.measures for probe in spec.evaluate.probes)
    before = None
    if gains:
        before = _Probed(build() if build else untrained_network(spec, images.heldout.device), spec, *shown)
    measures = []
    for probe in spec.evaluate.probes:
        for per_class in _amounts(spec.evaluate):
            hits, subject = now.hits(probe, per_class), _subject(per_class)
            measures.append(share_of(f"{probe}_accuracy", hits, subject))
            if before and probe in spec.evaluate.measures:
                measures.append(gain_of(f"{probe}_gain", hits, before.hits(probe, per_class), subject))
    return measures


def probe_bank(labels: Tensor, limit: int | None) -> Tensor:
    """Indices (n,) of the labeled images among `labels` (N,), no more than `limit`: those that `dataset.limit` would
    keep of them."""
    labeled = (labels >= 0).nonzero()[:, 0]
    return labeled[torch.from_numpy(kept_images(len(labeled), limit)).to(labels.device)]


def untrained_network(spec: RunSpec, device: torch.device) -> ImageNetwork:
    """The network that a run of `spec` on images began with, in eval mode."""
    network: ImageNetwork = build_network(spec).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval()


class _Probed:
    """Features of the labeled images of a data set, and which held-out ones a probe gets right."""

    def __init__(
        self, network: Embedding, spec: RunSpec, bank: Tensor, labels: Tensor, queries: Tensor, truth: Tensor
    ) -> None:
        self._bank, self._labels = extract_features(network.encoder, bank, spec.views), labels
        self._queries, self._truth = extract_features(network.encoder, queries, spec.views), truth
        self._seed = spec.seed
        self.finite = bool(self._bank.isfinite().all() & self._queries.isfinite().all())

    def hits(self, probe: str, per_class: int | None) -> NDArray[np.bool_]:
        """(M,) of the held-out images; `per_class`: labels of a class, None for all."""
        bank, labels, neighbors = self._bank, self._labels, NEIGHBORS
        if per_class is not None:
            kept = few_labels(labels, per_class, self._seed)
            bank, labels, neighbors = bank[kept], labels[kept], min(neighbors, per_class)
        if probe == "knn":
            found = knn_predictions(bank, labels, self._queries, neighbors)
        else:
            found = linear_predictions(bank, labels, self._queries)
        hits: NDArray[np.bool_] = (found == self._truth).cpu().numpy()
        return hits


def _amounts(evaluate: EvaluateSpec) -> list[int | None]:
    few = evaluate.labels_per_class
    return [None] if few is None else [None, few]


def _subject(per_class: int | None) -> str:
    return "" if per_class is None else f"{per_class} label{'s' if per_class > 1 else ''} a class"
