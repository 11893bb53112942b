"""The peak of a run's first steps, in which cuDNN tries its algorithms, is set apart. The GPU's allocator is played."""

import pytest
import torch

from mmcr_core.config.run import BudgetSpec
from mmcr_core.data import registry
from mmcr_core.training import Pretraining
from sweeps.execution import checkpointing
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.peak_memory import FIRST_STEPS
from sweeps.execution.run_executor import RunExecutor
from sweeps.planning import profiling
from sweeps.planning.profiling import measure
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_run_executor import to_end

LIVE, SEARCH, EVALUATION = 100, 900, 30


class PlayedAllocator:
    """`reserved` bytes, of which `used` cannot be given back; `peak` since it was last reset."""

    def __init__(self, monkeypatch):
        self.used = self.reserved = self.peak = 7000  # of an earlier cell
        monkeypatch.setattr(torch.cuda, "empty_cache", self.empty_cache)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)
        monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: self.peak)
        allocator = self

        class Played(Pretraining):
            """A run on a CPU that reserves as one on a GPU: to search in its first steps, and to evaluate."""

            def __init__(self, spec, device, **options):
                allocator.used = LIVE
                self.eager = 0
                super().__init__(spec, "cpu", **options)

            def train_step(self):
                self.eager += 1
                allocator.reserve(SEARCH if self.eager < FIRST_STEPS else 0)
                super().train_step()

            def evaluate(self):
                allocator.reserve(EVALUATION)
                return super().evaluate()

        load = registry.load
        monkeypatch.setattr(registry, "load", lambda dataset, device, size: load(dataset, "cpu", size))
        for module in (profiling, checkpointing):
            monkeypatch.setattr(module, "Pretraining", Played)

    def reserve(self, more):
        self.reserved = max(self.reserved, self.used + more)
        self.peak = max(self.peak, self.reserved)

    def empty_cache(self):
        self.used = self.reserved = min(self.used, LIVE)

    def reset(self, _):
        self.peak = self.reserved


@pytest.fixture
def _played(monkeypatch):
    PlayedAllocator(monkeypatch)


def memory_of(spec, folder, device="cuda", seconds=0.05):
    trial = RunExecutor(spec, Store(folder), "s", ExecutorSettings(device=device))
    progress = to_end(trial, seconds)
    assert progress.status == "finished", progress.error
    row = Store(folder).read_run(trial.run_id)
    return row["peak_memory_bytes"], row["steady_memory_bytes"]


@pytest.mark.usefixtures("_played")
@pytest.mark.parametrize("seconds", [1e-9, 60])
def test_a_row_has_the_peak_of_all_steps_and_that_of_those_after_the_first(tmp_path, digits_spec, seconds):
    assert memory_of(digits_spec(), tmp_path, seconds=seconds) == (LIVE + SEARCH, LIVE + EVALUATION)


@pytest.mark.usefixtures("_played")
def test_a_run_that_ends_before_says_no_more_than_its_peak(tmp_path, digits_spec):
    spec = digits_spec(budget=BudgetSpec(steps=FIRST_STEPS - 1))
    assert memory_of(spec, tmp_path) == (LIVE + SEARCH, None)


@pytest.mark.usefixtures("_played")
def test_a_resumed_run_sets_its_own_first_steps_apart(tmp_path, digits_spec, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *given, _load=torch.load, **_: _load(given[0], weights_only=True))
    spec = digits_spec(budget=BudgetSpec(steps=30))
    begun = RunExecutor(spec, Store(tmp_path), "s", ExecutorSettings(device="cuda"))
    begun.advance(1e-9)
    begun.stop()
    assert memory_of(spec, tmp_path) == (LIVE + SEARCH, LIVE + EVALUATION)


def test_on_a_cpu_there_is_one_peak(tmp_path, digits_spec):
    peak, steady = memory_of(digits_spec(), tmp_path, device="cpu")
    assert peak > 1 << 20 and steady is None


@pytest.mark.usefixtures("_played")
def test_plans_pack_by_what_is_taken_after_the_first_steps(digits_spec, monkeypatch):
    monkeypatch.setattr(profiling, "_gpu_seconds", lambda run: 0.5)
    assert measure(digits_spec(), "cuda", 1).memory_bytes == LIVE + EVALUATION
    short = digits_spec(budget=BudgetSpec(steps=FIRST_STEPS - 1))
    assert measure(short, "cuda", 1).memory_bytes == LIVE + SEARCH
