"""Compiled views: the numbers of the eager ones, few compilations, and a clear reason where there are none."""

import dataclasses

import pytest
import torch
from torch._dynamo.utils import counters

from mmcr_core.augmentation import compiled_augmentations
from mmcr_core.augmentation.compiled_augmentations import CompilationFailed
from mmcr_core.config.defaults import VIEW_RECIPES
from mmcr_core.config.run import DatasetSpec
from mmcr_core.data.image_loader import Source
from mmcr_core.data.image_set import Images

RECIPE = dataclasses.replace(VIEW_RECIPES["stl10"], size=16, blur=0.5, solarise=0.3)


@pytest.fixture
def images():
    pixels = torch.randint(0, 256, (8, 24, 3, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Images(pixels, torch.zeros(8), pixels, torch.zeros(8))


@pytest.fixture
def spec(digits_spec):
    return digits_spec(P=4, dataset=DatasetSpec("stl10"), views=RECIPE)


def compiled_source(spec, images):
    source = Source(spec, images)
    source.prepare_step(0)
    source.compile()
    return source


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(compiled_augmentations, "_KEPT", {})


def test_compiled_views_are_the_eager_ones_and_all_orders_share_six_compilations(spec, images):
    eager = Source(spec, images)
    counters.clear()
    fast = compiled_source(spec, images)
    assert counters["stats"]["unique_graphs"] == 6  # crop, four jitters, the rest
    for step in range(30):
        order = eager.prepare_step(step)
        assert fast.prepare_step(step) == order
        assert (fast.batch(order) - eager.batch(order)).abs().max() < 2e-5
    compiled_source(dataclasses.replace(spec, seed=1, D=4), images)  # a resumed run, or another of the same shape
    assert counters["stats"]["unique_graphs"] == 6


def test_views_go_to_a_place_that_is_given_rounded_to_its_type(spec, images):
    source, place = Source(spec, images), torch.empty(8, 3, 16, 16, dtype=torch.bfloat16)
    order = source.prepare_step(3)
    assert source.batch(order, place) is place
    assert torch.equal(place, source.batch(order).bfloat16())


def test_where_compilation_fails_the_reason_is_said(spec, images, monkeypatch):
    def no_compiler(*_, **__):
        raise RuntimeError("InvalidCxxCompiler: no working C++ compiler found\nmore")

    monkeypatch.setattr(compiled_augmentations.torch, "compile", lambda *_, **__: no_compiler)
    with pytest.raises(CompilationFailed, match=r"^InvalidCxxCompiler: no working C\+\+ compiler found$"):
        compiled_source(spec, images)
