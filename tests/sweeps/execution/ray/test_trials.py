"""What becomes of the cells of a trial of Tune when its worker, its node or the sweep's folder fails."""

import functools
import signal
from unittest.mock import Mock

import pytest
from ray.exceptions import RayTaskError

from mmcr_core.config.run import BudgetSpec
from mmcr_core.training import CaptureOutOfMemory
from sweeps.config.settings import GridSettings, ResourceSettings
from sweeps.execution.executor_settings import Progress
from sweeps.execution.ray.plan_searcher import configuration
from sweeps.execution.ray.trainable import CellTrainable, Job, OtherCode, code_version
from sweeps.execution.ray.worker_failures import WorkerWatch
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.launch_outcome import Ending, StopReason
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_executor_failures import failing_at
from tests.sweeps.execution.test_run_executor import to_end


def died(run_id, error=None, others=()):
    """A trial as Tune shows it, which it has given up."""
    trial = Mock(config={"run_ids": [run_id, *others]}, trial_id="t", error_file=None)
    trial.get_pickled_error.return_value = error
    return trial


@pytest.mark.parametrize(("before", "after"), [("finished", "finished"), (None, "failed")])
def test_a_worker_that_dies_makes_no_finished_run_a_failed_one(tmp_path, digits_spec, before, after):
    """As where it measures what a finished run lacks."""
    store, spec = Store(tmp_path), digits_spec()
    if before:
        to_end(RunExecutor(spec, store, "s"))
    (cell,) = planned(spec)
    watch = WorkerWatch({cell.run_id: cell}, GridSettings(name="s"), store, Mock())
    watch.on_trial_error(1, [], died(cell.run_id))
    assert store.statuses() == {cell.run_id: after}
    ending = watch.outcome.unfinished[cell.run_id]
    assert ending.reason is StopReason.WORKER_DIED and ending.text.startswith("the worker process died 3 times")


def test_a_node_with_other_code_is_the_reason_itself_and_no_worker_that_died(tmp_path, digits_spec):
    (cell,) = planned(digits_spec())
    watch = WorkerWatch({cell.run_id: cell}, GridSettings(name="s"), Store(tmp_path), Mock())
    watch.on_trial_error(1, [], died(cell.run_id, RayTaskError("step", "", OtherCode("node a has torch 1"))))
    assert watch.outcome.unfinished == {cell.run_id: Ending(StopReason.OTHER_CODE, "node a has torch 1")}
    assert Store(tmp_path).read_run(cell.run_id)["error"] == "node a has torch 1"


def planned(*specs):
    return plan(specs, ResourceSettings(), Machine(gpus=0, cpus=1, gpu_memory_bytes=0, flops_per_second=1e11))


def test_a_worker_that_dies_in_a_trial_of_many_cells_costs_the_current_one_alone(tmp_path, digits_spec):
    """Its successor begins with the first again, and the cells that were not come to are run apart."""
    cells = {cell.run_id: cell for cell in planned(*(digits_spec(seed=seed) for seed in range(4)))}
    first, second, third, fourth = cells
    watch = WorkerWatch(cells, GridSettings(name="s"), Store(tmp_path), watcher := Mock())
    trial = died(first, others=[second, third, fourth])
    over = Progress(RunStatus.FINISHED, 9, 9, 0.5, 1.0)
    watch.on_trial_start(1, [], trial)
    watch.on_trial_result(1, [], trial, {"progress": [(first, over), (second, over)]})
    watch.on_trial_start(1, [], trial)
    watch.on_trial_result(1, [], trial, {"progress": [(first, over)]})
    watch.on_trial_error(1, [], trial)
    assert watch.outcome.finished == [first, second] and list(watch.outcome.unfinished) == [third]
    assert watch.stranded == [cells[fourth]]
    assert [call.args[0].run_id for call in watcher.ended.mock_calls] == [first, second, third]
    assert [call.args[0].run_id for call in watcher.started.mock_calls] == [first, second, third, third]


def worker_of(cells, root, monkeypatch):
    job = Job(cells, GridSettings(name="s"), str(root), "launch", code_version(), {})
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(CellTrainable, "setup", functools.partialmethod(CellTrainable.setup, job=job))
    return CellTrainable(configuration(list(cells.values())))


def test_where_the_folder_is_moved_meanwhile_nothing_is_begun_in_its_place(tmp_path, digits_spec, monkeypatch):
    cells = {cell.run_id: cell for cell in planned(digits_spec(budget=BudgetSpec(steps=100_000)), digits_spec())}
    root = tmp_path / "s"
    Store(root).write_grid("")
    worker = worker_of(cells, root, monkeypatch)
    ((first, progress),) = worker.step()["progress"]
    assert progress.status == RunStatus.RUNNING
    worker._trial.save()
    root.rename(tmp_path / "moved")
    told = worker.step()
    assert told["done"] and [run_id for run_id, _ in told["progress"]] == list(cells)
    assert {progress.ending.reason for _, progress in told["progress"]} == {StopReason.STORE_GONE}
    worker.cleanup()
    assert not root.exists() and Store(tmp_path / "moved").checkpointed_step(first)


@pytest.mark.parametrize("process_ends", [False, True])
def test_a_trial_trains_its_cells_one_after_the_other_until_its_process_has_to_end(
    tmp_path, digits_spec, monkeypatch, process_ends
):
    specs = [digits_spec(seed=seed) for seed in range(3)]
    cells = {cell.run_id: cell for cell in planned(*specs)}
    if process_ends:
        failing_at(monkeypatch, 2, CaptureOutOfMemory("no"))
    Store(tmp_path).write_grid("")
    worker = worker_of(cells, tmp_path, monkeypatch)
    told = []
    while not told or not told[-1]["done"]:
        told.append(worker.step())
    ended = {run_id: progress.status for result in told for run_id, progress in result["progress"]}
    worker.cleanup()
    if process_ends:
        assert ended == {next(iter(cells)): RunStatus.FAILED}
    else:
        assert ended == dict.fromkeys(cells, RunStatus.FINISHED)
    assert Store(tmp_path).statuses() == ended
