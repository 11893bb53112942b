"""A user's own objective and encoder, as a file beside a grid."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

SOURCE = '''
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mmcr_core.objectives.base import Objective, normalized
from mmcr_core.config.run import ObjectiveSpec, require


@dataclass(frozen=True)
class PullOptions(ObjectiveSpec):
    least_views = 2
    strength: float = 1.0
    powers: tuple[int, ...] = (1,)

    def __post_init__(self):
        require(self.strength > 0, "strength", "must be more than 0")


class Pull(Objective):
    """Means of unit views as long as can be."""

    Options = PullOptions

    def loss(self, z, teacher=None, progress=None):
        lengths = normalized(z).mean(dim=1).norm(dim=1)
        return -self.options.strength * sum((lengths**power).mean() for power in self.options.powers)


class Reading(Pull):
    def loss(self, z, teacher=None, progress=None):
        return z.mean() if z.mean().item() > 0 else -z.mean()


def net(channels, size, width=4, activation=nn.ReLU):
    layers = [nn.Conv2d(channels, width, 3, bias=False), activation(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(width * (size - 2) ** 2, 24))


def dropping(channels, size, rate=0.1):
    return nn.Sequential(nn.Flatten(), nn.Dropout(rate), nn.Linear(channels * size**2, 5))


class Noisy(nn.Module):
    """Chance that no module tells of."""

    def forward(self, x):
        return nn.functional.dropout(x.flatten(1), 0.1, self.training)


def noisy(channels, size):
    return nn.Sequential(Noisy(), nn.Linear(channels * size**2, 5))


class DoubleForAll(Pull):
    def loss(self, z, teacher=None, progress=None):
        torch.set_default_dtype(torch.float64)
        return super().loss(z)


class Chance(Pull):
    def loss(self, z, teacher=None, progress=None):
        return (z + torch.randn_like(z)).square().mean()


class Vector(Pull):
    def loss(self, z, teacher=None, progress=None):
        return normalized(z).mean(dim=1).norm(dim=1)


class Text(Pull):
    def loss(self, z, teacher=None, progress=None):
        return "0.5"


class Apart(Pull):
    def loss(self, z, teacher=None, progress=None):
        return torch.zeros((), requires_grad=True) if self.options is None else torch.zeros(())


class Raising(Pull):
    def loss(self, z, teacher=None, progress=None):
        raise KeyError("of mine")  # line of the error


class Exiting(Pull):
    def loss(self, z, teacher=None, progress=None):
        raise SystemExit(3)


class Double(Pull):
    def loss(self, z, teacher=None, progress=None):
        return super().loss(z.double())


class Infinite(Pull):
    def loss(self, z, teacher=None, progress=None):
        return (z - z.max()).log().mean()


class Steep(Pull):
    def loss(self, z, teacher=None, progress=None):
        return ((z - z.detach()) ** 2).sum().sqrt()


class NumpyChance(Pull):
    def loss(self, z, teacher=None, progress=None):
        return super().loss(z) * np.random.rand()


class PythonChance(Pull):
    def loss(self, z, teacher=None, progress=None):
        return super().loss(z) * random.random()


class OwnChance(Pull):
    def loss(self, z, teacher=None, progress=None):
        return super().loss(z) * np.random.default_rng().uniform(1, 2)


class HostNoise(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def forward(self, x):
        return x.flatten(1) * self.draw()


def numpy_noise(channels, size):
    return nn.Sequential(HostNoise(np.random.rand), nn.Linear(channels * size**2, 5))


def own_noise(channels, size):
    draw = lambda: float(np.random.default_rng().uniform(1, 9))
    return nn.Sequential(HostNoise(draw), nn.Linear(channels * size**2, 5))


def kept_noise(channels, size):
    return nn.Sequential(HostNoise(np.random.default_rng(0).normal), nn.Linear(channels * size**2, 5))


def numpy_weights(channels, size):
    layer = nn.Linear(channels * size**2, 5)
    layer.weight.data *= float(np.random.rand())
    return nn.Sequential(nn.Flatten(), layer)


def own_weights(channels, size):
    layer = nn.Linear(channels * size**2, 5)
    layer.weight.data *= float(np.random.default_rng().uniform(1, 9))
    return nn.Sequential(nn.Flatten(), layer)


def lazy(channels, size):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(5))


def exiting(channels, size):
    raise SystemExit(3)


def broken(channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(7, 5))


def raising(channels, size):
    return {}["of mine"]  # line of the factory


def flat(channels, size):
    return nn.Conv2d(channels, 3, 3)


def nothing(channels, size):
    return None


number = 7
'''
_NUMBERS = itertools.count()


def write_own(folder: Path, source: str = SOURCE) -> str:
    """Write `source` as a module of a new name into `folder`; the name."""
    name = f"own_{next(_NUMBERS)}_{folder.parent.name.replace('-', '_')}"
    assert name not in sys.modules
    (folder / f"{name}.py").write_text(source)
    return name


FAILING = '''
from pathlib import Path

import torch

from mmcr_core.objectives.mmcr import MMCR
from mmcr_core.training import CaptureFailed, CaptureOutOfMemory


class Failing(MMCR):
    """Raises as often as the file beside it says, each time in a process that has not raised yet."""

    def after_step(self):
        file = Path(__file__).with_suffix(".failures")
        if file.exists() and (left := int(file.read_text())):
            assert "raised" not in globals(), "this process had to end"
            globals()["raised"] = True
            file.write_text(str(left - 1))
            raise ERROR
'''


def write_failing(folder: Path, error: str, times: int) -> str:
    """An own objective whose first `times` losses, in as many processes, raise `error`; its name in a grid."""
    own = write_own(folder, FAILING.replace("ERROR", error))
    (folder / f"{own}.failures").write_text(str(times))
    return f'{{name: "{own}:Failing"}}'
