"""Fixtures that several folders of tests share."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil

# Before torch and numpy: threads that spin for each other starve on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Lines are as long as they like, unless a test says otherwise: pytest imports readline, which exports a width.
os.environ.pop("COLUMNS", None)
os.unsetenv("COLUMNS")
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from typer.testing import CliRunner

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec, ProjectorSpec, RunSpec
from mmcr_core.evaluation import embedding_metrics
from mmcr_core.manifold_capacity import Capacity

settings.register_profile("same everywhere", deadline=None, derandomize=True)  # no test depends on a machine's speed
settings.load_profile("same everywhere")

REPOSITORY = Path(__file__).parents[1]
LAUNCHES = (
    "cluster",
    "robustness",
    "launch",
    "main",
    "slurm",
    "fault_tolerance",
    "continuation",
    "api",
    "environment",
    "adaptive_launch",
    "examples",
)  # files of whole launches
SHARED_DATA = Path(os.environ.get("MMCR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.hookimpl(tryfirst=True)  # before xdist reads groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole launches take turns, in one of the processes that `make test` runs; all else goes on beside them, the tests
    of a file together, since they share fixtures."""
    for item in items:
        launches = item.path.stem.removeprefix("test_") in LAUNCHES
        if not item.get_closest_marker("xdist_group"):  # files that share what takes seconds name a group of their own
            item.add_marker(pytest.mark.xdist_group("launches" if launches else str(item.path)))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group").args[0] != "launches")  # no tail of them alone


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests go to a folder of the test; torch runs on one thread, as a trial does."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.set_num_threads(1)


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Signals are handled afterwards as before."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def shared_data() -> Path:
    """Folder of real image files; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} is absent; set MMCR_TEST_DATA")
    return SHARED_DATA


def maker(**usual: object) -> Callable[..., RunSpec]:
    """Makes small runs; keywords replace fields of the spec."""
    small = {"P": 16, "D": 8, "K": 2, "budget": BudgetSpec(steps=12), "evaluate": EvaluateSpec(2, "none")}
    return lambda **changes: run_spec(**(small | usual | changes))  # type: ignore[arg-type]


@pytest.fixture
def digits_spec() -> Callable[..., RunSpec]:
    """Makes small runs on digits."""
    return maker(dataset=DatasetSpec("digits"), projector=ProjectorSpec((32,)))


@pytest.fixture
def chunks_of_50(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a tenth of their steps: a run of 110 has three."""
    for module in ("mmcr_core.training.pretraining", "sweeps.execution.checkpointing", "sweeps.execution.continuation"):
        monkeypatch.setattr(f"{module}.CHUNK_STEPS", 50)


@pytest.fixture
def pairs_spec() -> Callable[..., RunSpec]:
    """Makes small runs on glyphs and their names."""
    return maker(dataset=DatasetSpec("glyphs"))


@pytest.fixture
def capacity_stand_in(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A manifold_capacity that answers at once; the shapes that it was asked about."""
    shapes: list[tuple[int, ...]] = []

    def answer(points: Any) -> Capacity:
        shapes.append(points.shape)
        return Capacity(0.1, 1.0, float(points.shape[2]), (0.05, 0.2), (0.9, 1.1), (7.0, 9.0))

    monkeypatch.setattr(embedding_metrics, "manifold_capacity", answer)
    return shapes


@pytest.fixture
def write_grid(tmp_path: Path) -> Callable[..., Path]:
    """Write a grid file of one tiny digits cell; keywords replace its lines, None removes one."""

    def write(**changes: str | None) -> Path:
        lines: dict[str, str | None] = {
            "name": "tiny",
            "dataset": "digits",
            "projector": "{hidden: [32]}",
            "P": "16",
            "D": "8",
            "K": "2",
            "budget": "{steps: 12}",
            "evaluate": "{heldout_batches: 2, probe: none}",
        }
        path = tmp_path / "grid.yaml"
        merged = lines | changes
        path.write_text("".join(f"{key}: {value}\n" for key, value in merged.items() if value is not None))
        return path

    return write


def run_script(*arguments: object, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    """Run a script of the repository as a user would; returns its exit code and output."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout, check=False)


def run_without_privileges(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same as a user who may not read what has no permission for it; root reads every file."""
    command = [sys.executable, *map(str, arguments)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root reads every file, and there is no setpriv")
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=400, check=False)


def invoke(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command within this process, one of `analysis` or `sweeps.NAME`: the same exit code and output, without seconds
    of imports. Signals are handled afterwards as before."""
    app = importlib.import_module(script if "." in script else f"analysis.{script}").app
    with signals_kept():
        ran = CliRunner().invoke(app, list(map(str, arguments)))
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return subprocess.CompletedProcess([script], ran.exit_code, ran.stdout, ran.stderr)
