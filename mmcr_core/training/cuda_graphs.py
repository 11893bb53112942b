"""Device work replayed as CUDA graphs: thousands of kernel launches become one.

A step is two graphs: a small one that makes the views, for each order of the jitters its own since the order decides
which kernels run, and one for network, loss, optimiser and measures. They share one memory pool: nothing but tensors
that live outside it passes from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from mmcr_core.training.device_failures import CaptureFailed, CaptureOutOfMemory, first_line, is_out_of_memory


class Graphs:
    """Captured work by key, on one device.

    The work is given at each call and not kept: a graph that held its run, which holds its graphs, would keep a dead
    cell's memory alive into the next, since torch collects no garbage before a capture.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self.reset()

    def reset(self) -> None:
        """Forget all graphs: what they read and write has moved, as after loading a checkpoint, or their memory is
        needed. The next capture gets a new pool; a pool whose graphs are gone must not be used again."""
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._warm: dict[Hashable, int] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, key: Hashable, work: Callable[[], None], warm_up: int) -> None:
        """Do `work`: by replay where its key has been captured; eagerly the first `warm_up` times, as torch's
        documentation of CUDA graphs asks; then captured, which does nothing yet, and replayed.

        Raises: CaptureOutOfMemory, CaptureFailed; after both the process must end.
        """
        if key not in self._graphs:
            if self._warm.get(key, 0) < warm_up:
                self._warm[key] = self._warm.get(key, 0) + 1
                self._eagerly(work)
                return
            self.capture(key, work)
        self._graphs[key].replay()

    def capture(self, key: Hashable, work: Callable[[], None], warm_up: bool = False) -> None:
        """Capture `work` under `key`; with `warm_up` it is done once before. Raises as `run` does."""
        if warm_up:
            self._eagerly(work)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        except Exception as error:
            if is_out_of_memory(error):
                raise CaptureOutOfMemory(first_line(error)) from error
            raise CaptureFailed(f"the step cannot be captured as a CUDA graph ({first_line(error)})") from error
        self._graphs[key] = graph

    def __len__(self) -> int:
        return len(self._graphs)

    def _eagerly(self, work: Callable[[], None]) -> None:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            work()
        current.wait_stream(self._stream)
