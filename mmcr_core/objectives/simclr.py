"""SimCLR: NT-Xent, a softmax over cosines in which a view must find another view of its image (Chen et al. 2020,
arXiv 2002.05709, eq. 1).

For K > 2 each ordered pair of views of one image is one term of the mean, as in SupCon (Khosla et al. 2020, arXiv
2004.11362, the sum outside the logarithm). Unlike there, the other K - 2 views of the image are left out of the
denominator, so that no positive is pushed away. K = 2 is the published loss, for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective, mean_over_pairs


@dataclass(frozen=True)
class SimCLROptions(ObjectiveSpec):
    """Defaults: Chen et al. 2020, appendix B.9, best on CIFAR-10."""

    least_views: ClassVar[int] = 2
    name: str = "simclr"
    temperature: float = 0.5
    """tau, which divides the cosines."""

    def __post_init__(self) -> None:
        require(self.temperature > 0, "temperature", "must be more than 0")


class SimCLR(Objective):
    Options = SimCLROptions
    options: SimCLROptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): the mean over images p and pairs k != l of -log(exp(s_kl) / (exp(s_kl) + sum_n exp(s_kn))).

        s: cosines / tau; n: all K (P - 1) views of other images.
        """
        z = self.normalized(z)
        P, K, _ = z.shape
        rows = z.flatten(0, 1)
        image = torch.arange(P, device=z.device).repeat_interleave(K)
        cosines = (rows @ rows.mT).masked_fill(image[:, None] == image, -torch.inf)
        negatives = (cosines / self.options.temperature).logsumexp(dim=1).view(P, K, 1)
        positives = (z @ z.mT) / self.options.temperature  # (P, K, K)
        terms = torch.nn.functional.softplus(negatives - positives)
        return mean_over_pairs(terms)
