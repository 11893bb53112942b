"""The network of a run: encoder and projector of images, or the dual encoder of image-text pairs."""

from __future__ import annotations

import functools
import json

import torch

from mmcr_core.config.run import TOWERS, EncoderSpec, ProjectorSpec, RunSpec, SpecError
from mmcr_core.models import encoders
from mmcr_core.models.dual_encoder import PairNetwork, build_pair_network, resolved
from mmcr_core.models.encoders import ImageNetwork

Network = ImageNetwork | PairNetwork


def build_network(spec: RunSpec) -> Network:
    """The network of a run, its initial weights following from the seed alone; the global generator stays as it was."""
    return build_pair_network(spec) if spec.encoder.name == TOWERS else encoders.build_network(spec)


def network_for_one(encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int) -> Network:
    """A network for one view an image, and one caption: what costs are counted on."""
    if encoder.name == TOWERS:
        return PairNetwork(encoder, projector, dims, size)
    return ImageNetwork(encoder, projector, dims, channels, size=size)


def rank_bound(spec: RunSpec) -> int:
    """Largest rank that the mean embeddings can have for any P and D: the width that the last linear layer reads, of
    a dual encoder those of both. Raises: SpecError where it cannot be known."""
    if spec.encoder.name != TOWERS:
        return encoders.rank_bound(spec)
    hidden = spec.projector.hidden
    return 2 * hidden[-1] if hidden else sum(_widths(spec.encoder))


def _widths(encoder: EncoderSpec) -> tuple[int, int]:
    """What the last linear layers of image and text encoder read."""
    architecture = json.loads(encoder.architecture or resolved(encoder.config or ""))
    vision, text = architecture["vision_cfg"], architecture["text_cfg"]
    if vision.get("timm_model_name") or isinstance(vision.get("layers"), list) or text.get("proj_type") == "none":
        raise SpecError("config", "has a last layer whose width its configuration does not say")
    return int(vision.get("width", 768)), int(text.get("width", 512))


@functools.cache
def context_length(encoder: EncoderSpec) -> int:
    """Tokens of a caption, L."""
    architecture = json.loads(encoder.architecture or resolved(encoder.config or ""))
    return int(architecture["text_cfg"].get("context_length", 77))


def example_inputs(
    encoder: EncoderSpec, channels: int, size: int, batch: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """`batch` images (B, C, S, S) and, for a dual encoder, tokens (B, L), on the current default device."""
    images = torch.empty(batch, channels, size, size)
    if encoder.name != TOWERS:
        return images, None
    return images, torch.zeros(batch, context_length(encoder), dtype=torch.int64)
