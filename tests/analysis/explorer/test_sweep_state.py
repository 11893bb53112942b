"""The data of the live page: how cells stand, and curves of few points."""

import base64
import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.explorer.sweep_state import POINTS, SweepState, packed_curves, thinned
from analysis.results.errors import ResultsError
from mmcr_core.config.run_id import canonical_json, run_id
from sweeps.storage.packing.compaction import compact
from sweeps.storage.schemas import CELL_SCHEMA, parquet_bytes
from sweeps.storage.sweep_store import Store
from tests.synthetic import FLOPS, law, spec, write_run, write_sweep


def trajectory(error):
    step = np.arange(len(error))
    return pa.table({"step": step, "percent_error": error, "flops": (step + 1) * 2.0})


@given(st.integers(1, 5000))
def test_a_curve_has_few_points_that_hold_every_step_once(steps):
    error = np.random.default_rng(steps).random(steps)
    curve = thinned(trajectory(error))
    counts = np.diff(np.concatenate([[0], curve.steps]))
    assert len(curve.error) <= POINTS and curve.steps[-1] == steps and (counts > 0).all()
    assert (counts * curve.error).sum() == pytest.approx(error.sum(), rel=1e-5)
    assert curve.flops == pytest.approx(2.0)


def test_chunks_in_another_order_are_the_same_curve():
    table = trajectory(np.linspace(0.5, 0.1, 60))
    turned = pa.concat_tables([table.slice(30), table.slice(0, 30)])
    np.testing.assert_array_equal(thinned(turned).error, thinned(table).error)


def test_packed_curves_come_back_as_they_were(tmp_path):
    store = write_sweep(tmp_path / "s", sizes=(64,), views=(2, 4), steps=300)
    state = SweepState(store.root)
    curves = dict(state.curves(state.cells()["cells"]["run_id"]))
    packed = json.loads(json.dumps(packed_curves(curves.items())))
    errors = np.frombuffer(base64.b64decode(packed["errors"]), np.float32)
    assert len(packed["grids"]) == 1  # of runs of one length
    for run, curve in curves.items():
        grid, begins, flops = packed["runs"][run]
        steps = np.frombuffer(base64.b64decode(packed["grids"][grid]), np.int32)
        np.testing.assert_array_equal(steps, curve.steps)
        np.testing.assert_array_equal(errors[begins : begins + len(steps)], curve.error)
        assert flops == FLOPS


def test_each_cell_stands_as_the_store_has_it(tmp_path):
    store = write_sweep(tmp_path / "s", sizes=(64,), views=(2,), steps=40)
    write_run(store, spec(64, 64, 2, seed=1, steps=40), law(64, 64, 2, np.arange(1, 21) * FLOPS), status="diverged")
    planned = [spec(64, 64, 2, seed, steps=40) for seed in range(5)]
    half = {
        "step": np.arange(10),
        "images": np.arange(10),
        "flops": np.arange(1.0, 11),
        "percent_error": np.full(10, 0.5),
    }
    names = ("nuclear_norm", "loss", "reconstruction", "uniformity", "learning_rate")
    for cell in planned[2:4]:
        store.write_chunk(run_id(cell), 0, 9, half | {name: np.zeros(10) for name in names})
    (store.root / "leases").mkdir(exist_ok=True)
    (store.root / "leases" / f"{run_id(planned[2])}.json").write_text("{}")
    rows = [{"run_id": run_id(one), "P": 64, "D": 64, "K": 2, "seed": one.seed, "steps": 40,
             "spec": canonical_json(dataclasses.asdict(one))} for one in planned]  # fmt: skip
    (store.root / "cells.parquet").write_bytes(parquet_bytes(pa.Table.from_pylist(rows, CELL_SCHEMA)))
    found = SweepState(store.root).cells()
    standing = [found["statuses"][i] for i in found["cells"]["status"]]
    assert standing == ["finished", "diverged", "running", "begun", "waiting"]
    assert found["cells"]["done"] == [40, 20, 10, 10, 0]
    assert [error is not None for error in found["cells"]["error"]] == [True, False, False, False, False]


def test_packing_changes_no_cell_and_no_curve(tmp_path):
    store = write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=100)
    before = SweepState(store.root)
    cells, curves = before.cells(), packed_curves(sorted(before.curves(before.cells()["cells"]["run_id"])))
    compact(Store(store.root))
    after = SweepState(store.root)
    assert after.cells()["cells"] == cells["cells"] and after.digest != before.digest
    assert packed_curves(sorted(after.curves(cells["cells"]["run_id"]), key=lambda item: item[0])) == curves


def test_a_folder_without_cells_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="holds no cells yet; launch a grid first"):
        SweepState(tmp_path).cells()
