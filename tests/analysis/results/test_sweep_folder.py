"""What of a sweep's folder counts, and what is passed over: copies, hidden files, folders, rows that no run wrote."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from analysis.results.sweep_folder import labels, sweep_folders
from sweeps.storage.packing.compaction import compact
from tests.conftest import invoke, run_without_privileges
from tests.synthetic import write_sweep

MEASURE = {"images": 1280, "flops": 2e10, "name": "knn_accuracy", "subject": "", "value": 0.5, "count": 100}
COUNTS = "SELECT (SELECT count(*) FROM {}) AS rows"


@pytest.fixture
def small(tmp_path):
    return write_sweep(tmp_path / "small", sizes=(64, 128), views=(2,), steps=60)


@pytest.fixture
def littered(small):
    """A sweep whose folder a file synchronizer, a file manager and a person have been at."""
    run_id = sorted(small.statuses())[0]
    small.write_measures(run_id, 60, [MEASURE])
    row, trajectory = small.root / f"runs/{run_id}.parquet", small.root / f"trajectories/{run_id}"
    measures = small.root / f"measures/{run_id}"
    shutil.copy(row, row.with_name(f"{run_id} (conflicted copy).parquet"))
    shutil.copy(trajectory / "00000000-00000059.parquet", trajectory / "00000000-00000059 copy.parquet")
    shutil.copy(measures / "00000060.parquet", measures / "00000060 (1).parquet")
    shutil.copytree(trajectory, trajectory.with_name(f"{run_id} copy"))
    shutil.copytree(measures, measures.with_name(f"{run_id} copy"))
    for folder in (row.parent, trajectory, trajectory.parent, measures):
        (folder / ".DS_Store").write_bytes(b"x")
        (folder / "notes.parquet").write_bytes(b"x") if folder != row.parent else None
        (folder / "folder").mkdir()
    (row.parent / "folder.parquet").mkdir()
    (trajectory / "00000060-00000069.parquet").mkdir()
    (small.root / "weights").mkdir()
    (small.root / "weights/holiday.jpg").write_bytes(b"x")
    return small.root


@pytest.mark.parametrize(("table", "rows"), [("runs", 4), ("trajectories", 240), ("measures", 1)])
def test_foreign_files_are_passed_over(littered, table, rows, capsys):
    assert open_results(littered).sql(COUNTS.format(table))["rows"].tolist() == [rows]
    assert capsys.readouterr().err == ""


def test_query_and_report_pass_foreign_files_over(littered):
    ran = invoke("query", littered, "SELECT count(*) AS n FROM trajectories", "--json")
    assert '"n":240' in ran.stdout and ran.stderr == ""
    ran = invoke("report", littered)
    assert ran.returncode == 0 and "damaged" not in ran.stderr
    assert "4 finished runs of" in (littered / "report.html").read_text()


def unversioned(file):
    pq.write_table(pq.read_table(file).drop_columns(["schema_version"]), file)


def null_version(file):
    table = pq.read_table(file)
    at = table.schema.get_field_index("schema_version")
    pq.write_table(table.set_column(at, "schema_version", pa.array([None], pa.int64())), file)


def worded_version(file):
    table = pq.read_table(file)
    at = table.schema.get_field_index("schema_version")
    pq.write_table(table.set_column(at, "schema_version", pa.array(["one"])), file)


def of_another_run(file):
    table = pq.read_table(file)
    pq.write_table(table.set_column(0, "run_id", pa.array(["0123456789abcdef"])), file)


def foreign(file):
    pq.write_table(pa.table({"hello": [1]}), file)


@pytest.mark.parametrize("damage", [unversioned, null_version, worded_version, of_another_run, foreign])
def test_a_row_that_no_run_wrote_is_named_and_left_out(small, damage):
    file = sorted((small.root / "runs").iterdir())[0]
    damage(file)
    ran = invoke("query", small.root, "SELECT count(*) AS n FROM runs", "--json")
    assert ran.returncode == 0 and '"n":3' in ran.stdout
    assert f"{file} is damaged and left out; run: python sweeps/store.py check {small.root}" in ran.stderr


@pytest.mark.parametrize("damage", [null_version])
def test_a_report_is_made_of_the_other_rows(tmp_path, damage):
    root = write_sweep(tmp_path / "s", sizes=(64,), views=(2, 4), steps=20).root
    file = sorted((root / "runs").iterdir())[0]
    damage(file)
    ran = invoke("report", root)
    assert ran.returncode == 0 and f"{file} is damaged" in ran.stderr
    assert "1 finished run of" in (root / "report.html").read_text()


def test_a_sweep_of_damaged_rows_only_is_a_sentence(small):
    for file in (small.root / "runs").iterdir():
        unversioned(file)
    for script, *arguments in (["query", small.root, "SELECT 1"], ["report", small.root]):
        ran = invoke(script, *arguments)
        assert ran.returncode == 2 and f"{small.root} holds no runs that can be read" in ran.stderr


def test_a_damaged_table_of_fits_is_named_with_what_makes_it_anew(small, capsys):
    (small.root / "fits.parquet").write_bytes(b"junk")
    with pytest.raises(ResultsError, match="no fits"):
        open_results(small.root).fits()
    assert "left out; run: python analysis/plot_scaling.py" in capsys.readouterr().err


def test_sweeps_are_called_by_their_folders_or_paths_where_those_are_the_same(tmp_path):
    paths = [tmp_path / "a/one", tmp_path / "b/one", tmp_path / "b/two"]
    assert labels(paths) == [str(paths[0]), str(paths[1]), "two"]
    with pytest.raises(ResultsError, match="given twice"):
        labels([paths[0], tmp_path / "b" / ".." / "a" / "one"])


@pytest.mark.parametrize("place", ["nowhere://x", "https://localhost:1/x", "x" * 5000, "name-\udcff"])
def test_a_place_that_cannot_be_looked_at_is_a_sentence(place):
    with pytest.raises(ResultsError, match="cannot be read"):
        sweep_folders([place])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("table", ["runs", "trajectories", "measures"])
def test_a_file_that_the_system_keeps_from_reading_is_named_and_not_left_out(small, table, packed):
    """Without it the answer would be another one."""
    small.write_measures(sorted(small.statuses())[0], 60, [MEASURE])
    if packed:
        compact(small)
    file = sorted((small.root / ("packed" if packed else table)).rglob(f"{table}*.parquet" if packed else "*.parquet"))[
        0
    ]
    file.chmod(0)
    ran = run_without_privileges("analysis/query.py", small.root, f"SELECT count(*) FROM {table}")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert str(file) in ran.stderr and "Permission denied" in ran.stderr
