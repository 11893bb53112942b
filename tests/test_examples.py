"""The notebooks run from their first cell to their last, as they were saved: with their outputs, and none an error."""

import ast

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "examples").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_is_saved_as_it_ran(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell.outputs) for cell in cells) > len(cells) / 2
    assert "/tmp" not in path.read_text() and "/root" not in path.read_text()  # no place of who ran it


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_each_notebook_imports_is_there(path):
    lines = [node for cell in code_cells(nbformat.read(path, as_version=4)) for node in ast.parse(cell.source).body]
    imports = [node for node in lines if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), path, "exec"), names := {})
    assert {"open_results", "plt"} <= names.keys()


# A plan, a launch and its encoders: tests/sweeps/test_api.py
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem == "sweep" else ()) for path in NOTEBOOKS],
)
def test_each_notebook_runs_from_its_first_cell_to_its_last(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # figures are shown, as by jupyter
    saved, ran = (nbformat.read(path, as_version=4) for _ in range(2))
    NotebookClient(ran, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()  # as jupyter
    for before, after in zip(code_cells(saved), code_cells(ran), strict=True):
        assert {out.output_type for out in before.outputs} == {out.output_type for out in after.outputs}, after.source
