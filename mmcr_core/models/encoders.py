"""Encoders (images to features) and the projector (features to D embedding dimensions)."""

from __future__ import annotations

import functools
from typing import Protocol

import torch
from torch import Tensor, nn

from mmcr_core import custom_imports
from mmcr_core.config.run import RESNETS, EncoderSpec, ProjectorSpec, RunSpec, SpecError
from mmcr_core.forbid_rng import ForbidRandom, RandomNumbersDrawn
from mmcr_core.models.custom_encoders import own_encoder, timm_encoder

WIDTH = 64  # of a ResNet's first stage, where none is given
CONVNET_FEATURES = 128


class Embedding(Protocol):
    """A network that embeds images: an encoder to features, and what projects those."""

    @property
    def encoder(self) -> nn.Module: ...

    @property
    def projector(self) -> nn.Module: ...


class ImageNetwork(nn.Module):
    """Encoder, then projector: (P * K, C, S, S) views, those of one image consecutive -> (P, K, D) embeddings.

    `size`: S, which encoders of timm and of a user need to know. Raises: SpecError where one of those cannot be made.
    """

    def __init__(
        self, encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, views: int = 1, size: int = 0
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, channels, size)
        self.projector = build_projector(feature_count(encoder, channels, size), projector.hidden, dims)
        self._shape = (-1, views, dims)
        ours = encoder.name in RESNETS or encoder.name == "convnet"  # all linear maps, each weight in one place
        weights = [name for name, parameter in self.named_parameters() if parameter.ndim > 1]
        self.autocast_weights = tuple(weights) if ours else ()  # see mmcr_core.models.mixed_precision
        self.uncounted_norms = uncounted_norms(self)

    def forward(self, views: Tensor) -> Tensor:
        embeddings: Tensor = self.projector(self.encoder(views))
        return embeddings.view(self._shape)


class _Uncounted(nn.modules.batchnorm._BatchNorm):
    """A batch norm that leaves the counting of batches, which no number depends on, to `mixed_precision.embed`: it does
    that for all of a network at once."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum or 0.0,
            self.eps,
        )


class BatchNorm1d(_Uncounted, nn.BatchNorm1d):
    """torch's, uncounted."""


class BatchNorm2d(_Uncounted, nn.BatchNorm2d):
    """torch's, uncounted."""


def uncounted_norms(network: nn.Module) -> tuple[nn.Module, ...]:
    """Those batch norms of a network whose batches it must count."""
    return tuple(module for module in network.modules() if isinstance(module, _Uncounted))


def build_network(spec: RunSpec) -> ImageNetwork:
    """The network of a run, its initial weights following from the seed alone; the global generator stays as it was."""
    channels = len(spec.views.mean)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return ImageNetwork(spec.encoder, spec.projector, spec.D, channels, spec.K, spec.views.size)


def rank_bound(spec: RunSpec) -> int:
    """Largest rank that the mean embeddings can have for any P and D: the width that the last linear layer reads.

    Earlier widths do not bind: after a ReLU the rank grows again. Where it is below min(P, D), the percent error cannot
    fall to that of uniform embeddings; see `mmcr_core.theory.expected_percent_error`.
    """
    hidden = spec.projector.hidden
    return hidden[-1] if hidden else feature_count(spec.encoder, len(spec.views.mean), spec.views.size)


def build_encoder(spec: EncoderSpec, channels: int, size: int = 0) -> nn.Module:
    """(B, channels, size, size) images to (B, feature_count) features."""
    if spec.name == "convnet":
        return _convnet(channels)
    if spec.name in RESNETS:
        return _resnet(spec, channels)
    return (timm_encoder if spec.name == "timm" else own_encoder)(spec, channels, size)


@functools.cache
def feature_count(spec: EncoderSpec, channels: int, size: int = 0) -> int:
    """How many features an encoder gives: of ours by formula, of others by one forward on meta tensors, which needs no
    data and no time. Raises SpecError where that fails, or gives anything but (B, F) features."""
    if spec.name == "convnet":
        return CONVNET_FEATURES
    if spec.name in RESNETS:
        return 8 * (spec.width or WIDTH) * (4 if spec.name == "resnet50" else 1)
    what, rule = spec.model or spec.name, f"it must map (B, {channels}, {size}, {size}) images to (B, F) features"
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        encoder = build_encoder(spec, channels, size)
        images = torch.empty(2, channels, size, size)
        try:
            with ForbidRandom():
                features = encoder(images)
        except RandomNumbersDrawn as drawn:
            raise SpecError("name", f"'{what}' {drawn}") from drawn
        except Exception as error:  # whatever code that is not ours raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            place = f" at {found}" if (found := custom_imports.place_of(error)) else ""
            raise SpecError("name", f"'{what}' fails on images without data{place} ({reason}); {rule}") from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        found = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
        raise SpecError("name", f"'{what}' gives {found} for two images; {rule}")
    return int(features.shape[1])


def build_projector(features: int, hidden: tuple[int, ...], dims: int) -> nn.Sequential:
    """Linear, batch norm, ReLU for each hidden width, then linear to `dims`; no biases (Yerxa et al. 2023)."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(features, width, bias=False), BatchNorm1d(width), nn.ReLU(inplace=True)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, dims, bias=False))


def _resnet(spec: EncoderSpec, channels: int) -> nn.Module:
    """torchvision's network, for width 64 weight for weight; `conv1` is a new one for another stem or channels."""
    from mmcr_core.data.torchvision_import import torchvision

    resnet, width = torchvision.models.resnet, spec.width or WIDTH

    class ResNet(resnet.ResNet):  # type: ignore[misc, name-defined]
        def _make_layer(self, block: type, planes: int, *rest: object, **more: object) -> nn.Module:
            if (
                planes == WIDTH != width
            ):  # the first stage: before it, and before weights are drawn, a stem of its width
                self.inplanes = width
                self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
                self.bn1 = BatchNorm2d(width)
            stage: nn.Module = super()._make_layer(block, planes * width // WIDTH, *rest, **more)
            return stage

    block = resnet.Bottleneck if spec.name == "resnet50" else resnet.BasicBlock
    network: nn.Module = ResNet(
        block, [2, 2, 2, 2] if spec.name == "resnet18" else [3, 4, 6, 3], num_classes=1, norm_layer=BatchNorm2d
    )
    network.fc = nn.Identity()
    if spec.stem == "small":
        network.conv1 = nn.Conv2d(channels, width, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
    return network


def _convnet(channels: int) -> nn.Module:
    """Three 3x3 convolutions, the last two of stride 2, for images of 8 to 32 pixels."""
    layers: list[nn.Module] = []
    for width, stride in ((32, 1), (64, 2), (128, 2)):
        layers += [
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
