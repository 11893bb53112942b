"""`make gpu` without a GPU: the clock, what breaks on the way, what comes home, and what becomes of it there."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mmcr_core.config.run_id import run_id
from sweeps.config.grid_file import load_grid
from sweeps.storage.sweep_store import Store
from tests.benchmarks.gpu import __main__ as command
from tests.benchmarks.gpu import results, rows, speed
from tests.benchmarks.gpu.archive import write_archive
from tests.benchmarks.gpu.checks import tasks as check_tasks
from tests.benchmarks.gpu.costs import Costs, in_order
from tests.benchmarks.gpu.grid_cells import GRID, REHEARSED, cells_of
from tests.benchmarks.gpu.specs import stl10_images
from tests.benchmarks.gpu.stage import Setting
from tests.benchmarks.gpu.stages import CHECKS, REHEARSAL_SECONDS, STAGES, Stage
from tests.benchmarks.gpu.summary import summary
from tests.benchmarks.gpu.supervisor import Supervisor
from tests.conftest import REPOSITORY, invoke

FAKES = "tests.gpu_fakes"
ABSENT = ("ray", "duckdb", "pydantic", "pydantic_core", "annotated_types", "upath", "open_clip", "timm", "tensorboardX")
BLOCKER = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
sys.meta_path.insert(0, Absent())
"""


def supervised(out, *stages, seconds=240.0, clock=time.monotonic):
    """Runs stages on a CPU; the rows."""
    assert Supervisor("cpu", seconds, out, stages=stages, side_by_side=2, clock=clock).run() == 1
    return rows.read(out / "rows.jsonl")


def names_in(archive):
    with tarfile.open(archive) as opened:
        return opened.getnames()


def of(found, **wanted):
    return [row for row in found if all(row.get(key) == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A stage whose tasks break in every way and hang at last, then one that works; time flies once it hangs."""
    out = tmp_path_factory.mktemp("broken")

    def clock():
        hangs = of(rows.read(out / "rows.jsonl"), task="hangs", half="done")
        return time.monotonic() + (10_000 if hangs else 0)

    one_by_one = Stage(FAKES, 0, REHEARSAL_SECONDS / 2, ("works", "raises"))
    everything = Stage(FAKES, 0, REHEARSAL_SECONDS * 0.85)
    supervised(out, one_by_one, everything, seconds=5_000, clock=clock)
    return out


def test_a_task_that_raises_dies_or_breaks_its_context_costs_only_itself(broken):
    found = rows.read(broken / "rows.jsonl")
    assert of(found, task="works", event="ended") and of(found, task="works", holds=True)[0]["found"] == "nan"
    (failed,) = of(found, task="raises", event="failed")
    assert failed["error"] == "ValueError: no" and "raise ValueError" in " ".join(failed["traceback"])
    assert {row["how"] for row in of(found, event="died")} == {"SIGKILL"}
    assert len(of(found, task="dies", half="done")) == 2  # tried twice, its rows kept, and then left
    assert of(found, task="breaks its context", again=True)  # in a fresh process


def test_a_stage_that_overruns_is_killed_at_its_deadline_and_the_clock_is_kept(broken):
    found = rows.read(broken / "rows.jsonl")
    (killed,) = of(found, event="killed")
    assert killed["why"] == "killed at its deadline" and any("gpu_fakes.py" in line for line in killed["stderr"])
    assert of(found, task="hangs", half="done") and not of(found, task="is last")
    text = (broken / "summary.md").read_text()
    assert "## Broke" in text and "killed at its deadline" in text and "ValueError: no" in text
    assert (broken / "store.tar").exists() and "gpu_fakes" in (broken / "logs.txt").read_text()


def test_sigterm_still_brings_archive_and_summary_home(tmp_path):
    code = (
        "from pathlib import Path; from tests.benchmarks.gpu.supervisor import Supervisor; "
        "from tests.benchmarks.gpu.stages import Stage; import sys; "
        f"sys.exit(Supervisor('cpu', 240, Path({str(tmp_path)!r}), "
        f"stages=[Stage({FAKES!r}, 0, 230, ('hangs',)), Stage({FAKES!r}, 0, 235)], side_by_side=1).run())"
    )
    ran = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert ran.stdout is not None
    next(line for line in ran.stdout if '"half"' in line)
    ran.send_signal(signal.SIGTERM)
    rest = ran.stdout.read()
    assert ran.wait(timeout=30) == 1
    assert "stopped by a signal" in (tmp_path / "summary.md").read_text() and "## Broke" in rest
    assert names_in(tmp_path / "store.tar") == []
    assert not of(rows.read(tmp_path / "rows.jsonl"), task="works")  # the next stage does not begin


def test_a_command_that_continues_another_does_again_only_what_did_not_go_well(broken, tmp_path):
    stage = Stage(FAKES, 0, REHEARSAL_SECONDS, ("works", "raises"))
    Supervisor("cpu", 240, tmp_path, earlier=broken, stages=[stage], side_by_side=2).run()
    found = rows.read(tmp_path / "rows.jsonl")
    (kept,) = of(found, task="works", event="begun")
    (again,) = of(found, task="raises", event="begun")
    started = of(found, stage="command", device="cpu")[0]["time"]
    assert kept["time"] < started <= again["time"]
    assert not of(found, task="hangs")


def test_code_that_was_packed_has_the_commit_it_was_packed_at(tmp_path, monkeypatch):
    (tmp_path / "commit.txt").write_text(f"{'a' * 40} {command.code_digest()}\n")
    monkeypatch.setattr(command, "CARRIED", tmp_path)
    assert command.commit() == "a" * 40
    (tmp_path / "commit.txt").write_text(f"{'a' * 40} of other code\n")
    assert command.commit() != "a" * 40


def test_torn_and_foreign_lines_are_passed_over(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows.append(file, {"x": float("inf"), "path": Path("a"), "list": (1, 2.5)})
    file.write_text(file.read_text() + '[1]\n{"torn": 1')
    (row,) = rows.read(file)
    assert (row["x"], row["path"], row["list"]) == ("inf", "a", [1, 2.5])
    assert rows.read(tmp_path / "absent") == []


def test_a_disk_without_room_breaks_nothing(tmp_path, capsys):
    rows.append(Path("/dev/full"), {"x": 1})
    said = capsys.readouterr()
    assert json.loads(said.out)["x"] == 1 and "No space left" in said.err


def test_every_check_that_a_gpu_does_is_named_to_the_supervisor(tmp_path):
    assert set(check_tasks(Setting("cuda", str(tmp_path), str(tmp_path), 0.0))) == set(CHECKS)


def test_cells_begin_where_p_is_d_and_end_with_the_other_views():
    sizes = (64, 128, 256, 512, 1024)
    cells = [(P, D, K) for P in sizes for D in sizes for K in (2, 4, 8)]
    ordered = [cells[index] for index in in_order(cells)]
    assert ordered[:5] == [(size, size, 2) for size in sizes]
    assert all(max(P, D) == 2 * min(P, D) for P, D, _ in ordered[5:13])
    assert [K for _, _, K in ordered] == [2] * 25 + [4] * 9 + [8] * 9 + [4] * 16 + [8] * 16
    assert ordered[25:28] == [(64, 64, 4), (256, 256, 4), (1024, 1024, 4)]


def test_a_cell_costs_what_its_like_took():
    costs = Costs()
    assert costs.seconds(64, 2, 1000) == 0  # nothing is known: try
    costs.learn(64, 2, images=1000, trained_seconds=10, all_seconds=12)
    assert costs.seconds(64, 2, 1000) == pytest.approx(1.15 * 12)
    assert costs.seconds(1024, 8, 1000) == pytest.approx(1.15 * (4 * 10 + 2))  # four times the views
    costs.learn(1024, 8, images=1000, trained_seconds=5, all_seconds=5)
    assert costs.seconds(512, 8, 1000) == pytest.approx(1.15 * (5 + 2))


def parquet_of(file, count, side=8):
    encoded = []
    for row in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (side, side), (row % 256, row // 256, 0)).save(stream, "PNG")
        encoded.append(stream.getvalue())
    pq.write_table(pa.table({"image": encoded, "label": [row % 10 for row in range(count)]}), file)
    return file


@pytest.mark.parametrize("grid", [GRID, REHEARSED], ids=lambda grid: grid.stem)
def test_the_cells_are_those_that_a_launch_of_the_grid_file_makes(grid, tmp_path):
    images = parquet_of(tmp_path / "images.parquet", 1200)
    (there,) = [line for line in grid.read_text().splitlines() if line.startswith("dataset:")]
    moved = tmp_path / "grid.yaml"
    moved.write_text(grid.read_text().replace(there, f"dataset: {{name: parquet, path: {images}}}"))
    launched = load_grid(moved).cells
    assert sorted(map(run_id, cells_of(grid, str(images)))) == sorted(map(run_id, launched))
    assert {cell.evaluate for cell in cells_of(grid, str(images))} == {cell.evaluate for cell in launched}


def test_the_archive_holds_what_has_finished_and_what_has_room(tmp_path):
    store = tmp_path / "store" / "name"
    for name in ("grid.yaml", "runs/a.parquet", "trajectories/a/0.parquet", "trajectories/b/0.parquet",
                 "checkpoints/a/1.ckpt", "claims/a.json", "weights/a.pt", "runs/.a.tmp"):  # fmt: skip
        file = store / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * (60_000 if name.startswith("weights") else 600))
    assert write_archive(tmp_path / "store", tmp_path / "store.tar", limit=40_000) == ["name/weights/a.pt"]
    assert (tmp_path / "store.tar").stat().st_size <= 40_000
    names = names_in(tmp_path / "store.tar")
    assert names == ["name/grid.yaml", "name/runs/a.parquet", "name/trajectories/a/0.parquet"]


def test_a_store_with_other_content_is_not_overwritten(tmp_path):
    source = tmp_path / "store" / "name" / "runs" / "a.parquet"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"new")
    write_archive(tmp_path / "store", tmp_path / "store.tar")
    reference = tmp_path / "reference"
    assert results.unpack(tmp_path / "store.tar", reference) == [reference / "name"]
    assert results.unpack(tmp_path / "store.tar", reference) == [reference / "name"]  # the same again
    (reference / "name" / "runs" / "a.parquet").write_bytes(b"old")
    with pytest.raises(SystemExit, match="1 files of the store are there with other content"):
        results.unpack(tmp_path / "store.tar", reference)
    assert (reference / "name" / "runs" / "a.parquet").read_bytes() == b"old"


def test_a_network_is_compiled_where_pretraining_can(tmp_path, monkeypatch):
    setting = Setting("cpu", str(tmp_path), str(tmp_path), time.monotonic() + 1000)
    asked = []

    class Compiles(speed.Pretraining):
        def __init__(self, *given, compiled=False, network_compiled=False, **more):
            asked.append((compiled, network_compiled))
            super().__init__(*given, **more)

    monkeypatch.setattr(speed, "Pretraining", Compiles)
    (row,) = speed.network_compiled(setting, stl10_images(setting), (64, 64, 2))
    assert asked == [(True, True)] and row["network"] == "compiled" and row["images/s"] > 0
    late = Setting("cpu", str(tmp_path), str(tmp_path), time.monotonic() + 1)
    (left_out,) = speed.network_compiled(late, stl10_images(setting), (64, 64, 2))
    assert "it needs 40" in left_out["left_out"]


def test_a_summary_of_no_rows_says_that_nothing_was_reached():
    text, holds = summary([])
    assert not holds and "not reached: ceilings, checks" in text


@pytest.mark.slow
def test_a_rehearsal_comes_home_whole_without_ray_duckdb_pydantic_and_universal_pathlib(tmp_path, monkeypatch):
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "sitecustomize.py").write_text(BLOCKER)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--device", "cpu", "--seconds", "480", "--out", str(out)]
    here = {**os.environ, "PYTHONPATH": str(tmp_path / "absent")}
    ran = subprocess.run(command, cwd=REPOSITORY, env=here, capture_output=True, text=True, timeout=600, check=False)
    found = rows.read(out / "rows.jsonl")
    text = (out / "summary.md").read_text()
    assert ran.returncode == 0, text + ran.stderr
    assert [row["stage"] for row in of(found, event="stage ended")] == [stage.name for stage in STAGES]
    assert {file.name for file in out.iterdir()} == {"rows.jsonl", "summary.md", "store.tar", "profile.txt", "logs.txt"}
    assert "checks hold; 0 tasks or processes broke" in text and "18 cells finished" in text and text in ran.stdout
    assert all(row["holds"] for row in found if "holds" in row)

    root = tmp_path / "results"
    monkeypatch.setattr(results, "COMMANDS", ())  # the figures' own tests draw them; claims are read below
    monkeypatch.setattr(sys, "argv", ["results", str(out), "--root", str(root)])
    results.main()
    names = sorted(file.name.split("-", 2)[1] for file in (root / "benchmarks").iterdir())
    assert names == ["cells", "checks", "grid", "nuclear"]
    written = [json.loads(file.read_text()) for file in (root / "benchmarks").iterdir()]
    assert all(content["rows"] and content["versions"]["torch"] and content["device"] for content in written)
    store = Store(root / "reference" / "gpu-rehearsal")
    assert set(store.statuses().values()) == {"finished"} and len(store.read_cells()) == 18
    counted = invoke("query", store.root, "SELECT P, count(*) FROM trajectories JOIN runs USING (run_id) GROUP BY P")
    assert counted.returncode == 0, counted.stderr
