"""What determines a pretraining run: one frozen, validated value, in plain dataclasses.

Each class checks itself when it is made and raises `SpecError`, which names the offending key. Everything a
result depends on is here and nothing else, so a run's identity is the hash of `identity(spec)`.
Standard library only: orchestration and analysis code may import it at no cost.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

STRICT: dict[str, Any] = {
    "extra": "forbid",
    "strict": True,
    "allow_inf_nan": False,
}  # how pydantic reads these classes from a file

NAMED_IMAGES = {  # (data set, split) -> training images
    ("digits", "train"): 1437,
    ("cifar10", "train"): 50_000,
    ("cifar100", "train"): 50_000,
    ("stl10", "train"): 5_000,
    ("stl10", "unlabeled"): 100_000,
    ("stl10", "train+unlabeled"): 105_000,
}
NAMED_HELDOUT = {"digits": 360, "cifar10": 10_000, "cifar100": 10_000, "stl10": 8_000}


class SpecError(ValueError):
    """A value that cannot be run. `key` is its path inside the spec, such as `views.crop_scale`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def _require(condition: bool, key: str, problem: str) -> None:
    if not condition:
        raise SpecError(key, problem)


@dataclass(frozen=True)
class ObjectiveSpec:
    """`local_weight` is lambda of Yerxa et al. 2023: weight of the local nuclear norms (0: global term only)."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["mmcr"] = "mmcr"
    local_weight: float = 0.0

    def __post_init__(self) -> None:
        _require(self.local_weight >= 0, "local_weight", "must be 0 or more")


@dataclass(frozen=True)
class DatasetSpec:
    """Which images. `root` (named sets) and `path` (folder, parquet) say where they lie on this machine.

    `size` is the side in pixels at which folder and parquet images are kept (None: the first image's shorter
    side, 256 at most); `heldout` the fraction of a folder or parquet set kept for evaluation; `digest` the
    SHA-256 of its content, filled in when the grid is planned, which enters the run's identity in place of
    the path.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["digits", "cifar10", "cifar100", "stl10", "folder", "parquet"]
    split: str = "train"
    root: str = "./data"
    path: str | None = None
    download: bool = False
    size: int | None = None
    heldout: float = 0.1
    digest: str | None = None

    def __post_init__(self) -> None:
        if self.by_content:
            _require(self.path is not None, "path", f"is missing; dataset '{self.name}' needs path: where it lies")
            _require(self.split == "train", "split", f"does not apply to dataset '{self.name}'; leave it out")
            _require(0 < self.heldout < 1, "heldout", "must lie between 0 and 1, such as 0.1")
            _require(self.size is None or 1 <= self.size <= 1024, "size", "must lie in 1..1024 pixels")
        else:
            splits = [split for name, split in NAMED_IMAGES if name == self.name]
            _require(
                self.split in splits,
                "split",
                f"'{self.split}' is not a split of dataset '{self.name}'; use one of {', '.join(splits)}",
            )
            for key, default in (("path", None), ("size", None), ("heldout", 0.1), ("digest", None)):
                _require(
                    getattr(self, key) == default,
                    key,
                    f"applies to folder and parquet data, not to dataset '{self.name}'; leave it out",
                )

    @property
    def by_content(self) -> bool:
        """Whether the images are a user's own files, known only by their content."""
        return self.name in ("folder", "parquet")


@dataclass(frozen=True)
class EncoderSpec:
    """`stem` applies to ResNets: `imagenet` (7x7 stride 2, max-pool) or `small` (3x3 stride 1, no pool)."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["resnet18", "convnet"] = "resnet18"
    stem: Literal["imagenet", "small"] | None = None

    def __post_init__(self) -> None:
        if self.name == "resnet18" and self.stem is None:
            object.__setattr__(self, "stem", "imagenet")
        _require(
            self.name != "convnet" or self.stem is None,
            "stem",
            "applies to resnet18, not to convnet; leave it out",
        )


@dataclass(frozen=True)
class ProjectorSpec:
    """Widths of the hidden layers between the encoder's features and the D embedding dimensions."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    hidden: tuple[int, ...] = (512,)

    def __post_init__(self) -> None:
        _require(all(width >= 1 for width in self.hidden), "hidden", "widths must be 1 or more")


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
        _require(len(given) == 1, given[1] if len(given) > 1 else "", problem)
        _require(getattr(self, given[0]) > 0, given[0], "must be more than 0")

    def total_steps(self, points: int, images: int) -> int:
        """Optimiser steps of this budget for batches of `points` from a set of `images` (last batch dropped)."""
        if self.steps is not None:
            return self.steps
        if self.images is not None:
            return self.images // points
        assert self.epochs is not None
        return int(self.epochs * (images // points))


@dataclass(frozen=True)
class OptimizerSpec:
    """Adam. `warmup` is the fraction of all steps over which the learning rate rises linearly from 0."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["adam"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = 0.02

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, "learning_rate", "must be more than 0")
        _require(self.weight_decay >= 0, "weight_decay", "must be 0 or more")
        _require(0 <= self.warmup < 1, "warmup", "is a fraction of all steps; it must lie in [0, 1)")


@dataclass(frozen=True)
class ViewSpec:
    """A recipe of random views. Probabilities and ranges mean what torchvision's transforms mean by them.

    Applied in this order: random resized crop to `size` x `size` (bicubic, antialiased), horizontal flip,
    colour jitter (its four operations in an order drawn for each batch), greyscale, Gaussian blur, solarise,
    normalisation. On single-channel images saturation, hue and greyscale change nothing.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    size: int
    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    greyscale: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        _require(1 <= self.size <= 1024, "size", "must lie in 1..1024 pixels")
        for key in ("flip", "jitter", "greyscale", "blur", "solarise"):
            _require(0 <= getattr(self, key) <= 1, key, "is a probability; it must lie in [0, 1]")
        for key in ("brightness", "contrast", "saturation"):
            _require(getattr(self, key) >= 0, key, "must be 0 or more")
        _require(0 <= self.hue <= 0.5, "hue", "must lie in [0, 0.5]")
        for key in ("crop_scale", "crop_ratio", "blur_sigma"):
            low, high = getattr(self, key)
            _require(0 < low <= high, key, "must be [low, high] with 0 < low <= high")
        _require(self.crop_scale[1] <= 1, "crop_scale", "is a share of the image's area; it cannot exceed 1")
        _require(
            len(self.mean) == len(self.std) and len(self.mean) in (1, 3),
            "mean",
            "mean and std need one value for each channel (1 or 3)",
        )
        _require(all(value > 0 for value in self.std), "std", "must be more than 0")


@dataclass(frozen=True)
class EvaluateSpec:
    """At the end: mean percent error over held-out batches, and accuracy of a probe on frozen features."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    heldout_batches: int = 20
    probe: Literal["none", "knn", "linear"] = "knn"

    def __post_init__(self) -> None:
        _require(self.heldout_batches >= 0, "heldout_batches", "must be 0 or more")


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
        _require(self.P >= 2, "P", "must be 2 or more (batch norm needs two images)")
        _require(self.D >= 1, "D", "must be 1 or more")
        _require(self.K >= 1, "K", "must be 1 or more")
        _require(0 <= self.seed < 2**31, "seed", "must lie in 0..2147483647")
        if self.dataset.name in NAMED_HELDOUT:
            channels = 1 if self.dataset.name == "digits" else 3
            _require(
                len(self.views.mean) == channels,
                "views",
                f"has mean and std for {len(self.views.mean)} channels; dataset '{self.dataset.name}' has {channels}",
            )


_DIGITS_VIEWS = ViewSpec(
    size=8, crop_scale=(0.4, 1.0), flip=0.0, saturation=0.0, hue=0.0, greyscale=0.0, mean=(0.3,), std=(0.38,)
)
VIEW_RECIPES: dict[str, ViewSpec] = {
    # Yerxa et al. 2023, public code, data sets CIFAR-10 and STL-10
    "cifar10": ViewSpec(size=32, mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616)),
    "stl10": ViewSpec(size=64, crop_scale=(0.2, 1.0), greyscale=0.1, mean=(0.43, 0.42, 0.39), std=(0.27, 0.26, 0.27)),
    "digits": _DIGITS_VIEWS,  # ours: a digit has no mirror image and no colour
}
DEFAULT_VIEWS = {"digits": "digits", "cifar10": "cifar10", "cifar100": "cifar10"}  # others: stl10
DEFAULT_ENCODERS = {
    "digits": EncoderSpec("convnet"),
    "cifar10": EncoderSpec("resnet18", "small"),
    "cifar100": EncoderSpec("resnet18", "small"),
}  # others: resnet18 with the ImageNet stem


def default_parts(dataset: str) -> dict[str, Any]:
    """What a run on the data set called `dataset` has where nothing else is asked for: fields of RunSpec."""
    return {
        "objective": ObjectiveSpec(),
        "encoder": DEFAULT_ENCODERS.get(dataset, EncoderSpec()),
        "projector": ProjectorSpec(),
        "seed": 0,
        "optimizer": OptimizerSpec(),
        "views": VIEW_RECIPES[DEFAULT_VIEWS.get(dataset, "stl10")],
        "precision": "fp32",
        "evaluate": EvaluateSpec(),
    }


def run_spec(dataset: DatasetSpec, P: int, D: int, K: int, budget: BudgetSpec, **parts: Any) -> RunSpec:
    """A run with `default_parts`, replaced by `parts`. Raises SpecError."""
    fields = {"dataset": dataset, "P": P, "D": D, "K": K, "budget": budget}
    return RunSpec(**default_parts(dataset.name) | fields | parts)


def identity(spec: RunSpec) -> dict[str, Any]:
    """What determines the result: the whole spec but where its files lie."""
    fields = asdict(spec)
    for key in ("root", "path", "download"):
        del fields["dataset"][key]
    return fields


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def run_id(spec: RunSpec) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of `identity(spec)`."""
    return hashlib.sha256(canonical_json(identity(spec)).encode()).hexdigest()[:16]
