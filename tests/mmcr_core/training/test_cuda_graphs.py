"""When work is captured, replayed or done eagerly, and what happens where a capture fails. The GPU is played by
stand-ins: what runs, and in which order, is what is tested; kernels are not."""

import gc
import weakref

import pytest
import torch

from mmcr_core.training import pretraining
from mmcr_core.training.cuda_graphs import Graphs
from mmcr_core.training.device_failures import CaptureFailed, CaptureOutOfMemory
from tests.mmcr_core.training.fake_cuda import POOL, play_gpu

DEVICE = torch.device("cuda:1")


class Work:
    """Says what it is when it is done."""

    def __init__(self, gpu, name):
        self.gpu, self.name = gpu, name

    def __call__(self):
        self.gpu.log.append(("captured" if self.gpu.capturing else "done", self.name))


@pytest.fixture
def gpu(monkeypatch):
    return play_gpu(monkeypatch)


def test_work_is_captured_after_its_warm_up_and_done_once_at_each_call(gpu):
    graphs = Graphs(DEVICE)
    a, b = Work(gpu, "a"), Work(gpu, "b")
    for work, warm_up in ((a, 2), (b, 0), (a, 2), (a, 2), (b, 0), (a, 2)):
        graphs.run(work.name, work, warm_up)
    assert gpu.log == [
        ("done", "a"),
        ("captured", "b"), ("replay", 0),
        ("done", "a"),
        ("captured", "a"), ("replay", 1),
        ("replay", 0),
        ("replay", 1),
    ]  # fmt: skip


def test_capturing_ahead_does_the_work_once_to_warm_up(gpu):
    graphs = Graphs(DEVICE)
    graphs.capture("a", Work(gpu, "a"), warm_up=True)
    graphs.run("a", Work(gpu, "a"), warm_up=3)
    assert gpu.log == [("done", "a"), ("captured", "a"), ("replay", 0)]


def test_a_pool_is_not_used_again_once_its_graphs_are_gone(gpu):
    graphs = Graphs(DEVICE)
    graphs.capture("a", Work(gpu, "a"))
    graphs.capture("b", Work(gpu, "b"))
    assert gpu.pools == [0, 0]
    graphs.reset()
    assert graphs.captured == 0
    graphs.capture("a", Work(gpu, "a"))
    assert gpu.pools == [0, 0, 1]


def test_streams_name_their_device(gpu):
    graphs = Graphs(DEVICE)
    graphs.run("a", Work(gpu, "a"), warm_up=1)
    assert gpu.devices == {DEVICE}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=["allocator", "driver", "cublas", "cudnn"],
)
def test_out_of_memory_inside_a_capture_stays_out_of_memory(gpu, error):
    gpu.failure = error
    with pytest.raises(torch.OutOfMemoryError) as raised:
        Graphs(DEVICE).capture("a", Work(gpu, "a"))
    assert isinstance(raised.value, CaptureOutOfMemory)
    assert str(raised.value) == str(error).splitlines()[0]


@pytest.mark.parametrize(
    ("first", "kind", "says"),
    [
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", CaptureOutOfMemory, "^CUDA"),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", CaptureOutOfMemory, "^cuDNN"),
        ("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR", CaptureFailed, r"\(cusolver error: .*_INTERNAL_ERROR\)$"),
    ],
    ids=["cublas", "cudnn", "cusolver"],
)
def test_what_went_wrong_in_a_capture_counts_and_not_what_its_end_raised_after_it(gpu, first, kind, says):
    gpu.failure = RuntimeError(f"{first}\nmore")
    gpu.end_failure = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    with pytest.raises(kind, match=says):
        Graphs(DEVICE).capture("a", Work(gpu, "a"))


def test_live_runs_share_no_capture_stream_though_torch_hands_them_out_round_robin(gpu):
    held = []
    for _ in range(POOL):
        held.append(Graphs(DEVICE))
        for _ in range(POOL - 1):  # whoever else takes streams brings the pool back to where it was
            torch.cuda.Stream(DEVICE)
    for graphs in held:
        graphs.capture("a", Work(gpu, "a"))
    assert sorted(gpu.streams) == list(range(POOL))
    with pytest.raises(RuntimeError, match="no stream for another"):
        Graphs(DEVICE)
    del graphs, held[-1]
    assert Graphs(DEVICE)._stream.cuda_stream == gpu.streams[-1]


def test_a_run_takes_the_capture_stream_of_one_that_is_gone(gpu):
    for _ in range(3):
        graphs = Graphs(DEVICE)
        graphs.capture("a", Work(gpu, "a"))
        del graphs
    assert len(set(gpu.streams)) == 1
    assert gpu.made == 1


def test_a_stream_of_one_device_is_not_used_on_another(gpu):
    for device in (torch.device("cuda:1"), torch.device("cuda:0"), torch.device("cuda")):
        Graphs(device).capture("a", Work(gpu, "a"))
    assert gpu.streams == [0, 1, 1]


@pytest.mark.parametrize("how", ["reset", "gone"])
def test_workspaces_are_freed_with_the_graphs_and_only_where_no_run_has_any(gpu, how):
    first, second = Graphs(DEVICE), Graphs(DEVICE)
    for graphs in (first, second):
        graphs.capture("a", Work(gpu, "a"))
    graphs = None
    if how == "reset":
        second.reset()
    else:
        del second
    assert gpu.cleared == []  # graphs of the first point into theirs
    if how == "reset":
        first.reset()
    else:
        del first
    assert gpu.cleared == [0]


def test_workspaces_are_not_freed_under_a_capture(gpu):
    graphs, garbage = Graphs(DEVICE), [Graphs(DEVICE)]
    graphs.capture("a", garbage.clear)  # as where garbage is collected
    assert gpu.cleared == []
    graphs.reset()
    assert gpu.cleared == [0]


def test_any_other_failed_capture_says_why(gpu):
    gpu.failure = RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")
    with pytest.raises(CaptureFailed, match=r"not permitted when stream is capturing\)$"):
        Graphs(DEVICE).capture("a", Work(gpu, "a"))


def test_graphs_keep_nothing_of_the_work(gpu):
    graphs, work = Graphs(DEVICE), Work(gpu, "a")
    seen = weakref.ref(work)
    for _ in range(3):
        graphs.run("a", work, warm_up=1)
    gc.disable()
    try:
        del work
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replayed_steps_are_the_eager_steps_on_a_gpu(digits_spec, precision):
    from mmcr_core.config.run import BudgetSpec

    spec = digits_spec(precision=precision, budget=BudgetSpec(steps=40))
    (replayed,) = pretraining.Pretraining(spec, "cuda").run()
    (eager,) = pretraining.Pretraining(spec, "cuda", graphs=False).run()
    difference = abs(replayed.columns["percent_error"] - eager.columns["percent_error"]).max()
    assert difference < (1e-4 if precision == "fp32" else 2e-2)
