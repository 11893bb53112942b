"""docs/objectives.md lists every objective, with the options and defaults that the code has."""

from dataclasses import asdict

import pytest

from mmcr_core.objectives import OBJECTIVES, make_objective, objective_spec
from tests.conftest import REPOSITORY

LINES = (REPOSITORY / "docs/objectives.md").read_text().partition("## Comparison on digits")[0].splitlines()
ROWS = {cells[1].strip(" `"): cells for line in LINES if line.startswith("| `") for cells in [line.split("|")]}
STATE, OPTIONS = 4, 5


def test_the_table_lists_the_registered_objectives_in_order():
    assert list(ROWS) == sorted(OBJECTIVES) == list(OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_row_says_the_options_and_defaults_as_they_are(name):
    options = asdict(objective_spec(name))
    assert options.pop("name") == name
    assert ROWS[name][OPTIONS].strip() == (", ".join(f"`{key}: {value}`" for key, value in options.items()) or "none")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_row_says_whether_an_objective_has_state(name):
    assert (ROWS[name][STATE].strip() == "none") == (not make_objective(name, dims=4).state_dict())
