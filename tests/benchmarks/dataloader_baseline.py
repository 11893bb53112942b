"""Views per second against the usual way of doing it: a DataLoader with workers, PIL transforms a view,
`svdvals` for the loss, float32, eager. The same encoder, batch and recipe. Targets: CPU 2 times, GPU 5 times.

`lightly_baseline` is the same against lightly's MMCR transform and loss.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from mmcr_core.config.run import EncoderSpec, ProjectorSpec
from mmcr_core.data.torchvision_import import torchvision
from mmcr_core.models.encoders import ImageNetwork
from mmcr_core.training import Pretraining
from tests.benchmarks.measure import DEVICE, report, stl10_cell, stl10_images, synchronize

P, D, K = 64, 128, 2
STEPS = 10  # timed in one stretch, so that the workers can only prepare what they prepare meanwhile
ROUNDS = 3


class Photos(torch.utils.data.Dataset):
    """PIL images, K transformed views each: what torchvision's data sets give."""

    def __init__(self, pixels: torch.Tensor, transform: Callable[[Any], Any]) -> None:
        self.images = [Image.fromarray(image.permute(0, 2, 1).numpy()) for image in pixels]
        self.transform = transform

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.stack(self.transform(self.images[index % len(self.images)]))


def torchvision_views() -> Callable[[Any], Any]:
    t = torchvision.transforms
    one = t.Compose(
        [
            t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            t.RandomGrayscale(p=0.1),
            t.RandomResizedCrop(64, scale=(0.2, 1.0), interpolation=t.InterpolationMode.BICUBIC),
            t.RandomHorizontalFlip(p=0.5),
            t.ToTensor(),
            t.Normalize((0.43, 0.42, 0.39), (0.27, 0.26, 0.27)),
        ]
    )
    return lambda image: [one(image) for _ in range(K)]


def svdvals_loss(z: torch.Tensor) -> torch.Tensor:
    return -torch.linalg.svdvals(torch.nn.functional.normalize(z, dim=-1).mean(1)).sum()


def loader_way(transform: Callable[[Any], Any], loss: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], float]:
    """Seconds of STEPS steps of a training loop as a user of torchvision would write it."""
    photos = Photos(stl10_images(512).train, transform)
    network = ImageNetwork(EncoderSpec(), ProjectorSpec(), D, 3, views=K).to(DEVICE)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-6)

    def step(views: torch.Tensor) -> None:
        optimizer.zero_grad()
        value = loss(network(views.to(DEVICE, non_blocking=True).flatten(0, 1)))
        value.backward()
        optimizer.step()
        value.item()

    def seconds() -> float:
        workers = min(8, os.cpu_count() or 1)
        pinned = DEVICE == "cuda"
        batches = iter(torch.utils.data.DataLoader(photos, P, True, num_workers=workers, pin_memory=pinned))
        for _ in range(3):  # the workers' start, and what they had time to prepare
            step(next(batches))
        began = time.perf_counter()
        for _ in range(STEPS):
            step(next(batches))
        return time.perf_counter() - began

    return seconds


def our_way(precision: str) -> Callable[[], float]:
    """Seconds of STEPS steps of ours."""
    run = Pretraining(stl10_cell(P, D, K, precision), DEVICE, stl10_images(512))

    def seconds() -> float:
        for _ in range(60 if DEVICE == "cuda" else 3):
            run.train_step()
        synchronize()
        began = time.perf_counter()
        for _ in range(STEPS):
            run.train_step()
        synchronize()
        return time.perf_counter() - began

    return seconds


def compare(name: str, title: str, theirs: Callable[[], float]) -> None:
    """Each way in turn, ROUNDS times; medians."""
    ways = {name: theirs, "ours bf16": our_way("bf16"), "ours fp32": our_way("fp32")}
    rounds = [{way: seconds() for way, seconds in ways.items()} for _ in range(ROUNDS)]
    taken = {way: statistics.median(one[way] for one in rounds) for way in ways}
    rows = [{"way": way, "views/s": STEPS * P * K / taken[way], "ratio": taken[name] / taken[way]} for way in ways]
    report(name, f"{title}: ResNet-18, 64 px, P = {P}, K = {K}", rows)


def main() -> None:
    usual = loader_way(torchvision_views(), svdvals_loss)
    compare("dataloader_baseline", "DataLoader, PIL transforms, svdvals, fp32 eager", usual)
