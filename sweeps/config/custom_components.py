"""What a run names and no model knows: custom code, timm's architectures, dual encoders, data of zero-shot measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmcr_core import custom_imports
from mmcr_core.config.run import (
    TOWERS,
    CustomObjectiveSpec,
    EncoderSpec,
    EvaluateSpec,
    ProjectorSpec,
    RunSpec,
    SpecError,
    is_custom,
)
from mmcr_core.custom_checks import check_encoder, check_objective
from mmcr_core.data.registry import content_digest
from mmcr_core.evaluation.zero_shot import texts_digest
from mmcr_core.forbid_rng import RandomNumbersDrawn
from mmcr_core.models.custom_encoders import with_defaults
from mmcr_core.models.dual_encoder import resolved
from mmcr_core.models.encoders import feature_count
from mmcr_core.training.flops import caption_flops, network_flops, objective_flops
from sweeps.config.once import Once


def with_zero_shot(evaluate: EvaluateSpec) -> EvaluateSpec:
    """With the digests of what the zero-shot measures look at and read."""
    given = evaluate.zero_shot
    if given is None:
        return evaluate
    shown = replace(given.dataset, digest=content_digest(given.dataset))
    return replace(evaluate, zero_shot=replace(given, dataset=shown, digest=texts_digest(given)))


def with_sources(spec: RunSpec, once: Once) -> RunSpec:
    """An own encoder's defaults and the digest of its source filled in, once code that this project does not know has
    run on meta tensors, as a step will on a device. Raises SpecError, its key as the grid spells it."""
    given, objective = spec.encoder, spec.objective
    shape = (given, spec.projector, spec.D, len(spec.views.mean), spec.views.size)
    try:
        encoder = once(with_sources, shape[:1], lambda: _filled_in(given))
        if is_custom(encoder.name):
            once(check_encoder, (encoder, *shape[3:]), lambda: check_encoder(encoder, *shape[3:]))
        once(_try_encoder, shape, lambda: _try_encoder(encoder, *shape[1:]))
    except SpecError as error:
        raise SpecError(f"encoder.{error.key.removeprefix('options.')}", str(error)) from error
    if isinstance(objective, CustomObjectiveSpec):
        try:
            sizes = spec.P, spec.K, spec.D
            once(check_objective, (objective, *sizes), lambda: check_objective(objective, *sizes))
            _tried(lambda: objective_flops(objective, spec.P, spec.K, spec.D), objective.name)
        except SpecError as error:
            raise SpecError("objective", str(error)) from error
    return spec if encoder is given else replace(spec, encoder=encoder)


def _filled_in(encoder: EncoderSpec) -> EncoderSpec:
    if is_custom(encoder.name):
        encoder = with_defaults(encoder)
    if encoder.name == TOWERS:
        encoder = replace(encoder, architecture=resolved(encoder.config or ""))
    return encoder


def _try_encoder(encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int) -> None:
    if encoder.name == TOWERS:
        _tried(lambda: caption_flops(encoder, projector, dims, channels, size), encoder.config or "")
        _tried(lambda: network_flops(encoder, projector, dims, channels, size), encoder.config or "")
    if is_custom(encoder.name) or encoder.name == "timm":
        feature_count(encoder, channels, size)
        _tried(lambda: network_flops(encoder, projector, dims, channels, size), encoder.name)


def _tried(step: Any, name: str) -> None:
    try:
        step()
    except SpecError:
        raise
    except RandomNumbersDrawn as drawn:
        raise SpecError("name", f"'{name}' {drawn}") from drawn
    except Exception as error:  # whatever code that is not ours raises; with data it has worked
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        rule = "forward and backward must run on meta tensors: nothing in a step may read a value back from the device"
        place = f" at {found}" if (found := custom_imports.place_of(error)) else ""
        raise SpecError("name", f"'{name}' fails without data{place} ({reason}); {rule}") from error
