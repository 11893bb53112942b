"""What determines a pretraining run: one frozen, validated value, in plain dataclasses.

Each class checks itself when it is made and raises `SpecError`, which names the offending key. What is left out when
a grid is written is in `mmcr_core.defaults`, what makes two runs the same in `mmcr_core.identity`. Standard library
only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mmcr_core.checks import STRICT as STRICT
from mmcr_core.checks import OwnOptions as OwnOptions
from mmcr_core.checks import SpecError as SpecError
from mmcr_core.checks import is_own as is_own
from mmcr_core.checks import listed as listed
from mmcr_core.checks import near as near
from mmcr_core.checks import require as require
from mmcr_core.data_spec import DATASET_KEYS as DATASET_KEYS
from mmcr_core.data_spec import NAMED_CLASSES as NAMED_CLASSES
from mmcr_core.data_spec import NAMED_HELDOUT as NAMED_HELDOUT
from mmcr_core.data_spec import NAMED_IMAGES as NAMED_IMAGES
from mmcr_core.data_spec import ONE_CHANNEL as ONE_CHANNEL
from mmcr_core.data_spec import PAIRS as PAIRS
from mmcr_core.data_spec import DatasetName as DatasetName
from mmcr_core.data_spec import DatasetSpec as DatasetSpec
from mmcr_core.evaluate_spec import MEASURES as MEASURES
from mmcr_core.evaluate_spec import OF_IMAGES as OF_IMAGES
from mmcr_core.evaluate_spec import OF_PAIRS as OF_PAIRS
from mmcr_core.evaluate_spec import EvaluateSpec as EvaluateSpec
from mmcr_core.evaluate_spec import ZeroShotSpec as ZeroShotSpec
from mmcr_core.view_spec import ViewSpec as ViewSpec


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
    """Which objective, or your own as `my_module:MyObjective`; a text in place of the mapping is its name."""

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


RESNETS = ("resnet18", "resnet34", "resnet50")
TOWERS = "towers"
ENCODERS = (*RESNETS, "convnet", "timm", TOWERS)
OWN = "your own encoders"
ENCODER_KEYS = {  # key -> the encoders that it applies to
    "stem": RESNETS,
    "width": RESNETS,
    "model": ("timm",),
    "options": ("timm", OWN),
    "source": (OWN,),
    "config": (TOWERS,),
    "architecture": (TOWERS,),
}


@dataclass(frozen=True)
class EncoderSpec:
    """What turns a view into features: a ResNet, the small convnet, timm's, a user's own `my_module:factory`, for which
    factory(channels, size, **options) makes the module, or an image tower and a text tower, for pairs."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str = "resnet18"
    """Which encoder, or your own as `my_module:factory`; a text in place of the mapping is its name."""
    stem: Literal["imagenet", "small"] | None = None
    """How a ResNet begins: `imagenet` is 7x7 with stride 2 and a max-pool, `small` is 3x3 with stride 1 and no pool."""
    width: int | None = None
    """Channels of the first stage (null: 64, the standard); the others are 2, 4 and 8 times as wide, a bottleneck's end
    four times that."""
    model: str | None = None
    """The name of one of timm's architectures, which must be given."""
    options: dict[str, Any] | None = None
    """What goes to timm's model or to your own factory. A grid has these keys beside `name`, as in `{name: timm, model:
    vit_tiny_patch16_224, depth: 6}`, and each of them may be an axis."""
    source: str | None = None
    """The digest of the file of your own code, by which a run knows it."""
    config: str | None = None
    """`tiny` (ours, for small images and short captions), one of open_clip's by name, or a file of one. A run
    knows it by what it says."""
    architecture: str | None = None
    """What the configuration says, by which a run knows it."""

    def __post_init__(self) -> None:
        resnet, own = self.name in RESNETS, is_own(self.name)
        known = f"use one of {', '.join(ENCODERS)}, or your own as my_module:factory"
        require(own or self.name in ENCODERS, "name", f"is not an encoder; {known}")
        if resnet and self.stem is None:
            object.__setattr__(self, "stem", "imagenet")
        for key, names in ENCODER_KEYS.items():
            unfit = f"applies to {listed(names)}, not to {self.name}; leave it out"
            require((OWN if own else self.name) in names or getattr(self, key) is None, key, unfit)
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
    """What lies between the encoder's features and the D embedding dimensions. Towers have a projector each; where
    there is no hidden layer, their own last layer has D dimensions and there is none."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    hidden: tuple[int, ...] = (2048,)
    """Widths of the hidden layers; D follows. The last one bounds the rank of the mean embeddings, so it should be at
    least min(P, D)."""

    def __post_init__(self) -> None:
        require(all(width >= 1 for width in self.hidden), "hidden", "widths must be 1 or more")


LONGEST = 10**15  # epochs, steps or images: what counts them has room for more


@dataclass(frozen=True)
class BudgetSpec:
    """How long to train: exactly one of these."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epochs: float | None = None
    """Passes over the training images, fractions too; the last images of a pass that fill no batch are left out."""
    steps: int | None = None
    """Steps of the optimiser."""
    images: int | None = None
    """Images shown, each counted once a step however many views it has: cells of all P see equally many."""

    def __post_init__(self) -> None:
        given = [name for name in ("epochs", "steps", "images") if getattr(self, name) is not None]
        if len(given) > 1:
            raise SpecError(given[1], f"stands beside {given[0]}; give exactly one of epochs, steps, images")
        require(len(given) == 1, "", "give exactly one of epochs, steps, images; none is given")
        require(0 < getattr(self, given[0]) <= LONGEST, given[0], f"must be more than 0 and no more than {LONGEST:g}")

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
    """How the loss is minimised. What an optimiser's own options are where they are left out, `OPTIMIZER_OPTIONS` says;
    None where they don't apply."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["adam", "adamw", "sgd", "lars"] = "adam"
    """Which optimiser."""
    learning_rate: float = 1e-3
    """The learning rate after the warm-up."""
    weight_decay: float = 1e-6
    """The weight decay, which adamw applies apart from the gradient."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Whether the rate stays after the warm-up, or falls to 0 by half a cosine."""
    warmup: int | float = 0.02
    """Over how long the rate rises linearly from 0: a whole number of steps, or below 1 a fraction of all. With steps
    and a constant rate a longer run begins as a shorter one did, and can go on from it."""
    momentum: float | None = None
    """The share of the last update that enters the next."""
    nesterov: bool | None = None
    """Whether the momentum is Nesterov's."""
    trust_coefficient: float | None = None
    """The share of a layer's norm that a step of rate 1 may change (You et al. 2017, arXiv 1708.03888)."""
    eps: float | None = None
    """What is added to the root of the second moment (null: 1e-8)."""
    exclude_bias_and_norm: bool | None = None
    """Whether parameters of one dimension have no weight decay; lars leaves them out always, of its scaling too."""

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
                whom = listed([name for name, options in OPTIMIZER_OPTIONS.items() if key in options])
                require(getattr(self, key) is None, key, f"applies to {whom}, not to {self.name}; leave it out")

    def warmup_steps(self, steps: int) -> int:
        """Warm-up of a run of `steps` optimiser steps."""
        return self.warmup if isinstance(self.warmup, int) else round(self.warmup * steps)


@dataclass(frozen=True)
class RunSpec:
    """One pretraining run."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    objective: ObjectiveSpec
    """What is minimised: a name, or a mapping of a name and its options."""
    dataset: DatasetSpec
    """Which images, or image-text pairs: a name, or a mapping."""
    encoder: EncoderSpec
    """What turns a view into features: a name, or a mapping."""
    projector: ProjectorSpec
    """The layers between the encoder's features and the D embedding dimensions."""
    P: int
    """Images (points) a batch, two at least."""
    D: int
    """Embedding dimensions."""
    K: int
    """Views an image, the captions of image-text pairs among them; all objectives but mmcr need two."""
    seed: int
    """What all randomness of a run follows from: its first weights, batches and views."""
    budget: BudgetSpec
    """How long to train: exactly one of epochs, steps and images."""
    optimizer: OptimizerSpec
    """How the loss is minimised."""
    views: ViewSpec
    """The random views: the name of a recipe, a mapping that starts from one, `{recipe: stl10, hue: 0.2}`, or all keys
    in a mapping of its own."""
    precision: Literal["fp32", "bf16"]
    """The numbers in which the network computes; objectives and measures have float32 at least."""
    evaluate: EvaluateSpec
    """What is measured of a run; it is no axis."""

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
