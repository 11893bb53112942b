"""A user's own objective and encoder, tried on a few random numbers before anything is trained.

What fails is told with the file and line of the user's code. Both are made and called twice: where the results differ,
they depend on more than what they are given, whatever generator that came from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from mmcr_core import custom_imports
from mmcr_core.config.run import CustomObjectiveSpec, EncoderSpec, SpecError
from mmcr_core.forbid_rng import ForbidRandom, RandomNumbersDrawn, forbid_host_random
from mmcr_core.models.custom_encoders import own_encoder
from mmcr_core.objectives import build_objective

POINTS = 64  # images of the batch that an objective is tried on, at most
TOLERANCE = 1e-3  # relative; what rounds otherwise in another call is less
SEEDED = "which do not follow from the run's seed; draw with torch, which is seeded"


@functools.cache
def check_objective(spec: CustomObjectiveSpec, points: int, views: int, dims: int) -> None:
    """Raises SpecError where loss and gradient of (P, K, D) embeddings cannot be computed, are not finite, or are not
    the same each time."""
    points = min(points, POINTS)
    with torch.random.fork_rng(devices=[]):
        one, other = _twins(lambda: build_objective(spec, dims), spec.name)
        z, teacher = torch.randn(points, views, dims), torch.randn(points, views, dims)

        def loss(objective: Any) -> Tensor:
            """Of z, before its gradient: (1 + P K D)."""
            given = z.clone().requires_grad_()
            value = objective.loss(given, teacher if objective.has_teacher else None, torch.zeros(()))
            _require_scalar(value, spec.name)
            value.backward()
            slope = torch.zeros_like(given) if given.grad is None else given.grad
            return torch.cat([value.detach()[None], slope.flatten()])

        found = _repeated(loss, one, other, spec.name)
    if not bool(torch.isfinite(found).all()):
        what = "gradient is not finite" if bool(torch.isfinite(found[0])) else f"loss is {float(found[0]):g}"
        shape = f"of {points} random images, K = {views}, D = {dims}"
        raise SpecError("name", f"'{spec.name}': its {what} {shape}{_see(spec.name)}")


@functools.cache
def check_encoder(spec: EncoderSpec, channels: int, size: int) -> None:
    """Raises SpecError where the features of two images cannot be computed, or are not the same each time."""
    with torch.random.fork_rng(devices=[]):
        one, other = _twins(lambda: own_encoder(spec, channels, size), spec.name)
        images = torch.rand(2, channels, size, size)
        with torch.no_grad():
            _repeated(lambda encoder: encoder(images), one, other, spec.name)


def _twins(make: Callable[[], nn.Module], name: str) -> list[nn.Module]:
    """Two that are made from the same seed. Raises SpecError where they differ."""
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(_run(make, name, forbid_host_random(SEEDED)))
    for key, weight in made[0].state_dict().items():
        if nn.parameter.is_lazy(weight):
            problem = f"has no shape for {key} before its first input; give lazy modules their sizes"
            raise SpecError("name", f"'{name}' {problem}{_see(name)}")
        if not torch.equal(weight, made[1].state_dict()[key]):
            raise SpecError("name", f"'{name}' {RandomNumbersDrawn(f'the first value of {key}', SEEDED)}{_see(name)}")
    return made


def _repeated(call: Callable[[nn.Module], Any], one: nn.Module, other: nn.Module, name: str) -> Any:
    """What `call` gives of one of two twins. Raises SpecError where it gives something else of the other, or of the
    same once more though none of its parameters and buffers has changed."""
    results = []
    for module in (one, other):
        results.append(_run(lambda module=module: call(module), name, forbid_host_random(), ForbidRandom()))  # type: ignore[misc]
    before = {key: value.clone() for key, value in one.state_dict().items()}
    again = _run(lambda: call(one), name, forbid_host_random(), ForbidRandom())
    if all(torch.equal(value, before[key]) for key, value in one.state_dict().items()):
        results.append(again)
    if all(isinstance(result, Tensor) for result in results):  # else it is told what it must give
        for result in results[1:]:
            if not torch.allclose(results[0], result, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
                problem = "gives other values when it is called again with the same ones"
                raise SpecError("name", f"'{name}' {problem}, which no resumed run could repeat{_see(name)}")
    return results[0]


def _require_scalar(value: Any, name: str) -> None:
    if not isinstance(value, Tensor):
        raise SpecError("name", f"'{name}': its loss is a {type(value).__name__}; return a scalar tensor{_see(name)}")
    if value.ndim != 0:
        problem = f"its loss has shape {tuple(value.shape)}; return a scalar, such as its mean()"
        raise SpecError("name", f"'{name}': {problem}{_see(name)}")
    if not value.requires_grad:
        raise SpecError("name", f"'{name}': its loss does not depend on the embeddings z{_see(name)}")


def _run(step: Callable[[], Any], name: str, *contexts: Any) -> Any:
    try:
        with custom_imports.same_default_dtype(), ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context)
            return step()
    except SpecError:
        raise
    except RandomNumbersDrawn as drawn:
        raise SpecError("name", f"'{name}' {drawn}{_see(name, drawn)}") from drawn
    except custom_imports.RAISED as error:  # whatever code that is not ours raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise SpecError("name", f"'{name}' fails ({reason}){_see(name, error)}; mend it") from error


def _see(name: str, error: BaseException | None = None) -> str:
    return f" ({(error and custom_imports.place_of(error)) or custom_imports.file_of(name)})"
