"""The output of the quick start that README shows."""

import re

import pandas as pd
import pytest

from analysis.cli.terminal_table import print_table
from analysis.estimates.uniform_baseline import IMAGES
from sweeps.config.grid_file import load_grid
from tests.conftest import REPOSITORY, invoke
from tests.tutorial import Step, agrees

SHOWN = re.search(r"^```\n(┃.*?)^```$", (REPOSITORY / "README.md").read_text(), re.S | re.M)[1].splitlines()
QUERY = re.search(r"quickstart \\\n\s+\"(SELECT .*?)\"", (REPOSITORY / "Makefile").read_text())[1]
COLUMNS = re.search(r"SELECT (.*?) FROM", QUERY)[1].split(", ")


def row(line):
    return [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")]


def test_the_readme_shows_rows_of_the_query_as_the_query_prints_them(capsys):
    head, *lines, last = SHOWN
    assert row(head) == COLUMNS and last == "Open results/quickstart/report.html in a browser."
    said = {tuple(map(int, row(line)[:3])): list(map(float, row(line)[3:])) for line in lines}
    cells = sorted(
        (spec.D, spec.P, spec.budget.total_steps(spec.P, IMAGES["digits"])) for spec in load_grid("quickstart").cells
    )
    numbers = [(P, D, steps, *said.get((P, D, steps), (0.123456, 0.123456))) for D, P, steps in cells]
    print_table(pd.DataFrame(numbers, columns=COLUMNS))
    printed = [line for line in capsys.readouterr().out.splitlines() if line[0] in "┃│"]
    first = printed.index(lines[0])
    assert printed[0] == head and printed[first : first + len(lines)] == lines


@pytest.mark.slow
def test_a_cell_of_the_quick_start_ends_as_the_readme_shows(tmp_path):
    line = next(line for line in SHOWN if row(line)[:2] == ["128", "64"])
    trained = invoke("sweeps.launch", "quickstart", "P=128", "D=64", "--cell", 0, "--results", tmp_path)
    assert trained.returncode == 0, trained.stderr
    found = invoke("query", tmp_path / "quickstart", QUERY).stdout.splitlines()
    assert any(agrees(Step("", line), printed) for printed in found), found
