"""Device work replayed as CUDA graphs: thousands of kernel launches become one.

A step is two graphs: a small one that makes the views, for each order of the jitters its own since the order decides
which kernels run, and one for network, loss, optimizer and measures. They share one memory pool: nothing but tensors
that live outside it passes from one to the next.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Hashable

import torch

from mmcr_core.training.device_failures import (
    CaptureFailed,
    CaptureOutOfMemory,
    first_error,
    first_line,
    is_out_of_memory,
)

log = logging.getLogger(__name__)

Captured = dict[Hashable, torch.cuda.CUDAGraph]
STREAMS = 32  # in torch's pool, which hands them out round robin, whoever else holds them

# cuBLAS keeps workspaces for each pair of a handle and a stream, 32 MiB each on Hopper, and captured graphs point into
# them. Destroying a graph may free those of its stream. So each live run has a capture stream that no other has, and
# streams that are free again are used before others.
_IDLE: dict[int, list[torch.cuda.Stream]] = {}  # by device
_LIVE: dict[int, Captured] = {}  # graphs of each live run, by the handle of its capture stream


def can_replay(device: torch.device) -> bool:
    """Whether `device` has CUDA graphs."""
    return device.type == "cuda"


class Graphs:
    """Captured work by key, on one device.

    The work is given at each call and not kept: a graph that held its run, which holds its graphs, would keep a dead
    cell's memory alive into the next, since torch collects no garbage before a capture.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _take_stream(device)
        self._graphs: Captured = {}
        self._warm: dict[Hashable, int] = {}
        self._pool = torch.cuda.graph_pool_handle()
        _LIVE[self._stream.cuda_stream] = self._graphs
        weakref.finalize(self, _let_go, self._stream, self._graphs).atexit = False

    def reset(self) -> None:
        """Forget all graphs: what they read and write has moved, as after loading a checkpoint, or their memory is
        needed. The next capture gets a new pool; a pool whose graphs are gone must not be used again."""
        self._graphs.clear()
        self._warm.clear()
        self._pool = torch.cuda.graph_pool_handle()
        _free_workspaces()

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
        graph = self._graphs[key] = torch.cuda.CUDAGraph()  # there already: nobody frees workspaces now
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        except Exception as error:
            del self._graphs[key]
            reason = first_line(first_error(error))  # not what the end of the capture raised after it
            if is_out_of_memory(error):
                raise CaptureOutOfMemory(reason) from error
            raise CaptureFailed(f"the step cannot be captured as a CUDA graph ({reason})") from error
        log.info("captured %s as a CUDA graph", key)

    @property
    def captured(self) -> int:
        """How many keys have been captured."""
        return len(self._graphs)

    def _eagerly(self, work: Callable[[], None]) -> None:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            work()
        current.wait_stream(self._stream)


def _take_stream(device: torch.device) -> torch.cuda.Stream:
    """A capture stream that no live run has."""
    index = torch.cuda.current_device() if device.index is None else device.index
    if idle := _IDLE.get(index):
        return idle.pop()
    for _ in range(STREAMS):
        stream = torch.cuda.Stream(device)
        if stream.cuda_stream not in _LIVE:
            return stream
    raise RuntimeError(f"{STREAMS} runs with CUDA graphs live in this process; it has no stream for another")


def _let_go(stream: torch.cuda.Stream, graphs: Captured) -> None:
    """The end of a `Graphs`."""
    graphs.clear()
    _LIVE.pop(stream.cuda_stream, None)
    _IDLE.setdefault(stream.device_index, []).append(stream)
    _free_workspaces()


def _free_workspaces() -> None:
    """Free what cuBLAS keeps. There is one call for all streams, so this waits until no run has graphs."""
    if not any(_LIVE.values()):
        torch._C._cuda_clearCublasWorkspaces()
