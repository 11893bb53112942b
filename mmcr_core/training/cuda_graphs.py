"""A whole training step replayed as one CUDA graph: thousands of kernel launches become one.

The order of the colour operations differs from batch to batch and decides which kernels run, so there is one
graph for each order (24 at most), captured the first time it is drawn. They share one memory pool: nothing
but parameters, statistics and buffers that live outside it passes from one step to the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

WARM_UP_STEPS = 3  # eager steps on the capture's stream first, as torch's documentation of CUDA graphs asks
Order = tuple[int, ...]


class StepGraphs:
    """Calls `step(order)`, by replay where that order has been captured.

    Args:
        step: device work only; reads its inputs from tensors that keep their place, draws from `generator`.
        generator: on the GPU; registered with each graph, so that replays go on where the last draw stopped.

    Where capture fails, one warning says why and every later step runs eagerly.
    """

    def __init__(self, step: Callable[[Order], None], generator: torch.Generator) -> None:
        self._step, self._generator = step, generator
        self._stream = torch.cuda.Stream(generator.device)
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: dict[Order, torch.cuda.CUDAGraph] = {}
        self._warm_up = WARM_UP_STEPS
        self._possible = True

    def __call__(self, order: Order) -> None:
        if order not in self._graphs and self._possible and self._warm_up == 0:
            self._capture(order)
        if order in self._graphs:
            self._graphs[order].replay()
            return
        self._warm_up = max(0, self._warm_up - 1)
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._step(order)
        current.wait_stream(self._stream)

    def reset(self) -> None:
        """Forget all graphs: what they read and write has moved, as after loading a checkpoint."""
        self._graphs.clear()
        self._warm_up = WARM_UP_STEPS

    def _capture(self, order: Order) -> None:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                self._step(order)
        except RuntimeError as error:
            self._possible = False
            torch.cuda.synchronize()
            reason = str(error).strip().splitlines()[0]
            warnings.warn(f"the step cannot be captured as a CUDA graph ({reason}); it runs eagerly", stacklevel=2)
            return
        self._graphs[order] = graph
