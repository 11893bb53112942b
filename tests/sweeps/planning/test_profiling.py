"""Measured costs replace estimates in plans, and are kept by shape."""

import dataclasses
import gc
import json
import weakref

import pytest

from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec, OptimizerSpec
from mmcr_core.training import Pretraining
from sweeps.config.settings import ResourceSettings
from sweeps.planning import profiling
from sweeps.planning.machine import Machine
from sweeps.planning.plan import CELL_OVERHEAD_SECONDS, plan
from sweeps.planning.profiling import ProfilingRun, lookup, measure, shape_key
from tests.conftest import run_script

CPU = Machine(gpus=0, cpus=1, gpu_memory_bytes=0, flops_per_second=1e11)


def test_a_measurement_is_kept_for_its_shape_and_used_by_plans(digits_spec):
    spec = digits_spec()
    assert lookup(spec, "cpu", 1, "off") is None
    assert not plan((spec,), ResourceSettings(), CPU)[0].measured
    assert ProfilingRun(spec, "cpu", 1, "off").advance(1).status == "finished"
    kept = lookup(spec, "cpu", 1, "off")
    assert (
        kept.seconds_per_step > 0
        and kept.start_seconds > 0
        and kept.measuring_seconds > 0
        and kept.memory_bytes > 1 << 20
    )
    longer = digits_spec(budget=BudgetSpec(steps=1000), seed=3)
    (cell,) = plan((longer,), ResourceSettings(), CPU)
    assert cell.measured and cell.memory_bytes == kept.memory_bytes
    beside = CELL_OVERHEAD_SECONDS + kept.start_seconds + kept.measuring_seconds
    assert cell.seconds == pytest.approx(beside + 1000 * kept.seconds_per_step)
    assert lookup(spec, "cpu", 2, "off") is None


def test_shapes_differ_in_what_changes_the_cost_of_a_step_only(digits_spec):
    spec = digits_spec()
    same = [
        digits_spec(seed=5),
        digits_spec(budget=BudgetSpec(epochs=9.0)),
        digits_spec(optimizer=OptimizerSpec(learning_rate=1.0)),
    ]
    other = [digits_spec(P=32), digits_spec(D=9), digits_spec(K=3), digits_spec(precision="bf16")]
    other += [digits_spec(optimizer=OptimizerSpec(name)) for name in ("sgd", "lars")]
    other.append(digits_spec(evaluate=EvaluateSpec(50, "knn")))
    other.append(digits_spec(views=dataclasses.replace(spec.views, blur=0.5)))
    key = shape_key(spec, "cpu", 1, "off")
    assert {shape_key(one, "cpu", 1, "off") for one in same} == {key}
    assert shape_key(spec, "cpu", 1, "on") != key
    assert len({shape_key(spec, "cpu", 1, compile) for compile in ("on", "all", "auto")}) == 3
    assert key not in {shape_key(one, "cpu", 1, "off") for one in other}


def test_what_an_older_version_measured_is_not_used(digits_spec, monkeypatch):
    ProfilingRun(digits_spec(), "cpu", 1, "off").advance(1)
    assert lookup(digits_spec(), "cpu", 1, "off") is not None
    monkeypatch.setattr(profiling, "VERSION", profiling.VERSION + 1)
    assert lookup(digits_spec(), "cpu", 1, "off") is None


def test_what_is_measured_leaves_no_run_behind(digits_spec, monkeypatch):
    seen = []
    whole = Pretraining.__init__

    def noted(run, *arguments, **options):
        whole(run, *arguments, **options)
        seen.append(weakref.ref(run))

    monkeypatch.setattr(Pretraining, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        measured = measure(digits_spec(P=64, budget=BudgetSpec(steps=30)), "cpu", 1)
        assert measured.seconds_per_step > 0
        assert [run() for run in seen] == [None]
    finally:
        gc.enable()


def test_steps_on_a_gpu_are_timed_by_its_events_after_every_capture(digits_spec, monkeypatch):
    """Played on a CPU: the events say that a step takes 2 ms."""
    marks = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self, stream):
            self.at = run.step
            marks.append(run.step)

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return 2.0 * (end.at - self.at)

    monkeypatch.setattr(profiling.torch.cuda, "Event", Event)
    monkeypatch.setattr(profiling.torch.cuda, "current_stream", lambda device: device)
    monkeypatch.setattr(profiling, "MEASURED_SECONDS", 0.05)
    run = Pretraining(digits_spec(budget=BudgetSpec(steps=1000)))
    assert profiling._gpu_seconds(run) == pytest.approx(0.002)
    assert marks == [0, 5, 5, 30]


def test_a_shape_that_cannot_run_is_left_to_its_cell(tmp_path, digits_spec):
    spec = digits_spec(dataset=DatasetSpec("parquet", path=str(tmp_path / "none.parquet")))
    progress = ProfilingRun(spec, "cpu", 1, "off").advance(1)
    assert progress.status == "failed" and "does not exist" in progress.error
    assert lookup(spec, "cpu", 1, "off") is None


@pytest.mark.slow
def test_plan_with_calibrate_measures_and_writes_no_results(write_grid, tmp_path):
    ran = run_script("sweeps/launch.py", write_grid(), "--plan", "--calibrate", "--json", "--results", tmp_path / "r")
    assert ran.returncode == 0, ran.stderr
    plan = json.loads(ran.stdout)
    assert plan["makespan_seconds"] < 30
    assert not (tmp_path / "r").exists()
    again = run_script("sweeps/launch.py", write_grid(), "--plan", "--results", tmp_path / "r")
    assert "Time and memory as measured on this kind of device." in again.stdout
