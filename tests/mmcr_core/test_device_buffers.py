"""Tensors that keep their place while the host refills them; pinned memory and events are played by stand-ins."""

import numpy as np
import pytest
import torch

from mmcr_core import device_buffers
from mmcr_core.device_buffers import SLOTS, Staging

CPU = torch.device("cpu")


def test_values_arrive_in_the_same_place():
    block = Staging(CPU)
    staged = block.add((3,), torch.float32)
    place = staged.tensor.data_ptr()
    for values in ([1, 2, 3], [4, 5, 6]):
        staged.fill(np.array(values, dtype=np.float32))
        block.send()
        assert staged.tensor.tolist() == values
    assert staged.tensor.data_ptr() == place


def test_tensors_of_all_types_share_a_block_and_leave_each_other_alone():
    block = Staging(CPU)
    kinds = [((5,), np.uint8), ((2, 3), np.float32), ((3,), np.int64), ((), np.float32)]
    parts = [block.add(shape, torch.from_numpy(np.zeros(1, kind)).dtype) for shape, kind in kinds]
    values = [(np.arange(np.prod(shape, dtype=int)) + 1).reshape(shape).astype(kind) for shape, kind in kinds]
    for part, value in zip(parts, values, strict=True):
        part.fill(value)
    block.send()
    for part, value in zip(parts, values, strict=True):
        assert part.tensor.numpy().dtype == value.dtype
        np.testing.assert_array_equal(part.tensor.numpy(), value)
        assert part.tensor.data_ptr() % 16 == 0


def test_a_block_in_use_takes_no_more():
    block = Staging(CPU)
    block.add((1,), torch.float32).fill(np.zeros(1, np.float32))
    with pytest.raises(RuntimeError, match="add all of them before"):
        block.add((1,), torch.float32)


def test_a_slot_is_written_again_only_after_its_copy_and_two_tensors_are_one_copy(monkeypatch):
    log = []

    class Event:
        def __init__(self):
            self.name = len(events)
            events.append(self)

        def synchronize(self):
            log.append(("wait", self.name))

        def record(self, stream):
            log.append(("copied", self.name))

    events: list[Event] = []
    zeros = torch.zeros
    monkeypatch.setattr(
        device_buffers.torch, "zeros", lambda *shape, pin_memory=False, device=None, **o: zeros(*shape, **o)
    )
    monkeypatch.setattr(device_buffers.torch.cuda, "Event", Event)
    monkeypatch.setattr(device_buffers.torch.cuda, "current_stream", lambda device: device)
    block = Staging(torch.device("cuda"))
    numbers, indices = block.add((1,), torch.float32), block.add((2,), torch.int64)
    for value in range(6):
        numbers.fill(np.array([value], dtype=np.float32))
        indices.fill(np.array([value, -value]))
        if value:
            assert numbers.tensor.item() == value - 1  # nothing arrives before it is sent
        block.send()
        assert (numbers.tensor.item(), indices.tensor.tolist()) == (value, [value, -value])
    slots = [step % SLOTS for step in range(6)]
    assert log == [entry for slot in slots for entry in (("wait", slot), ("copied", slot))]
