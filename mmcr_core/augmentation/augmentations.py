"""K random views of each of P images, on the images' device, with parameters drawn on the host for each view apart.

Crop, resize and flip are one linear map along each axis, so a batch is resampled by two batched matrix
products with antialiased cubic weights. Images are kept as (N, H, C, W), where both products need no copy.
Given the same parameters, each operation equals torchvision's functional one (on float images in [0, 1]).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcr_core.config.run import ViewSpec

GRAY = (0.2989, 0.587, 0.114)  # torchvision.transforms.functional.rgb_to_grayscale
JITTERS = ("brightness", "contrast", "saturation", "hue")
BOX_TRIES = 10  # torchvision.transforms.RandomResizedCrop.get_params
Order = tuple[int, ...]  # of the jitters, indices into JITTERS, one for the batch


class ViewParameters(NamedTuple):
    """What was drawn for B = P * K views, each (B,) float32; what is yes or no is 1 or 0."""

    top: Tensor  # crop box, in pixels of the source
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    brightness: Tensor  # factors; 1 leaves the image as it is
    contrast: Tensor
    saturation: Tensor
    hue: Tensor  # shift in turns; 0 leaves the image as it is
    greyscale: Tensor
    sigma: Tensor  # of the blur, in pixels; 0 for none
    solarise: Tensor


PARAMETERS = ViewParameters._fields


def draw_parameters(
    recipe: ViewSpec, count: int, side: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Parameters of `count` views of images of `side` = (height, width) pixels, in rows: (len(PARAMETERS), count)."""
    jitter, flip, brightness, contrast, saturation, hue, gray, blurred, sigma, solarise, down, right = rng.random(
        (12, count)
    )
    height, width, whole = _draw_boxes(recipe, count, side, rng)
    top = np.where(whole, (side[0] - height) // 2, np.floor(down * (side[0] - height + 1)))
    left = np.where(whole, (side[1] - width) // 2, np.floor(right * (side[1] - width + 1)))
    jittered = jitter < recipe.jitter

    def between(uniform: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
        return low + uniform * (high - low)

    def factor(uniform: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
        return np.where(jittered, between(uniform, max(0.0, 1 - amount), 1 + amount), 1.0)

    drawn = {
        "top": top,
        "left": left,
        "height": height,
        "width": width,
        "flip": flip < recipe.flip,
        "brightness": factor(brightness, recipe.brightness),
        "contrast": factor(contrast, recipe.contrast),
        "saturation": factor(saturation, recipe.saturation),
        "hue": np.where(jittered, between(hue, -recipe.hue, recipe.hue), 0.0),
        "greyscale": gray < recipe.greyscale,
        "sigma": np.where(blurred < recipe.blur, between(sigma, *recipe.blur_sigma), 0.0),
        "solarise": solarise < recipe.solarise,
    }
    return np.stack([drawn[name] for name in PARAMETERS]).astype(np.float32)


def draw_order(recipe: ViewSpec, rng: np.random.Generator) -> Order:
    """The order of the jitters in one batch, of those that the recipe has."""
    return tuple(int(i) for i in rng.permutation(jitters_of(recipe)))


def jitters_of(recipe: ViewSpec) -> list[int]:
    """Indices into JITTERS of those that change anything under a recipe."""
    color = JITTERS if len(recipe.mean) == 3 else ("brightness", "contrast")
    return [i for i, name in enumerate(JITTERS) if name in color and recipe.jitter > 0 and getattr(recipe, name) > 0]


@dataclass(frozen=True)
class Stages:
    """The three parts of making views, each a pure function on tensors; `compiled` in
    `mmcr_core.augmentation.compiled_augmentations`."""

    crop: Callable[..., Tensor]
    jitter: Mapping[str, Callable[..., Tensor]]
    finish: Callable[..., None]


def make_views(
    images: Tensor,
    recipe: ViewSpec,
    p: ViewParameters,
    order: Order,
    stages: Stages | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """(P, H, C, W) uint8 or [0, 1] float images -> (B, C, size, size) float32 views in channels-last order,
    B = P * K. Views of one image are consecutive. They are written to `out`, of its type, where it is given."""
    stages = stages or EAGER
    x = stages.crop(images, recipe.size, p)
    for index in order:
        x = stages.jitter[JITTERS[index]](x, getattr(p, JITTERS[index])[:, None, None, None])
    out = empty_views(len(p.top), recipe, x) if out is None else out
    stages.finish(x, recipe, p, *_moments(recipe, x.device), out)
    return out


def empty_views(count: int, recipe: ViewSpec, like: Tensor) -> Tensor:
    """Room for `count` views (count, C, S, S), channels last, of the type and on the device of `like`."""
    size = (count, len(recipe.mean), recipe.size, recipe.size)
    return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def crop(images: Tensor, size: int, p: ViewParameters) -> Tensor:
    """(P, H, C, W) uint8 or [0, 1] float images -> (B, size, C, size) in [0, 1]: cut, resized, flipped."""
    x = images.float() / 255 if images.dtype == torch.uint8 else images
    return resample(x, size, p).clamp_(0, 1)


def finish(x: Tensor, recipe: ViewSpec, p: ViewParameters, mean: Tensor, std: Tensor, out: Tensor) -> None:
    """(B, S, C, S) in [0, 1] -> (B, C, S, S) in `out`: grayscale, blur, solarize, normalization."""
    if x.shape[2] == 3 and recipe.greyscale > 0:
        x = torch.where(p.greyscale[:, None, None, None] > 0, _gray(x), x)
    if recipe.blur > 0:
        x = blur(x, p.sigma, recipe.size)
    if recipe.solarise > 0:
        x = torch.where((p.solarise[:, None, None, None] > 0) & (x >= 0.5), 1 - x, x)
    out.copy_(normalize(x, mean, std))


def plain_view(images: Tensor, recipe: ViewSpec) -> Tensor:
    """Whole images, resized and normalized, with nothing random: what a probe looks at. Shapes as above."""
    P, H, _, W = images.shape
    x = images.float() / 255 if images.dtype == torch.uint8 else images
    if (recipe.size, recipe.size) != (H, W):
        zero = torch.zeros(P, device=images.device)
        rows = resample_weights(zero, zero + H, H, recipe.size)
        columns = resample_weights(zero, zero + W, W, recipe.size)
        x = _apply_weights(x, rows, columns).clamp_(0, 1)
    return normalize(x, *_moments(recipe, x.device)).contiguous(memory_format=torch.channels_last)


def normalize(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(B, S, C, S) in [0, 1], mean and standard deviation (C, 1) -> (B, C, S, S)."""
    return ((x - mean) / std).permute(0, 2, 1, 3)


@functools.cache
def _moments(recipe: ViewSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a recipe, (C, 1) each, copied to the device once: a captured step may not."""
    mean, std = (torch.tensor(values, device=device)[:, None] for values in (recipe.mean, recipe.std))
    return mean, std


def resample(x: Tensor, size: int, p: ViewParameters) -> Tensor:
    """Crop, antialiased cubic resize and flip: (P, H, C, W) -> (B, size, C, size)."""
    _, H, _, W = x.shape
    rows = resample_weights(p.top, p.height, H, size)
    columns = resample_weights(p.left, p.width, W, size, p.flip > 0)
    return _apply_weights(x, rows, columns)


def resample_weights(
    start: Tensor, length: Tensor, size_in: int, size_out: int, reverse: Tensor | None = None
) -> Tensor:
    """Weights (B, size_out, size_in) that cut [start, start + length) and resize it to `size_out` pixels.

    Keys' cubic with a = -0.5, widened by the scale when shrinking (antialiasing), cut at the box's edges and
    renormalized, as PIL and torch.nn.functional.interpolate(mode="bicubic", antialias=True) have it.
    """
    start, length = start[:, None, None].float(), length[:, None, None].float()
    scale = length / size_out
    out = torch.arange(size_out, device=start.device)[None, :, None]
    if reverse is not None:
        out = torch.where(reverse[:, None, None], size_out - 1 - out, out)
    pixel = torch.arange(size_in, device=start.device)[None, None, :] - start
    t = ((pixel + 0.5 - (out + 0.5) * scale) / scale.clamp_min(1)).abs()
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    inside = (pixel >= 0) & (pixel < length)
    weights = torch.where(t < 1, near, torch.where(t < 2, far, 0.0)) * inside
    return weights / weights.sum(-1, keepdim=True)


def _apply_weights(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(P, H, C, W), (B, S, H), (B, S, W) -> (B, S, C, S)."""
    P, H, C, W = x.shape
    B, S, _ = rows.shape
    x = torch.bmm(rows.view(P, B // P * S, H), x.reshape(P, H, C * W))
    return torch.bmm(x.view(B, S * C, W), columns.mT).view(B, S, C, S)


def _draw_boxes(
    recipe: ViewSpec, count: int, side: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Heights and widths as torchvision's RandomResizedCrop draws them: the first of ten tries that fits, else the
    largest central box of a legal ratio, for which the third array is true."""
    H, W = side
    low, high = recipe.crop_ratio
    ratio_whole = min(max(W / H, low), high)
    height = np.full(count, float(round(W / ratio_whole) if low > W / H else H))
    width = np.full(count, float(round(H * ratio_whole) if high < W / H else W))
    left = np.arange(count)  # views without a box yet
    for _ in range(BOX_TRIES):
        if not len(left):
            break
        share, position = rng.random((2, len(left)))
        area = (recipe.crop_scale[0] + share * (recipe.crop_scale[1] - recipe.crop_scale[0])) * (H * W)
        ratio = np.exp(math.log(low) + position * (math.log(high) - math.log(low)))
        widths, heights = np.round(np.sqrt(area * ratio)), np.round(np.sqrt(area / ratio))
        fits = (widths > 0) & (widths <= W) & (heights > 0) & (heights <= H)
        height[left[fits]], width[left[fits]] = heights[fits], widths[fits]
        left = left[~fits]
    whole = np.zeros(count, dtype=bool)
    whole[left] = True
    return height, width, whole


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """(B, S, C, S) in [0, 1] times factor (B, 1, 1, 1)."""
    return (x * factor).clamp_(0, 1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Away from the image's mean luma by factor (B, 1, 1, 1)."""
    return torch.lerp(_gray(x).mean(dim=(1, 2, 3), keepdim=True), x, factor).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Away from each pixel's luma by factor (B, 1, 1, 1)."""
    return torch.lerp(_gray(x), x, factor).clamp_(0, 1)


def _gray(x: Tensor) -> Tensor:
    """(B, S, C, S) -> (B, S, 1, S) luma."""
    if x.shape[2] == 1:
        return x
    red, green, blue = x.split(1, dim=2)
    luma: Tensor = red * GRAY[0] + green * GRAY[1] + blue * GRAY[2]
    return luma


def shift_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Hue of (B, S, 3, S) moved by `turns` (B, 1, 1, 1), through the HSV hexagon.

    Going back needs no six cases: channel n of the result is V - C clamp(min(k, 4 - k), 0, 1) with chroma
    C = max - min and k = (n + 6 hue) mod 6, n = 5, 3, 1.
    """
    red, green, blue = x.unbind(dim=2)
    high, low = x.amax(dim=2), x.amin(dim=2)
    chroma = high - low
    safe = torch.where(chroma == 0, 1.0, chroma)
    hue = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = hue + 6 * turns[:, :, 0]
    channels = []
    for offset in (5, 3, 1):
        k = torch.remainder(sixth + offset, 6)
        channels.append(high - chroma * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(channels, dim=2)


def blur(x: Tensor, sigma: Tensor, size: int) -> Tensor:
    """Gaussian blur of (B, S, C, S), kernel of about a tenth of the image (odd), reflected at the edges, as
    one matrix product along each axis. sigma (B,) in pixels; 0 leaves a view as it is."""
    B, S, C, _ = x.shape
    weights = blur_weights(sigma, blur_kernel_size(size), S)
    x = torch.bmm(weights, x.reshape(B, S, C * S))
    return torch.bmm(x.view(B, S * C, S), weights.mT).view(B, S, C, S)


def blur_kernel_size(size: int) -> int:
    """SimCLR's tenth of the image's side, made odd, 3 at least."""
    return max(3, size // 10 | 1)


def blur_weights(sigma: Tensor, kernel_size: int, side: int) -> Tensor:
    """(B,) standard deviations -> (B, side, side) matrices of the blur with reflected edges."""
    half = kernel_size // 2
    offset = torch.arange(-half, half + 1, device=sigma.device)
    kernel = torch.exp(-0.5 * (offset / sigma.clamp_min(1e-6)[:, None]) ** 2)  # (B, kernel_size)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    source = torch.arange(side, device=sigma.device)[:, None] + offset
    source = source.abs()
    source = torch.where(source >= side, 2 * (side - 1) - source, source)  # (side, kernel_size)
    hit = torch.nn.functional.one_hot(source, side).to(kernel.dtype)  # (side, kernel_size, side)
    return torch.einsum("bk,skt->bst", kernel, hit)


EAGER = Stages(
    crop, {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": shift_hue}, finish
)
