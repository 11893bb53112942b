"""Batches of images with views: a step's follow from its number."""

import dataclasses

import pytest
import torch

from mmcr_core.data.image_loader import Source, heldout_views
from mmcr_core.data.registry import load


@pytest.fixture
def source_of(digits_spec):
    def make(**changes):
        spec = digits_spec(**changes)
        return Source(spec, load(spec.dataset))

    return make


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


def test_heldout_views_are_the_same_for_every_network_and_leave_training_alone(source_of, digits_spec):
    source, spec = source_of(), digits_spec()
    before = source.batch(source.prepare_step(5)).clone()
    images = load(spec.dataset)
    first, again = heldout_views(spec, images, 0), heldout_views(spec, images, 0)
    assert torch.equal(first, again)
    assert not torch.equal(first, heldout_views(spec, images, 1))
    assert torch.equal(before, source.batch(source.prepare_step(5)))
    other = dataclasses.replace(spec, D=4)
    assert torch.equal(first, heldout_views(other, images, 0))
