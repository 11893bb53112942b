"""Which samples a step sees: permutations, windows, probabilities."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmcr_core.data.shards.sampler import GROUP, ShardOrder

counts = st.lists(st.integers(0, 20), min_size=1, max_size=40).filter(lambda found: sum(found) >= 2)


@st.composite
def orders(draw, sampling="epochs"):
    found = tuple(draw(counts))
    most = sum(found) if sampling == "epochs" else 50
    return ShardOrder(found, draw(st.integers(1, most)), draw(st.integers(0, 9)), sampling)


def epoch(order, number):
    steps = sum(order.counts) // order.points
    return np.concatenate([order.chosen(number * steps + i) for i in range(steps)])


@given(orders(), st.integers(0, 3))
def test_an_epoch_shows_each_sample_once_but_those_of_the_dropped_tail(order, number):
    seen = {tuple(one) for one in epoch(order, number).tolist()}
    every = {(shard, place) for shard, count in enumerate(order.counts) for place in range(count)}
    assert len(seen) == sum(order.counts) // order.points * order.points
    assert seen <= every


@given(orders(), st.lists(st.integers(0, 500), min_size=1, max_size=5))
def test_a_step_is_the_same_however_it_is_reached(order, steps):
    fresh = ShardOrder(order.counts, order.points, order.seed, order.sampling)
    walked = {step: order.chosen(step).tolist() for step in range(max(steps) % 20 + 1)}
    assert all(fresh.chosen(step).tolist() == walked[step] for step in reversed(walked))


@given(orders(), st.integers(0, 500))
def test_the_shards_of_a_step_lie_in_its_window(order, step):
    assert {int(shard) for shard in order.chosen(step)[:, 0]} <= order.window(step)


@given(orders("replacement"), st.integers(0, 500))
def test_with_replacement_a_window_is_a_group_at_most(order, step):
    chosen = order.chosen(step)
    assert {int(shard) for shard in chosen[:, 0]} <= order.window(step)
    assert len(order.window(step)) <= GROUP
    assert all(0 <= place < order.counts[shard] for shard, place in chosen.tolist())


def test_samples_mix_within_groups_of_eight_shards():
    order = ShardOrder((100,) * 40, 100, 0, "epochs")
    for first in range(0, 40, GROUP):
        of_group = np.concatenate([order.chosen(step) for step in range(first, first + GROUP)])
        assert len(np.unique(of_group[:, 0])) == GROUP
        assert len(np.unique(order.chosen(first)[:, 0])) > GROUP // 2


def test_epochs_and_seeds_differ():
    order, other = (ShardOrder((50,) * 10, 50, seed, "epochs") for seed in (0, 1))
    assert not np.array_equal(epoch(order, 0), epoch(order, 1))
    assert not np.array_equal(epoch(order, 0), epoch(other, 0))


def test_with_replacement_each_sample_is_equally_likely():
    for sizes in ((5, 10, 20, 40) * 5, (3, 9)):
        order = ShardOrder(sizes, 64, 0, "replacement")
        seen = np.concatenate([order.chosen(step)[:, 0] for step in range(6000)])
        shares = np.bincount(seen, minlength=len(sizes)) / len(seen)
        np.testing.assert_allclose(shares, np.array(sizes) / sum(sizes), rtol=0.25)
