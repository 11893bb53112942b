"""How the loss is minimized, as one frozen value; each optimizer's own options are a small class here.

To add an optimizer, write its options, name them in `OPTIMIZERS`, and build it in `mmcr_core.training.optimizers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from mmcr_core.config.validation import STRICT, require, settle_options


@dataclass(frozen=True)
class AdamOptions:
    """Kingma and Ba 2015, arXiv 1412.6980."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    eps: float | None = None
    """Added to the root of the second moment (null: 1e-8)."""

    def __post_init__(self) -> None:
        require(self.eps is None or self.eps > 0, "eps", "must be more than 0")


@dataclass(frozen=True)
class AdamWOptions:
    """Loshchilov and Hutter 2019, arXiv 1711.05101."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    eps: float = 1e-8
    """Added to the root of the second moment."""
    exclude_bias_and_norm: bool = True
    """No weight decay for one-dimensional parameters."""

    def __post_init__(self) -> None:
        require(self.eps > 0, "eps", "must be more than 0")


@dataclass(frozen=True)
class SGDOptions:
    """Sutskever et al. 2013."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    momentum: float = 0.9
    """Momentum."""
    nesterov: bool = False
    """Whether the momentum is Nesterov's."""
    exclude_bias_and_norm: bool = False
    """No weight decay for one-dimensional parameters."""

    def __post_init__(self) -> None:
        require(0 <= self.momentum < 1, "momentum", "must lie in [0, 1)")
        require(not self.nesterov or self.momentum > 0, "nesterov", "needs momentum of more than 0")


@dataclass(frozen=True)
class LARSOptions(SGDOptions):
    """You et al. 2017, arXiv 1708.03888."""

    exclude_bias_and_norm: bool = True
    """Always true: neither weight decay nor LARS scaling for one-dimensional parameters."""
    trust_coefficient: float = 0.001
    """Maximum update over a layer's norm at rate 1 (You et al. 2017, arXiv 1708.03888)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.trust_coefficient > 0, "trust_coefficient", "must be more than 0")
        always = "applies to adamw and sgd; lars leaves biases and norms out always: leave this out, or say true"
        require(self.exclude_bias_and_norm, "exclude_bias_and_norm", always)


OPTIMIZERS = {"adam": AdamOptions, "adamw": AdamWOptions, "sgd": SGDOptions, "lars": LARSOptions}


@dataclass(frozen=True)
class OptimizerSpec:
    """Which optimizer, with the options of all; None where an option is another optimizer's."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: Literal["adam", "adamw", "sgd", "lars"] = "adam"
    """The optimizer."""
    learning_rate: float = 1e-3
    """Rate after the warm-up; 0 is a control that learns nothing."""
    weight_decay: float = 1e-6
    """Weight decay; adamw applies it apart from the gradient."""
    schedule: Literal["constant", "cosine"] = "constant"
    """`constant`, or `cosine` decay to 0 after the warm-up."""
    warmup: int | float = 0.02
    """Linear warm-up: whole steps, or a fraction of the run below 1. With steps and a constant rate, a longer run can
    continue a shorter one."""
    momentum: float | None = None
    nesterov: bool | None = None
    trust_coefficient: float | None = None
    eps: float | None = None
    exclude_bias_and_norm: bool | None = None

    def __post_init__(self) -> None:
        require(self.learning_rate >= 0, "learning_rate", "must be 0 or more")
        require(self.weight_decay >= 0, "weight_decay", "must be 0 or more")
        if isinstance(self.warmup, int):
            require(self.warmup >= 0, "warmup", "must be 0 or more steps")
        else:
            require(0 <= self.warmup < 1, "warmup", "must be a fraction of all steps in [0, 1), or whole steps")
        settle_options(self, OPTIMIZERS, self.name, self.name)

    def warmup_steps(self, steps: int) -> int:
        """Warm-up of a run of `steps` optimizer steps."""
        return self.warmup if isinstance(self.warmup, int) else round(self.warmup * steps)
