"""Tensors that keep their place while the host refills them; pinned memory and events are played by stand-ins."""

import numpy as np
import torch

from mmcr_core import staging
from mmcr_core.staging import Staged


def test_values_arrive_in_the_same_place():
    staged = Staged((3,), torch.float32, torch.device("cpu"))
    place = staged.tensor.data_ptr()
    for values in ([1, 2, 3], [4, 5, 6]):
        staged.fill(np.array(values, dtype=np.float32))
        assert staged.tensor.tolist() == values
    assert staged.tensor.data_ptr() == place


def test_a_slot_is_written_again_only_after_its_copy(monkeypatch):
    log = []

    class Event:
        def __init__(self):
            self.name = len(log_of_events)
            log_of_events.append(self)

        def synchronize(self):
            log.append(("wait", self.name))

        def record(self, stream):
            log.append(("copied", self.name))

    log_of_events: list[Event] = []
    zeros = torch.zeros
    monkeypatch.setattr(staging.torch, "zeros", lambda *shape, pin_memory=False, device=None, **o: zeros(*shape, **o))
    monkeypatch.setattr(staging.torch.cuda, "Event", Event)
    monkeypatch.setattr(staging.torch.cuda, "current_stream", lambda device: device)
    staged = Staged((1,), torch.float32, torch.device("cuda"))
    for value in range(6):
        staged.fill(np.array([value], dtype=np.float32))
        assert staged.tensor.item() == value
    slots = [0, 1, 2, 3, 0, 1]
    assert log == [entry for slot in slots for entry in (("wait", slot), ("copied", slot))]
