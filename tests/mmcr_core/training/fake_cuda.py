"""A GPU played on the CPU: graphs that replay by doing the work again, streams and events that do nothing."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

import torch

from mmcr_core.training import cuda_graphs, pretraining

POOL = 4  # streams, which are handed out round robin


class PlayedGPU:
    """`log`: captures and replays in order; `pools`, `streams`: of each capture; `devices`: of the streams; `failure`:
    raised in the next captures; `end_failure`: raised after it, where the capture ends; `live`: graphs; `cleared`: for
    each time that workspaces were freed, how many graphs lived."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.pools: list[int] = []
        self.streams: list[int] = []
        self.devices: set[Any] = set()
        self.capturing = False
        self.failure: Exception | None = None
        self.end_failure: Exception | None = None
        self.graphs = 0
        self.live: weakref.WeakSet[Any] = weakref.WeakSet()
        self.cleared: list[int] = []
        self.handles = 0
        self.made = 0


def play_gpu(monkeypatch: Any) -> PlayedGPU:
    """Put the stand-ins in the place of torch.cuda's own; from now on runs on the CPU have graphs."""
    gpu = PlayedGPU()

    class Graph:
        def __init__(self) -> None:
            self.number = gpu.graphs
            gpu.graphs += 1
            gpu.live.add(self)

        def replay(self) -> None:
            gpu.log.append(("replay", self.number))

    @contextlib.contextmanager
    def capture(graph: Graph, pool: int, stream: Any) -> Any:
        gpu.pools.append(pool)
        gpu.streams.append(stream.cuda_stream)
        gpu.capturing = True
        try:
            yield
            if gpu.failure:
                raise gpu.failure
        finally:
            gpu.capturing = False
            if gpu.end_failure:
                raise gpu.end_failure

    class Stream:
        def __init__(self, device: Any = None) -> None:
            gpu.devices.add(device)
            self.cuda_stream = gpu.made % POOL
            self.device_index = (device and device.index) or 0
            gpu.made += 1

        def wait_stream(self, other: Any) -> None:
            pass

    current = Stream()

    def current_stream(device: Any) -> Stream:
        gpu.devices.add(device)
        return current

    def handle() -> int:
        gpu.handles += 1
        return gpu.handles - 1

    gpu.devices.clear()
    gpu.made = 0
    monkeypatch.setattr(pretraining, "can_replay", lambda device: True)
    monkeypatch.setattr(cuda_graphs, "_IDLE", {})
    monkeypatch.setattr(cuda_graphs, "_LIVE", {})
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", current_stream)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", handle)
    clear = "_cuda_clearCublasWorkspaces"
    monkeypatch.setattr(torch._C, clear, lambda: gpu.cleared.append(len(gpu.live)), raising=False)
    return gpu
