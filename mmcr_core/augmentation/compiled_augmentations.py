"""Compiled views: crop, each jitter and the rest apart, so that every order of the jitters shares them.

Compilation pays where many small kernels cost more than their arithmetic, on a GPU and on one CPU thread alike; it
needs Triton or a C++ compiler. The numbers are those of the eager stages to about 1e-5. What was compiled is kept for
the next run of the same shape in this process, as when a run is resumed or has another seed.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from mmcr_core.augmentation.augmentations import EAGER, JITTERS, Stages, ViewParameters, jitters_of, make_views
from mmcr_core.config.run import ViewSpec

log = logging.getLogger(__name__)

_KEPT: dict[Hashable, Stages] = {}


class CompilationFailed(RuntimeError):
    """Something cannot be compiled here; done eagerly, it gives the same numbers."""


def compiled_stages(images: Tensor, recipe: ViewSpec, parameters: ViewParameters, out: Tensor | None = None) -> Stages:
    """EAGER, each stage compiled for batches of the shape of `images` (P, H, C, W) with `parameters` (B,) each, written
    to places like `out`, all of it here and now.

    Raises: CompilationFailed, with the reason.
    """
    into = None if out is None else out.dtype
    key = recipe, images.shape, images.dtype, images.device, len(parameters.top), into, torch.get_num_threads()
    if key not in _KEPT:
        order = tuple(jitters_of(recipe))
        jitter = {JITTERS[index]: compiled(EAGER.jitter[JITTERS[index]]) for index in order}
        stages = Stages(compiled(EAGER.crop), jitter, compiled(EAGER.finish))
        attempt(lambda: make_views(images, recipe, parameters, order, stages, out))
        _KEPT[key] = stages
    return _KEPT[key]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled for the shapes of its first call alone.

    It gets code of its own: the compiler keeps what it made beside a function's code, and gives up on code that comes
    with too many shapes.
    """
    assert isinstance(function, types.FunctionType)
    own = types.FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    log.info("compiling %s", function.__qualname__)
    made: Callable[..., Any] = torch.compile(own, fullgraph=True, dynamic=False)
    return made


def attempt(work: Callable[[], object]) -> None:
    """Do what compiles. Raises: CompilationFailed, with the reason, unless memory runs out."""
    try:
        work()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a compiler says
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CompilationFailed(reason) from error
