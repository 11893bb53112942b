"""What determines a pretraining run: one frozen, validated value, in plain dataclasses.

Each class checks itself when it is made and raises `SpecError`, which names the offending key. What is left out when
a grid is written is in `mmcr_core.defaults`, what makes two runs the same in `mmcr_core.identity`. Standard library
only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from mmcr_core.checks import STRICT as STRICT
from mmcr_core.checks import OwnOptions as OwnOptions
from mmcr_core.checks import SpecError as SpecError
from mmcr_core.checks import is_own as is_own
from mmcr_core.checks import near as near
from mmcr_core.checks import require as require
from mmcr_core.view_spec import ViewSpec as ViewSpec

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

NAMED_IMAGES = {  # (data set, split) -> training images
    ("digits", "train"): 1437,
    ("cifar10", "train"): 50_000,
    ("cifar100", "train"): 50_000,
    ("stl10", "train"): 5_000,
    ("stl10", "unlabeled"): 100_000,
    ("stl10", "train+unlabeled"): 105_000,
    ("glyphs", "train"): 4905,
}
ONE_CHANNEL = ("digits", "glyphs")
NAMED_CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100, "stl10": 10, "glyphs": 26}
NAMED_HELDOUT = {"digits": 360, "cifar10": 10_000, "cifar100": 10_000, "stl10": 8_000, "glyphs": 446}


@dataclass(frozen=True)
class ObjectiveSpec:
    """Which objective. Each objective's file has its own frozen subclass, which adds its options.

    `least_views`: the least K with which it makes sense (2 where it compares views); `follows_progress`: whether its
    loss depends on the share of the run that is done, so that a longer run begins otherwise than a shorter one;
    `needs_captions`: whether it compares images with their captions, and so needs image-text pairs.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    least_views: ClassVar[int] = 1
    follows_progress: ClassVar[bool] = False
    needs_captions: ClassVar[bool] = False
    name: str

    def require_run(self, points: int, steps: int) -> None:
        """Raises SpecError where an option means nothing in a run of `steps` steps of `points` images."""


@dataclass(frozen=True)
class OwnObjectiveSpec(ObjectiveSpec):
    """A user's own objective `my_module:MyObjective`, readable without that module.

    `options`: all of them, as its own class checked them; `least_views`: what it says of K; `source`: digest of the
    module's file, by which the run knows it.
    """

    options: dict[str, Any] | None = None
    source: str | None = None
    least_views: int = field(default=1, kw_only=True)  # type: ignore[misc]  # elsewhere a constant of the class

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", OwnOptions.checked(self.options, "options"))


DatasetName = Literal["digits", "cifar10", "cifar100", "stl10", "folder", "parquet", "glyphs", "shards"]
OWN_FILES = ("folder", "parquet", "shards")
PAIRS = ("glyphs", "shards")  # and parquet with pairs: true


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, or image-text pairs. `root` (named sets) and `path` (folder, parquet, shards) say where they lie.

    `size` is the side in pixels at which folder and parquet images are kept (None: the first images' median shorter
    side, 256 at most), and to which those of shards are cut (None: the views' size); `heldout` the fraction kept for
    evaluation; `digest` what a user's own files are known by, filled in when the grid is planned, which enters the
    run's identity in place of the path: the SHA-256 of their content, of shards that of their names, sizes and
    checksums. `limit` trains on so many images only, drawn once for all seeds: a smaller limit's are among those of a
    larger one. Held-out images and a probe's labels are not limited.

    Pairs: `glyphs`, `shards`, and `parquet` with `pairs: true`. `captions` of the K views are captions of the image
    (1), drawn anew each time where an image has more. Of shards, `sampling` is by `epochs`, each sample once in each,
    or with `replacement`; `processes` decode them, which changes no number; `samples` is how many there are, for a plan
    where they are not at hand.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: DatasetName
    split: str = "train"
    root: str = "./data"
    path: str | None = None
    download: bool = False
    size: int | None = None
    heldout: float = 0.1
    digest: str | None = None
    limit: int | None = None
    pairs: bool = False
    captions: int | None = None
    sampling: Literal["epochs", "replacement"] | None = None
    processes: int | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        require(self.limit is None or self.limit >= 2, "limit", "must be 2 or more images")
        self._require_pairs()
        if self.by_content:
            require(self.path is not None, "path", f"is missing; dataset '{self.name}' needs path: where it lies")
            require(self.split == "train", "split", f"does not apply to dataset '{self.name}'; leave it out")
            require(0 < self.heldout < 1, "heldout", "must lie between 0 and 1, such as 0.1")
            require(self.size is None or 1 <= self.size <= 1024, "size", "must lie in 1..1024 pixels")
        else:
            splits = [split for name, split in NAMED_IMAGES if name == self.name]
            require(
                self.split in splits,
                "split",
                f"'{self.split}' is not a split of dataset '{self.name}'; use one of {', '.join(splits)}",
            )
            for key, default in (("path", None), ("size", None), ("heldout", 0.1), ("digest", None)):
                require(
                    getattr(self, key) == default,
                    key,
                    f"applies to folder, parquet and shards, not to dataset '{self.name}'; leave it out",
                )

    def _require_pairs(self) -> None:
        require(
            not self.pairs or self.name == "parquet", "pairs", f"applies to parquet, not to '{self.name}'; leave it out"
        )
        if self.has_captions:
            object.__setattr__(self, "captions", 1 if self.captions is None else self.captions)
        unfit = f"applies to image-text pairs, and dataset '{self.name}' has images alone; leave it out"
        if self.name == "parquet":
            unfit = "applies to image-text pairs; give pairs: true too, or leave it out"
        require(self.has_captions or self.captions is None, "captions", unfit)
        require(self.captions is None or self.captions >= 1, "captions", "must be 1 or more of the K views")
        for key, default in (("sampling", "epochs"), ("processes", 2), ("samples", None)):
            if self.name == "shards" and getattr(self, key) is None:
                object.__setattr__(self, key, default)
            unfit = f"applies to shards, not to dataset '{self.name}'; leave it out"
            require(self.name == "shards" or getattr(self, key) is None, key, unfit)
        require(self.processes is None or 1 <= self.processes <= 256, "processes", "must lie in 1..256")
        require(self.samples is None or self.samples >= 2, "samples", "must be 2 or more")
        whole = "applies to data that is read as a whole, not to shards; name fewer of them in path"
        require(self.name != "shards" or self.limit is None, "limit", whole)

    def kept(self, available: int) -> int:
        """How many of `available` training images are trained on."""
        return available if self.limit is None else min(self.limit, available)

    @property
    def by_content(self) -> bool:
        """Whether the images are a user's own files, known only by their content."""
        return self.name in OWN_FILES

    @property
    def has_captions(self) -> bool:
        """Whether these are image-text pairs."""
        return self.pairs or self.name in PAIRS


RESNETS = ("resnet18", "resnet34", "resnet50")
TOWERS = "towers"
ENCODERS = (*RESNETS, "convnet", "timm", TOWERS)


@dataclass(frozen=True)
class EncoderSpec:
    """ResNets: `stem` is `imagenet` (7x7 stride 2, max-pool) or `small` (3x3 stride 1, no pool); `width` that of the
    first stage (None: 64, the standard), the others twice, four and eight times as wide, a bottleneck's end four times
    that. `timm`: `model` is one of timm's architectures, `options` go to it. A user's own, `my_module:factory`:
    factory(channels, size, **options) makes the module; `source` is the digest of the module's file, by which the run
    knows it, filled in when the grid is planned. `towers`, an image tower and a text tower, for pairs: `config` is
    `tiny` (ours, for small images and short captions), a configuration's name in open_clip or a file of one;
    `architecture` what it says, as JSON, by which the run knows it, filled in when the grid is planned."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str = "resnet18"
    stem: Literal["imagenet", "small"] | None = None
    width: int | None = None
    model: str | None = None
    options: dict[str, Any] | None = None
    source: str | None = None
    config: str | None = None
    architecture: str | None = None

    def __post_init__(self) -> None:
        resnet, own = self.name in RESNETS, is_own(self.name)
        listed = f"use one of {', '.join(ENCODERS)}, or your own as my_module:factory"
        require(own or self.name in ENCODERS, "name", f"is not an encoder; {listed}")
        if resnet and self.stem is None:
            object.__setattr__(self, "stem", "imagenet")
        for key, applies, whom in (
            ("stem", resnet, "resnet18, resnet34 and resnet50"),
            ("width", resnet, "resnet18, resnet34 and resnet50"),
            ("model", self.name == "timm", "timm"),
            ("options", self.name == "timm" or own, "timm and to your own encoders"),
            ("source", own, "your own encoders"),
            ("config", self.name == TOWERS, TOWERS),
            ("architecture", self.name == TOWERS, TOWERS),
        ):
            unfit = f"applies to {whom}, not to {self.name}; leave it out"
            require(applies or getattr(self, key) is None, key, unfit)
        if self.name == TOWERS and self.config is None:
            object.__setattr__(self, "config", "tiny")
        require(self.width is None or 1 <= self.width <= 4096, "width", "must lie in 1..4096 channels")
        if self.name == "timm":
            require(bool(self.model), "model", "is missing; name one of timm's architectures, vit_tiny_patch16_224 say")
            weights = "names pretrained weights after the '.'; runs begin untrained, so leave that part out"
            require("." not in str(self.model), "model", weights)
        if self.options is not None:
            options = OwnOptions.checked(self.options, "options")
            object.__setattr__(self, "options", options or None)  # none given is none given, however it is spelled


@dataclass(frozen=True)
class ProjectorSpec:
    """Widths of the hidden layers between the encoder's features and the D embedding dimensions. The last one bounds
    the rank of M (see `mmcr_core.images.encoders.rank_bound`), so it should be at least min(P, D). Towers have a
    projector each; where there is no hidden layer, their own last layer has D dimensions and there is none."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    hidden: tuple[int, ...] = (2048,)

    def __post_init__(self) -> None:
        require(all(width >= 1 for width in self.hidden), "hidden", "widths must be 1 or more")


@dataclass(frozen=True)
class BudgetSpec:
    """How long to train: exactly one of epochs, optimiser steps, or images shown (each counted once a step)."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epochs: float | None = None
    steps: int | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("epochs", "steps", "images") if getattr(self, name) is not None]
        found = " and ".join(given) + " are" if given else "none is"
        problem = f"give exactly one of epochs, steps, images; {found} given"
        require(len(given) == 1, given[1] if len(given) > 1 else "", problem)
        require(getattr(self, given[0]) > 0, given[0], "must be more than 0")

    def total_steps(self, points: int, images: int) -> int:
        """Optimiser steps of this budget for batches of `points` from a set of `images` (last batch dropped)."""
        if self.steps is not None:
            return self.steps
        if self.images is not None:
            return self.images // points
        assert self.epochs is not None
        return int(self.epochs * (images // points))


OPTIMIZER_OPTIONS: dict[str, dict[str, Any]] = {  # which apply to which optimiser, with what they are by default
    "adam": {"eps": None},
    "adamw": {"eps": 1e-8, "exclude_bias_and_norm": True},
    "sgd": {"momentum": 0.9, "nesterov": False, "exclude_bias_and_norm": False},
    "lars": {"momentum": 0.9, "nesterov": False, "trust_coefficient": 0.001, "exclude_bias_and_norm": True},
}


@dataclass(frozen=True)
class OptimizerSpec:
    """How the loss is minimised. Over `warmup` (an integer: steps; a number below 1: a fraction of all steps) the
    learning rate rises linearly from 0. With warm-up in steps and a constant rate a longer run begins as a shorter one
    did.

    What the other fields are where they are left out, `OPTIMIZER_OPTIONS` says; None where they don't apply.
    `momentum`, `nesterov`: of sgd and lars; `trust_coefficient`: of lars (You et al. 2017, arXiv 1708.03888: 0.001);
    `eps`: of adam (None: 1e-8) and adamw; `exclude_bias_and_norm`: no weight decay for parameters of one dimension, and
    no adaptation by lars, which always leaves them out.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["adam", "adamw", "sgd", "lars"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int | float = 0.02
    momentum: float | None = None
    nesterov: bool | None = None
    trust_coefficient: float | None = None
    eps: float | None = None
    exclude_bias_and_norm: bool | None = None

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "learning_rate", "must be more than 0")
        require(self.weight_decay >= 0, "weight_decay", "must be 0 or more")
        if isinstance(self.warmup, int):
            require(self.warmup >= 0, "warmup", "must be 0 or more steps")
        else:
            require(0 <= self.warmup < 1, "warmup", "must be a fraction of all steps in [0, 1), or whole steps")
        self._fill_in()
        require(self.momentum is None or 0 <= self.momentum < 1, "momentum", "must lie in [0, 1)")
        require(not self.nesterov or bool(self.momentum), "nesterov", "needs momentum of more than 0")
        require(
            self.trust_coefficient is None or self.trust_coefficient > 0, "trust_coefficient", "must be more than 0"
        )
        require(self.eps is None or self.eps > 0, "eps", "must be more than 0")
        always = "applies to adamw and sgd; lars leaves biases and norms out always: leave this out, or say true"
        require(self.name != "lars" or self.exclude_bias_and_norm is True, "exclude_bias_and_norm", always)

    def _fill_in(self) -> None:
        for key in sorted({key for options in OPTIMIZER_OPTIONS.values() for key in options}):
            if (mine := OPTIMIZER_OPTIONS[self.name]).keys() >= {key}:
                value = mine[key] if getattr(self, key) is None else getattr(self, key)
                object.__setattr__(self, key, value)
            else:
                whom = " and ".join(name for name, options in OPTIMIZER_OPTIONS.items() if key in options)
                require(getattr(self, key) is None, key, f"applies to {whom}, not to {self.name}; leave it out")

    def warmup_steps(self, steps: int) -> int:
        """Warm-up of a run of `steps` optimiser steps."""
        return self.warmup if isinstance(self.warmup, int) else round(self.warmup * steps)


@dataclass(frozen=True)
class ZeroShotSpec:
    """Held-out images of a labelled data set, sorted into classes by what texts say of these.

    `classes`: `imagenet` or a file with a name a line, in the order of the labels (None: the data set's own words, of
    glyphs); `templates`: `imagenet` or a file with a text a line, `{}` where the name goes (None: the name alone).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    dataset: DatasetSpec
    classes: str | None = None
    templates: str | None = None

    def __post_init__(self) -> None:
        own = self.dataset.name == "glyphs"
        needed = f"is missing; name a file with the classes of dataset '{self.dataset.name}', a name a line"
        require(own or self.classes is not None, "classes", needed)
        require(self.dataset.name != "shards", "dataset", "must be labelled images; shards have no labels")


@dataclass(frozen=True)
class EvaluateSpec:
    """What is measured, at the fractions `at` of a run (0: of the untrained network, 1: at the end).

    Mean percent error over `heldout_batches`; accuracy of the `probe` on frozen features; and what `measures` names
    (docs/measures.md), where `knn` and `linear` mean that probe's accuracy with what it has gained over the untrained
    network. `labels_per_class`: each probe also with so many labels of a class, drawn by the run's seed. `zero_shot`:
    what the measure of that name looks at (None: the run's own pairs, where they have classes).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    heldout_batches: int = 20
    probe: Literal["none", "knn", "linear"] = "knn"
    measures: tuple[MeasureName, ...] = ()
    at: tuple[float, ...] = (1.0,)
    labels_per_class: int | None = None
    zero_shot: ZeroShotSpec | None = None

    def __post_init__(self) -> None:
        require(self.heldout_batches >= 0, "heldout_batches", "must be 0 or more")
        require(len(set(self.measures)) == len(self.measures), "measures", "names a measure twice; keep one")
        require(len(self.at) > 0, "at", "must name a fraction of the run, such as 1 for its end")
        require(all(0 <= part <= 1 for part in self.at), "at", "must be fractions of the run in [0, 1], 1 for its end")
        require(self.labels_per_class is None or self.labels_per_class >= 1, "labels_per_class", "must be 1 or more")
        require(
            self.labels_per_class is None or bool(self.probes),
            "labels_per_class",
            "needs a probe: give probe: knn or linear, or name one in measures",
        )
        asked = "zero_shot" in self.measures
        require(
            asked or self.zero_shot is None, "zero_shot", "is looked at by the measure zero_shot; name it in measures"
        )

    @property
    def probes(self) -> list[str]:
        """The probes that are asked for, `probe` first."""
        named = [name for name in (self.probe, *self.measures) if name in ("knn", "linear")]
        return list(dict.fromkeys(named))

    def steps(self, total: int) -> list[int]:
        """Numbers of optimiser steps, of `total`, after which is measured."""
        return sorted({round(part * total) for part in self.at})


@dataclass(frozen=True)
class RunSpec:
    """One pretraining run: P images (points) a batch, D embedding dimensions (dims), K views an image."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    objective: ObjectiveSpec
    dataset: DatasetSpec
    encoder: EncoderSpec
    projector: ProjectorSpec
    P: int
    D: int
    K: int
    seed: int
    budget: BudgetSpec
    optimizer: OptimizerSpec
    views: ViewSpec
    precision: Literal["fp32", "bf16"]
    evaluate: EvaluateSpec

    def __post_init__(self) -> None:
        require(self.P >= 2, "P", "must be 2 or more (batch norm needs two images)")
        require(self.D >= 1, "D", "must be 1 or more")
        require(self.K >= 1, "K", "must be 1 or more")
        if self.dataset.name in NAMED_HELDOUT:
            channels = 1 if self.dataset.name in ONE_CHANNEL else 3
            require(
                len(self.views.mean) == channels,
                "views",
                f"has mean and std for {len(self.views.mean)} channels; dataset '{self.dataset.name}' has {channels}",
            )
        least = self.objective.least_views
        require(least <= self.K, "K", f"must be {least} or more: '{self.objective.name}' compares views of an image")
        self._require_pairs()
        require(0 <= self.seed < 2**31, "seed", "must lie in 0..2147483647")

    def _require_pairs(self) -> None:
        """Towers, captions and what compares them go together."""
        name, towers, captions = self.dataset.name, self.encoder.name == TOWERS, self.dataset.captions or 0
        needs = "needs image-text pairs: glyphs, shards, or parquet with pairs: true"
        alone = f"{needs}; dataset '{name}' has images alone"
        require(captions > 0 or not towers, "encoder", f"towers {alone}")
        require(towers or not captions, "encoder", f"must be towers for image-text pairs such as dataset '{name}'")
        wanted = self.objective.needs_captions
        require(captions > 0 or not wanted, "objective", f"'{self.objective.name}' {alone}")
        for measure in OF_PAIRS:
            require(captions > 0 or measure not in self.evaluate.measures, "evaluate.measures", f"{measure} {needs}")
        views = f"must be more than dataset.captions = {captions}: the others are views of the image"
        require(captions < self.K, "K", views)
        looked_at = self.evaluate.zero_shot.dataset if self.evaluate.zero_shot else self.dataset
        if "zero_shot" in self.evaluate.measures:
            classes = "is missing; the measure zero_shot needs {dataset: ..., classes: FILE} to look at"
            require(self.evaluate.zero_shot is not None or name == "glyphs", "evaluate.zero_shot", classes)
            grey = looked_at.name in ONE_CHANNEL
            unlike = (
                f"dataset '{looked_at.name}' has {1 if grey else 3} channels, the run's views {len(self.views.mean)}"
            )
            require(grey == (len(self.views.mean) == 1), "evaluate.zero_shot", unlike)

    @property
    def image_views(self) -> int:
        """How many of the K views are views of the image; the others are its captions."""
        return self.K - (self.dataset.captions or 0)
