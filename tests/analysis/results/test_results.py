"""Frames and SQL over a store, and what is said where it cannot be read."""

import numpy as np
import pytest

from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from sweeps.storage.sweep_store import Store
from tests.synthetic import spec, write_run, write_sweep


def test_frames_hold_every_run_and_step(sweep):
    results = open_results(sweep)
    runs, trajectories = results.runs(), results.trajectories()
    assert len(runs) == 18
    assert len(trajectories) == runs["steps"].sum()
    assert not trajectories.duplicated(["run_id", "step"]).any()
    one = results.trajectories(f"run_id = '{runs['run_id'][0]}' and step < 10")
    assert one["step"].tolist() == list(range(10))


def test_sql_answers_over_both_tables(sweep):
    answer = open_results(sweep).sql(
        "SELECT P, D, min(t.percent_error) AS low FROM trajectories t JOIN runs USING (run_id) "
        "WHERE K = 2 GROUP BY P, D ORDER BY low"
    )
    assert len(answer) == 9
    assert answer["low"].is_monotonic_increasing


def test_mistakes_are_explained(sweep, tmp_path):
    results = open_results(sweep)
    with pytest.raises(ResultsError, match="percent_error"):
        results.sql("SELECT percent_eror FROM runs")
    store = write_sweep(tmp_path / "new", sizes=(64,), views=(2,), steps=20)
    with pytest.raises(ResultsError, match=r"python analysis/plot_scaling\.py"):
        open_results(store.root).fits()
    with pytest.raises(
        ResultsError, match=r"there is no table peaks yet; run: python analysis/plot_double_descent\.py"
    ):
        open_results(store.root).sql("SELECT * FROM peaks")
    with pytest.raises(ResultsError, match="not a folder"):
        open_results(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="holds no runs yet"):
        open_results(tmp_path / "empty")


def test_a_sweep_with_runs_but_no_trajectory_can_be_queried(tmp_path):
    store = Store(tmp_path / "s")
    run = spec(64, 64, 2)
    write_run(store, run, np.full(3, 0.5), status="failed", error="why")
    store.drop_trajectory(store.statuses().popitem()[0])
    results = open_results(store.root)
    assert results.sql("SELECT error FROM runs")["error"].tolist() == ["why"]
    assert results.sql("SELECT count(*) AS n FROM trajectories")["n"].tolist() == [0]


def test_hidden_files_are_not_read(tmp_path):
    store = write_sweep(tmp_path / "s", sizes=(64,), views=(2,), steps=20)
    (store.root / "runs/.half.parquet").write_bytes(b"half")
    assert len(open_results(store.root).runs()) == 1


def test_a_damaged_file_is_named_and_everything_else_can_be_queried(tmp_path, capsys):
    store = write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=20)
    rows, chunks = sorted((store.root / "runs").iterdir()), sorted((store.root / "trajectories").rglob("*.parquet"))
    rows[0].write_bytes(b"PAR1 half")
    broken = bytearray(chunks[1].read_bytes())
    broken[len(broken) // 3 : len(broken) // 2] = bytes(len(broken) // 2 - len(broken) // 3)
    chunks[1].write_bytes(broken)
    results = open_results(store.root)
    assert len(results.runs()) == 3
    assert len(results.trajectories()) == 3 * 20
    said = capsys.readouterr().err
    assert f"{rows[0]} is damaged and left out" in said
    assert f"{chunks[1]} is damaged and left out" in said


def test_a_chunk_inside_another_is_passed_over(tmp_path):
    store = write_sweep(tmp_path / "s", sizes=(64,), views=(2,), steps=1200)
    (run_id,) = store.statuses()
    whole = store.read_trajectory(run_id)
    store.write_chunk(run_id, 0, 1199, {name: whole[name].to_numpy() for name in whole.columns if name != "run_id"})
    assert len(list((store.root / "trajectories" / run_id).iterdir())) == 4
    assert open_results(store.root).trajectories()["step"].tolist() == list(range(1200))


def test_a_newer_schema_is_refused_with_a_sentence(tmp_path):
    store = Store(tmp_path / "s")
    write_run(store, spec(64, 64, 2), np.full(3, 0.5), schema_version=2)
    with pytest.raises(ResultsError, match="has schema_version 2; this code reads up to 1"):
        open_results(store.root)


def test_measures_are_a_table_also_where_there_are_none_yet(tmp_path):
    store = write_sweep(tmp_path / "s", sizes=(64,), views=(2,), steps=20)
    results = open_results(store.root)
    assert results.measures().empty
    (run_id,) = store.statuses()
    done = {"images": 1280, "flops": 2e10}
    row = {"name": "knn_accuracy", "subject": "", "value": 0.5, "low": 0.4, "high": 0.6, "count": 100} | done
    store.write_measures(run_id, 20, [row])
    store.write_measures(run_id, 20, [row | {"name": "linear_accuracy", "value": None, "low": None, "high": None}])
    table = open_results(store.root).measures()
    assert table["name"].tolist() == ["knn_accuracy", "linear_accuracy"]
    assert table["step"].tolist() == [20, 20]
    joined = results.sql("SELECT P, m.value FROM measures m JOIN runs USING (run_id) WHERE m.name = 'knn_accuracy'")
    assert joined.values.tolist() == [[64, 0.5]]


def test_a_column_that_the_schema_gained_is_null_in_older_rows(tmp_path):
    import pyarrow.parquet as pq

    store = write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=20)
    newer, *older = sorted((store.root / "runs").glob("*.parquet"))
    for file in older:
        pq.write_table(pq.read_table(file).drop_columns(["rank_bound"]), file)
    row = pq.read_table(newer).to_pylist()[0]
    store.write_run(row | {"rank_bound": 2048})
    bounds = open_results(store.root).runs().set_index("run_id")["rank_bound"]
    assert bounds[newer.stem] == 2048
    assert bounds.drop(newer.stem).isna().all()
