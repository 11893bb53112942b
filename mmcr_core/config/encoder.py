"""What turns views into features, as one frozen value; the options of each kind of encoder are a small class here.

To add an encoder, write its options, name them in `ENCODERS`, and build it in `mmcr_core.models.encoders`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from mmcr_core.config.validation import FILLED_IN, STRICT, CustomOptions, absolute, is_custom, require, settle_options


@dataclass(frozen=True)
class ResNetOptions:
    """torchvision's ResNets (He et al. 2016, arXiv 1512.03385), of any width."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    stem: Literal["imagenet", "small"] = "imagenet"
    """`imagenet`: 7x7, stride 2, max-pool; `small`: 3x3, stride 1, no pool."""
    width: int | None = None
    """Channels of the first stage (null: 64)."""

    def __post_init__(self) -> None:
        require(self.width is None or 1 <= self.width <= 4096, "width", "must lie in 1..4096 channels")


@dataclass(frozen=True)
class ConvNetOptions:
    """Three convolutions for small images; nothing about it varies."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT


@dataclass(frozen=True)
class TimmOptions:
    """An architecture of timm. Its options stand beside the name in a grid: `{name: timm, model: M, depth: 6}`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    model: str = field(metadata={"remedy": "name one of timm's architectures, vit_tiny_patch16_224 say"})
    """A timm architecture. Its own options, such as `depth: 6`, stand beside it and may be axes."""
    options: dict[str, Any] | None = field(default=None, metadata=FILLED_IN)

    def __post_init__(self) -> None:
        weights = "names pretrained weights after the '.'; runs begin untrained, so leave that part out"
        require("." not in self.model, "model", weights)


@dataclass(frozen=True)
class DualEncoderOptions:
    """An image encoder and a text encoder, for image-text pairs."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    config: str = "tiny"
    """`tiny` (for small images and short captions), a configuration of open_clip, or a file of one."""
    architecture: str | None = field(default=None, metadata=FILLED_IN)
    """What the configuration says, by which a run knows it."""


@dataclass(frozen=True)
class CustomEncoderOptions:
    """A user's factory(channels, size, **options); its options stand beside the name in a grid."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    options: dict[str, Any] | None = field(default=None, metadata=FILLED_IN)
    source: str | None = field(default=None, metadata=FILLED_IN)
    """The digest of the file of the code, by which a run knows it."""


TOWERS = "towers"
CUSTOM = "your own encoders"
RESNETS = ("resnet18", "resnet34", "resnet50")
ENCODERS: dict[str, type] = {
    **dict.fromkeys(RESNETS, ResNetOptions),
    "convnet": ConvNetOptions,
    "timm": TimmOptions,
    TOWERS: DualEncoderOptions,
}
ENCODER_KINDS = ENCODERS | {CUSTOM: CustomEncoderOptions}


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder, with the options of all; None where an option is another encoder's."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str = "resnet18"
    """The encoder, or your own as `my_module:factory`."""
    stem: Literal["imagenet", "small"] | None = None
    width: int | None = None
    model: str | None = None
    options: dict[str, Any] | None = None
    source: str | None = None
    config: str | None = None
    architecture: str | None = None

    def __post_init__(self) -> None:
        kind = CUSTOM if is_custom(self.name) else self.name
        known = f"use one of {', '.join(ENCODERS)}, or your own as my_module:factory"
        require(kind in ENCODER_KINDS, "name", f"is not an encoder; {known}")
        settle_options(self, ENCODER_KINDS, kind, self.name)
        if self.options is not None:
            options = CustomOptions.checked(self.options, "options")
            object.__setattr__(self, "options", options or None)  # none given is none given, however it is spelled

    def at_absolute_paths(self) -> EncoderSpec:
        """The same, a configuration's file at its absolute path."""
        config = self.config or ""
        return replace(self, config=absolute(config)) if config.endswith(".json") else self
