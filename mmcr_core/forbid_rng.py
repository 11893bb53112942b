"""Code that is not ours may not draw random numbers: they would come from a generator that no checkpoint holds."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

RULE = "which no resumed run could repeat; take it out, or set its rate to 0"


class RandomNumbersDrawn(Exception):
    """`operation`: what drew them, such as aten.bernoulli_ or numpy.random."""

    def __init__(self, operation: str, rule: str = RULE) -> None:
        super().__init__(f"draws random numbers ({operation}), {rule}")


class ForbidRandom(TorchDispatchMode):
    """A context in which an operation of torch that draws random numbers raises RandomNumbersDrawn, on meta tensors
    too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise RandomNumbersDrawn(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))


@contextmanager
def forbid_host_random(rule: str = RULE) -> Iterator[None]:
    """Raises RandomNumbersDrawn at the end of a block that has drawn from Python's or numpy's global generator, whose
    states are as they were before."""
    generator = np.random.mtrand._rand  # which code of others draws from, by whatever function
    python, numpy = random.getstate(), generator.get_state()
    try:
        yield
        if random.getstate() != python:
            raise RandomNumbersDrawn("Python's random", rule)
        if pickle.dumps(generator.get_state()) != pickle.dumps(numpy):
            raise RandomNumbersDrawn("numpy.random", rule)
    finally:
        random.setstate(python)
        generator.set_state(numpy)
