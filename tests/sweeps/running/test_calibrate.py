"""Measured costs replace estimates in plans, and are kept by shape."""

import dataclasses
import json

import pytest

from mmcr_core.spec import BudgetSpec, DatasetSpec, OptimizerSpec
from sweeps.grid.settings import ResourceSettings
from sweeps.running.calibrate import Calibration, lookup, measure, shape_key
from sweeps.running.plan import CELL_OVERHEAD_SECONDS, Machine, plan
from tests.conftest import run_script

CPU = Machine(gpus=0, cpus=1, gpu_memory_bytes=0, flops_per_second=1e11)


def test_a_measurement_is_kept_for_its_shape_and_used_by_plans(digits_spec):
    spec = digits_spec()
    assert lookup(spec, "cpu", 1) is None
    assert not plan((spec,), ResourceSettings(), CPU)[0].measured
    assert Calibration(spec, "cpu", 1).advance(1).status == "finished"
    kept = lookup(spec, "cpu", 1)
    assert kept.seconds_per_step > 0 and kept.other_seconds > 0 and kept.memory_bytes > 1 << 20
    longer = digits_spec(budget=BudgetSpec(steps=1000), seed=3)
    (cell,) = plan((longer,), ResourceSettings(), CPU)
    assert cell.measured and cell.memory_bytes == kept.memory_bytes
    assert cell.seconds == pytest.approx(CELL_OVERHEAD_SECONDS + kept.other_seconds + 1000 * kept.seconds_per_step)
    assert lookup(spec, "cpu", 2) is None


def test_shapes_differ_in_what_changes_the_cost_of_a_step_only(digits_spec):
    spec = digits_spec()
    same = [
        digits_spec(seed=5),
        digits_spec(budget=BudgetSpec(epochs=9.0)),
        digits_spec(optimizer=OptimizerSpec(learning_rate=1.0)),
    ]
    other = [digits_spec(P=32), digits_spec(D=9), digits_spec(K=3), digits_spec(precision="bf16")]
    other.append(digits_spec(views=dataclasses.replace(spec.views, blur=0.5)))
    key = shape_key(spec, "cpu", 1)
    assert {shape_key(one, "cpu", 1) for one in same} == {key}
    assert key not in {shape_key(one, "cpu", 1) for one in other}


def test_a_step_is_measured_near_what_a_run_takes(digits_spec):
    import time

    from mmcr_core.training import Pretraining

    spec = digits_spec(P=64, budget=BudgetSpec(steps=300))
    measured = measure(spec, "cpu", 1)
    run = Pretraining(spec)
    began = time.perf_counter()
    list(run.run())
    assert measured.seconds_per_step == pytest.approx((time.perf_counter() - began) / 300, rel=0.5)


def test_a_shape_that_cannot_run_is_left_to_its_cell(tmp_path, digits_spec):
    spec = digits_spec(dataset=DatasetSpec("parquet", path=str(tmp_path / "none.parquet")))
    progress = Calibration(spec, "cpu", 1).advance(1)
    assert progress.status == "failed" and "does not exist" in progress.error
    assert lookup(spec, "cpu", 1) is None


@pytest.mark.slow
def test_plan_with_calibrate_measures_and_writes_no_results(write_grid, tmp_path):
    ran = run_script("sweeps/launch.py", write_grid(), "--plan", "--calibrate", "--json", "--results", tmp_path / "r")
    assert ran.returncode == 0, ran.stderr
    plan = json.loads(ran.stdout)
    assert plan["makespan_seconds"] < 30
    assert not (tmp_path / "r").exists()
    again = run_script("sweeps/launch.py", write_grid(), "--plan", "--results", tmp_path / "r")
    assert "Time and memory as measured on this kind of device." in again.stdout
