"""What is measured of a dual encoder on held-out pairs: what is measured on images, and what needs texts.

Where two random views of an image are compared in `mmcr_core.evaluation.embedding_metrics`, here a view is compared
with a caption. Zero-shot classes, retrieval and the modality gap look at whole images, with nothing random.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmcr_core.augmentation.augmentations import plain_view
from mmcr_core.config.run import DatasetSpec, EvaluateSpec, RunSpec
from mmcr_core.data.image_loader import random_views
from mmcr_core.data.image_set import ContentChanged, DatasetError, Images
from mmcr_core.data.image_text.captions import texts_of, token_table
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.evaluation import retrieval, zero_shot
from mmcr_core.evaluation.confidence_intervals import Measure, mean_of
from mmcr_core.evaluation.embedding_metrics import Sample, embedding_measures, sampled
from mmcr_core.evaluation.probe_metrics import Name, accuracies
from mmcr_core.models.dual_encoder import PairNetwork, build_pair_network, tokens_of
from mmcr_core.models.mixed_precision import embed
from mmcr_core.objectives.base import centroids, measure, normalized
from mmcr_core.rng import generator

BLOCK = 256  # images or texts that are embedded at a time


def requested_measures(dataset: DatasetSpec, evaluate: EvaluateSpec) -> dict[Name, int]:
    """Names and subjects of the measures of pairs that runs on a data set ask for, as those of images."""
    names: list[Name] = []
    for asked in evaluate.measures:
        if asked == "zero_shot":
            shown = evaluate.zero_shot.dataset if evaluate.zero_shot else dataset
            names += [(name, shown.name) for name in zero_shot.NAMES]
        elif asked == "retrieval":
            names += [(f"{way}_recall_{k}", "") for way in retrieval.DIRECTIONS for k in retrieval.NEAREST]
        elif asked == "modality_gap":
            names.append(("modality_gap", ""))
    return dict.fromkeys(names, 0)


@torch.no_grad()
def evaluate(
    network: PairNetwork, spec: RunSpec, pairs: Pairs, shown: Images, *, trained: bool = True
) -> list[Measure]:
    """What `spec.evaluate` asks for, with the network frozen and in the mode in which it was on return; `shown`: what
    zero-shot classification looks at, often the pairs themselves."""
    training = network.training
    network.eval()
    measures = [_heldout(network, spec, pairs)] if spec.evaluate.heldout_batches else []
    if spec.evaluate.probes:
        measures += accuracies(
            network, spec, pairs, trained, lambda: build_pair_network(spec).to(pairs.heldout.device).eval()
        )
    measures += embedding_measures(network, spec, pairs, lambda: _sample(network, spec, pairs))
    measures += _of_pairs(network, spec, pairs, shown)
    network.train(training)
    return measures


def _heldout(network: PairNetwork, spec: RunSpec, pairs: Pairs) -> Measure:
    name, count = "heldout_percent_error", spec.evaluate.heldout_batches
    if len(pairs.heldout) < spec.P:
        return Measure(name, None, count=count)
    table, device, errors = token_table(pairs.heldout_captions, tokens_of(spec)), pairs.heldout.device, []
    for batch in range(count):
        rng = generator(spec.seed, "heldout", batch)
        chosen = rng.permutation(len(pairs.heldout))[: spec.P]
        tokens = torch.from_numpy(table.drawn(chosen, spec.dataset.captions or 1, rng)).flatten(0, 1).to(device)
        shown = pairs.heldout[torch.from_numpy(chosen).to(device)]
        views = random_views(shown, spec.views, spec.image_views, rng)
        z = embed(network, (views, tokens), spec.precision)
        errors.append(float(measure(centroids(normalized(z)))["percent_error"]))
    return mean_of(name, errors)


def _sample(network: PairNetwork, spec: RunSpec, pairs: Pairs) -> Sample:
    """Held-out pairs: of each a random view and its first caption."""
    chosen = sampled(spec, len(pairs.heldout))
    texts = texts_of([pairs.heldout_captions[i] for i in chosen.tolist()], 1)
    chosen = chosen.to(pairs.heldout.device)
    images, features = [], []
    for block, part in enumerate(chosen.split(BLOCK)):
        views = random_views(pairs.heldout[part], spec.views, 1, generator(spec.seed, "measures", block))
        with torch.autocast(views.device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
            found = network.encoder(views)
            images.append(_unit(network.projector(found)))
        features.append(found.float())
    z = torch.stack([torch.cat(images), embed_texts(network, spec, texts)], dim=1)
    return Sample(z, torch.cat(features), pairs.heldout_labels[chosen])


def _of_pairs(network: PairNetwork, spec: RunSpec, pairs: Pairs, shown: Images) -> list[Measure]:
    """Absent where the network is about to diverge."""
    asked = [name for name in spec.evaluate.measures if name in ("zero_shot", "retrieval", "modality_gap")]
    names = requested_measures(spec.dataset, spec.evaluate)
    nothing = [Measure(name, None, subject=subject) for name, subject in names]
    found: list[Measure] = []
    if {"retrieval", "modality_gap"} & set(asked):
        kept = sampled(spec, len(pairs.heldout)).tolist()
        captions = [pairs.heldout_captions[i] for i in kept]
        images = embed_images(network, spec, pairs.heldout[torch.tensor(kept, device=pairs.heldout.device)])
        owner = torch.tensor([place for place, texts in enumerate(captions) for _ in texts], device=images.device)
        texts = embed_texts(network, spec, [text for texts in captions for text in texts])
        if not bool(images.isfinite().all() & texts.isfinite().all()):
            return nothing
        if "retrieval" in asked:
            found += retrieval.recalls(images, texts, owner)
        if "modality_gap" in asked:
            found.append(retrieval.modality_gap(images[owner], texts))
    if "zero_shot" in asked:
        found += _zero_shot(network, spec, shown, next(subject for name, subject in names if name in zero_shot.NAMES))
    by_name = {(each.name, each.subject): each for each in found}
    return [by_name.get((each.name, each.subject), each) for each in nothing]


def _zero_shot(network: PairNetwork, spec: RunSpec, shown: Images, subject: str) -> list[Measure]:
    given = spec.evaluate.zero_shot
    classes, templates = zero_shot.texts(given, shown.classes)
    if given and given.digest not in (None, found := zero_shot.texts_digest(given)):
        raise ContentChanged(
            f"evaluate.zero_shot: what {given.classes} and {given.templates} say", found, given.digest or ""
        )
    labeled = shown.heldout_labels >= 0
    labels = shown.heldout_labels[labeled]
    if not len(labels):
        return []
    if int(labels.max()) >= len(classes):
        raise DatasetError(
            f"evaluate.zero_shot.classes names {len(classes)} classes, and dataset '{subject}' has the label "
            f"{int(labels.max())}; name one class for each label, in their order"
        )
    images = embed_images(network, spec, shown.heldout[labeled])
    of_classes = zero_shot.class_embeddings(classes, templates, lambda texts: embed_texts(network, spec, texts))
    if not bool(images.isfinite().all() & of_classes.isfinite().all()):
        return []
    return zero_shot.zero_shot(images, labels, of_classes, subject)


def embed_images(network: PairNetwork, spec: RunSpec, images: Tensor) -> Tensor:
    """(N, H, C, W) uint8 -> (N, D) unit embeddings of whole images, in float32."""
    found = []
    for part in images.split(BLOCK):
        with torch.autocast(part.device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
            found.append(_unit(network.of_images(plain_view(part, spec.views))))
    return torch.cat(found)


def embed_texts(network: PairNetwork, spec: RunSpec, texts: Sequence[str]) -> Tensor:
    """n texts -> (n, D) unit embeddings, in float32, on the network's device."""
    device = next(network.parameters()).device
    found = []
    for part in torch.from_numpy(tokens_of(spec)(texts)).split(BLOCK):
        with torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
            found.append(_unit(network.of_texts(part.to(device))))
    return torch.cat(found)


def _unit(z: Tensor) -> Tensor:
    return torch.nn.functional.normalize(z.float(), dim=1)
