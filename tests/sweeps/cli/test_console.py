"""Tables and sentences that fit a terminal."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from sweeps.cli.console import columns, fitting, left_out, print_wrapped, table_width, wrapped

TABLE = {"cell": ["0", "12"], "run_id": ["24adf9d0fe566ff4"] * 2, "memory": ["3 MiB", "20 MiB"], "starts": ["", "+8 s"]}


def test_the_width_of_a_table_is_that_which_rich_gives_it():
    table = Table(*TABLE)
    for row in zip(*TABLE.values(), strict=True):
        table.add_row(*row)
    assert Console(width=200).measure(table).maximum == table_width(TABLE)


def test_a_table_spares_columns_in_order_until_it_fits():
    spare = ("starts", "run_id")
    assert fitting(TABLE, None, spare) == list(TABLE)
    assert fitting(TABLE, table_width(TABLE), spare) == list(TABLE)
    assert fitting(TABLE, table_width(TABLE) - 1, spare) == ["cell", "run_id", "memory"]
    assert fitting(TABLE, 10, spare) == ["cell", "memory"]
    assert left_out(TABLE, ["cell", "memory"]) == "Left out for lack of space: run_id, starts."
    assert left_out(TABLE, list(TABLE)) == ""


def test_sentences_break_between_words_and_paths_stay_whole():
    text = "quickstart: 15 of 15 cells finished; results in /a/long-path/to/results/of-the/quickstart"
    assert wrapped(text, None) == text
    lines = wrapped(text, 40).split("\n")
    assert " ".join(lines) == text
    assert lines[-1] == "/a/long-path/to/results/of-the/quickstart" and all(len(line) <= 40 for line in lines[:-1])


@pytest.mark.parametrize(("given", "found"), [("100", 100), ("0", None), ("", None), ("wide", None)])
def test_what_is_no_terminal_has_the_columns_that_are_asked_for(given, found, monkeypatch):
    monkeypatch.setenv("COLUMNS", given)
    assert columns(io.StringIO()) == found


def test_a_pipe_takes_lines_of_any_length(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    print_wrapped("word " * 60, stream)
    assert stream.getvalue() == "word " * 60 + "\n"
