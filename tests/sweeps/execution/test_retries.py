"""One policy of retries for every way of running."""

import pytest

from sweeps.execution.retries import Retry, next_attempt
from sweeps.monitoring.launch_outcome import Ending, StopReason


@pytest.mark.parametrize("reason", [StopReason.OUT_OF_MEMORY, StopReason.WORKER_DIED])
def test_a_cell_that_lacked_memory_is_tried_once_more_than_asked_for_unless_it_was_alone(reason):
    ending = Ending(reason, "")
    assert next_attempt(ending, 1, 0) is Retry.ALONE
    assert next_attempt(ending, 1, 0, alone=True) is Retry.NO
    assert next_attempt(ending, 1, 1, alone=True) is Retry.ALONE
    assert next_attempt(ending, 2, 1) is Retry.NO


def test_a_cell_that_raised_is_tried_as_often_as_asked_for():
    attempts = [next_attempt(Ending(StopReason.ERROR, ""), attempts, 2) for attempts in (1, 2, 3)]
    assert attempts == [Retry.SAME, Retry.SAME, Retry.NO]


@pytest.mark.parametrize("ending", [None, Ending(StopReason.DIVERGED, ""), Ending(StopReason.ELSEWHERE, "")])
def test_what_finished_diverged_or_is_another_launchs_is_never_tried_again(ending):
    assert next_attempt(ending, 1, 100) is Retry.NO
