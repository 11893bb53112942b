"""Randomness drawn by counter: it follows from seed, stream and step alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mmcr_core.rng import STREAMS, generator


@given(seed=st.integers(0, 2**31 - 1), stream=st.sampled_from(STREAMS), step=st.integers(0, 2**40))
@settings(max_examples=50)
def test_a_step_draws_the_same_whatever_was_drawn_before(seed, stream, step):
    first = generator(seed, stream, step).random(7)
    generator(seed, stream, step + 1).random(1000)
    np.testing.assert_array_equal(first, generator(seed, stream, step).random(7))


@pytest.mark.parametrize("other", [(1, "views", 5), (0, "order", 5), (0, "views", 6)])
def test_other_seeds_streams_and_steps_draw_other_numbers(other):
    ours, theirs = generator(0, "views", 5).random(2000), generator(*other).random(2000)
    assert not np.isin(ours, theirs).any()
    assert abs(stats.pearsonr(ours, theirs).statistic) < 0.1


def test_numbers_of_neighboring_steps_are_uniform_and_independent():
    firsts = np.array([generator(0, "views", step).random(2) for step in range(4000)])
    assert stats.kstest(firsts[:, 0], "uniform").pvalue > 1e-3
    assert abs(stats.pearsonr(firsts[:-1, 0], firsts[1:, 0]).statistic) < 0.06


def test_the_numbers_are_those_of_every_earlier_version():
    """They decide every run: a change here must raise `algorithm` of the source."""
    drawn = [generator(seed, stream, step).random() for seed, stream, step in ((0, "order", 0), (7, "views", 12345))]
    assert drawn == [0.011546754286331562, 0.0891547091656083]
