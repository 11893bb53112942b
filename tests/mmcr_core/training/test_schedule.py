"""Warm-up and decay of the learning rate."""

import dataclasses
from itertools import pairwise

import pytest

from mmcr_core.config.run import OptimizerSpec, SpecError
from mmcr_core.training.schedule import learning_rate


def test_schedules_warm_up_and_end_where_they_should():
    spec = OptimizerSpec(learning_rate=0.1, warmup=0.1)
    rates = [learning_rate(spec, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) / 11 for i in range(10)])
    assert set(rates[10:]) == {0.1}
    cosine = [learning_rate(dataclasses.replace(spec, schedule="cosine"), step, 100) for step in range(100)]
    assert cosine[10] == 0.1
    assert cosine[55] == pytest.approx(0.05)
    assert 0 < cosine[99] < 1e-3
    assert all(a >= b for a, b in pairwise(cosine[10:]))


def test_warm_up_is_a_number_of_steps_or_a_share_of_them():
    assert OptimizerSpec(warmup=7).warmup_steps(100) == 7
    assert OptimizerSpec(warmup=0.1).warmup_steps(100) == 10
    assert OptimizerSpec(warmup=0).warmup_steps(100) == 0
    for bad in (-1, 1.0, -0.5):
        with pytest.raises(SpecError, match="must be"):
            OptimizerSpec(warmup=bad)
