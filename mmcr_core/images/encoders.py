"""Encoders (images to features) and the projector (features to D embedding dimensions)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcr_core.spec import EncoderSpec, ProjectorSpec, RunSpec

FEATURES = {"convnet": 128, "resnet18": 512}


class ImageNetwork(nn.Module):
    """Encoder, then projector: (P * K, C, H, W) views, those of one image consecutive -> (P, K, D) embeddings."""

    def __init__(
        self, encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, views: int = 1
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, channels)
        self.projector = build_projector(FEATURES[encoder.name], projector.hidden, dims)
        self._shape = (-1, views, dims)

    def forward(self, views: Tensor) -> Tensor:
        embeddings: Tensor = self.projector(self.encoder(views))
        return embeddings.view(self._shape)


def build_network(spec: RunSpec) -> ImageNetwork:
    """The network of a run, its initial weights following from the seed alone; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return ImageNetwork(spec.encoder, spec.projector, spec.D, len(spec.views.mean), spec.K)


def rank_bound(spec: RunSpec) -> int:
    """Largest rank that the mean embeddings can have for any P and D: the width that the last linear layer reads.

    Earlier widths do not bind: after a ReLU the rank grows again. Where it is below min(P, D), the percent error cannot
    fall to that of uniform embeddings; see `mmcr_core.theory.expected_percent_error`.
    """
    hidden = spec.projector.hidden
    return hidden[-1] if hidden else FEATURES[spec.encoder.name]


def build_encoder(spec: EncoderSpec, channels: int) -> nn.Module:
    """(B, channels, H, W) images to (B, FEATURES[name]) features."""
    return _convnet(channels) if spec.name == "convnet" else _resnet18(spec.stem == "small", channels)


def build_projector(features: int, hidden: tuple[int, ...], dims: int) -> nn.Sequential:
    """Linear, batch norm, ReLU for each hidden width, then linear to `dims`; no biases (Yerxa et al. 2023)."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, dims, bias=False))


def _resnet18(small_stem: bool, channels: int) -> nn.Module:
    from mmcr_core.images._torchvision import torchvision

    network: nn.Module = torchvision.models.resnet18(num_classes=1)
    network.fc = nn.Identity()
    if small_stem:
        network.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return network


def _convnet(channels: int) -> nn.Module:
    """Three 3x3 convolutions, the last two of stride 2, for images of 8 to 32 pixels."""
    layers: list[nn.Module] = []
    for width, stride in ((32, 1), (64, 2), (128, 2)):
        layers += [
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
