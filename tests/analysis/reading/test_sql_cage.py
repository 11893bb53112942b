"""What SQL over a sweep's tables may not do."""

import pytest

from analysis.reading.errors import ResultsError
from analysis.reading.results import open_results


@pytest.mark.parametrize(
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
def test_sql_cannot_leave_the_tables(sweep, tmp_path, query):
    with pytest.raises(ResultsError):
        open_results(sweep).sql(query.format(folder=tmp_path))
    assert list(tmp_path.glob("*.csv")) == [] and not (tmp_path / "x").exists()


def test_sql_does_not_see_python_variables(sweep):
    secret = open_results(sweep).runs()  # noqa: F841
    with pytest.raises(ResultsError, match="secret"):
        open_results(sweep).sql("SELECT * FROM secret")
