"""Several sweeps as one set of tables with a column `sweep`."""

import fsspec
import pandas as pd
import pytest

from analysis.cli.output_files import write_table
from analysis.estimates.fit_data import measured_cells, tail_errors
from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from tests.synthetic import write_sweep

EVERY = ("runs", "trajectories", "measures", "fits", "peaks", "joint_law")


@pytest.fixture
def pair(tmp_path):
    """The same cells twice: their run_ids are the same, their errors are not."""
    a = write_sweep(tmp_path / "a", sizes=(64, 128), views=(2,), steps=60)
    b = write_sweep(tmp_path / "b", sizes=(64, 128), views=(2,), steps=60, draw=1)
    return a.root, b.root


def test_each_table_is_the_union_told_apart_by_sweep(pair):
    results = open_results(*pair)
    for table, rows in (("runs", 4), ("trajectories", 240)):
        counts = results.sql(f"SELECT sweep, count(*) AS n FROM {table} GROUP BY ALL ORDER BY sweep")
        assert counts.values.tolist() == [["a", rows], ["b", rows]]
    assert results.runs()["sweep"].value_counts().to_dict() == {"a": 4, "b": 4}
    assert results.trajectories("step = 3")["sweep"].tolist() == ["a"] * 4 + ["b"] * 4


def test_a_sweep_keeps_its_own_values_in_the_union(pair):
    both = open_results(*pair).sql(
        "SELECT sweep, avg(t.percent_error) AS error FROM trajectories t JOIN runs r USING (sweep, run_id) "
        "GROUP BY ALL ORDER BY sweep"
    )
    alone = [open_results(root).trajectories()["percent_error"].mean() for root in pair]
    assert both["error"].tolist() == pytest.approx(alone, rel=1e-12)
    assert alone[0] != alone[1]


@pytest.mark.parametrize("count", [1, 2])
def test_a_query_written_for_two_sweeps_works_with_one(pair, count):
    frame = pd.DataFrame({"P": [64], "found": [True]})
    for table in ("fits", "peaks", "joint_law"):
        write_table(frame, pair[0] / f"{table}.parquet")
    results = open_results(*pair[:count])
    columns = results.columns()
    for table in EVERY:
        named = columns[columns["table"] == table]["column"].tolist()
        assert "sweep" in named if table == "runs" else named[-1] == "sweep"
    assert results.fits().columns.tolist() == ["P", "found", "sweep"]


def test_the_sweep_of_a_renamed_folder_is_its_folder_in_every_table(pair, tmp_path):
    results = open_results(pair[0].rename(tmp_path / "renamed"))
    joined = results.sql("SELECT DISTINCT sweep FROM trajectories JOIN runs USING (sweep, run_id)")
    assert joined["sweep"].tolist() == ["renamed"]


def test_columns_of_one_sweep_are_null_for_the_other_and_numbers_widen(pair):
    write_table(pd.DataFrame({"P": [64], "alpha": [1], "reason": [None]}), pair[0] / "fits.parquet")
    write_table(pd.DataFrame({"P": [128], "alpha": [0.5], "reason": ["short"], "new": [7]}), pair[1] / "fits.parquet")
    fits = open_results(*pair).sql("SELECT * FROM fits ORDER BY sweep")
    assert fits.columns.tolist() == ["P", "alpha", "reason", "new", "sweep"]
    assert fits["alpha"].tolist() == [1.0, 0.5]
    assert fits["new"].isna().tolist() == [True, False] and fits["reason"].isna().tolist() == [True, False]


def test_a_table_that_some_have_is_answered_with_a_note_and_one_that_none_has_is_explained(pair, capsys):
    results = open_results(*pair)
    with pytest.raises(ResultsError, match=r"there is no table fits yet; run: python analysis/plot_scaling\.py"):
        results.sql("SELECT * FROM fits")
    write_table(pd.DataFrame({"P": [64]}), pair[1] / "fits.parquet")
    assert results.sql("SELECT * FROM fits").values.tolist() == [[64, "b"]]
    assert f"note: there is no table fits yet in {pair[0]}; run:" in capsys.readouterr().err
    results.sql("SELECT * FROM runs")
    assert capsys.readouterr().err == ""


def test_folders_of_the_same_name_are_told_apart_and_the_same_folder_is_refused(pair, tmp_path):
    again = write_sweep(tmp_path / "other/a", sizes=(64,), views=(2,), steps=20).root
    sweeps = open_results(pair[0], again).sql("SELECT DISTINCT sweep FROM runs ORDER BY sweep")["sweep"].tolist()
    assert sweeps == [str(pair[0]), str(again)]
    with pytest.raises(ResultsError, match="given twice"):
        open_results(pair[0], f"{pair[0]}/")


@pytest.mark.parametrize("law", [measured_cells, tail_errors, SweepAnalysis])
def test_laws_are_of_one_sweep(pair, law):
    """The same run_id in both would mix their steps."""
    with pytest.raises(ResultsError, match="one sweep at a time"):
        law(open_results(*pair))


def test_a_damaged_file_of_one_sweep_is_named_with_its_folder(pair, capsys):
    chunk = sorted((pair[1] / "trajectories").rglob("*.parquet"))[0]
    chunk.write_bytes(b"PAR1 half")
    counts = open_results(*pair).sql("SELECT sweep, count(*) AS n FROM trajectories GROUP BY ALL ORDER BY sweep")
    assert counts.values.tolist() == [["a", 240], ["b", 180]]
    assert f"{chunk} is damaged and left out; run: python sweeps/store.py check {pair[1]}" in capsys.readouterr().err


def test_a_sweep_at_a_url_and_one_in_a_folder_are_read_together(pair):
    memory = fsspec.filesystem("memory")
    memory.put(str(pair[1]), "/bucket/results/far", recursive=True)
    try:
        results = open_results(pair[0], "memory://bucket/results/far")
        counts = results.sql("SELECT sweep, count(*) AS n FROM trajectories GROUP BY ALL ORDER BY sweep")
        assert counts.values.tolist() == [["a", 240], ["far", 240]]
        write_table(pd.DataFrame({"P": [64]}), pair[0] / "fits.parquet")
        assert results.fits().values.tolist() == [[64, "a"]]
    finally:
        memory.rm("/bucket", recursive=True)
