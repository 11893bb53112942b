"""Several stores made one: each run once, refused where two disagree."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sweeps.storage.fsck import examine
from sweeps.storage.sweep_store import Store
from sweeps.store import app
from tests.synthetic import spec, write_run

CURVE = np.linspace(0.9, 0.2, 700)
MEASURE = {"images": 1, "flops": 1.0, "name": "knn_accuracy", "subject": "", "count": 9}


def merged(*places, into):
    return CliRunner().invoke(app, ["merge", *map(str, places), "-o", str(into)])


@pytest.fixture
def stores(tmp_path):
    """Two machines with seeds of their own, and one run that both have; what only one of them measured and kept."""
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    shared = write_run(one, spec(64, 64, 2, seed=0, steps=700), CURVE)
    assert write_run(other, spec(64, 64, 2, seed=0, steps=700), CURVE) == shared
    write_run(one, spec(64, 64, 2, seed=1, steps=700), CURVE * 0.9)
    write_run(other, spec(64, 64, 2, seed=2, steps=700), CURVE * 0.8)
    one.write_measures(shared, 700, [MEASURE | {"value": 0.5, "digest": "a"}])
    other.write_measures(shared, 700, [MEASURE | {"name": "linear_accuracy", "value": 0.6, "digest": "b"}])
    other.write_weights(shared, b"weights")
    return one, other, shared


def test_every_run_is_there_once_with_all_that_any_store_has_of_it(stores, tmp_path):
    one, other, shared = stores
    ran = merged(one.root, other.root, into=tmp_path / "both")
    assert ran.exit_code == 0, ran.output
    assert "3 runs in" in ran.stdout and "1 of them in several stores alike" in ran.stdout
    both = Store(tmp_path / "both")
    assert both.statuses() == one.statuses() | other.statuses()
    for store in (one, other):
        for run_id in store.statuses():
            pd.testing.assert_frame_equal(both.read_trajectory(run_id), store.read_trajectory(run_id), check_exact=True)
            assert both.read_run(run_id) == store.read_run(run_id) | {"sweep": "both"}
    assert {row["name"]: row["value"] for row in both.read_measures(shared, 700)} == {
        "knn_accuracy": 0.5,
        "linear_accuracy": 0.6,
    }
    assert both.read_weights(shared) == b"weights"
    assert [finding for finding in examine(both, repair=False) if "weights" not in finding.problem] == []


def test_a_run_that_one_store_finished_counts_where_another_failed(stores, tmp_path):
    one, other, shared = stores
    one.write_run(one.read_run(shared) | {"status": "failed", "error": "x"})
    assert merged(one.root, other.root, into=tmp_path / "both").exit_code == 0
    assert Store(tmp_path / "both").status(shared) == "finished"


def otherwise_trained(one, other, shared):
    other.drop_trajectory(shared)
    write_run(other, spec(64, 64, 2, seed=0, steps=700), CURVE * 1.001)


def otherwise_summed_up(one, other, shared):
    other.write_run(other.read_run(shared) | {"percent_error": 0.5})


def otherwise_measured(one, other, shared):
    other.write_measures(shared, 700, [MEASURE | {"value": 0.5, "digest": "of other classes"}])


@pytest.mark.parametrize(
    ("differ", "said"),
    [
        (otherwise_trained, "percent error 0.2"),
        (otherwise_summed_up, " and 0.5, as machines"),
        (otherwise_measured, "measured of it: knn_accuracy at step 700"),
    ],
)
def test_what_conflicts_is_refused_and_nothing_is_written(stores, tmp_path, differ, said):
    one, other, shared = stores
    differ(one, other, shared)
    ran = merged(one.root, other.root, into=tmp_path / "both")
    assert ran.exit_code == 2 and ran.stderr.count("\n") == 1
    assert f"run {shared} differs between {one.root} and {other.root}" in ran.stderr and said in ran.stderr
    assert not (tmp_path / "both").exists()


def test_stores_that_are_one_and_a_place_that_is_taken_are_refused(stores, tmp_path):
    one, other, _ = stores
    assert "two or more stores that differ" in merged(one.root, one.root, into=tmp_path / "both").stderr
    assert "two or more stores that differ" in merged(one.root, into=tmp_path / "both").stderr
    assert "exists already" in merged(one.root, other.root, into=one.root).stderr
    within = merged(one.root, other.root, into=one.root / "both")
    assert f"lies in the sweep {one.root}, among its own files" in within.stderr and not (one.root / "both").exists()
    assert "is not a sweep's folder" in merged(one.root, tmp_path / "none", into=tmp_path / "both").stderr
