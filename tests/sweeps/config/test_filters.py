"""Cells by any key of the grid, and what a sweep varies."""

import pytest

from mmcr_core.config.run_id import run_id
from mmcr_core.objectives import objective_spec
from sweeps.cli.errors import UserError
from sweeps.config.axes import column, described, keys_of, text_of, varying, varying_keys
from sweeps.config.filters import asks_for_diverged, selected
from sweeps.config.grid_file import load_grid


@pytest.fixture
def cells(write_grid):
    grid = write_grid(P="[16, 32]", D="[8, 16]", optimizer="{learning_rate: [1.0e-3, 3.0e-3]}", encoder="convnet")
    return load_grid(grid).cells


@pytest.mark.parametrize(
    ("only", "count"),
    [
        (None, 8),
        ("P=16", 4),
        ("P=16|32,D=8", 4),
        ("optimizer.learning_rate=1e-3", 4),
        ("optimizer.learning_rate=0.001", 4),
        ("P=16|32,P=32", 4),
        (" P = 16 , D = 8 , optimizer.learning_rate = 0.003 ", 1),
        ("encoder=convnet", 8),
        ("encoder.name=convnet", 8),
        ("precision=fp32", 8),
        ("dataset.download=false", 8),
        ("dataset.limit=None", 8),
    ],
)
def test_any_key_selects(cells, only, count):
    assert len(selected(cells, only)) == count


def test_run_ids_and_statuses_select(cells):
    keys = [run_id(cell) for cell in cells]
    assert selected(cells, f"run_id={keys[3]}|{keys[5]}") == (cells[3], cells[5])
    statuses = {keys[0]: "finished", keys[1]: "failed", keys[2]: "diverged"}
    for only, expected in {
        "status=failed": [1],
        "status=failed|diverged": [1, 2],
        "status=unfinished": [3, 4, 5, 6, 7],
        "status=finished,P=16": [0],
    }.items():
        assert [cells.index(cell) for cell in selected(cells, only, lambda: statuses)] == expected
    assert asks_for_diverged("P=16, status=failed|diverged")
    assert not asks_for_diverged("status=failed") and not asks_for_diverged(None)


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ("P", "only: 'P' is not KEY=VALUE; such as"),
        ("P=", "only: 'P=' is not KEY=VALUE"),
        ("p=16", "only: 'p' is not a key of the grid's cells; did you mean 'P'"),
        ("learning_rate=1e-3", "did you mean 'optimizer.learning_rate'"),
        ("P=17", "only: no cell has P=17; the grid has 16, 32"),
        ("P=16|17", "only: no cell has P=17"),
        ("status=done", "only: no cell has status=done; the grid has finished, failed, diverged, unfinished"),
        ("P=16,P=32", "only: no cell of the grid has P=16,P=32"),
    ],
)
def test_mistakes_say_what_would_be_right(cells, only, says):
    with pytest.raises(UserError) as raised:
        selected(cells, only)
    assert says in str(raised.value)


def test_what_a_grid_varies_beside_the_papers_axes(cells):
    assert varying(cells) == ["optimizer.learning_rate"]
    assert varying(cells[:1]) == []
    assert described(cells[0], varying(cells)) == "P=16 D=8 K=2 seed=0 optimizer.learning_rate=0.001"
    assert keys_of(cells[0])["objective"] == "mmcr"


def test_options_vary_among_runs_of_the_same_objective_only(digits_spec):
    objectives = [
        objective_spec("mmcr"),
        objective_spec("vicreg"),
        *(objective_spec("simclr", temperature=t) for t in (1, 2)),
    ]
    runs = [digits_spec(objective=objective) for objective in objectives]
    assert varying(runs[:3]) == ["objective.name"]
    assert varying(runs) == ["objective.name", "objective.temperature"]
    assert described(runs[0], varying(runs)) == "P=16 D=8 K=2 seed=0 objective.name=mmcr"
    assert described(runs[3], varying(runs)).endswith("objective.name=simclr objective.temperature=2")
    assert [text_of(keys_of(run), "objective.temperature") for run in runs] == ["–", "–", "1", "2"]


def test_what_is_measured_does_not_vary():
    runs = [{"objective.name": "mmcr", "evaluate.probe": probe} for probe in ("knn", "none")]
    assert varying_keys(runs) == []


def test_columns_have_short_names_unless_two_would_be_alike():
    assert column("optimizer.learning_rate", ["optimizer.learning_rate"]) == "learning_rate"
    assert column("a.size", ["a.size", "b.size"]) == "a.size"
    assert column("P", []) == "P"
    assert column("encoder.name", ["encoder.name"]) == "encoder.name"
