"""Each view operation, given its parameters, against torchvision's; what is drawn, against the recipe."""

import dataclasses
import functools
from collections import Counter
from importlib import import_module

import numpy as np
import pytest
import torch
from scipy import stats

from mmcr_core.augmentation.augmentations import (
    ViewParameters,
    blur,
    blur_kernel_size,
    draw_order,
    draw_parameters,
    make_views,
    plain_view,
    resample,
    shift_hue,
)
from mmcr_core.config.defaults import VIEW_RECIPES
from mmcr_core.config.run import ViewSpec
from mmcr_core.data.torchvision_import import torchvision

F = import_module("torchvision.transforms.v2.functional")
TO_LEVEL = 1 / 255
STL10 = VIEW_RECIPES["stl10"]


def images(count, side, channels=3, seed=0):
    """(N, H, C, W) smooth random images in [0, 1]."""
    coarse = torch.rand(count, channels, 6, 6, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    noise = 0.1 * torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed + 1))
    return (fine + noise).clamp(0, 1).permute(0, 2, 1, 3).contiguous()


def draw(recipe, count, side, seed=0):
    drawn = draw_parameters(recipe, count, (side, side), np.random.default_rng(seed))
    return ViewParameters(*torch.from_numpy(drawn))


def order_of(recipe, seed=0):
    return draw_order(recipe, np.random.default_rng(seed))


def neutral(recipe, count, side, **changes):
    """Parameters that crop the whole image and change nothing else, but for `changes`."""
    p = draw(recipe, count, side)
    ones, zeros = torch.ones(count), torch.zeros(count)
    whole = {"top": zeros, "left": zeros, "height": ones * side, "width": ones * side, "flip": zeros}
    color = {"brightness": ones, "contrast": ones, "saturation": ones, "hue": zeros, "greyscale": zeros}
    return p._replace(**whole, **(color | changes), sigma=zeros, solarise=zeros)


def channels_first(x):
    return x.permute(0, 2, 1, 3)


@pytest.mark.parametrize("side", [96, 64, 32, 20])
def test_crop_resize_and_flip_equal_torchvision(side):
    recipe = dataclasses.replace(STL10, size=32)
    x, p = images(24, side), draw(recipe, 24, side)
    ours = channels_first(resample(x, 32, p))
    for i, image in enumerate(channels_first(x)):
        box = [int(getattr(p, name)[i]) for name in ("top", "left", "height", "width")]
        theirs = F.resized_crop(image, *box, [32, 32], torchvision.transforms.InterpolationMode.BICUBIC, True)
        theirs = theirs.flip(-1) if p.flip[i] else theirs
        assert (ours[i] - theirs).abs().max() < 2e-6


COLOR = {
    "brightness": lambda image, value: F.adjust_brightness(image, value),
    "contrast": lambda image, value: F.adjust_contrast(image, value),
    "saturation": lambda image, value: F.adjust_saturation(image, value),
    "hue": lambda image, value: F.adjust_hue(image, value),
}


@pytest.mark.parametrize("name", COLOR)
def test_each_color_operation_equals_torchvision(name):
    x = images(16, 16)
    values = torch.linspace(-0.5, 0.5, 16) if name == "hue" else torch.linspace(0, 2, 16)
    recipe = ViewSpec(size=16, brightness=1, contrast=1, saturation=1, hue=0.5, mean=(0.0,) * 3, std=(1.0,) * 3)
    ours = make_views(x, recipe, neutral(recipe, 16, 16, **{name: values}), order_of(recipe))
    for i, image in enumerate(channels_first(x)):
        assert (ours[i] - COLOR[name](image, float(values[i]))).abs().max() < TO_LEVEL


def test_hue_of_grey_black_and_primary_pixels_equals_torchvision():
    corners = torch.tensor([[r, g, b] for r in (0.0, 0.5, 1.0) for g in (0.0, 0.5, 1.0) for b in (0.0, 0.5, 1.0)])
    x = corners.T[None, :, :].expand(4, 3, 27)[:, None]  # (B, S=1, 3, 27)
    turns = torch.tensor([-0.5, -0.1, 0.0, 0.3])
    ours = shift_hue(x, turns[:, None, None, None])
    for i in range(4):
        theirs = F.adjust_hue(channels_first(x)[i], float(turns[i]))
        assert (channels_first(ours)[i] - theirs).abs().max() < TO_LEVEL


def test_a_whole_recipe_in_each_jitter_order_equals_torchvision():
    recipe = dataclasses.replace(STL10, blur=0.5, solarise=0.3, greyscale=0.3)
    for seed in range(6):
        x, p, order = images(8, 96, seed=seed), draw(recipe, 8, 96, seed), order_of(recipe, seed)
        ours = make_views(x, recipe, p, order)
        for i, image in enumerate(channels_first(x)):
            box = [int(getattr(p, name)[i]) for name in ("top", "left", "height", "width")]
            y = F.resized_crop(image, *box, [64, 64], torchvision.transforms.InterpolationMode.BICUBIC, True).clamp(
                0, 1
            )
            y = y.flip(-1) if p.flip[i] else y
            for index in order:
                name = list(COLOR)[index]
                y = COLOR[name](y, float(getattr(p, name)[i]))
            y = F.rgb_to_grayscale(y, 3) if p.greyscale[i] else y
            if p.sigma[i] > 0:
                y = F.gaussian_blur(y, [blur_kernel_size(64)] * 2, [float(p.sigma[i])] * 2)
            inverted = (p.solarise[i] > 0) & ((y - 0.5).abs() > 1e-4)  # at the threshold itself rounding decides
            y = F.normalize(F.solarize(y, 0.5) if p.solarise[i] else y, list(recipe.mean), list(recipe.std))
            difference = (ours[i] - y).abs() * torch.tensor(recipe.std)[:, None, None]
            assert torch.where(inverted | (p.solarise[i] == 0), difference, 0).max() < TO_LEVEL


@pytest.mark.parametrize("side", [8, 32, 64])
def test_blur_equals_torchvision(side):
    x, sigma = images(6, side), torch.linspace(0.1, 2, 6)
    ours = channels_first(blur(x, sigma, side))
    kernel = blur_kernel_size(side)
    for i, image in enumerate(channels_first(x)):
        assert (ours[i] - F.gaussian_blur(image, [kernel, kernel], [float(sigma[i])] * 2)).abs().max() < 1e-5


def test_uint8_images_and_single_channels_are_taken():
    recipe = VIEW_RECIPES["digits"]
    x = (images(4, 8, channels=1) * 255).byte()
    views = make_views(x, recipe, draw(recipe, 12, 8), order_of(recipe))
    assert views.shape == (12, 1, 8, 8)
    assert views.dtype == torch.float32
    assert views.is_contiguous(memory_format=torch.channels_last)


def test_a_plain_view_is_the_resized_image():
    x = images(3, 96)
    theirs = F.resize(channels_first(x), [64, 64], torchvision.transforms.InterpolationMode.BICUBIC, antialias=True)
    theirs = F.normalize(theirs.clamp(0, 1), list(STL10.mean), list(STL10.std))
    assert (plain_view(x, STL10) - theirs).abs().max() < 1e-4


def test_views_of_an_image_and_of_a_batch_differ():
    x = images(1, 96).expand(4, -1, -1, -1)
    views = make_views(x, STL10, draw(STL10, 8, 96), order_of(STL10)).flatten(1)
    assert (torch.pdist(views) > 1).all()


def test_boxes_are_distributed_as_torchvisions():
    p = draw(STL10, 4000, 96)
    torch.manual_seed(0)
    crop = torchvision.transforms.RandomResizedCrop
    theirs = torch.tensor(
        [crop.get_params(torch.empty(3, 96, 96), [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)], dtype=torch.float64
    )
    for i, name in enumerate(("top", "left", "height", "width")):
        assert stats.ks_2samp(getattr(p, name), theirs[:, i]).pvalue > 1e-3, name


def test_an_image_too_narrow_for_any_box_is_cut_in_its_middle():
    recipe = dataclasses.replace(STL10, crop_scale=(1.0, 1.0))
    p = ViewParameters(*torch.from_numpy(draw_parameters(recipe, 50, (20, 200), np.random.default_rng(0))))
    box = torchvision.transforms.RandomResizedCrop.get_params(torch.empty(3, 20, 200), [1.0, 1.0], [3 / 4, 4 / 3])
    assert [float(v) for v in (p.top[0], p.left[0], p.height[0], p.width[0])] == [float(v) for v in box]


def test_probabilities_and_ranges_follow_the_recipe():
    recipe = dataclasses.replace(STL10, blur=0.3, solarise=0.2)
    p = draw(recipe, 20_000, 96)
    jittered = p.hue != 0
    shares = {"flip": p.flip, "jitter": jittered, "greyscale": p.greyscale, "blur": p.sigma > 0, "solarise": p.solarise}
    for name, drawn in shares.items():
        expected = getattr(recipe, name)
        assert stats.binomtest(int(drawn.sum()), 20_000, expected).pvalue > 1e-4, name
    uniform = functools.partial(stats.uniform, loc=0.6, scale=0.8)
    for name in ("brightness", "contrast", "saturation"):
        values = getattr(p, name)
        assert (values[~jittered] == 1).all()
        assert stats.kstest(values[jittered], uniform().cdf).pvalue > 1e-4, name
    assert stats.kstest(p.hue[jittered], stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-4


def test_every_order_of_the_jitters_is_drawn():
    rng = np.random.default_rng(0)
    counts = Counter(draw_order(STL10, rng) for _ in range(2400))
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_jitters_that_change_nothing_are_left_out_of_the_order():
    assert set(order_of(VIEW_RECIPES["digits"])) == {0, 1}
    assert order_of(dataclasses.replace(STL10, jitter=0.0)) == ()
    assert len(order_of(dataclasses.replace(STL10, hue=0.0))) == 3
