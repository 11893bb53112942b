"""What a step asks of a device, counted without one: a slower step on a GPU is seen here as more operations."""

import pytest

from tests.benchmarks.measure import stl10_cell
from tests.benchmarks.operations import AIMED_AT, compiled_kernels, eager_step


def test_one_copy_a_step_comes_from_the_host_and_the_eager_step_stays_small():
    step = eager_step(stl10_cell(64, 64, 2))
    assert step.copies_from_host == 1
    assert step.views <= 144
    assert step.network <= 168
    assert step.optimizer + step.loss_and_measures <= 85


@pytest.mark.slow
def test_compiled_steps_have_at_most_the_operations_aimed_at():
    spec = stl10_cell(64, 64, 2)
    eager, (views, network) = eager_step(spec), compiled_kernels(spec)
    rest = eager.optimizer + eager.loss_and_measures
    assert views + eager.network + rest <= AIMED_AT["compiled views"]
    assert views + network + rest <= AIMED_AT["compile: all"]
