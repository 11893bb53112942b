"""Encoders that this project does not know: timm's by name, and a user's own factory."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from mmcr_core import custom_imports
from mmcr_core.config.run import EncoderSpec, SpecError, suggest

RESERVED = ("pretrained", "in_chans", "num_classes", "img_size")  # of timm's options: they follow from the run


def own_encoder(spec: EncoderSpec, channels: int, size: int) -> nn.Module:
    """What `my_module:factory` makes by factory(channels, size, **options). Raises SpecError."""
    factory = custom_imports.load(spec.name, spec.source)
    options = spec.options or {}
    _require_options(factory, spec.name, options)
    made = _made(lambda: factory(channels, size, **options), spec.name)
    if not isinstance(made, nn.Module):
        raise SpecError("name", f"'{spec.name}' returns {type(made).__name__}; it must return a torch.nn.Module")
    return _without_chance(made, spec.name)


def with_defaults(spec: EncoderSpec) -> EncoderSpec:
    """A user's own encoder with the options that it was not given at the factory's own defaults, where those are plain
    values, and with the digest of its source. Raises SpecError."""
    factory, source = custom_imports.load(spec.name), custom_imports.source_digest(spec.name)
    parameters = list(_parameters(factory))[2:]
    plain = {p.name: p.default for p in parameters if isinstance(p.default, str | int | float | bool | None)}
    return replace(spec, options=plain | (spec.options or {}), source=source)


def timm_encoder(spec: EncoderSpec, channels: int, size: int) -> nn.Module:
    """timm's architecture `spec.model`, untrained, without its classifier; the images' size goes to those that ask for
    it. Raises SpecError where timm is absent, or has no such model or option."""
    return _made_by_timm(spec, channels, size)[0]


def timm_arguments(spec: EncoderSpec, channels: int, size: int) -> dict[str, Any]:
    """What timm.create_model is given for `timm_encoder`, beside the model's name. Raises as that."""
    return _made_by_timm(spec, channels, size)[1]


def _made_by_timm(spec: EncoderSpec, channels: int, size: int) -> tuple[nn.Module, dict[str, Any]]:
    from mmcr_core.data import torchvision_import  # noqa: F401  # timm imports torchvision, which this makes importable

    try:
        import timm
    except ImportError as error:
        raise SpecError("name", "needs timm; install it: pip install 'mmcr-sweeps[timm]'") from error
    if spec.model not in (known := timm.list_models()):
        alike = difflib.get_close_matches(str(spec.model), known, 3)
        remedy = f"did you mean {' or '.join(alike)}?" if alike else "see timm.list_models()"
        raise SpecError("model", f"'{spec.model}' is not an architecture of timm {timm.__version__}; {remedy}")
    options = spec.options or {}
    for name in RESERVED:
        if name in options:
            raise SpecError(f"options.{name}", "follows from the run; leave it out")
    arguments = {"in_chans": channels, "num_classes": 0, **options}

    def make(**sized: int) -> Any:
        return timm.create_model(spec.model, pretrained=False, **sized, **arguments)

    what = f"timm's {spec.model}"
    try:
        made = make(img_size=size)
        arguments["img_size"] = size
    except TypeError as error:
        if "img_size" not in str(error):
            raise _failed(what, error) from error
        made = _made(make, what)
    except Exception as error:  # such as a size that its patches don't divide
        raise _failed(what, error) from error
    _require_patches(made, size)
    return _without_chance(made, what), arguments


def _require_patches(encoder: nn.Module, size: int) -> None:
    """Raises SpecError where patches leave out a part of each view."""
    patch = getattr(getattr(encoder, "patch_embed", None), "patch_size", None)
    sides = patch if isinstance(patch, tuple) else (patch,)
    if unfit := [side for side in sides if isinstance(side, int) and size % side]:
        problem = f"has patches of {unfit[0]} pixels, which don't divide views of {size}"
        raise SpecError("model", f"{problem}; change views.size or patch_size")


def _require_options(factory: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
    """Raises SpecError for an option that the factory does not take, or lacks."""
    parameters = _parameters(factory)
    any_option = any(p.kind == p.VAR_KEYWORD for p in parameters)
    taken = [p.name for p in parameters[2:]]
    unknown = [option for option in options if option not in taken]
    if unknown and not any_option:
        raise SpecError(f"options.{unknown[0]}", f"is no option of '{name}'; {suggest(unknown[0], taken)}")
    try:
        inspect.Signature(parameters).bind(None, None, **options)
    except TypeError as error:
        raise SpecError("name", f"'{name}' is called as factory(channels, size, **options), and {error}") from error


def _parameters(factory: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError) as error:  # no function, or one written in C
        raise SpecError("name", f"{factory!r} is no function factory(channels, size, ...)") from error


def _made(make: Callable[[], Any], what: str) -> Any:
    try:
        return make()
    except custom_imports.RAISED as error:  # whatever code that is not ours raises is told as that
        raise _failed(what, error) from error


def _failed(what: str, error: BaseException) -> SpecError:
    place = f" ({found})" if (found := custom_imports.place_of(error)) else ""
    return SpecError("name", f"{what} cannot be made: {' '.join(f'{type(error).__name__}: {error}'.split())}{place}")


def _without_chance(encoder: nn.Module, what: str) -> nn.Module:
    """The encoder itself. Raises SpecError where its forward draws random numbers: they would come from a generator
    that no checkpoint holds, and a resumed run would differ."""
    for name, module in encoder.named_modules():
        drops = module.p if isinstance(module, nn.modules.dropout._DropoutNd) else getattr(module, "drop_prob", 0)
        if isinstance(drops, int | float) and drops > 0:
            problem = f"{what} draws random numbers in {name or 'itself'} ({type(module).__name__}, {drops:.3g})"
            raise SpecError("name", f"{problem}, which no resumed run could repeat; set its rate to 0")
    return encoder
