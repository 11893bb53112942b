"""CLIP: among all captions of a batch an image must find its own, and a caption its image (Radford et al. 2021, arXiv
2103.00020, figure 3 and section 2.5).

With several views of an image, or several captions, the loss is the mean over pairs of a view and a caption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective

LARGEST_SCALE = 100.0  # of the cosines: section 2.5


@dataclass(frozen=True)
class CLIPOptions(ObjectiveSpec):
    """Defaults: Radford et al. 2021, section 2.5."""

    least_views: ClassVar[int] = 2
    needs_captions: ClassVar[bool] = True
    name: str = "clip"
    temperature: float = 0.07
    """Initial temperature; it is learned."""

    def __post_init__(self) -> None:
        require(self.temperature >= 1 / LARGEST_SCALE, "temperature", "must be 0.01 or more, where it is clamped")


class CLIP(Objective):
    Options = CLIPOptions
    options: CLIPOptions

    def __init__(self, dims: int, options: CLIPOptions) -> None:
        super().__init__(dims, options)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): the mean of the cross entropies of images among captions and of captions among images."""
        return self.contrast(image_text_cosines(self.normalized(z), self.captions))

    def contrast(self, cosines: Tensor) -> Tensor:
        """The same, of cosines (views, captions, P, P)."""
        logits = self.log_scale.exp() * cosines
        own = logits.diagonal(dim1=-2, dim2=-1)
        among_captions, among_images = logits.logsumexp(dim=-1), logits.logsumexp(dim=-2)
        return ((among_captions + among_images) / 2 - own).mean()

    @torch.no_grad()
    def after_step(self) -> None:
        """The scale stays within 1 and 100, as published."""
        self.log_scale.clamp_(0, math.log(LARGEST_SCALE))


def image_text_cosines(z: Tensor, captions: int) -> Tensor:
    """(P, K, D) unit embeddings, of `captions` captions the last -> (K - captions, captions, P, P): for each view and
    each caption the cosines of all images with all captions."""
    z = z.transpose(0, 1)  # (K, P, D)
    images, texts = z[:-captions], z[-captions:]
    return images[:, None] @ texts[None].mT
