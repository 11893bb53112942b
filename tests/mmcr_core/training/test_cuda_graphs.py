"""When a step is captured, replayed or run eagerly. The GPU is played by stand-ins: what runs, and in which
order, is what is tested; kernels are not."""

import contextlib
import warnings

import pytest
import torch

from mmcr_core.training import cuda_graphs
from mmcr_core.training.cuda_graphs import WARM_UP_STEPS, StepGraphs


class Device:
    """Records eager runs, captures and replays."""

    def __init__(self, monkeypatch, capture_fails=False):
        self.log, self.capturing, self.fails = [], None, capture_fails
        device = self

        class Graph:
            def register_generator_state(self, generator):
                device.log.append("register")

            def replay(self):
                device.log.append(("replay", self.order))

        @contextlib.contextmanager
        def capture(graph, pool, stream):
            device.capturing = graph
            try:
                yield
                if device.fails:
                    raise RuntimeError("operation not permitted when stream is capturing\nmore")
            finally:
                device.capturing = None

        class Stream:
            def __init__(self, *_):
                pass

            def wait_stream(self, other):
                pass

        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "graph", capture)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "current_stream", Stream)
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    def step(self, order):
        if self.capturing is not None:
            self.capturing.order = order
            self.log.append(("capture", order))
        else:
            self.log.append(("eager", order))


A, B = (0, 1), (1, 0)


def test_each_order_is_captured_once_after_the_warm_up_and_every_step_runs_once(monkeypatch):
    device = Device(monkeypatch)
    step = StepGraphs(device.step, torch.Generator())
    for order in (A, B, A, A, B, A):
        step(order)
    assert WARM_UP_STEPS == 3
    assert device.log == [
        ("eager", A), ("eager", B), ("eager", A),
        "register", ("capture", A), ("replay", A),
        "register", ("capture", B), ("replay", B),
        ("replay", A),
    ]  # fmt: skip


def test_where_capture_fails_one_warning_says_why_and_steps_run_eagerly(monkeypatch):
    device = Device(monkeypatch, capture_fails=True)
    step = StepGraphs(device.step, torch.Generator())
    for _ in range(WARM_UP_STEPS):
        step(A)
    with pytest.warns(UserWarning, match="not permitted when stream is capturing.; it runs eagerly"):
        step(A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(B)
    eager = [entry for entry in device.log if entry[0] == "eager"]
    assert eager == [("eager", A)] * (WARM_UP_STEPS + 1) + [("eager", B)]


def test_after_a_reset_nothing_stale_is_replayed(monkeypatch):
    device = Device(monkeypatch)
    step = StepGraphs(device.step, torch.Generator())
    for _ in range(WARM_UP_STEPS + 1):
        step(A)
    step.reset()
    step(A)
    assert device.log[-1] == ("eager", A)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replayed_steps_are_the_eager_steps_on_a_gpu(digits_spec, precision, monkeypatch):
    from mmcr_core.spec import BudgetSpec
    from mmcr_core.training import Pretraining

    spec = digits_spec(precision=precision, budget=BudgetSpec(steps=40))
    (replayed,) = Pretraining(spec, "cuda").run()
    monkeypatch.setattr(cuda_graphs, "WARM_UP_STEPS", 10**9)
    (eager,) = Pretraining(spec, "cuda").run()
    difference = abs(replayed.columns["percent_error"] - eager.columns["percent_error"]).max()
    assert difference < (1e-4 if precision == "fp32" else 2e-2)
