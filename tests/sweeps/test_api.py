"""sweeps.api: plan, launch, load_grid and load_encoder as a notebook calls them, on the commands' path."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from mmcr_core.config.run_id import run_id
from mmcr_core.data.registry import load
from sweeps.api import UserError, launch, load_encoder, load_grid, plan
from sweeps.storage.run_status import RunStatus
from tests.conftest import REPOSITORY, invoke

QUICKSTART = REPOSITORY / "sweeps/grids/quickstart.yaml"
TINY = {
    "name": "tiny",
    "dataset": "digits",
    "projector": {"hidden": [32]},
    "P": [16, 24],
    "D": 8,
    "K": 2,
    "budget": {"steps": 12},
    "evaluate": {"heldout_batches": 2, "probe": "none"},
}


def test_a_plan_is_a_row_per_cell_with_the_commands_numbers(tmp_path):
    table = plan(QUICKSTART, results=tmp_path)
    printed = invoke("sweeps.launch", QUICKSTART, "--plan", "--json", "--results", tmp_path)
    cells = {cell["run_id"]: cell for cell in json.loads(printed.stdout)["cells"]}
    assert set(table["run_id"]) == {run_id(cell) for cell in load_grid(QUICKSTART).cells} == set(cells)
    assert list(table["seconds"]) == sorted(table["seconds"], reverse=True)
    for row in table.to_dict("records"):
        same = ("cell", "P", "D", "K", "seed", "steps", "images", "flops", "memory_bytes", "gpus", "cpus", "measured")
        assert {key: row[key] for key in same} == {key: cells[row["run_id"]][key] for key in same}
        assert row["status"] == "to run" and not row["measured"]
    assert 0 < table.attrs["makespan_seconds"] <= table["seconds"].sum()
    assert not list(tmp_path.iterdir())


def test_one_override_may_be_given_as_text():
    assert load_grid(QUICKSTART, "P=32").cells == load_grid(QUICKSTART, ["P=32"]).cells


def test_a_plan_holds_the_cells_that_only_names():
    assert set(plan(QUICKSTART, only="P=16|32,D=64")["P"]) == {16, 32}
    with pytest.raises(UserError, match="no cell has P=17"):
        plan(QUICKSTART, only="P=17")
    with pytest.raises(UserError, match="max_concurrent: 0 is not a number of cells"):
        plan(QUICKSTART, max_concurrent=0)


def test_a_mapping_a_file_and_a_grid_spec_are_the_same_cells(tmp_path):
    mapping = yaml.safe_load(QUICKSTART.read_text().replace("1.0e-3", "0.001").replace("1.0e-6", "0.000001"))
    file, given = load_grid(QUICKSTART), load_grid(mapping)
    assert given.cells == file.cells and given.settings == file.settings
    (tmp_path / "kept.yaml").write_text(given.text)  # what a launch keeps in the store
    assert load_grid(tmp_path / "kept.yaml").cells == file.cells
    assert list(plan(given)["run_id"]) == list(plan(file)["run_id"])


def test_numbers_and_arrays_of_numpy_are_plain_values():
    grid = load_grid(TINY | {"P": np.array([16, 24]), "D": np.int64(8), "seed": range(2)})
    assert [cell.P for cell in grid.cells] == [16, 16, 24, 24]
    assert {run_id(cell) for cell in load_grid(TINY).cells} < {run_id(cell) for cell in grid.cells}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"P": 2048}, r"^grid: P: 2048 exceeds the 1437 training images of dataset 'digits'.*; use P <= 1437"),
        ({"Q": 1}, r"^grid: Q: unknown key; "),
        ({"optimizer": {"name": "adam", "learning_rat": 0.1}}, r"^grid: optimizer.learning_rat: unknown key; did you"),
        ({"K": "two"}, r"^grid: K: 'two' is wrong; it should be a valid integer|^grid: K: 'two' is wrong; it should"),
        ({"P": []}, r"^grid: P: the list is empty; give at least one value"),
        ({"budget": {1: 12}}, r"^grid: budget.1: key 1 is not text; quote it"),
        ({"dataset": torch}, r"^grid: dataset: <module 'torch'.*> is a module; use text, a number, "),
        ({"P": [16, 16]}, r"^grid: P: 16 stands twice in the list; keep one"),
    ],
)
def test_a_mistake_in_a_mapping_is_one_sentence_that_names_the_key(change, sentence):
    with pytest.raises(UserError, match=sentence) as raised:
        load_grid(TINY | change)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("nothing", [None, 3, ["quickstart"], ""])
def test_what_is_no_grid_is_a_mistake(nothing):
    with pytest.raises(UserError, match="is no grid; give a path, the name of a shipped grid, or a mapping"):
        plan(nothing)


def test_a_mapping_that_holds_itself_is_a_mistake():
    grid = dict(TINY)
    grid["dataset"] = grid
    with pytest.raises(UserError, match="grid: a value holds itself"):
        load_grid(grid)


def test_a_launch_trains_what_is_missing_and_its_encoders_are_loaded(tmp_path, ray_address):
    outcome = launch(TINY, results=tmp_path, only="P=16", address=ray_address)
    (first,) = outcome.finished
    assert (outcome.exit_code, outcome.finished_before, outcome.unfinished) == (0, 0, {})
    outcome = launch(load_grid(TINY), results=str(tmp_path), max_concurrent=1, address=ray_address)
    assert (len(outcome.finished), outcome.finished_before) == (1, 1)
    again = launch(TINY, results=tmp_path)
    assert (again.finished, again.finished_before, again.exit_code) == ([], 2, 0)
    assert set(plan(TINY, results=tmp_path)["status"]) == {str(RunStatus.FINISHED)}
    assert load_grid(tmp_path / "tiny/grid.yaml").cells == load_grid(TINY).cells
    network = load_encoder(tmp_path / "tiny", first)
    images = load(network.spec.dataset).heldout.permute(0, 2, 1, 3)
    features, z = network.encode(images), network(images)
    assert not network.training and features.shape[0] == z.shape[0] == len(images)
    assert torch.allclose(z.norm(dim=1), torch.ones(len(z)))
    with pytest.raises(UserError, match="has no run 0123 that has ended"):
        load_encoder(tmp_path / "tiny", "0123")


def test_a_launch_with_a_mistake_writes_nothing(tmp_path):
    with pytest.raises(UserError, match=r"^time_limit: 'soon' is not a time"):
        launch(TINY, results=tmp_path, time_limit="soon")
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"only": "P"}, "only: 'P' is not KEY=VALUE; "),
        ({"only": "depth=7"}, "only: 'depth' is not a key of the grid's cells; "),
        ({"only": "P=7"}, "only: no cell has P=7; the grid has 16, 24"),
        ({"only": "P=16,P=24"}, "only: no cell of the grid has P=16,P=24; a plan lists the cells"),
        ({"max_concurrent": 0}, "max_concurrent: 0 is not a number of cells; "),
        ({"time_limit": "soon"}, "time_limit: 'soon' is not a time; "),
        (
            {"results": "memory://r", "track": ["tensorboard"]},
            "track: tensorboard needs results in a folder, not at a URL",
        ),
        ({"time_limit": 5}, "time_limit: 5 is not text; give '90s' or '2h', or None"),
        ({"until": 0.05}, "until: 0.05 is not text; give '5%', or None"),
        ({"only": ["P=16"]}, "only: ['P=16'] is not text; give 'P=64|128,K=2', or None"),
        ({"max_concurrent": 1.5}, "max_concurrent: 1.5 is not a number of cells; "),
        ({"results": None}, "results: None is no folder; give a path or URL"),
        ({"results": "FILE"}, "results: "),
        ({"address": "127.0.0.1:1"}, "no Ray cluster answers at 127.0.0.1:1; "),
    ],
)
def test_a_mistake_names_the_python_argument_and_no_option_of_a_command(arguments, sentence, tmp_path):
    (tmp_path / "file").write_text("")
    given = {"results": tmp_path} | arguments
    given |= {"results": tmp_path / "file"} if given["results"] == "FILE" else {}
    with pytest.raises(UserError) as raised:
        launch(TINY, **given)
    assert str(raised.value).startswith(sentence)
    assert not re.search(r"(?<!\w)--[a-z]", str(raised.value).replace("ray start --head", ""))


def test_importing_it_brings_neither_ray_nor_torch():
    code = "import sys, sweeps.api; print([name for name in ('ray', 'torch', 'pandas') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
