"""The Python that the documentation shows runs as it stands there; docs/results_store.md has every column of
analysis."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.fit_data import Cell
from analysis.estimates.joint_scaling_law import JointForm, law_table
from analysis.estimates.peak import peak_table
from analysis.estimates.per_cell_fit import fit_table
from tests.conftest import REPOSITORY
from tests.pages import names, rows_below

PAGES = ("README.md", "docs/analysis.md", "docs/results_store.md")
SNIPPETS = [
    pytest.param(code, id=f"{page}-{i}")
    for page in PAGES
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.S))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippets_run(small, tmp_path, code, monkeypatch, capsys):
    shutil.copytree(small, tmp_path / "results/quickstart")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out.strip()


def test_the_pages_show_pandas_duckdb_and_polars():
    text = "".join((REPOSITORY / page).read_text() for page in PAGES)
    assert len(SNIPPETS) >= 4
    for name in ("open_results", "duckdb.sql", "pl.scan_parquet"):
        assert name in text


def columns_in_the_page(table):
    return [name for row in rows_below(REPOSITORY / "docs/results_store.md", f"#### {table}") for name in names(row[0])]


def test_every_column_of_fits_stands_in_the_page():
    cell = Cell(np.ones(1), np.ones(1), np.ones(1), np.ones((1, 1)), [0], decays=False)
    table, _ = fit_table({("mmcr", 16, 16, 2): cell}, "flops")
    assert set(columns_in_the_page("fits")) == set(table.columns)


def test_every_column_of_peaks_stands_in_the_page():
    runs = {"variant": "mmcr", "K": 2, "P": [8, 16, 32], "D": 16, "percent_error": [0.1, 0.2, 0.1]}
    assert columns_in_the_page("peaks") == list(peak_table(pd.DataFrame(runs)).columns)


def test_every_column_of_the_joint_law_stands_in_the_page():
    fit = SimpleNamespace(aicc=0.0, bic=0.0, s0=1.0, alpha={"P": 0.1}, s={"P": 0.1}, interval=lambda *_: (0.0, 1.0))
    law = SimpleNamespace(fit=fit, form=JointForm("none", "free", aspect=False), error=0.0, coverage=1.0, tested=1)
    assert set(columns_in_the_page("joint_law")) == set(law_table({"mmcr": [law]}).columns)
