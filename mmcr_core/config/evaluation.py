"""What is measured of a run, as one frozen value; it is no part of the run's identity."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

from mmcr_core.config.dataset import DatasetSpec
from mmcr_core.config.validation import FILLED_IN, STRICT, absolute, require

MeasureName = Literal[
    "knn",
    "linear",
    "mutual_information",
    "effective_rank",
    "alignment",
    "capacity",
    "zero_shot",
    "retrieval",
    "modality_gap",
]
MEASURES: tuple[MeasureName, ...] = get_args(MeasureName)
OF_PAIRS: tuple[MeasureName, ...] = ("zero_shot", "retrieval", "modality_gap")
OF_IMAGES = tuple(name for name in MEASURES if name not in OF_PAIRS)


@dataclass(frozen=True)
class ZeroShotSpec:
    """Held-out images of a labeled data set, sorted into classes by what texts say of these."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    dataset: DatasetSpec
    """Labeled images, with the keys of `dataset`; not shards. The held-out ones are looked at: of your own files
    `heldout: 1` takes all."""
    classes: str | None = None
    """`imagenet`, or a file with one class name per line, in the order of the labels (null: the names in glyphs or in
    parquet files that have them)."""
    templates: str | None = None
    """`imagenet`, or a file with one text per line and `{}` for the class name (null: the name alone)."""
    digest: str | None = field(default=None, metadata=FILLED_IN)
    """Of the names of classes and the templates, as the launch read them."""

    def __post_init__(self) -> None:
        own = self.dataset.name in ("glyphs", "parquet")  # of parquet files the launch sees whether they name theirs
        needed = f"is missing; name a file with the classes of dataset '{self.dataset.name}', a name per line"
        require(own or self.classes is not None, "classes", needed)
        require(self.dataset.name != "shards", "dataset", "must be labeled images; shards have no labels")

    def at_absolute_paths(self) -> ZeroShotSpec:
        """The same, its paths absolute."""
        files = (self.classes, self.templates)
        classes, templates = (absolute(file) if file and file != "imagenet" else file for file in files)
        return replace(self, dataset=self.dataset.at_absolute_paths(), classes=classes, templates=templates)


@dataclass(frozen=True)
class EvaluateSpec:
    """What is measured of a run, and when. It takes no part in training."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    heldout_batches: int = 20
    """Batches of P held-out images over which the held-out percent error is averaged (0: not measured)."""
    probe: Literal["none", "knn", "linear"] = "knn"
    """Probe of frozen features whose accuracy is the column `probe_accuracy` of `runs`."""
    measures: tuple[MeasureName, ...] = ()
    """Further measures (docs/measures.md); `knn` and `linear` here also give the gain over the untrained network."""
    at: tuple[float, ...] = (1.0,)
    """Fractions of the run at which all of this is measured: 0 is the untrained network, 1 the end."""
    labels_per_class: int | None = None
    """Each probe also with this number of labels per class, drawn by the run's seed (null: all labels only)."""
    probe_images: int | None = None
    """Labeled training images for probes (null: all, or 5,000 in a grid that has a `dataset.limit` and neither this key
    nor `labels_per_class`). Smaller sets are subsets of larger ones."""
    zero_shot: ZeroShotSpec | None = None
    """Images of the measure `zero_shot` (null: the run's own pairs, if they have classes)."""

    def __post_init__(self) -> None:
        require(self.heldout_batches >= 0, "heldout_batches", "must be 0 or more")
        require(len(set(self.measures)) == len(self.measures), "measures", "names a measure twice; keep one")
        require(len(self.at) > 0, "at", "must name a fraction of the run, such as 1 for its end")
        require(len(set(self.at)) == len(self.at), "at", "names a fraction twice; keep one")
        require(all(0 <= part <= 1 for part in self.at), "at", "must be fractions of the run in [0, 1], 1 for its end")
        require(self.labels_per_class is None or self.labels_per_class >= 1, "labels_per_class", "must be 1 or more")
        require(
            self.labels_per_class is None or bool(self.probes),
            "labels_per_class",
            "needs a probe: give probe: knn or linear, or name one in measures",
        )
        require(self.probe_images is None or self.probe_images >= 2, "probe_images", "must be 2 or more")
        require(
            self.probe_images is None or bool(self.probes), "probe_images", "needs a probe, as labels_per_class does"
        )
        asked = "zero_shot" in self.measures
        require(
            asked or self.zero_shot is None, "zero_shot", "is looked at by the measure zero_shot; name it in measures"
        )

    def at_absolute_paths(self) -> EvaluateSpec:
        """The same, its paths absolute."""
        return replace(self, zero_shot=self.zero_shot and self.zero_shot.at_absolute_paths())

    @property
    def probes(self) -> list[str]:
        """The probes that are asked for, `probe` first."""
        named = [name for name in (self.probe, *self.measures) if name in ("knn", "linear")]
        return list(dict.fromkeys(named))

    def steps(self, total: int) -> list[int]:
        """Numbers of optimizer steps, of `total`, after which is measured."""
        return sorted({round(part * total) for part in self.at})
