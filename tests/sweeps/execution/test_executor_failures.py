"""How a trial ends when its device fails, and that nothing of a run outlives its trial."""

import gc
import json
import re
import sys
import weakref

import pandas as pd
import pytest
import torch

from mmcr_core import custom_imports
from mmcr_core.augmentation.compiled_augmentations import CompilationFailed
from mmcr_core.config.run import BudgetSpec, CustomObjectiveSpec, DatasetSpec, EncoderSpec, OptimizerSpec, ProjectorSpec
from mmcr_core.objectives import objective_spec
from mmcr_core.training import CaptureFailed, CaptureOutOfMemory, Pretraining, pretraining
from sweeps.execution import checkpointing
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.launch_outcome import Ending, StopReason
from sweeps.storage.sweep_store import Store
from tests.custom_components import write_own
from tests.mmcr_core.training.fake_cuda import play_gpu
from tests.sweeps.execution.test_run_executor import to_end


def failing_at(monkeypatch, step, error):
    """A run raises `error` where it would take `step`."""
    whole = Pretraining.train_step

    def train_step(run):
        if run.step == step:
            raise type(error)(*error.args)
        whole(run)

    monkeypatch.setattr(Pretraining, "train_step", train_step)


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), False),
        (CaptureOutOfMemory("CUDA out of memory"), True),
    ],
    ids=["allocator", "driver", "library", "capture"],
)
def test_out_of_memory_is_called_that_wherever_it_happens(tmp_path, digits_spec, monkeypatch, error, ends):
    failing_at(monkeypatch, 3, error)
    progress = to_end(RunExecutor(digits_spec(), Store(tmp_path), "s"))
    assert progress.ending == Ending(StopReason.OUT_OF_MEMORY, f"OutOfMemoryError: {error}")
    assert progress.process_ends is ends
    (row,) = Store(tmp_path).rows()
    assert row["error"].startswith("OutOfMemoryError: ")


def test_after_a_failed_capture_the_run_goes_on_without_graphs_in_another_process(tmp_path, digits_spec, monkeypatch):
    store, spec = Store(tmp_path), digits_spec(budget=BudgetSpec(steps=30))
    with monkeypatch.context() as patch:
        failing_at(patch, 3, CaptureFailed("the step cannot be captured as a CUDA graph (stream is capturing)"))
        trial = RunExecutor(spec, store, "s")
        with pytest.raises(CaptureFailed):
            to_end(trial)
        trial.stop()  # as Ray does when it lets go of a process
    assert store.statuses() == {}
    assert not store.lease(trial.run_id, "other").held()
    graphs = []
    whole = Pretraining.__init__

    def noted(run, *arguments, **options):
        graphs.append(options["graphs"])
        whole(run, *arguments, **options)

    monkeypatch.setattr(Pretraining, "__init__", noted)
    assert to_end(RunExecutor(spec, store, "s")).status == "finished"
    assert graphs == [False]
    (row,) = store.rows()
    assert json.loads(row["versions"])["notes"] == [
        "the step cannot be captured as a CUDA graph (stream is capturing); it runs eagerly"
    ]
    assert not (tmp_path / "checkpoints" / trial.run_id).exists()


@pytest.mark.parametrize("where", ["views", "step"])
def test_mcr2_goes_on_without_graphs_where_an_illegal_call_spoils_a_capture(tmp_path, digits_spec, monkeypatch, where):
    """As its Cholesky factor may, or the making of views. The end of such a capture raises once more."""
    gpu, spec = play_gpu(monkeypatch), digits_spec(objective=objective_spec("mcr2"))
    illegal = "cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR"
    factor = torch.linalg.cholesky_ex

    def spoils(work):
        def call(*given):
            if gpu.capturing:
                gpu.end_failure = RuntimeError("CUDA error: operation failed due to a previous error during capture")
                raise RuntimeError(f"{illegal}, when calling a function\nmore")
            return work(*given)

        return call

    class Played(Pretraining):
        def __init__(self, spec, device, **options):
            super().__init__(spec, device, **options)
            if where == "views":
                self.source.batch = spoils(self.source.batch)

    monkeypatch.setattr(checkpointing, "Pretraining", Played)
    if where == "step":
        monkeypatch.setattr(torch.linalg, "cholesky_ex", spoils(factor))
    store, alone = Store(tmp_path / "s"), Store(tmp_path / "alone")
    trial = RunExecutor(spec, store, "s")
    with pytest.raises(CaptureFailed, match=illegal):
        to_end(trial)
    assert store.statuses() == {}
    assert not store.lease(trial.run_id, "other").held()
    captures = len(gpu.pools)
    assert to_end(RunExecutor(spec, store, "s")).status == "finished"  # as in a fresh process
    assert len(gpu.pools) == captures
    (row,) = store.rows()
    assert json.loads(row["versions"])["notes"] == [
        f"the step cannot be captured as a CUDA graph ({illegal}, when calling a function); it runs eagerly"
    ]
    monkeypatch.setattr(checkpointing, "Pretraining", Pretraining)
    monkeypatch.setattr(pretraining, "can_replay", lambda device: False)
    to_end(RunExecutor(spec, alone, "s"))
    eager = alone.read_trajectory(trial.run_id)
    pd.testing.assert_frame_equal(store.read_trajectory(trial.run_id), eager, check_exact=True)


def test_a_broken_context_ends_the_process_and_writes_no_checkpoint(tmp_path, digits_spec, monkeypatch):
    failing_at(monkeypatch, 5, RuntimeError("CUDA error: an illegal memory access was encountered"))
    store = Store(tmp_path)
    trial = RunExecutor(digits_spec(), store, "s")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        to_end(trial)
    trial.stop()
    assert store.statuses() == {}
    assert store.checkpointed_step(trial.run_id) == 0
    assert not store.lease(trial.run_id, "other").held()


def test_where_views_cannot_be_compiled_the_run_says_so_and_goes_on(tmp_path, digits_spec, monkeypatch):
    def fails(*_):
        raise CompilationFailed("there is no C++ compiler")

    monkeypatch.setattr("mmcr_core.augmentation.augmentation_pipeline.compiled_stages", fails)
    store = Store(tmp_path)
    assert to_end(RunExecutor(digits_spec(), store, "s", ExecutorSettings(compiled=True))).status == "finished"
    (row,) = store.rows()
    versions = json.loads(row["versions"])
    assert versions["notes"] == ["the views are not compiled: there is no C++ compiler"]
    assert versions["compiled"] is False


def test_a_resumed_run_stays_compiled_or_not_as_it_began(tmp_path, digits_spec, monkeypatch):
    asked = []

    def stages(images, recipe, parameters, out):
        asked.append(True)
        return resumable_trial_stages

    from mmcr_core.augmentation.augmentations import EAGER as resumable_trial_stages

    monkeypatch.setattr("mmcr_core.augmentation.augmentation_pipeline.compiled_stages", stages)
    store, spec = Store(tmp_path), digits_spec(budget=BudgetSpec(steps=40))
    begun = RunExecutor(spec, store, "s", ExecutorSettings(compiled=True))
    begun.advance(1e-9)
    begun.stop()
    to_end(RunExecutor(spec, store, "s", ExecutorSettings(compiled=False)))
    assert asked == [True, True]
    assert json.loads(store.rows()[0]["versions"])["compiled"] is True


def test_tf32_and_compilation_are_recorded(tmp_path, digits_spec):
    store = Store(tmp_path)
    to_end(RunExecutor(digits_spec(), store, "s"))
    versions = json.loads(store.rows()[0]["versions"])
    assert versions["compiled"] is False
    assert versions["tf32"] in (True, False)


def ended(how, tmp_path, digits_spec, monkeypatch):
    """A trial that has ended in some way, without what it raised."""
    changes = {"budget": BudgetSpec(steps=30)}
    if how == "diverged":
        changes["optimizer"] = OptimizerSpec(learning_rate=1e30)
    if how == "failed at start":
        changes["dataset"] = DatasetSpec("parquet", path=str(tmp_path / "none"))
    if how in ("failed", "out of memory", "capture failed"):
        error = {
            "failed": ValueError("no"),
            "out of memory": torch.OutOfMemoryError("CUDA out of memory"),
            "capture failed": CaptureFailed("no"),
        }[how]
        failing_at(monkeypatch, 3, error)
    trial = RunExecutor(digits_spec(**changes), Store(tmp_path), "s")
    if how == "interrupted":
        trial.advance(1e-9)
        trial.stop()
    elif how == "lease lost":
        trial.advance(1e-9)
        trial._lease._lost = True
        assert trial.advance(1).status == "left"
    else:
        try:
            to_end(trial)
        except CaptureFailed:
            trial.stop()
    return trial


HOW = [
    "finished",
    "diverged",
    "failed",
    "failed at start",
    "out of memory",
    "capture failed",
    "interrupted",
    "lease lost",
]


@pytest.mark.parametrize("how", HOW)
def test_nothing_of_a_run_outlives_its_trial(tmp_path, digits_spec, monkeypatch, how):
    """The trial stays, as in a worker that waits for its next cell; the memory of its run must not."""
    seen = []
    whole = Pretraining.__init__

    def noted(run, *arguments, **options):
        whole(run, *arguments, **options)
        seen.extend(weakref.ref(part) for part in (run, run.network, run.source, run._buffer))

    monkeypatch.setattr(Pretraining, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        trial = ended(how, tmp_path, digits_spec, monkeypatch)
        assert [part() for part in seen] == [None] * len(seen)
        assert bool(seen) == (how != "failed at start")
        assert trial.run_id
    finally:
        gc.enable()


@pytest.mark.parametrize("here", ["another source", "absent"])
@pytest.mark.parametrize("part", ["encoder", "objective"])
def test_a_node_without_the_code_that_was_planned_fails_the_cell_in_one_sentence(
    tmp_path, digits_spec, monkeypatch, here, part
):
    """Its row is written all the same, without what only that code could say."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])
    own = write_own(tmp_path) if here == "another source" else "own_but_absent"
    parts = {
        "encoder": {"encoder": EncoderSpec(f"{own}:net", source="0" * 16), "projector": ProjectorSpec(())},
        "objective": {"objective": CustomObjectiveSpec(f"{own}:Pull", {}, "0" * 16)},
    }
    store = Store(tmp_path / "s")
    progress = to_end(RunExecutor(digits_spec(**parts[part]), store, "s"))
    assert progress.status == "failed"
    (row,) = store.rows()
    says = "is not what was planned: .*; make the files the same" if here == "another source" else "there is no module"
    assert re.match(f"SpecError: '{own}:(net|Pull)'.* {says}", row["error"])
    assert row["flops_per_step"] is None
    assert row["rank_bound"] == (None if part == "encoder" else 32)
