"""A recipe of random views, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mmcr_core.config.validation import STRICT, require


@dataclass(frozen=True)
class ViewSpec:
    """A recipe of random views. Probabilities and ranges mean what torchvision's transforms mean by them.

    Applied in this order: random resized crop to `size` x `size` (bicubic, antialiased), horizontal flip,
    color jitter (its four operations in an order drawn for each batch), greyscale, Gaussian blur, solarise,
    normalization. On single-channel images saturation, hue and greyscale change nothing.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    size: int
    """Side of a view in pixels."""
    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Range of a crop's area over the image's."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of a crop's width over its height."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    jitter: float = 0.8
    """Probability of color jitter, the next four keys."""
    brightness: float = 0.4
    """Maximum change of the brightness factor from 1."""
    contrast: float = 0.4
    """Maximum change of the contrast factor from 1."""
    saturation: float = 0.4
    """Maximum change of the saturation factor from 1."""
    hue: float = 0.1
    """Maximum hue shift, a fraction of the color circle."""
    greyscale: float = 0.2
    """Probability of conversion to gray."""
    blur: float = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the blur's standard deviation in pixels."""
    solarise: float = 0.0
    """Probability that values of one half and above are inverted."""
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    """Subtracted from each channel, of values in [0, 1]."""
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    """Divides each channel after that."""

    def __post_init__(self) -> None:
        require(1 <= self.size <= 1024, "size", "must lie in 1..1024 pixels")
        for key in ("flip", "jitter", "greyscale", "blur", "solarise"):
            require(0 <= getattr(self, key) <= 1, key, "is a probability; it must lie in [0, 1]")
        for key in ("brightness", "contrast", "saturation"):
            require(getattr(self, key) >= 0, key, "must be 0 or more")
        require(0 <= self.hue <= 0.5, "hue", "must lie in [0, 0.5]")
        for key in ("crop_scale", "crop_ratio", "blur_sigma"):
            low, high = getattr(self, key)
            require(0 < low <= high, key, "must be [low, high] with 0 < low <= high")
        require(self.crop_scale[1] <= 1, "crop_scale", "is a share of the image's area; it cannot exceed 1")
        require(
            len(self.mean) == len(self.std) and len(self.mean) in (1, 3),
            "mean",
            "mean and std need one value for each channel (1 or 3)",
        )
        require(all(value > 0 for value in self.std), "std", "must be more than 0")
