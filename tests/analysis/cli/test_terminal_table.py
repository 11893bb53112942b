"""A table in a narrow terminal: headings break, columns are spared, and at last rows are shown one by one."""

import pandas as pd
import pytest

from analysis.cli.terminal_table import print_table

WIDE = pd.DataFrame({f"a long name {i}": [i + 0.5, i + 0.25] for i in range(12)})


@pytest.fixture
def columns(monkeypatch):
    return lambda count: monkeypatch.setenv("COLUMNS", str(count))


def test_a_table_too_wide_for_any_of_this_shows_each_row_by_itself(columns, capsys):
    columns(80)
    print_table(WIDE, title="All")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["All", "row 1 of 2", "  a long name 0   0.5"]
    assert "row 2 of 2" in lines and lines[-1] == "  a long name 11  11.25" and len(lines) == 1 + 2 * 13


def test_a_table_with_room_is_a_table(columns, capsys):
    columns(200)
    print_table(WIDE)
    out = capsys.readouterr().out
    assert out.startswith("┏") and out.splitlines()[-1] == "2 rows" and max(map(len, out.splitlines())) <= 200


def test_an_answer_without_rows_says_so(columns, capsys):
    columns(60)
    print_table(WIDE.head(0))
    assert capsys.readouterr().out.startswith("0 rows of a long name 0, ")
