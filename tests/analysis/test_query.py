"""SQL from the command line: tables, files, schema, examples, and mistakes."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pandas as pd
import pytest

from analysis.cli.output_files import write_table
from analysis.cli.query_examples import EXAMPLES
from analysis.estimates.fit_data import measured_cells
from analysis.estimates.peak import peak_table
from analysis.estimates.per_cell_fit import fit_table
from analysis.results.results import open_results
from tests.conftest import REPOSITORY, invoke
from tests.synthetic import write_sweep

SQL = "SELECT P, D, percent_error FROM runs WHERE K = 2 ORDER BY D, P"


@pytest.fixture(scope="module")
def sweep(sweep, tmp_path_factory):
    """The sweep as it was trained, whatever tables other tests had commands write."""
    written = shutil.ignore_patterns("*.parquet", "figures")
    root = shutil.copytree(sweep, tmp_path_factory.mktemp("query") / "known", ignore=written)
    for table in ("runs", "trajectories", "measures"):
        if (sweep / table).exists():
            shutil.copytree(sweep / table, root / table, dirs_exist_ok=True)
    return root


def test_a_table_json_csv_and_parquet_say_the_same(sweep, tmp_path):
    table = invoke("query", sweep, SQL)
    assert table.returncode == 0
    assert "percent_error" in table.stdout and table.stdout.endswith("9 rows\n")
    rows = json.loads(invoke("query", sweep, SQL, "--json").stdout)
    assert [(row["P"], row["D"]) for row in rows[:2]] == [(64, 64), (128, 64)]
    for kind, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        file = tmp_path / f"out.{kind}"
        assert invoke("query", sweep, SQL, f"--{kind}", file).stdout == f"9 rows in {file}\n"
        assert read(file)["percent_error"].tolist() == pytest.approx([row["percent_error"] for row in rows], rel=1e-12)


def test_an_answer_may_go_to_standard_output_or_a_pipe(sweep, tmp_path):
    file, pipe, read = tmp_path / "out.csv", tmp_path / "pipe", []
    invoke("query", sweep, SQL, "--csv", file)
    shown = invoke("query", sweep, SQL, "--csv", "-")
    assert (shown.stdout, shown.stderr) == (file.read_text(), "9 rows in -\n")
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert invoke("query", sweep, SQL, "--csv", pipe).returncode == 0
    reader.join()
    assert read == [file.read_text()] and pipe.is_fifo()


def test_bytes_and_uuids_are_texts_wherever_they_stand(sweep, tmp_path):
    uuid = "c0ffee00-0000-4000-8000-0000000000b7"
    sql = f"SELECT '{uuid}'::UUID AS u, ['{uuid}'::UUID] AS us, 'a\\xB7'::BLOB AS b, {{'b': 'x'::BLOB}} AS s"
    (row,) = json.loads(invoke("query", sweep, sql, "--json").stdout)
    assert row == {"u": uuid, "us": [uuid], "b": "a\\xb7", "s": {"b": "x"}}
    assert uuid in invoke("query", sweep, sql).stdout
    assert invoke("query", sweep, sql, "--parquet", tmp_path / "x.parquet").returncode == 0


def test_lists_are_written_with_plain_numbers(sweep):
    sql = "SELECT [1, 2] AS whole, [[0.5]] AS deep"
    assert "[1, 2]" in invoke("query", sweep, sql).stdout and "np." not in invoke("query", sweep, sql).stdout
    assert invoke("query", sweep, sql, "--csv", "-").stdout.splitlines()[1] == '"[1, 2]",[[0.5]]'


def test_an_answer_too_long_for_a_terminal_is_shown_in_part(sweep, monkeypatch):
    monkeypatch.setattr("analysis.query.SHOWN", 5)
    shown = invoke("query", sweep, "SELECT * FROM range(1001)")
    assert shown.stdout.endswith("\n5 rows\n")
    assert shown.stderr == "note: 1,001 rows; --csv, --parquet or --json has all of them\n"


def test_the_schema_names_columns_and_types(sweep):
    rows = json.loads(invoke("query", sweep, "--schema", "--json").stdout)
    types = {(row["table"], row["column"]): row["type"] for row in rows}
    assert types["runs", "P"] == "BIGINT" and types["runs", "percent_error"] == "DOUBLE"
    assert types["trajectories", "step"] == "BIGINT"


def test_every_example_is_printed_and_can_be_answered(small, tmp_path):
    own = shutil.copytree(small, tmp_path / "small")
    printed = invoke("query", own, "--examples").stdout
    results = open_results(own)
    fits, _ = fit_table(measured_cells(results), "flops")
    write_table(fits, own / "fits.parquet")
    write_table(peak_table(results.runs()), own / "peaks.parquet")
    assert invoke("plot_grid_law", own).returncode == 0
    for title, text in EXAMPLES.items():
        assert text in printed
        assert len(open_results(own).sql(text)) > 0 or "did not finish" in title


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT percent_eror FROM runs", "percent_error"),
        ("SELECT * FROM trajectory", "trajectories"),
        ("SELECT alpha FROM fits", "plot_scaling.py"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(sweep, sql, says):
    ran = invoke("query", sweep, sql)
    assert ran.returncode == 2 and says in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["SELEC"], "syntax"),
        ([""], "empty"),
        ([], "--schema"),
        (["SELECT 1", "--schema"], "take the place of a query"),
        (["--schema", "--examples"], "--schema, or --examples"),
        (["-- only a comment"], "empty"),
        (["/* only a comment */ ;"], "empty"),
        (["SELECT 1; SELECT 2"], "one SELECT"),
        (["CREATE TABLE t AS SELECT 1"], "CREATE changes nothing here, where tables are only read; end with a SELECT"),
        (["DROP TABLE runs"], "DROP changes nothing here"),
        (["SELECT * FROM nowhere"], "There are measures, runs, trajectories"),
        (["SELECT", "1"], "SELECT is not a folder"),
        (["SELECT 1", "--jsn"], "no option --jsn"),
        (["s3://bucket/results/b"], "give a query in quotes"),
        (["foo://bar", "SELECT 1"], "foo://bar cannot be read"),
        (["SELECT 1", "--csv", "."], "directory"),
        (["SELECT '\udcff'"], "UTF-8"),
        (["SELECT 1", "--json", "--csv", "x.csv"], "one of"),
        (["SELECT 1", "--csv", "nowhere/x.csv"], "no folder"),
        (["SELECT 1", "--parquet", "nowhere/x.parquet"], "no folder"),
    ],
)
def test_mistakes_are_one_sentence(sweep, arguments, says):
    ran = invoke("query", sweep, *arguments)
    assert ran.returncode == 2
    assert says in ran.stderr and "Traceback" not in ran.stderr


def test_the_last_argument_is_the_query_over_all_sweeps_before_it(sweep, tmp_path):
    other = write_sweep(tmp_path / "other", sizes=(64,), views=(2,), steps=20).root
    sql = "SELECT sweep, count(*) AS n FROM runs GROUP BY ALL ORDER BY sweep"
    assert json.loads(invoke("query", sweep, other, sql, "--json").stdout) == [
        {"sweep": "known", "n": 18},
        {"sweep": "other", "n": 1},
    ]
    rows = json.loads(invoke("query", sweep, other, "--schema", "--json").stdout)
    assert ("trajectories", "sweep") in {(row["table"], row["column"]) for row in rows}
    ran = invoke("query", sweep, other)
    assert ran.returncode == 2 and f"after {other} give a query in quotes" in ran.stderr
    ran = invoke("query", sweep, sweep, sql)
    assert ran.returncode == 2 and "given twice" in ran.stderr


def test_the_help_shows_both_forms():
    text = " ".join(invoke("query", "--help").stdout.split())
    assert 'query.py results/quickstart "SELECT P' in text and 'query.py results/A results/B "SELECT sweep' in text


def test_a_query_may_begin_with_a_comment_as_the_examples_do(sweep):
    title, text = next(iter(EXAMPLES.items()))
    assert invoke("query", sweep, f"-- {title}\n{text};").returncode == 0


def test_a_file_name_that_is_not_utf_8_is_written(sweep, tmp_path):
    file = tmp_path / "\udcff.csv"
    assert invoke("query", sweep, SQL, "--csv", file).returncode == 0
    assert len(pd.read_csv(file)) == 9


def test_who_stops_reading_is_not_told_anything(sweep):
    command = [sys.executable, "analysis/query.py", str(sweep), "SELECT * FROM trajectories", "--json"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"[\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=300) == 1


def test_an_answer_is_not_written_among_a_sweeps_own_files(sweep):
    before = {file: file.read_bytes() for file in sweep.rglob("*") if file.is_file()}
    for name in ("cells.parquet", "runs/x.parquet", "answer.csv"):
        ran = invoke("query", sweep, "SELECT 1 AS one", "--csv", sweep / name)
        assert ran.returncode == 2
        assert "among its own files; choose another place" in ran.stderr
    assert {file: file.read_bytes() for file in sweep.rglob("*") if file.is_file()} == before


def test_no_cell_is_taken_for_markup(sweep):
    ran = invoke("query", sweep, "SELECT '[/] [red]x' AS \"[/a]\", '[bold]' AS b")
    assert ran.returncode == 0, ran.stderr
    assert "[/] [red]x" in ran.stdout and "[/a]" in ran.stdout and "[bold]" in ran.stdout
