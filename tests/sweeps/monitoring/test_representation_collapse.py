"""A run whose embeddings collapse is flagged while it runs, at its end, in status and in the report."""

import json

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from mmcr_core.config.run import BudgetSpec, OptimizerSpec
from mmcr_core.objectives import objective_spec
from mmcr_core.theory import RepresentationCollapse
from mmcr_core.training import Pretraining
from sweeps.execution.executor_settings import Progress
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.live_table import LiveTable
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.plan import Cell
from sweeps.planning.sweep import open_sweep, record_launch
from sweeps.status import app
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_run_executor import to_end

STEPS, FAST = 120, OptimizerSpec(learning_rate=3e-3)


@pytest.fixture
def collapsing(digits_spec):
    def spec(name="alignment", steps=STEPS):
        return digits_spec(P=32, D=32, objective=objective_spec(name), budget=BudgetSpec(steps=steps), optimizer=FAST)

    return spec


def test_the_control_is_flagged_while_it_runs_and_when_it_ends(tmp_path, collapsing):
    trial = RunExecutor(collapsing(), Store(tmp_path), "s")
    seen = []
    while (progress := trial.advance(1e-9)).status == "running":
        seen.append((progress.step, progress.collapse))
    assert not any(alarm for step, alarm in seen if step < STEPS / 10)
    assert 1 <= seen[-1][1].rank < 2 and seen[-1][1].directions == 32
    assert progress.collapse.describe().startswith("collapsed: effective rank ")
    (note,) = progress.notes
    assert note.startswith("collapsed: effective rank ")


@pytest.mark.parametrize("name", ["mmcr", "simclr", "barlow_twins", "vicreg", "frossl", "mcr2"])
def test_objectives_that_keep_images_apart_are_never_flagged(tmp_path, collapsing, name):
    trial = RunExecutor(collapsing(name, steps=60), Store(tmp_path), "s")
    while (progress := trial.advance(0.02)).status == "running":
        assert not progress.collapse
    assert progress.status == "finished" and not progress.collapse and not progress.notes


def test_recent_is_the_mean_of_the_last_steps(digits_spec):
    run = Pretraining(digits_spec(budget=BudgetSpec(steps=80)))
    assert np.isnan(run.recent("uniformity"))
    (chunk,) = run.run()
    assert run.recent("uniformity") == pytest.approx(chunk.columns["uniformity"][-50:].mean(), rel=1e-6)
    assert run.recent("percent_error", 1) == pytest.approx(run.latest_percent_error())


def test_status_names_collapsed_runs_with_the_reason(tmp_path, write_grid):
    grid = write_grid(
        P="32", D="32", objective="[alignment, mmcr]", budget=f"{{steps: {STEPS}}}", projector="{hidden: [64]}"
    )
    sweep = open_sweep(grid, str(tmp_path))
    record_launch(sweep)
    for cell in sweep.cells:
        to_end(RunExecutor(cell, sweep.store, "tiny"))
    alarms = {
        cell.keys["objective.name"]: cell.collapse.describe() if cell.collapse else ""
        for cell in survey(tmp_path / "tiny")
    }
    assert alarms["mmcr"] == "" and alarms["alignment"].startswith("collapsed: effective rank ")
    shown = CliRunner().invoke(app, [str(tmp_path / "tiny")]).stdout
    assert "2 cells: 2 finished; 1 collapsed" in shown and alarms["alignment"] in " ".join(shown.split())
    rows = json.loads(CliRunner().invoke(app, [str(tmp_path / "tiny"), "--json"]).stdout)
    assert sorted(row["alarm"] for row in rows) == ["", alarms["alignment"]]


@pytest.mark.parametrize(("uniformity", "last", "flagged"), [(0.2, 499, True), (0.9, 499, False), (0.2, 99, False)])
def test_a_running_cell_is_judged_by_its_newest_chunk_once_a_tenth_is_done(
    tmp_path, write_grid, uniformity, last, flagged
):
    sweep = open_sweep(write_grid(P="32", D="32", budget="{steps: 2000}"), str(tmp_path))
    record_launch(sweep)
    steps = np.arange(last + 1)
    metrics = dict.fromkeys(
        ("flops", "percent_error", "nuclear_norm", "loss", "reconstruction", "learning_rate"), steps * 1.0
    )
    spread = np.full(last + 1, uniformity)
    key = survey(tmp_path / "tiny")[0].run_id
    sweep.store.write_chunk(key, 0, last, {"step": steps, "images": steps, **metrics, "uniformity": spread})
    (cell,) = survey(tmp_path / "tiny")
    assert (cell.collapse is not None) == flagged
    assert not flagged or cell.collapse.describe() == "collapsed: effective rank 1.3 of 32"


def test_a_narrow_live_table_spares_columns_and_shortens_none(collapsing):
    cell = Cell(collapsing(), "0" * 16, 20_000, 20_000 * 128, 1e9, 1, 1.0, 0, 1, False)
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    table = LiveTable([cell], console)
    table.progressed(cell, Progress(RunStatus.RUNNING, 12_345, 20_000, 0.8, 10.0))
    console.print(table._render())
    shown = console.export_text()
    assert "12,345 / 20,000" in shown and "0.8000" in shown and "…" not in shown
    assert "progress" not in shown


def test_the_live_table_has_a_column_for_alarms_where_there_are_any(collapsing):
    cell = Cell(collapsing(), "0" * 16, 100, 1600, 1e9, 1, 1.0, 0, 1, False)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    table = LiveTable([cell], console)
    table.started(cell)
    table.progressed(cell, Progress(RunStatus.RUNNING, 50, 100, 0.8, 10.0))
    console.print(table._render())
    assert "alarm" not in console.export_text()
    table.progressed(cell, Progress(RunStatus.RUNNING, 60, 100, 0.8, 10.0, collapse=RepresentationCollapse(1.2, 32)))
    console.print(table._render())
    assert "collapsed: effective rank 1.2 of 32" in console.export_text()
    table.ended(cell, Progress(RunStatus.FINISHED, 100, 100, 0.8, 10.0, collapse=RepresentationCollapse(1.2, 32)))
    console.print(table._render())
    assert "1 of 1 done, 0 running, 0 failed, 1 collapsed" in console.export_text()
