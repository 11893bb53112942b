"""Batches of images with views: which images, which views, and that a step's follow from its number."""

import dataclasses

import numpy as np
import pytest
import torch

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data.image_loader import Source, heldout_views
from mmcr_core.data.registry import load
from mmcr_core.data.sampler import kept_images


@pytest.fixture
def source_of(digits_spec):
    def make(**changes):
        spec = digits_spec(**changes)
        return Source(spec, load(spec.dataset))

    return make


def test_an_epoch_shows_each_image_once_and_drops_the_last_batch(source_of):
    source = source_of(P=500)
    first, second = ([*source._epochs.chosen(2 * epoch), *source._epochs.chosen(2 * epoch + 1)] for epoch in range(2))
    assert len(set(first)) == len(set(second)) == 1000
    assert first != second


def test_a_step_has_its_images_and_views_whatever_came_before(source_of):
    straight, jumping = source_of(P=64), source_of(P=64)
    for step in range(60):
        straight.prepare_step(step)
    expected = [straight.batch(straight.prepare_step(step)) for step in (60, 3)]
    for step, views in zip((60, 3), expected, strict=True):
        assert torch.equal(jumping.batch(jumping.prepare_step(step)), views)


def test_each_order_that_is_drawn_is_among_those_that_are_announced(source_of):
    source = source_of()
    assert {source.prepare_step(step) for step in range(40)} == set(source.graph_keys()) == {(0, 1), (1, 0)}


def test_views_of_one_image_stand_together_and_differ(source_of):
    source = source_of(P=8, K=3)
    views = source.batch(source.prepare_step(0))
    assert views.shape == source.batch_shape == (24, 1, 8, 8)
    assert len(torch.unique(views.flatten(1), dim=0)) == 24


def test_a_limit_keeps_some_images_the_same_for_all_seeds_and_smaller_ones_within_larger(source_of):
    def seen(limit, seed):
        source = source_of(P=50, seed=seed, dataset=DatasetSpec("digits", limit=limit))
        return {int(i) for step in range(2 * source.available // 50) for i in source._epochs.chosen(step)}

    assert seen(100, seed=0) == seen(100, seed=1)
    assert len(seen(100, seed=0)) == 100
    assert seen(100, seed=0) < seen(300, seed=0)
    assert len(kept_images(10, None)) == len(kept_images(10, 20)) == 10


def test_a_limit_is_no_prefix_of_the_data(source_of):
    kept = kept_images(10_000, 500)
    assert np.all(np.diff(kept) > 0)
    assert abs(kept.mean() - 5000) < 500  # of files sorted by class, every class is kept


def test_heldout_views_are_the_same_for_every_network_and_leave_training_alone(source_of, digits_spec):
    source, spec = source_of(), digits_spec()
    before = source.batch(source.prepare_step(5)).clone()
    images = load(spec.dataset)
    first, again = heldout_views(spec, images, 0), heldout_views(spec, images, 0)
    assert torch.equal(first, again)
    assert not torch.equal(first, heldout_views(spec, images, 1))
    assert torch.equal(before, source.batch(source.prepare_step(5)))
    other = dataclasses.replace(spec, D=4)
    assert torch.equal(first, heldout_views(other, source.images, 0))
