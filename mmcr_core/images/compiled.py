"""The stages of making views, compiled: crop, each jitter and the rest apart, so that every order shares them.

Compilation pays where many small kernels cost more than their arithmetic, on a GPU and on one CPU thread alike; it
needs Triton or a C++ compiler. The numbers are those of the eager stages to about 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmcr_core.images.views import EAGER, JITTERS, Stages, ViewParameters, jitters_of, make_views
from mmcr_core.spec import ViewSpec


class CompilationFailed(RuntimeError):
    """The views cannot be compiled here; the eager stages give the same numbers."""


def compiled_stages(images: Tensor, recipe: ViewSpec, parameters: ViewParameters) -> Stages:
    """EAGER, each stage compiled for batches of the shape of `images` (P, H, C, W) with `parameters` (B,) each, all of
    it here and now. What earlier runs compiled in this process is forgotten: their shapes were others.

    Raises: CompilationFailed, with the reason.
    """
    torch.compiler.reset()

    def compiled(stage: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return torch.compile(stage, fullgraph=True, dynamic=False)

    order = tuple(jitters_of(recipe))
    jitter = {JITTERS[index]: compiled(EAGER.jitter[JITTERS[index]]) for index in order}
    stages = Stages(compiled(EAGER.crop), jitter, compiled(EAGER.finish))
    try:
        make_views(images, recipe, parameters, order, stages)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a compiler says
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CompilationFailed(reason) from error
    return stages
