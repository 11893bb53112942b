"""Tensors on a device that the host refills each step: all of them with one copy, and without waiting for the device.

A small copy costs a launch as a large one does, so the tensors are parts of one block of memory.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

SLOTS = 4  # steps that the host may run ahead before a pinned block is written again
ALIGNMENT = 64  # bytes: what compiled kernels read in the widest words


class Staged:
    """One tensor of a `Staging`: `tensor` keeps its place on the device, so that a captured graph can read it."""

    def __init__(self, staging: Staging, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self._staging, self._shape, self._dtype = staging, shape, dtype
        size = math.prod(shape) * dtype.itemsize
        self._first, self._last = staging.reserve(size)

    @property
    def tensor(self) -> Tensor:
        """On the device, of the shape and type asked for: what was sent last."""
        return self._part(self._staging.on_device)

    def fill(self, values: NDArray[Any]) -> None:
        """New values, of the tensor's shape, for the next `Staging.send`."""
        self._part(self._staging.on_host).copy_(torch.from_numpy(values))

    def _part(self, block: Tensor) -> Tensor:
        return block[self._first : self._last].view(self._dtype).view(self._shape)


class Staging:
    """The block of memory that the tensors of a run share. All are added before the first is read or filled.

    On a GPU a block goes through pinned memory, which an asynchronous copy needs: from pageable memory it would wait
    for the stream. A pinned block is written again only after its last copy has been made. On a CPU nothing is copied.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._size, self._next = device, 0, 0
        self._blocks: tuple[Tensor, Tensor] | None = None
        self._slots: list[Tensor] = []
        self._copied: list[torch.cuda.Event] = []

    def add(self, shape: tuple[int, ...], dtype: torch.dtype) -> Staged:
        """One more tensor, of zeros until it is filled and sent."""
        return Staged(self, shape, dtype)

    def reserve(self, size: int) -> tuple[int, int]:
        """The place of `size` more bytes in the block. Raises: RuntimeError once the block is in use."""
        if self._blocks is not None:
            raise RuntimeError("a tensor was added to a block that is in use; add all of them before")
        first = self._size
        self._size = first + -(-size // ALIGNMENT) * ALIGNMENT
        return first, first + size

    @property
    def on_host(self) -> Tensor:
        """The block that is filled, (bytes,) uint8."""
        return self._allocated()[0]

    @property
    def on_device(self) -> Tensor:
        """The block that is read, (bytes,) uint8; on a CPU the same."""
        return self._allocated()[1]

    def send(self) -> None:
        """Give the device what has been filled, as of the next work on its current stream."""
        host, there = self._allocated()
        if not self._slots:
            if there is not host:
                there.copy_(host)
            return
        slot, copied = self._slots[self._next], self._copied[self._next]
        self._next = (self._next + 1) % SLOTS
        copied.synchronize()
        slot.copy_(host)
        there.copy_(slot, non_blocking=True)
        copied.record(torch.cuda.current_stream(self._device))

    def _allocated(self) -> tuple[Tensor, Tensor]:
        if self._blocks is None:
            host = torch.zeros(self._size, dtype=torch.uint8)
            on_cpu = self._device.type == "cpu"
            self._blocks = host, host if on_cpu else torch.zeros(self._size, dtype=torch.uint8, device=self._device)
            if self._device.type == "cuda":
                self._slots = [torch.zeros(self._size, dtype=torch.uint8, pin_memory=True) for _ in range(SLOTS)]
                self._copied = [torch.cuda.Event() for _ in self._slots]
        return self._blocks
