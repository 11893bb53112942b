"""K random views of each of P images, on the images' device, with parameters drawn for each view apart.

Crop, resize and flip are one linear map along each axis, so a batch is resampled by two batched matrix
products with antialiased cubic weights. Images are kept as (N, H, C, W), where both products need no copy.
Given the same parameters, each operation equals torchvision's functional one (on float images in [0, 1]).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mmcr_core.spec import ViewSpec

GREY = (0.2989, 0.587, 0.114)  # torchvision.transforms.functional.rgb_to_grayscale
JITTERS = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class ViewParameters:
    """What was drawn for B = P * K views; each tensor is (B,) on the images' device unless noted."""

    top: Tensor  # crop box, in pixels of the source
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor  # bool
    brightness: Tensor  # factors; 1 leaves the image as it is
    contrast: Tensor
    saturation: Tensor
    hue: Tensor  # shift in turns; 0 leaves the image as it is
    greyscale: Tensor  # bool
    sigma: Tensor  # of the blur, in pixels; 0 for none
    solarise: Tensor  # bool
    order: tuple[int, ...]  # of the jitters, indices into JITTERS, one for the batch


def draw_parameters(
    recipe: ViewSpec, count: int, side: tuple[int, int], generator: torch.Generator, order: tuple[int, ...]
) -> ViewParameters:
    """Parameters of `count` views of images of `side` = (height, width) pixels.

    Args: generator: on the images' device; order: of the jitters, see `draw_order`.
    """
    device = generator.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*(shape or (count,)), generator=generator, device=device) * (high - low) + low

    def chance(probability: float) -> Tensor:
        return uniform(0, 1) < probability

    top, left, height, width = _draw_boxes(recipe, count, side, uniform)
    flip, jitter = chance(recipe.flip), chance(recipe.jitter)

    def factor(amount: float) -> Tensor:
        return torch.where(jitter, uniform(max(0.0, 1 - amount), 1 + amount), 1.0)

    return ViewParameters(
        top=top,
        left=left,
        height=height,
        width=width,
        flip=flip,
        brightness=factor(recipe.brightness),
        contrast=factor(recipe.contrast),
        saturation=factor(recipe.saturation),
        hue=torch.where(jitter, uniform(-recipe.hue, recipe.hue), 0.0),
        greyscale=chance(recipe.greyscale),
        sigma=torch.where(chance(recipe.blur), uniform(*recipe.blur_sigma), 0.0),
        solarise=chance(recipe.solarise),
        order=order,
    )


def draw_order(recipe: ViewSpec, generator: torch.Generator) -> tuple[int, ...]:
    """The order of the jitters in one batch, indices into JITTERS of those that the recipe has. Drawn on the
    CPU, so that it is known without waiting for the device."""
    drawn = torch.randperm(len(JITTERS), generator=generator).tolist()
    colour = {"brightness", "contrast", "saturation", "hue"} if len(recipe.mean) == 3 else {"brightness", "contrast"}
    return tuple(i for i in drawn if JITTERS[i] in colour and recipe.jitter > 0 and getattr(recipe, JITTERS[i]) > 0)


def make_views(images: Tensor, recipe: ViewSpec, p: ViewParameters) -> Tensor:
    """(P, H, C, W) uint8 or [0, 1] float images -> (B, C, size, size) float32 views in channels-last order,
    B = P * K. Views of one image are consecutive."""
    x = images.float() / 255 if images.dtype == torch.uint8 else images
    x = resample(x, recipe.size, p).clamp_(0, 1)  # (B, size, C, size)
    channels = x.shape[2]
    for index in p.order:
        x = _jitter(x, JITTERS[index], p)
    if channels == 3 and recipe.greyscale > 0:
        x = torch.where(p.greyscale[:, None, None, None], _grey(x), x)
    if recipe.blur > 0:
        x = blur(x, p.sigma, recipe.size)
    if recipe.solarise > 0:
        x = torch.where(p.solarise[:, None, None, None] & (x >= 0.5), 1 - x, x)
    return normalise(x, recipe)


def plain_view(images: Tensor, recipe: ViewSpec) -> Tensor:
    """Whole images, resized and normalised, with nothing random: what a probe looks at. Shapes as above."""
    P, H, _, W = images.shape
    x = images.float() / 255 if images.dtype == torch.uint8 else images
    if (recipe.size, recipe.size) != (H, W):
        zero = torch.zeros(P, device=images.device)
        rows = resample_weights(zero, zero + H, H, recipe.size)
        columns = resample_weights(zero, zero + W, W, recipe.size)
        x = _apply_weights(x, rows, columns).clamp_(0, 1)
    return normalise(x, recipe)


def normalise(x: Tensor, recipe: ViewSpec) -> Tensor:
    """(B, S, C, S) in [0, 1] -> (B, C, S, S), channels last, mean and standard deviation of the recipe."""
    mean, std = _constant(recipe.mean, x.device), _constant(recipe.std, x.device)
    return ((x - mean) / std).permute(0, 2, 1, 3).contiguous(memory_format=torch.channels_last)


@functools.cache
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """(C, 1) on the device, copied there once."""
    return torch.tensor(values, device=device)[:, None]


def resample(x: Tensor, size: int, p: ViewParameters) -> Tensor:
    """Crop, antialiased cubic resize and flip: (P, H, C, W) -> (B, size, C, size)."""
    _, H, _, W = x.shape
    rows = resample_weights(p.top, p.height, H, size)
    columns = resample_weights(p.left, p.width, W, size, p.flip)
    return _apply_weights(x, rows, columns)


def resample_weights(
    start: Tensor, length: Tensor, size_in: int, size_out: int, reverse: Tensor | None = None
) -> Tensor:
    """Weights (B, size_out, size_in) that cut [start, start + length) and resize it to `size_out` pixels.

    Keys' cubic with a = -0.5, widened by the scale when shrinking (antialiasing), cut at the box's edges and
    renormalised, as PIL and torch.nn.functional.interpolate(mode="bicubic", antialias=True) have it.
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
    recipe: ViewSpec, count: int, side: tuple[int, int], uniform: Callable[..., Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """torchvision.transforms.RandomResizedCrop.get_params for a batch: the first of ten tries that fits."""
    H, W = side
    area = uniform(*recipe.crop_scale, count, 10) * (H * W)
    low, high = recipe.crop_ratio
    ratio = torch.exp(uniform(math.log(low), math.log(high), count, 10))
    widths, heights = torch.sqrt(area * ratio).round(), torch.sqrt(area / ratio).round()
    fits = (widths > 0) & (widths <= W) & (heights > 0) & (heights <= H)
    first = fits.int().argmax(dim=1, keepdim=True)
    ratio_whole = min(max(W / H, low), high)  # the fallback: the largest central box of a legal ratio
    whole_width = round(H * ratio_whole) if high < W / H else W
    whole_height = round(W / ratio_whole) if low > W / H else H
    any_fits = fits.any(dim=1)
    width = torch.where(any_fits, widths.gather(1, first)[:, 0], whole_width)
    height = torch.where(any_fits, heights.gather(1, first)[:, 0], whole_height)
    top = torch.where(any_fits, (uniform(0, 1) * (H - height + 1)).floor(), (H - whole_height) // 2)
    left = torch.where(any_fits, (uniform(0, 1) * (W - width + 1)).floor(), (W - whole_width) // 2)
    return top, left, height, width


def _jitter(x: Tensor, name: str, p: ViewParameters) -> Tensor:
    """One colour operation on (B, S, C, S) in [0, 1]."""
    factor: Tensor = getattr(p, name)[:, None, None, None]
    if name == "brightness":
        return (x * factor).clamp_(0, 1)
    if name == "contrast":
        return torch.lerp(_grey(x).mean(dim=(1, 2, 3), keepdim=True), x, factor).clamp_(0, 1)
    if name == "saturation":
        return torch.lerp(_grey(x), x, factor).clamp_(0, 1)
    return shift_hue(x, factor[:, :, 0])


def _grey(x: Tensor) -> Tensor:
    """(B, S, C, S) -> (B, S, 1, S) luma."""
    if x.shape[2] == 1:
        return x
    red, green, blue = x.split(1, dim=2)
    luma: Tensor = red * GREY[0] + green * GREY[1] + blue * GREY[2]
    return luma


def shift_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Hue of (B, S, 3, S) moved by `turns` (B, 1, 1), through the HSV hexagon.

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
    sixth = hue + 6 * turns
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
