"""Which columns a query needs: never too few."""

import pytest

from analysis.results.query_columns import columns_needed
from analysis.results.results import open_results
from tests.synthetic import write_sweep

TABLES = {"runs": ["run_id", "P", "D", "percent_error"], "trajectories": ["run_id", "step", "percent_error"]}


@pytest.mark.parametrize(
    ("query", "needed"),
    [
        ("SELECT count(*) FROM runs", {"runs": []}),
        ("SELECT p, avg(percent_error) FROM Runs GROUP BY 1", {"runs": ["P", "percent_error"]}),
        ("SELECT max(step) FROM trajectories JOIN runs USING (run_id)",
         {"runs": ["run_id"], "trajectories": ["run_id", "step"]}),
        ("WITH a AS (SELECT D FROM runs) SELECT * FROM a", {"runs": TABLES["runs"]}),
        ("FROM runs", {"runs": TABLES["runs"]}),
        ("SELECT COLUMNS('p.*') FROM runs", {"runs": TABLES["runs"]}),
        ("SELECT r FROM runs r", {"runs": TABLES["runs"]}),
        ("SELECT 1 FROM runs NATURAL JOIN trajectories", TABLES),
        ("PIVOT runs ON P USING avg(D)", TABLES),
        ("DESCRIBE runs", {"runs": TABLES["runs"]}),
        ("SELEC", TABLES),
        ("SELECT 1", {}),
    ],
)  # fmt: skip
def test_columns_that_a_query_can_need_are_found(query, needed):
    assert columns_needed(query, TABLES) == needed


@pytest.mark.parametrize("query", [
    "SELECT * FROM runs ORDER BY run_id", "FROM trajectories LIMIT 3", "SELECT r FROM runs r ORDER BY run_id",
    "SELECT P, r.D, count(*) FROM runs AS r GROUP BY ALL ORDER BY ALL", "SELECT sweep, run_id FROM runs ORDER BY 2",
    "SELECT t.P + 1 AS more FROM (SELECT * FROM runs) t ORDER BY more", "SUMMARIZE runs", "SHOW TABLES",
    "SELECT any_value(spec) IS NULL FROM runs", "PIVOT runs ON P USING count(*) GROUP BY D ORDER BY D",
])  # fmt: skip
def test_an_answer_is_that_of_whole_tables(tmp_path, query):
    results = open_results(write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=20).root)
    whole = results._answer(query, results._every_column(query))
    assert results.sql(query).astype(str).equals(whole.astype(str))
