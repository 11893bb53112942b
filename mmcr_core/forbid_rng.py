"""Code that is not ours may not draw random numbers: they would come from a generator that no checkpoint holds."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

RULE = "which no resumed run could repeat; take it out, or set its rate to 0"


class RandomNumbersDrawn(Exception):
    """`operation`: what drew them, such as aten.bernoulli_."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"draws random numbers ({operation}), {RULE}")


class ForbidRandom(TorchDispatchMode):
    """A context in which an operation of torch that draws random numbers raises RandomNumbersDrawn, on meta tensors
    too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise RandomNumbersDrawn(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))
