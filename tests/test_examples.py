"""The notebooks run from their first cell to their last, in plain Python."""

import json

import matplotlib
import pytest

from tests.conftest import REPOSITORY

matplotlib.use("Agg")
NOTEBOOKS = sorted((REPOSITORY / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_cell_runs_and_none_was_saved_with_its_outputs(notebook, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"{notebook.name}, code cell {number}", "exec"), names)
    assert not any(cell["outputs"] for cell in cells)
    assert names["fit"].alpha > 0
