"""A GPU played on the CPU: graphs that replay by doing the work again, streams and events that do nothing."""

from __future__ import annotations

import contextlib
from typing import Any

import torch


class PlayedGPU:
    """`log`: captures and replays in order; `pools`: the pool of each capture; `devices`: of the streams; `failure`:
    raised at the end of the next captures; `graphs`: how many live."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.pools: list[int] = []
        self.devices: set[Any] = set()
        self.capturing = False
        self.failure: Exception | None = None
        self.graphs = 0
        self.handles = 0


def play_gpu(monkeypatch: Any) -> PlayedGPU:
    """Put the stand-ins in the place of torch.cuda's own."""
    gpu = PlayedGPU()

    class Graph:
        def __init__(self) -> None:
            self.number = gpu.graphs
            gpu.graphs += 1

        def replay(self) -> None:
            gpu.log.append(("replay", self.number))

    @contextlib.contextmanager
    def capture(graph: Graph, pool: int, stream: Any) -> Any:
        gpu.pools.append(pool)
        gpu.capturing = True
        try:
            yield
            if gpu.failure:
                raise gpu.failure
        finally:
            gpu.capturing = False

    class Stream:
        def __init__(self, device: Any = None) -> None:
            gpu.devices.add(device)

        def wait_stream(self, other: Any) -> None:
            pass

    def handle() -> int:
        gpu.handles += 1
        return gpu.handles - 1

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", handle)
    return gpu
