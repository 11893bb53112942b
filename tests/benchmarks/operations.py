"""How many operations a step asks of the device, counted without a GPU: P = 64, K = 2, D = 64, ResNet-18 at 64 pixels.

Eager: operations that write memory, on meta tensors, where a GPU's nuclear norm runs; each is one kernel or a few.
Compiled: the kernels that Inductor generates for the CPU plus calls of libraries, a stand-in for the GPU's, which cuts
its kernels otherwise (more of them about batch norm). `python -m tests.benchmarks.operations`: a minute of compilation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmcr_core.augmentation import compiled_augmentations
from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_set import Images
from mmcr_core.models.mixed_precision import call
from mmcr_core.training import Pretraining, compiled_network
from tests.benchmarks.measure import report, stl10_cell, stl10_images

AIMED_AT = {"compiled views": 400, "compile: all": 250}  # at most
NO_KERNEL = ("detach", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view",
             "lift_fresh", "as_strided_", "_record_function_enter_new", "_record_function_exit")  # fmt: skip


class Operations(TorchDispatchMode):
    """Counts what is dispatched within it, without views and without room that is only allocated."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.copies_from_host = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = operation.overloadpacket.__name__
        if name == "copy_" and args[0].device.type == args[1].device.type == "cpu":
            pass  # the host's own
        elif name == "copy_" and args[0].device != args[1].device:
            self.copies_from_host += 1
        elif not operation.is_view and name not in NO_KERNEL:
            self.names[name] += 1
        return operation(*args, **(kwargs or {}))


def count(work: Callable[[], Any]) -> int:
    """Operations of `work`."""
    with Operations() as counted:
        work()
    return counted.names.total()


@dataclass(frozen=True)
class Step:
    """Operations of a step, by part."""

    copies_from_host: int
    views: int
    network: int
    optimizer: int
    loss_and_measures: int

    @property
    def total(self) -> int:
        """Of the whole step, without the copies."""
        return self.views + self.network + self.optimizer + self.loss_and_measures


def eager_step(spec: RunSpec) -> Step:
    """Counted on meta tensors, the optimizer's on a CPU: its fused form has none for them."""
    run = Pretraining(spec, "meta", _meta_images())
    run.optimizer.step = lambda: None  # type: ignore[method-assign, assignment, return-value]
    run.train_step()
    with Operations() as drawn:
        order = run.source.prepare_step(1)
    views = run.source.batch(order).bfloat16()
    network = count(lambda: _forward_and_backward(run, views))
    learn = count(lambda: run._learn((views,)))
    optimizer = count(_optimizer_step(spec))
    makes = count(lambda: run.source.batch(order))
    return Step(drawn.copies_from_host, makes, network, optimizer, learn - network)


def compiled_kernels(spec: RunSpec) -> tuple[int, int]:
    """Kernels of the views, all jitters once, and of the network, forward and backward. Compiles both anew."""
    from torch._inductor.utils import run_and_get_code

    compiled_augmentations._KEPT.clear()
    compiled_network._KEPT.clear()
    images = stl10_images(256)
    _, of_views = run_and_get_code(lambda: Pretraining(spec, "cpu", images, compiled=True))
    _, of_all = run_and_get_code(lambda: Pretraining(spec, "cpu", images, network_compiled=True))
    return sum(map(_calls, of_views)), sum(map(_calls, of_all))


def main() -> None:
    spec = stl10_cell(64, 64, 2)
    eager, (views, network) = eager_step(spec), compiled_kernels(spec)
    steps = {
        "eager": eager,
        "compiled views": replace(eager, views=views),
        "compile: all": replace(eager, views=views, network=network),
    }
    rows = [{"what": field.name, **{name: getattr(step, field.name) for name, step in steps.items()}}
            for field in fields(Step)]  # fmt: skip
    rows.append({"what": "total", **{name: step.total for name, step in steps.items()}})
    report("operations", "Operations of a step", [*rows, {"what": "aimed at", **AIMED_AT}])


def _forward_and_backward(run: Pretraining, views: torch.Tensor) -> None:
    given = {name: run.network.get_parameter(name).detach().bfloat16().requires_grad_()
             for name in run.network.autocast_weights}  # fmt: skip
    run.network.zero_grad()  # a gradient that is there already would be added to
    z = call(run.network, given, (views,), run.spec.precision)
    z.backward(torch.empty_like(z))


def _optimizer_step(spec: RunSpec) -> Callable[[], None]:
    run = Pretraining(spec, "cpu", stl10_images(spec.P + 2))
    for _ in range(2):  # the first makes its state
        for parameter in run.network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        run.optimizer.step()
    return lambda: run.optimizer.step()


def _calls(code: str) -> int:
    """Calls of generated kernels and of libraries in what Inductor wrote."""
    body = code[code.index("def call(") :]
    return len(re.findall(r"^\s+cpp_fused\w*\(|extern_kernels\.\w+\(|torch\.ops\.\w+\.\w+(?:\.\w+)?\(", body, re.M))


def _meta_images() -> Images:
    return stl10_images(256).to(torch.device("meta"))


if __name__ == "__main__":
    main()
