"""What SQL over a sweep's tables may not do."""

import os
import signal
import threading

import pytest

from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from tests.conftest import signals_kept

ESCAPES = pytest.mark.parametrize(
    "query",
    [
        "COPY runs TO '{folder}/out.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "ATTACH '{folder}/x.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "EXPORT DATABASE '{folder}/x'",
    ],
)


@ESCAPES
@pytest.mark.parametrize("count", [1, 2])
def test_sql_cannot_leave_the_tables_of_one_sweep_or_two(sweep, own, tmp_path, query, count):
    sweeps = (sweep, own)[:count]
    with pytest.raises(ResultsError):
        open_results(*sweeps).sql(query.format(folder=tmp_path))
    assert list(tmp_path.glob("*.csv")) == [] and not (tmp_path / "x").exists()


def test_sql_does_not_see_python_variables(sweep):
    secret = open_results(sweep).runs()  # noqa: F841
    with pytest.raises(ResultsError, match="secret"):
        open_results(sweep).sql("SELECT * FROM secret")


def test_a_query_leaves_nothing_to_the_next(sweep):
    results = open_results(sweep)
    for query in ("DROP VIEW runs", "CREATE TABLE kept AS SELECT 1"):
        with pytest.raises(ResultsError, match="changes nothing here"):
            results.sql(query)
    assert len(results.sql("SELECT * FROM runs")) == 18
    with pytest.raises(ResultsError, match="kept"):
        results.sql("SELECT * FROM kept")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_long_query(sweep, number):
    """DuckDB itself reports them as an error of its own."""
    with signals_kept(), pytest.raises(KeyboardInterrupt):
        signal.signal(number, signal.default_int_handler)
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        open_results(sweep).sql("SELECT count(*) FROM range(10000000000) a, range(1000) b")
