"""How an adaptive sweep is said to stand."""

import io
import json

import pytest
from rich.console import Console

from sweeps.monitoring.launch_outcome import Outcome
from sweeps.monitoring.live_table import LiveTable
from sweeps.monitoring.standing import Standing
from sweeps.monitoring.summary import show
from sweeps.planning.sweep import open_sweep

STANDING = Standing("5%", "", 15, 3, 6, 1, 1, 0.25, 9, 0.04, 0.125, True, False)


def test_the_summary_says_what_was_trained_and_how_well_the_rest_is_known():
    assert STANDING.summary() == (
        "--until 5% is met after 25.0% of the grid's FLOPs: 3 of 15 cells finished, 6 paused, 1 begun, 4 not "
        "begun, 1 left out (diverged or failed); predicted: 9 settings, r.m.s. 4.0%, the widest 95% interval ± 12.5%; "
        "launch without --until to train the rest"
    )


def test_a_measure_is_told_in_its_own_units():
    standing = Standing("knn_accuracy=0.01", "knn_accuracy", 4, 1, 1, 0, 0, 0.5, 2, 0.008, 0.02, False, True)
    assert "is not met yet" in standing.summary() and "± 0.02 in knn_accuracy" in standing.summary()
    assert "Student's distribution" in standing.summary()


def test_nothing_is_predicted_where_all_was_trained():
    whole = Standing("5%", "", 4, 4, 0, 0, 0, 1.0, 0, 0.0, 0.0, True, False)
    assert whole.summary() == (
        "nothing is left to predict for --until 5% after 100.0% of the grid's FLOPs: 4 of 4 cells finished, 0 paused, "
        "0 not begun"
    )


def test_further_seeds_and_cells_that_were_not_chosen_are_told():
    seeds = Standing("5%", "", 12, 4, 0, 0, 0, 1 / 3, 0, 0.0, 0.0, True, False, whole=False)
    assert seeds.summary() == (
        "--until 5% is met after 33.3% of the FLOPs of the chosen cells: 4 of 12 cells finished, 0 paused, 8 not begun"
        "; each setting has a finished run, and further seeds were not trained; launch without --until to train the "
        "rest"
    )


def test_the_live_table_shows_it():
    console = Console(file=io.StringIO(), width=200)
    with LiveTable([], console) as table:
        table.stands(STANDING)
        console.print(table._render())
    shown = (
        "0 running, 3 finished, 6 paused, 9 predicted, largest half-width 12.5% (--until 5%), 25.0% of FLOPs, 0 failed"
    )
    assert console.file.getvalue().startswith(shown)


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"interrupted": True}, 130)])
def test_paused_cells_are_no_failure(write_grid, tmp_path, capsys, changes, code):
    sweep = open_sweep(write_grid(), str(tmp_path))
    assert show(sweep, Outcome(standing=STANDING, **changes), as_json=True) == code
    assert json.loads(capsys.readouterr().out)["adaptive"]["paused"] == 6


def test_cells_that_other_launches_have_finished_are_counted(write_grid, tmp_path, capsys):
    sweep = open_sweep(write_grid(seed=f"{list(range(15))}"), str(tmp_path))
    assert show(sweep, Outcome(standing=STANDING), as_json=False) == 0
    said = capsys.readouterr().out
    assert "3 of 15 cells finished; results in" in said and said.count("3 of 15 cells finished") == 2
