"""The random views of a run's batches: drawn on the host for each step, made on the device from what lies there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from mmcr_core.augmentation.augmentations import (
    EAGER,
    PARAMETERS,
    Order,
    ViewParameters,
    draw_order,
    draw_parameters,
    jitters_of,
    make_views,
)
from mmcr_core.augmentation.compiled_augmentations import compiled_stages
from mmcr_core.config.run import ViewSpec
from mmcr_core.device_buffers import Staging
from mmcr_core.rng import generator


class StagedViews:
    """`views` views of each of `points` images of `side` = (height, width) pixels, by a recipe and a seed."""

    def __init__(
        self, recipe: ViewSpec, points: int, views: int, side: tuple[int, int], seed: int, staging: Staging
    ) -> None:
        self._recipe, self._side, self._seed, self._count = recipe, side, seed, points * views
        self._parameters = staging.add((len(PARAMETERS), self._count), torch.float32)
        self._stages = EAGER
        self.shape = (self._count, len(recipe.mean), recipe.size, recipe.size)

    def graph_keys(self) -> Iterator[Order]:
        """Every order that `draw` may say."""
        return itertools.permutations(jitters_of(self._recipe))

    def prepare_step(self, step: int) -> Order:
        """Choose the views of a step, to be sent, and say in which order it has the jitters."""
        rng = generator(self._seed, "views", step)
        order = draw_order(self._recipe, rng)
        self._parameters.fill(draw_parameters(self._recipe, self._count, self._side, rng))
        return order

    def make(self, images: Tensor, order: Order, out: Tensor | None = None) -> Tensor:
        """(P, H, C, W) images -> (P * views, C, S, S), those of one image consecutive, by what was sent last; into
        `out` where that is given."""
        return make_views(images, self._recipe, self._drawn(), order, self._stages, out)

    def compile(self, images: Tensor, out: Tensor | None) -> None:
        """From now on by compiled stages, for batches like `images` and places like `out`. Raises CompilationFailed."""
        self._stages = compiled_stages(images, self._recipe, self._drawn(), out)

    def _drawn(self) -> ViewParameters:
        return ViewParameters(*self._parameters.tensor.unbind(0))
