"""MMCR: minimize -||M||_* of the mean embeddings M (Yerxa et al. 2023; Schaeffer et al. 2024).

The local term of Yerxa et al., lambda / P * sum_p ||Z_p||_* over the K x D views Z_p of each image, is there
for lambda > 0; their experiments and Schaeffer et al. use 0. Of image-text pairs the centroid is that of the image's
and the caption's embeddings; CLIP's loss with its temperature can be added to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.objectives.base import Objective, centroids, normalized
from mmcr_core.objectives.clip import CLIP, CLIPOptions, image_text_cosines


@dataclass(frozen=True)
class MMCROptions(ObjectiveSpec):
    name: str = "mmcr"
    local_weight: float = 0.0
    """lambda, the weight of the local nuclear norms (0: the global term alone)."""
    clip_weight: float = 0.0
    """The weight of CLIP's loss, of image-text pairs (0: without it)."""

    def __post_init__(self) -> None:
        require(self.local_weight >= 0, "local_weight", "must be 0 or more")
        require(self.clip_weight >= 0, "clip_weight", "must be 0 or more")

    @property
    def needs_captions(self) -> bool:  # type: ignore[override]  # elsewhere a constant of the class
        return self.clip_weight > 0


class MMCR(Objective):
    Options = MMCROptions
    options: MMCROptions

    def __init__(self, dims: int, options: MMCROptions) -> None:
        super().__init__(dims, options)
        self.clip = CLIP(dims, CLIPOptions()) if options.clip_weight else None

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        z = normalized(z)
        M = centroids(z)
        norm = nuclear_norm(M)
        self.mean_embeddings, self.nuclear_norm = M.detach(), norm.detach()
        loss = -norm
        if self.options.local_weight:
            loss = self.options.local_weight * nuclear_norm(z).mean() - norm
        if self.clip is not None:
            cosines = image_text_cosines(normalized(z), self.captions)
            loss = loss + self.options.clip_weight * self.clip.contrast(cosines)
        return loss

    def after_step(self) -> None:
        if self.clip is not None:
            self.clip.after_step()
