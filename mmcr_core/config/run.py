"""What determines a pretraining run: one frozen, validated value, in plain dataclasses.

Each class checks itself when it is made and raises `SpecError`, which names the offending key. What is left out when
a grid is written is in `mmcr_core.config.defaults`, what makes two runs the same in `mmcr_core.config.run_id`.
Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mmcr_core.config.augmentation import ViewSpec as ViewSpec
from mmcr_core.config.dataset import NAMED_CLASSES as NAMED_CLASSES
from mmcr_core.config.dataset import NAMED_HELDOUT as NAMED_HELDOUT
from mmcr_core.config.dataset import NAMED_IMAGES as NAMED_IMAGES
from mmcr_core.config.dataset import ONE_CHANNEL as ONE_CHANNEL
from mmcr_core.config.dataset import PAIRS as PAIRS
from mmcr_core.config.dataset import DatasetName as DatasetName
from mmcr_core.config.dataset import DatasetSpec as DatasetSpec
from mmcr_core.config.encoder import ENCODERS as ENCODERS
from mmcr_core.config.encoder import RESNETS as RESNETS
from mmcr_core.config.encoder import TOWERS as TOWERS
from mmcr_core.config.encoder import EncoderSpec as EncoderSpec
from mmcr_core.config.evaluation import MEASURES as MEASURES
from mmcr_core.config.evaluation import OF_IMAGES as OF_IMAGES
from mmcr_core.config.evaluation import OF_PAIRS as OF_PAIRS
from mmcr_core.config.evaluation import EvaluateSpec as EvaluateSpec
from mmcr_core.config.evaluation import ZeroShotSpec as ZeroShotSpec
from mmcr_core.config.optimizer import OPTIMIZERS as OPTIMIZERS
from mmcr_core.config.optimizer import OptimizerSpec as OptimizerSpec
from mmcr_core.config.validation import STRICT as STRICT
from mmcr_core.config.validation import CustomOptions as CustomOptions
from mmcr_core.config.validation import SpecError as SpecError
from mmcr_core.config.validation import is_custom as is_custom
from mmcr_core.config.validation import join_names as join_names
from mmcr_core.config.validation import require as require
from mmcr_core.config.validation import suggest as suggest


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
    """The objective, or your own as `my_module:MyObjective`."""

    def require_run(self, points: int, steps: int) -> None:
        """Raises SpecError where an option means nothing in a run of `steps` steps of `points` images."""


@dataclass(frozen=True)
class CustomObjectiveSpec(ObjectiveSpec):
    """A user's own objective `my_module:MyObjective`, readable without that module.

    `options`: all of them, as its own class checked them; `least_views`: what it says of K; `source`: digest of the
    module's file, by which the run knows it.
    """

    options: dict[str, Any] | None = None
    source: str | None = None
    least_views: int = field(default=1, kw_only=True)  # type: ignore[misc]  # elsewhere a constant of the class

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", CustomOptions.checked(self.options, "options"))


@dataclass(frozen=True)
class ProjectorSpec:
    """What lies between the encoder's features and the D embedding dimensions. A dual encoder has two projectors; where
    there is no hidden layer, their own last layer has D dimensions and there is none."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    hidden: tuple[int, ...] = (2048,)
    """Widths of the hidden layers; D follows. The last one bounds the rank of the mean embeddings: use at least min(P,
    D)."""

    def __post_init__(self) -> None:
        require(all(width >= 1 for width in self.hidden), "hidden", "widths must be 1 or more")


LONGEST = 10**15  # epochs, steps or images: what counts them has room for more


@dataclass(frozen=True)
class BudgetSpec:
    """How long to train: exactly one of these."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epochs: float | None = None
    """Passes over the training images, fractions too; the last incomplete batch is dropped."""
    steps: int | None = None
    """Optimizer steps."""
    images: int | None = None
    """Images shown; all views of an image count once."""

    def __post_init__(self) -> None:
        given = [name for name in ("epochs", "steps", "images") if getattr(self, name) is not None]
        if len(given) > 1:
            raise SpecError(given[1], f"stands beside {given[0]}; give exactly one of epochs, steps, images")
        require(len(given) == 1, "", "give exactly one of epochs, steps, images; none is given")
        require(0 < getattr(self, given[0]) <= LONGEST, given[0], f"must be more than 0 and no more than {LONGEST:g}")

    def total_steps(self, points: int, images: int) -> int:
        """Optimizer steps of this budget for batches of `points` from a set of `images` (last batch dropped)."""
        if self.steps is not None:
            return self.steps
        if self.images is not None:
            return self.images // points
        assert self.epochs is not None
        return int(self.epochs * (images // points))


@dataclass(frozen=True)
class RunSpec:
    """One pretraining run."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    objective: ObjectiveSpec
    """The loss."""
    dataset: DatasetSpec
    """Images, or image-text pairs."""
    encoder: EncoderSpec
    """The network that turns a view into features."""
    projector: ProjectorSpec
    """Layers between the features and the D dimensions."""
    P: int
    """Images (points) per batch, at least 2."""
    D: int
    """Embedding dimensions."""
    K: int
    """Views per image, captions included; all objectives but mmcr need at least 2."""
    seed: int
    """Seed of initial weights, batches and views."""
    budget: BudgetSpec
    """Length of a run: exactly one of epochs, steps and images."""
    optimizer: OptimizerSpec
    """How the loss is minimized."""
    views: ViewSpec
    """Random augmentations: a recipe, a mapping based on one, `{recipe: stl10, hue: 0.2}`, or a mapping with its own
    `size`."""
    precision: Literal["fp32", "bf16"]
    """Precision of the network; objectives and measures use at least float32."""
    evaluate: EvaluateSpec
    """What is measured; not an axis."""

    def __post_init__(self) -> None:
        require(self.P >= 2, "P", "must be 2 or more (batch norm needs two images)")
        require(self.D >= 1, "D", "must be 1 or more")
        require(self.K >= 1, "K", "must be 1 or more")
        channels = 1 if self.dataset.name in ONE_CHANNEL else 3  # whatever a user's own images have, they become RGB
        seen, name = len(self.views.mean), self.dataset.name
        differ = f"has mean and std for {seen} channels; dataset '{name}' has {channels}"
        require(seen == channels, "views", differ)
        least = self.objective.least_views
        require(least <= self.K, "K", f"must be {least} or more: '{self.objective.name}' compares views of an image")
        require(self.dataset.heldout < 1, "dataset.heldout", "leaves no images to train on; give less than 1")
        self._require_pairs()
        require(0 <= self.seed < 2**31, "seed", "must lie in 0..2147483647")

    def _require_pairs(self) -> None:
        """Dual encoders, captions and what compares them go together."""
        name, towers, captions = self.dataset.name, self.encoder.name == TOWERS, self.dataset.captions or 0
        needs = "needs image-text pairs: glyphs, shards, or parquet with pairs: true"
        alone = f"{needs}; dataset '{name}' has images only"
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
            named = name in ("glyphs", "parquet")  # of parquet files the launch sees whether they name theirs
            require(self.evaluate.zero_shot is not None or named, "evaluate.zero_shot", classes)
            gray = looked_at.name in ONE_CHANNEL
            unlike = (
                f"dataset '{looked_at.name}' has {1 if gray else 3} channels, the run's views {len(self.views.mean)}"
            )
            require(gray == (len(self.views.mean) == 1), "evaluate.zero_shot", unlike)

    @property
    def image_views(self) -> int:
        """How many of the K views are views of the image; the others are its captions."""
        return self.K - (self.dataset.captions or 0)
