"""What a plan says before anything runs."""

import json

import pytest
from typer.testing import CliRunner

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec, OptimizerSpec
from mmcr_core.config.run_id import run_id
from sweeps import launch
from sweeps.config.grid_file import load_grid
from sweeps.execution.adaptive.simulation import Expectation
from sweeps.execution.adaptive.until import parse_until
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.planning.preview import Preview, adaptive_line, show
from sweeps.planning.sweep import open_sweep, record_launch, remarks
from sweeps.storage.sweep_store import Store
from tests.mmcr_core.data.custom_data import encoded, write_folder
from tests.mmcr_core.data.shards.shard_data import write_set
from tests.sweeps.execution.test_run_executor import to_end


def test_a_plan_names_the_runs_that_continue_shorter_ones(write_grid, tmp_path, digits_spec, capsys):
    short = digits_spec(budget=BudgetSpec(steps=8), optimizer=OptimizerSpec(warmup=2))
    trial = RunExecutor(short, Store(tmp_path / "tiny"), "tiny", ExecutorSettings(keep="all"))
    to_end(trial)
    sweep = open_sweep(write_grid(optimizer="{warmup: 2}", seed="[0, 1]"), str(tmp_path))
    continued = {row["seed"]: row["continues"] for row in Preview.of(sweep, None).rows()}
    assert continued == {0: trial.run_id, 1: None}
    assert show(sweep, None, as_json=False) == 0
    printed = capsys.readouterr().out
    assert (
        f"continues {trial.run_id}" in printed
        and "1 cell will resume from a checkpoint, or from a shorter run." in printed
    )


def test_a_plan_prices_what_is_left_of_a_run_that_was_begun(write_grid, tmp_path, digits_spec, capsys):
    grid = write_grid(budget="{steps: 96}", seed="[0, 1]")
    spec, other = load_grid(grid).cells
    whole = {cell["run_id"]: cell for cell in Preview.of(open_sweep(grid, str(tmp_path)), None).rows()}
    trial = RunExecutor(spec, Store(tmp_path / "tiny"), "tiny", ExecutorSettings())
    while trial.advance(1e-9).step < 24:
        pass
    step = trial.advance(1e-9).step
    trial.stop()
    sweep = open_sweep(grid, str(tmp_path))
    rows = {row["run_id"]: row for row in Preview.of(sweep, None).rows()}
    share = 1 - step / 96
    assert rows[trial.run_id]["from_step"] == step and 0 < share < 1
    assert rows[trial.run_id]["flops"] == pytest.approx(share * whole[trial.run_id]["flops"])
    assert rows[trial.run_id]["seconds"] < whole[trial.run_id]["seconds"]
    assert rows[run_id(other)] | {"starts_at_seconds": 0} == whole[run_id(other)] | {"starts_at_seconds": 0}
    show(sweep, None, as_json=False)
    assert f"resumes from {step}" in capsys.readouterr().out


def test_a_plan_says_how_many_cells_each_override_link_and_exclusion_leaves(write_grid, tmp_path):
    links = "[{D: [8, 16, 32], seed: [0, 1, 2]}]"
    grid = write_grid(D=None, linked=links, exclude="['D>P', 'K=7']")
    arguments = [str(grid), "P=16,32", "--plan", "--results", str(tmp_path / "r"), "--only", "D>=16"]
    printed = CliRunner().invoke(launch.app, arguments)
    assert printed.exit_code == 0, printed.output
    counts = (
        "9 in the grid; 18 with P=16,32; 6 with D and seed linked; 5 without D>P; 5 without K=7; 3 chosen by D>=16."
    )
    assert f"\nCells: {counts}\n" in printed.stdout and "\n3 cells, " in printed.stdout
    assert "\nnote: exclude: 'K=7' leaves out no cell of this grid\n" in printed.stdout
    told = json.loads(CliRunner().invoke(launch.app, [*arguments, "--json"]).stdout)["counts"]
    assert [count["cells"] for count in told] == [9, 18, 6, 5, 5, 3]
    plain = CliRunner().invoke(launch.app, [str(write_grid()), "--plan"])
    assert "Cells: " not in plain.stdout
    wrong = CliRunner().invoke(launch.app, [str(grid), "P=16", "Q=1", "--plan"])
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1) and wrong.stderr.startswith("argument Q=1: Q: unknown")


def test_a_grid_that_leaves_stored_cells_out_says_so_in_plan_and_launch(write_grid, tmp_path, capsys):
    record_launch(open_sweep(write_grid(seed="[0, 1, 2]"), str(tmp_path)))
    record_launch(open_sweep(write_grid(seed="[0, 1, 2]"), str(tmp_path), only="seed=0"))
    assert capsys.readouterr().err == ""
    fewer = open_sweep(write_grid(seed="[0, 1, 2]"), str(tmp_path), overrides=["seed=1"])
    said = f"note: a launch replaces the grid of {tmp_path / 'tiny'} (3 cells) by this one (1 cell) and leaves 2 out: "
    show(fewer, None, as_json=False)
    assert said in capsys.readouterr().out.replace("\n", " ")
    show(fewer, None, as_json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out) and printed.err.startswith(said)
    record_launch(fewer)
    assert capsys.readouterr().err.startswith(said)
    other = open_sweep(write_grid(seed="[0, 1, 2]"), str(tmp_path), overrides=["seed=1", "name=new"])
    record_launch(other)
    assert capsys.readouterr().err == "" and other.store.root.name == "new"


def test_batches_larger_than_the_heldout_images_are_named(digits_spec):
    cells = tuple(digits_spec(P=points) for points in (16, 400, 512))
    (said,) = remarks(cells)
    assert said == (
        "note: no heldout_percent_error in 2 of 3 cells: P from 400 on exceeds the 360 held-out images of digits"
    )
    assert remarks(cells[:1]) == []


def test_few_heldout_images_of_your_own_are_named_with_the_remedy(digits_spec, tmp_path):
    mine = write_folder(tmp_path, {f"{name}/{i}.png": encoded(seed=i) for i in range(30) for name in "ab"})
    cells = tuple(digits_spec(dataset=mine, P=points, evaluate=EvaluateSpec(2, "knn")) for points in (4, 8))
    assert remarks(cells) == [
        "note: no heldout_percent_error in 1 of 2 cells: P = 8 exceeds the 6 held-out images of folder; raise "
        "dataset.heldout",
        "note: probes are tested on the 6 held-out images of folder, to within 40 percentage points; raise "
        "dataset.heldout",
    ]


def test_probes_of_unlabeled_images_are_named(digits_spec, tmp_path):
    unlabeled = write_folder(tmp_path, {f"{i}.png": encoded(seed=i) for i in range(40)})
    cells = [digits_spec(dataset=unlabeled, evaluate=EvaluateSpec(0, probe)) for probe in ("knn", "none")]
    assert remarks(tuple(cells)) == ["note: no probe accuracy in 1 of 2 cells: folder has no labels"]


def test_shards_have_no_labels_to_probe(tmp_path):
    shards = DatasetSpec("shards", path=str(write_set(tmp_path / "shards", [20, 20])), captions=1)
    cell = run_spec(shards, 4, 8, 2, BudgetSpec(steps=2))
    assert cell.evaluate.probes
    assert remarks((cell,)) == ["note: no probe accuracy in 1 of 1 cells: shards has no labels"]


def test_a_bank_of_probes_that_no_limit_explains_is_named(digits_spec):
    limited = digits_spec(dataset=DatasetSpec("digits", limit=160), evaluate=EvaluateSpec(0, "knn", probe_images=300))
    (said,) = remarks((limited, digits_spec()))
    assert said == "note: probes learn from 300 labeled images (evaluate.probe_images), whatever dataset.limit keeps"


def test_device_hours_and_their_price_are_those_of_the_cells_to_run(write_grid, tmp_path, capsys):
    sweep = open_sweep(write_grid(seed="[0, 1]", resources="{cpus: 2}"), str(tmp_path))
    preview = Preview.of(sweep, None)
    hours = sum(cell.seconds * 2 / 3600 for cell in preview.left)
    assert preview.device_hours == pytest.approx(hours, rel=1e-6)
    show(sweep, None, as_json=True, price=3.0)
    assert json.loads(capsys.readouterr().out)["cost"] == pytest.approx(3 * hours)
    show(sweep, None, as_json=False, price=3e6)
    assert f"core-hours, {3e6 * hours:,.2f} at 3e+06 each" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("spent", "says"),
    [
        (0.0, "to train 20% to 50% of the FLOPs (mean 30%), 10 s to 25 s instead of 50 s"),
        (0.1, "to train 20% to 50% of the FLOPs (mean 30%, 10% are trained), 6 s to 25 s instead of 50 s"),
        (0.5, "--until 5% is met by what is trained already, 50% of the FLOPs."),
    ],
)
def test_an_adaptive_plan_counts_what_is_left(spent, says):
    expected = Expectation(0.3, 0.2, 0.5, 0.1, 0.4, spent, {}, 0)
    unfinished = 0.8 if spent else 1.0  # of the FLOPs, in 50 seconds
    assert says in adaptive_line(parse_until("5%"), expected, 50.0, unfinished)


@pytest.mark.parametrize(
    ("part", "says"), [(0.76, "76% in part. Sim"), (0.5, "50% in part, the others not at all. Sim")]
)
def test_an_adaptive_plan_names_the_others_where_there_are_any(part, says):
    expected = Expectation(0.5, 0.4, 1.0, 0.24, part, 0.0, {}, 1)
    line = adaptive_line(parse_until("5%"), expected, 50.0, 1.0)
    assert f"24% of the cells whole, {says}" in line and line.endswith("from 1 finished run of this kind.")
