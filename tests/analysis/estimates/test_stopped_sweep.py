"""An adaptive sweep that was finished: what it predicted at its stop, beside what was measured since."""

import json

import numpy as np
import pytest

from analysis import SweepAnalysis, open_results
from analysis.results.errors import ResultsError
from sweeps.storage.packing.compaction import compact
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
    with pytest.raises(ResultsError, match=r"runs that --until began have not finished \(1\); launch without"):
        at_stop(sweep.store.root)
