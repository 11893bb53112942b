"""What docs/running_sweeps.md says of the environment: what is honored, what is overridden."""

import hashlib
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from mmcr_core.config.run import BudgetSpec
from mmcr_core.data.image_text.glyphs import glyphs
from sweeps.config.grid_file import load_grid
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke
from tests.custom_components import write_own
from tests.sweeps.execution.test_run_executor import to_end

MATPLOTLIBRC = "text.usetex: True\nfont.size: 40\nfont.weight: bold\naxes.formatter.use_locale: True\nno.such: 1\n"
OVERRIDDEN = {
    "MPLBACKEND": "module://not_installed.backend",
    "MATPLOTLIBRC": "matplotlibrc",
    "PYTHONWARNINGS": "error",
    "OMP_NUM_THREADS": "7",
    "MKL_NUM_THREADS": "7",
    "RAY_ADDRESS": "10.255.255.1:6379",
    "RAY_AIR_NEW_OUTPUT": "1",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
}
HONORED = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "TZ": "Asia/Kolkata",
    "TMPDIR": "tmp",
    "CUDA_VISIBLE_DEVICES": "",
    "RAY_worker_niceness": "5",
}


@pytest.fixture
def environment(tmp_path):
    """All of it at once."""
    (tmp_path / "matplotlibrc").write_text(MATPLOTLIBRC)
    (tmp_path / "tmp").mkdir()
    changed = {
        name: str(tmp_path / value) if (tmp_path / value).is_file() else value for name, value in OVERRIDDEN.items()
    }
    own = f"{REPOSITORY}{os.pathsep}{tmp_path / 'code'}"
    return os.environ | changed | HONORED | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": own}


def run_in(environment, folder, *command, umask=-1):
    pipes = {"capture_output": True, "text": True, "check": False}
    return subprocess.run([sys.executable, *map(str, command)], cwd=folder, env=environment, umask=umask, **pipes)


def test_the_page_names_each_variable(environment):
    text = (REPOSITORY / "docs/running_sweeps.md").read_text()
    table = text.split("## Environment variables")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Za-z_0-9]+)", table))
    assert {*OVERRIDDEN, *HONORED, "PYTHONPATH"} <= named


@pytest.mark.slow
def test_a_launch_gives_the_same_run_whatever_the_environment_says(environment, write_grid, tmp_path):
    """Under umask 077, with an objective on PYTHONPATH, to a folder below the home folder."""
    (tmp_path / "code").mkdir()
    own = write_own(tmp_path / "code")
    grid = write_grid(objective=f"{own}:Pull", resources="{cpus: 1}")
    environment["HOME"] = str(tmp_path / "home")
    ran = run_in(environment, tmp_path, REPOSITORY / "sweeps/launch.py", grid.name, "--results=~/r", umask=0o077)
    assert ran.returncode == 0, ran.stderr
    assert "1 of 1 cell finished" in ran.stdout and "Warning" not in ran.stderr
    store = Store(tmp_path / "home/r/tiny")
    assert not (tmp_path / "~").exists()
    assert {file.stat().st_mode & 0o777 for file in store.root.rglob("*") if file.is_file()} == {0o600}
    sys.path.append(str(tmp_path / "code"))
    (cell,) = load_grid(grid).cells
    to_end(RunExecutor(cell, Store(tmp_path / "here"), "tiny"), 60)
    (row,), (here,) = store.rows(), Store(tmp_path / "here").rows()
    sys.path.remove(str(tmp_path / "code"))
    same = ["run_id", "percent_error", "sweep", "device", "images"]
    assert [row[name] for name in same] == [here[name] for name in same]
    assert abs(row["started_at"] - here["started_at"]) < pd.Timedelta(hours=2)
    both = [each.read_trajectory(row["run_id"]) for each in (store, Store(tmp_path / "here"))]
    pd.testing.assert_frame_equal(*both, check_exact=True)


@pytest.mark.slow
def test_commands_draw_and_tell_the_same_whatever_the_environment_says(environment, tmp_path, digits_spec):
    store = Store(tmp_path / "s")
    for points in (8, 16):
        to_end(RunExecutor(digits_spec(P=points, budget=BudgetSpec(steps=60)), store, "s"))
    plain = invoke("plot_double_descent", store.root, "-o", tmp_path / "plain")
    assert plain.returncode == 0
    ran = run_in(environment, tmp_path, REPOSITORY / "analysis/plot_double_descent.py", "s", "-o", "strange")
    assert (ran.returncode, ran.stderr) == (0, "")
    drawn = sorted(file.name for file in (tmp_path / "plain").iterdir())
    assert "double_descent.png" in drawn
    for name in drawn:
        assert (tmp_path / "strange" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes(), name
    shown = run_in(
        environment, tmp_path, REPOSITORY / "analysis/query.py", "s", "SELECT '–' AS dash, started_at FROM runs"
    )
    assert shown.returncode == 0 and "+05:30" in shown.stdout and "?" in shown.stdout


@pytest.mark.slow
def test_glyphs_are_the_same_whatever_a_matplotlibrc_says(environment, tmp_path):
    code = "import hashlib\nfrom mmcr_core.data.image_text.glyphs import glyphs\n"
    code += "print(hashlib.sha256(glyphs().pixels.tobytes()).hexdigest())"
    del environment["PYTHONWARNINGS"]
    ran = run_in(environment, tmp_path, "-c", code)
    assert ran.stdout.strip() == hashlib.sha256(glyphs().pixels.tobytes()).hexdigest(), ran.stderr
