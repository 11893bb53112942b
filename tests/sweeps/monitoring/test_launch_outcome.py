"""What becomes of a launch is decided by values: every message may be worded otherwise."""

from unittest.mock import Mock

import pytest
import torch

from mmcr_core.config.run import BudgetSpec, DatasetSpec, OptimizerSpec
from sweeps.config.settings import GridSettings, ResourceSettings
from sweeps.execution.ray.worker_failures import WorkerWatch
from sweeps.execution.retries import Retry, next_attempt
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.launch_outcome import Ending, Outcome, StopReason, latest, with_earlier
from sweeps.monitoring.summary import show
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.planning.sweep import Sweep, record_launch
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.ray.test_trials import died
from tests.sweeps.execution.test_executor_failures import failing_at
from tests.sweeps.execution.test_run_executor import to_end

WORDINGS = (
    None,
    "",
    "left to the launch that trains it",
    "diverged",
    "OutOfMemoryError: CUDA out of memory",
    "the worker process died 3 times | earlier: finished; install the same on every node",
)
EVERY = {  # how a cell ends -> its reason, status, exit code of a launch of it alone, and how it is tried again
    "raises": (StopReason.ERROR, "failed", 1, Retry.NO, Retry.SAME),
    "out of memory": (StopReason.OUT_OF_MEMORY, "failed", 1, Retry.ALONE, Retry.ALONE),
    "without data": (StopReason.BAD_DATA, "failed", 1, Retry.NO, Retry.SAME),
    "its worker dies": (StopReason.WORKER_DIED, "failed", 1, Retry.ALONE, Retry.ALONE),
    "diverges": (StopReason.DIVERGED, "diverged", 1, Retry.NO, Retry.NO),
    "is another launch's": (StopReason.ELSEWHERE, "left", 1, Retry.NO, Retry.NO),
    "finishes": (None, "finished", 0, Retry.NO, Retry.NO),
}


def ended(how, tmp_path, digits_spec, monkeypatch):
    """A launch of one cell that ends so: the sweep and the outcome."""
    changes = {"budget": BudgetSpec(steps=5)}
    if how == "diverges":
        changes["optimizer"] = OptimizerSpec(learning_rate=1e30)
    if how == "without data":
        changes["dataset"] = DatasetSpec("parquet", path=str(tmp_path / "none"))
    if how in ("raises", "out of memory"):
        failing_at(monkeypatch, 2, ValueError("no") if how == "raises" else torch.OutOfMemoryError("no"))
    spec, store = digits_spec(**changes), Store(tmp_path / "s")
    settings, outcome = GridSettings(name="s"), Outcome()
    sweep = Sweep(settings, (spec,), (spec,), "", str(tmp_path), store)
    if how != "without data":
        record_launch(sweep)
    trial = RunExecutor(spec, store, "s")
    if how == "its worker dies":
        (cell,) = plan((spec,), ResourceSettings(), Machine(0, 1, 0, 1e11))
        watch = WorkerWatch({cell.run_id: cell}, settings, store, Mock())
        watch.on_trial_error(1, [], died(cell.run_id))
        return sweep, watch.outcome
    other = RunExecutor(spec, store, "s", launch="other")
    if how == "is another launch's":
        other.advance(1e-9)
    outcome.add(trial.run_id, to_end(trial).ending)
    other.stop()
    return sweep, outcome


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("how", EVERY)
def test_statuses_retries_and_exit_codes_are_the_same_whatever_the_messages_say(
    how, wording, tmp_path, digits_spec, monkeypatch, capsys
):
    if wording is not None:
        monkeypatch.setattr(Ending, "__post_init__", lambda self: object.__setattr__(self, "text", wording), False)
    reason, status, code, once, retried = EVERY[how]
    sweep, outcome = ended(how, tmp_path, digits_spec, monkeypatch)
    ending = next(iter(outcome.unfinished.values()), None)
    assert (ending.reason if ending else None, ending.status if ending else "finished") == (reason, status)
    assert (next_attempt(ending, 1, 0), next_attempt(ending, 1, 1)) == (once, retried)
    assert show(sweep, outcome, as_json=False) == code
    said = capsys.readouterr().out
    words = {"failed": "1 failed", "diverged": "1 diverged", "left": "1 left to", "finished": "1 of 1 cell finished"}
    assert [name for name, one in words.items() if one in said] == [status]
    (cell,) = survey(sweep.store.root)
    assert cell.status == ("begun" if status == "left" else status)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome(finished=["a"]), 0),
        (Outcome(unfinished={"a": Ending(StopReason.ERROR, "")}), 1),
        (Outcome(interrupted=True), 130),
        (Outcome(interrupted=True, timed_out=True), 1),
    ],
)
def test_the_exit_code_says_finished_unfinished_or_interrupted(outcome, code):
    assert outcome.exit_code == code


def test_the_latest_reason_stands_before_earlier_ones():
    assert with_earlier("b", None) == "b"
    assert with_earlier("c", with_earlier("b", "a")) == "c | earlier: b | earlier: a"
    assert latest("c | earlier: b | earlier: a") == "c"
