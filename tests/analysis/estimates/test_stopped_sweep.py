"""An adaptive sweep that was finished: what it predicted at its stop, beside what was measured since."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from analysis import SweepAnalysis, open_results
from analysis.results.errors import ResultsError
from mmcr_core.config.run_id import canonical_json
from sweeps.storage.packing.compaction import compact
from sweeps.storage.run_status import RunStatus
from tests.conftest import invoke
from tests.sweeps.execution.adaptive.played_sweep import STEPS, PlayedSweep, grid


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A sweep that stopped, how it stood then, and that was then finished."""
    sweep = PlayedSweep(tmp_path_factory.mktemp("stopped") / "s", grid(), "5%")
    scheduler = sweep.scheduler()
    decided = sweep.play(scheduler)
    standing = scheduler.conclude()
    for key in set(sweep.cells) - set(sweep.store.statuses()):
        sweep.write_steps(key, STEPS)
        sweep.write_row(key)
    return sweep, standing, len(decided)


def at_stop(root):
    return SweepAnalysis(open_results(root)).at_stop()


def test_it_says_what_the_launch_said_at_its_stop(played):
    sweep, standing, rungs = played
    stopped = at_stop(sweep.store.root)
    assert (stopped.rungs, len(stopped.predicted)) == (rungs, standing.predicted)
    assert stopped.share == pytest.approx(standing.share, rel=1e-9)
    assert stopped.expected_rms == pytest.approx(standing.rms, rel=0.02)
    final = np.array([sweep.errors(cell)[-STEPS // 20 :].mean() for cell in sweep.cells.values()])
    assert sorted(stopped.settings["final"]) == pytest.approx(sorted(final), rel=1e-6)
    assert np.sqrt((stopped.errors**2).mean()) < 0.05


def test_packed_it_says_the_same(played, tmp_path):
    sweep, *_ = played
    before = at_stop(sweep.store.root)
    compact(sweep.store)
    after = at_stop(sweep.store.root)
    assert after.share == before.share and after.settings.equals(before.settings)


@pytest.mark.usefixtures("pdf_too")
def test_the_command_compares_and_draws(played, tmp_path):
    sweep, standing, rungs = played
    ran = invoke("plot_predictions", sweep.store.root, "--at-stop", "-o", tmp_path)
    assert ran.returncode == 0, ran.stderr
    said = " ".join(ran.stdout.split())
    assert f"stopped after {standing.share:.1%} of the grid's FLOPs and {rungs} rungs" in said
    assert f"r.m.s. error {standing.rms:.1%} expected" in said
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == {
        "stop.csv", "stop.png", "stop.pdf", "stop_grid.png", "stop_grid.pdf",
    }  # fmt: skip
    rows = json.loads(invoke("plot_predictions", sweep.store.root, "--at-stop", "--json", "-o", tmp_path).stdout)
    assert len(rows) == 16 and {"predicted", "low_95", "final", "measured"} <= set(rows[0])


def test_what_has_no_stop_is_named(small, tmp_path):
    ran = invoke("plot_predictions", small, "--at-stop", "-o", tmp_path / "figures")
    assert ran.returncode == 2 and "no adaptive launch (--until) trained this sweep" in ran.stderr
    assert not (tmp_path / "figures").exists()
    ran = invoke("plot_predictions", small, "--at-stop", "--measure", "knn_accuracy")
    assert ran.returncode == 2 and "--at-stop is of what --until asked for" in ran.stderr


def test_nothing_is_compared_before_all_that_was_begun_has_finished(tmp_path):
    sweep = PlayedSweep(tmp_path / "s", grid(), "5%")
    decided = sweep.play(sweep.scheduler())
    begun = {decision.run_id for decision in decided}
    open_runs = begun - set(sweep.store.statuses())
    for key in [each for each in sweep.cells if each not in open_runs] + sorted(open_runs)[1:]:
        sweep.write_steps(key, STEPS)
        sweep.write_row(key)
    write_cells(sweep, sweep.cells)
    with pytest.raises(ResultsError, match=r"s: 15 of 16 cells have finished; launch without --until, then look again"):
        at_stop(sweep.store.root)
    write_cells(sweep, set(sweep.cells) - {min(open_runs)})
    with pytest.raises(ResultsError, match=r"s: 1 of \d+ runs that --until began are not in the grid of the"):
        at_stop(sweep.store.root)
    sweep.write_row(min(open_runs), RunStatus.DIVERGED)
    write_cells(sweep, sweep.cells)
    assert len(at_stop(sweep.store.root).settings) == 15


def write_cells(sweep, keys):
    specs = {key: sweep.cells[key] for key in keys}
    sizes = {key: {name: getattr(cell, name) for name in ("P", "D", "K", "seed")} for key, cell in specs.items()}
    text = {key: canonical_json(asdict(cell)) for key, cell in specs.items()}
    sweep.store.write_cells([{"run_id": key, "spec": text[key], "steps": STEPS} | sizes[key] for key in specs])


def test_half_a_sweep_is_counted_and_a_sweep_without_predictions_is_said_to_be_one(tmp_path):
    sweep = PlayedSweep(tmp_path / "s", grid((8, 16), (8, 16)), "0.01%")
    scheduler = sweep.scheduler()
    sweep.play(scheduler, 3)
    write_cells(sweep, sweep.cells)
    ran = invoke("plot_predictions", sweep.store.root, "--at-stop", "-o", tmp_path / "figures")
    assert ran.returncode == 2 and "s: 0 of 4 cells have finished; launch without --until" in ran.stderr
    sweep.play(sweep.scheduler())
    ran = invoke("plot_predictions", sweep.store.root, "--at-stop", "-o", tmp_path / "figures")
    assert ran.returncode == 0, ran.stderr
    assert "with every setting trained to its end: nothing was predicted." in " ".join(ran.stdout.split())
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {"stop_grid.png", "stop.csv"}
