"""Zero-shot classification: an image belongs to the class whose texts lie nearest to it (Radford et al. 2021, arXiv
2103.00020, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmcr_core.augmentation.augmentations import plain_view
from mmcr_core.config.run import NAMED_CLASSES, DatasetSpec, EvaluateSpec, RunSpec, ZeroShotSpec
from mmcr_core.config.run_id import digest
from mmcr_core.config.validation import SpecError
from mmcr_core.data.registry import class_count, class_names, dataset, require_present
from mmcr_core.evaluation.confidence_intervals import Measure, share_of
from mmcr_core.models.dual_encoder import open_clip, tokens_of

NAMED = 5  # labels that a message lists
NAMES = ("zero_shot_top1", "zero_shot_top5")


def zero_shot(images: Tensor, labels: Tensor, classes: Tensor, subject: str) -> list[Measure]:
    """Top-1 and top-5 accuracy with Wilson's intervals; of classes that are equally near the first is taken.

    Args: images: (N, D) unit embeddings; labels: (N,) places among the classes; classes: (C, D) unit embeddings.
    """
    cosines = images @ classes.T
    own = cosines.gather(1, labels[:, None])
    before = torch.arange(len(classes), device=labels.device) < labels[:, None]
    rank = ((cosines > own) | ((cosines == own) & before)).sum(dim=1).cpu().numpy()
    return [share_of(name, rank < k, subject) for name, k in zip(NAMES, (1, 5), strict=True)]


def class_embeddings(
    classes: Sequence[str], templates: Sequence[str], embed: Callable[[Sequence[str]], Tensor]
) -> Tensor:
    """(C, D) unit embeddings: of each class the mean over `templates`, normalized, of what `embed` makes of its texts
    (n texts -> (n, D) unit embeddings)."""
    means = [embed([template.replace("{}", name) for template in templates]).mean(dim=0) for name in classes]
    return torch.nn.functional.normalize(torch.stack(means), dim=1)


def texts(spec: ZeroShotSpec | None, own_classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of classes, and templates. Raises: SpecError where a file of either cannot be read or is of no use."""
    classes, templates = list(own_classes), ["{}"]
    if spec and spec.classes:
        classes = (
            list(open_clip().IMAGENET_CLASSNAMES) if spec.classes == "imagenet" else _lines("classes", spec.classes)
        )
    if spec and spec.templates == "imagenet":
        templates = [template("{}") for template in open_clip().OPENAI_IMAGENET_TEMPLATES]
    elif spec and spec.templates:
        templates = _lines("templates", spec.templates)
        if lacking := [line for line in templates if "{}" not in line]:
            problem = f"file {spec.templates} has a line without {{}}, where the name goes: {lacking[0]}"
            raise SpecError("evaluate.zero_shot.templates", problem)
    if spec and spec.classes not in (None, "imagenet") and len(set(classes)) < len(classes):
        twice = next(name for place, name in enumerate(classes) if name in classes[:place])
        problem = f"names '{twice}' twice, so that neither could ever be found; tell them apart"
        raise SpecError("evaluate.zero_shot.classes", problem)
    if len(classes) < 2:
        raise SpecError("evaluate.zero_shot.classes", f"names {len(classes)} classes; at least 2 are needed")
    return classes, templates


def texts_digest(spec: ZeroShotSpec) -> str:
    """Digest of the classes and templates that a spec names; a data set's own words follow from its content. Raises
    SpecError as `texts`."""
    classes, templates = texts(spec, ("", " "))
    return digest([classes if spec.classes else None, templates])


def require_texts(evaluate: EvaluateSpec, own: DatasetSpec) -> None:
    """Raises SpecError where the files that a spec names are of no use, or the images have other labels or none;
    DatasetError where there are none. `own`: the run's data set, which is looked at where no other is named."""
    given = evaluate.zero_shot
    if given is None:
        if "zero_shot" in evaluate.measures and own.name == "parquet" and len(class_names(own)) < 2:
            problem = f"is missing; {own.path} names no classes of its pairs: give {{dataset: ..., classes: FILE}}"
            raise SpecError("evaluate.zero_shot", problem)
        return
    classes, _ = texts(given, ("one", "other"))
    labels = NAMED_CLASSES.get(given.dataset.name, class_count(given.dataset))
    if labels == 0:
        problem = f"{given.dataset.path} has no labels; give images in class folders, or a parquet file with labels"
        raise SpecError("evaluate.zero_shot.dataset", problem)
    if given.classes is None and given.dataset.name == "parquet" and not class_names(given.dataset):
        problem = f"is missing; {given.dataset.path} has numbers as labels and no names for them: name a file"
        raise SpecError("evaluate.zero_shot.classes", f"{problem} with a name per line")
    if given.classes and labels is not None and len(classes) != labels:
        problem = f"names {len(classes)} classes, and dataset '{given.dataset.name}' has {labels} labels"
        raise SpecError("evaluate.zero_shot.classes", f"{problem}; name one class for each, in their order")
    if given.classes not in (None, "imagenet"):
        _require_order(classes, class_names(given.dataset), given.dataset.name)


def _require_order(classes: list[str], labels: tuple[str, ...], dataset: str) -> None:
    """Raises SpecError where names of classes are those of other labels, as far as the labels have names."""
    names = [label.casefold() for label in labels]
    for place, name in enumerate(classes[: len(names)]):
        if name.casefold() in names and name.casefold() != names[place]:
            order = ", ".join(labels[:NAMED]) + (", ..." if len(labels) > NAMED else "")
            raise SpecError(
                "evaluate.zero_shot.classes",
                f"names '{name}' for label {place}, which dataset '{dataset}' calls '{labels[place]}'; name them in "
                f"the order of its labels: {order}",
            )


def require_usable(spec: RunSpec) -> None:
    """Make a view of the first of a user's own images that are looked at, and tokens of what a class is said to be.
    Raises: DatasetError with what was seen, SpecError as `texts`."""
    given = spec.evaluate.zero_shot
    if given is None:
        return
    require_present(given.dataset)
    if (found := dataset(given.dataset).sample(spec.views.size)) is not None:
        plain_view(found[0], spec.views)
    classes, templates = texts(given, ("one", "other"))
    tokens_of(spec)([template.replace("{}", classes[0]) for template in templates])


def _lines(key: str, path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text: save it as UTF-8"
        problem = f"file {path} cannot be read ({reason}); write one line for each"
        raise SpecError(f"evaluate.zero_shot.{key}", problem) from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise SpecError(f"evaluate.zero_shot.{key}", f"file {path} has no line; write one for each")
    return found
