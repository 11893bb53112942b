"""Tensors on a device that the host refills each step without waiting for the device."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

SLOTS = 4  # steps that the host may run ahead before a pinned buffer is written again


class Staged:
    """`tensor` keeps its place on the device, so that a captured graph can read it; `fill` gives it new values.

    On a GPU the values go through pinned memory, which an asynchronous copy needs: from pageable memory it would wait
    for the stream. A slot is written again only after its last copy has been made.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self.tensor = torch.zeros(shape, dtype=dtype, device=device)
        self._next = 0
        pinned = device.type == "cuda"
        self._slots = [torch.zeros(shape, dtype=dtype, pin_memory=True) for _ in range(SLOTS)] if pinned else []
        self._copied = [torch.cuda.Event() for _ in self._slots]

    def fill(self, values: NDArray[Any]) -> None:
        """Values of the tensor's shape, as of the next work on its device's current stream."""
        given = torch.from_numpy(values)
        if not self._slots:
            self.tensor.copy_(given)
            return
        slot, copied = self._slots[self._next], self._copied[self._next]
        self._next = (self._next + 1) % SLOTS
        copied.synchronize()
        slot.copy_(given)
        self.tensor.copy_(slot, non_blocking=True)
        copied.record(torch.cuda.current_stream(self.tensor.device))
