"""The Python that the documentation shows runs on a sweep as it stands there."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PAGES = ("README.md", "docs/analysis.md")
SNIPPETS = [
    pytest.param(code, id=f"{page}-{i}")
    for page in PAGES
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.S))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippets_run(own, tmp_path, code):
    (tmp_path / "results").mkdir()
    own.rename(tmp_path / "results/quickstart")
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)},
                         capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_both_pages_show_pandas_duckdb_and_polars():
    text = "".join((REPOSITORY / page).read_text() for page in PAGES)
    assert len(SNIPPETS) >= 4
    for name in ("open_results", "duckdb.sql", "pl.scan_parquet"):
        assert name in text
