"""Alignment alone: minimize -c, c the mean cosine between two views of an image.

The control: nothing keeps images apart, so the embeddings collapse to one point. c also enters MMCR's reconstruction,
sqrt(c + (1 - c) / K). The alignment of Wang and Isola 2020 (arXiv 2005.10242) with alpha = 2 is 2 - 2 c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec
from mmcr_core.objectives.base import Objective


@dataclass(frozen=True)
class AlignmentOptions(ObjectiveSpec):
    """It has none."""

    least_views: ClassVar[int] = 2
    name: str = "alignment"


class Alignment(Objective):
    Options = AlignmentOptions
    options: AlignmentOptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): -1 / (P K (K - 1)) * sum_p sum_{k != l} <z[p, k], z[p, l]> of the unit embeddings."""
        z = self.normalized(z)
        P, K, _ = z.shape
        of_all_pairs = z.sum(dim=1).square().sum()
        return (z.square().sum() - of_all_pairs) / (P * K * (K - 1))
