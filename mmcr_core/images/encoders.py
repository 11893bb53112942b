"""Encoders (images to features) and the projector (features to D embedding dimensions)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcr_core.spec import EncoderSpec, ProjectorSpec


class Network(nn.Module):
    """Encoder, then projector: (B, C, H, W) images -> (B, D) embeddings."""

    def __init__(self, encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int) -> None:
        super().__init__()
        self.encoder, features = build_encoder(encoder, channels)
        self.projector = build_projector(features, projector.hidden, dims)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.projector(self.encoder(images))
        return embeddings


def build_network(encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, seed: int) -> Network:
    """A network whose initial weights follow from `seed` alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(encoder, projector, dims, channels)


def build_encoder(spec: EncoderSpec, channels: int) -> tuple[nn.Module, int]:
    """The encoder and its number of features."""
    if spec.name == "convnet":
        return _convnet(channels), 128
    return _resnet18(spec.stem == "small", channels), 512


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
