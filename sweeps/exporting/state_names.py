"""Names of a network's tensors in the libraries that load it, and back.

Two files: that of the encoder, in the library's names, and that of the projector, if there is one, which those do not
know.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmcr_core.config.run import RESNETS, TOWERS, RunSpec
from mmcr_core.models.encoders import WIDTH
from sweeps.cli.errors import OptionError

State = dict[str, Tensor]
FORMATS = ("torchvision", "timm", "open_clip", "plain")
FILES = {"open_clip": "open_clip_model.safetensors"}  # by format, where it is not MODEL
MODEL, PROJECTOR = "model.safetensors", "projector.safetensors"
IMAGES = {"": "encoder."}  # name in the library -> name here, what they begin with
TOWERS_OF_OPEN_CLIP = {"visual.": "encoder.tower.", "text.": "text."}
LOGIT_SCALE = math.log(1 / 0.07)  # open_clip's own at the beginning: no part of a network here


def format_of(spec: RunSpec, wanted: str | None) -> str:
    """The format of a run's export: the one that is wanted, or the encoder's own. Raises OptionError where the encoder
    has no such form."""
    name = spec.encoder.name
    usual = "torchvision" if name in RESNETS else {"timm": "timm", TOWERS: "open_clip"}.get(name, "plain")
    if wanted is None or wanted == usual:
        return usual
    if wanted not in FORMATS:
        raise OptionError("format", f"'{wanted}' is none; use one of {', '.join(FORMATS)}")
    if wanted == "timm" and name in RESNETS:
        if spec.encoder.stem == "small" or (spec.encoder.width or WIDTH) != WIDTH:
            what = f"stem: {spec.encoder.stem}, width: {spec.encoder.width or WIDTH}"
            raise OptionError("format", f"timm has no {name} with {what}; use torchvision, which has its names")
        return wanted
    raise OptionError("format", f"encoder '{name}' has no form for {wanted}; use {usual}, or leave it out")


def has_projector(spec: RunSpec) -> bool:
    """Whether a run's network has tensors beside those of its encoder, or of its two."""
    return spec.encoder.name != TOWERS or bool(spec.projector.hidden)


def exported(state: State, form: str) -> tuple[State, State]:
    """The tensors of a network as those of the library, and the rest."""
    names = _names(form)
    model = {
        theirs + key.removeprefix(ours): tensor
        for key, tensor in state.items()
        for theirs, ours in names.items()
        if key.startswith(ours)
    }
    rest = {key: tensor for key, tensor in state.items() if not key.startswith(tuple(names.values()))}
    if form == "open_clip":
        model["logit_scale"] = torch.tensor(LOGIT_SCALE)
    return model, rest


def imported(model: State, rest: State, form: str) -> State:
    """The tensors of a network from those that `exported` gave."""
    names = _names(form)
    found = {
        ours + key.removeprefix(theirs): tensor
        for key, tensor in model.items()
        for theirs, ours in names.items()
        if key.startswith(theirs)
    }
    return found | rest


def _names(form: str) -> dict[str, str]:
    return TOWERS_OF_OPEN_CLIP if form == "open_clip" else IMAGES
