"""Encoders that this project does not know: timm's by name, and a user's own factory."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from mmcr_core import own_code
from mmcr_core.spec import EncoderSpec, SpecError, near

RESERVED = ("pretrained", "in_chans", "num_classes", "img_size")  # of timm's options: they follow from the run


def own_encoder(spec: EncoderSpec, channels: int, size: int) -> nn.Module:
    """What `my_module:factory` makes by factory(channels, size, **options). Raises SpecError."""
    factory = own_code.load(spec.name, spec.source)
    if not callable(factory):
        raise SpecError("name", f"'{spec.name}' is {factory!r}; it must be a function factory(channels, size, ...)")
    options = spec.options or {}
    _require_options(factory, spec.name, options)
    made = _made(lambda: factory(channels, size, **options), spec.name)
    if not isinstance(made, nn.Module):
        raise SpecError("name", f"'{spec.name}' returns {type(made).__name__}; it must return a torch.nn.Module")
    return _without_chance(made, spec.name)


def timm_encoder(spec: EncoderSpec, channels: int, size: int) -> nn.Module:
    """timm's architecture `spec.model`, untrained, without its classifier; the images' size goes to those that ask for
    it. Raises SpecError where timm is absent, or has no such model or option."""
    from mmcr_core.images import _torchvision  # noqa: F401  # timm imports torchvision, which this makes importable

    try:
        import timm
    except ImportError as error:
        raise SpecError("name", "needs timm; install it: pip install 'mmcr-sweeps[timm]'") from error
    known = timm.list_models()
    if spec.model not in known:
        raise SpecError(
            "model", f"'{spec.model}' is not an architecture of timm {timm.__version__}; {_near(spec, known)}"
        )
    options = spec.options or {}
    for name in RESERVED:
        if name in options:
            raise SpecError(f"options.{name}", "follows from the run; leave it out")
    fixed = {"pretrained": False, "in_chans": channels, "num_classes": 0}

    def make(**sized: int) -> Any:
        return timm.create_model(spec.model, **fixed, **sized, **options)

    what = f"timm's {spec.model}"
    try:
        made = make(img_size=size)
    except TypeError as error:
        if "img_size" not in str(error):
            raise _failed(what, error) from error
        made = _made(make, what)
    except Exception as error:  # such as a size that its patches don't divide
        raise _failed(what, error) from error
    return _without_chance(made, what)


def _near(spec: EncoderSpec, known: list[str]) -> str:
    stem = str(spec.model).split("_")[0]
    return (
        near(str(spec.model), known) if len(near(str(spec.model), known)) < 300 else f"see timm.list_models('{stem}*')"
    )


def _require_options(factory: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
    """Raises SpecError for an option that the factory does not take, or lacks."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # written in C: the call itself will say
        return
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    taken = list(signature.parameters)[2:]
    unknown = [option for option in options if option not in taken]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise SpecError(f"options.{unknown[0]}", f"is no option of '{name}'; {near(unknown[0], taken)}")
    try:
        signature.bind(None, None, **options)
    except TypeError as error:
        raise SpecError("name", f"'{name}' is called as factory(channels, size, **options), and {error}") from error


def _made(make: Callable[[], Any], what: str) -> Any:
    try:
        return make()
    except Exception as error:  # whatever code that is not ours raises is told as that
        raise _failed(what, error) from error


def _failed(what: str, error: Exception) -> SpecError:
    return SpecError("name", f"{what} cannot be made: {' '.join(f'{type(error).__name__}: {error}'.split())}")


def _without_chance(encoder: nn.Module, what: str) -> nn.Module:
    """The encoder itself. Raises SpecError where its forward draws random numbers: they would come from a generator
    that no checkpoint holds, and a resumed run would differ."""
    for name, module in encoder.named_modules():
        drops = module.p if isinstance(module, nn.modules.dropout._DropoutNd) else getattr(module, "drop_prob", 0)
        if isinstance(drops, int | float) and drops > 0:
            problem = f"{what} draws random numbers in {name or 'itself'} ({type(module).__name__}, {drops:.3g})"
            raise SpecError("options", f"{problem}, which no resumed run could repeat; set its rate to 0")
    return encoder
