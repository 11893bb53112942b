"""MMCR: minimize -||M||_* of the mean embeddings M (Yerxa et al. 2023; Schaeffer et al. 2024).

The local term of Yerxa et al., lambda / P * sum_p ||Z_p||_* over the K x D views Z_p of each image, is there
for lambda > 0; their experiments and Schaeffer et al. use 0. Of image-text pairs the centroid is that of the image's
and the caption's embeddings; CLIP's loss with its temperature can be added to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.objectives.base import Objective, at_least_float32, centroids, normalized, require_embeddings
from mmcr_core.objectives.clip import CLIP, CLIPOptions, image_text_cosines


@dataclass(frozen=True)
class MMCROptions(ObjectiveSpec):
    name: str = "mmcr"
    local_weight: float = 0.0
    """lambda, the weight of the local nuclear norms (0: global term only)."""
    clip_weight: float = 0.0
    """Weight of the CLIP loss, for image-text pairs (0: none)."""

    def __post_init__(self) -> None:
        require(self.local_weight >= 0, "local_weight", "must be 0 or more")
        require(self.clip_weight >= 0, "clip_weight", "must be 0 or more")

    @property
    def needs_captions(self) -> bool:  # type: ignore[override]  # elsewhere a constant of the class
        return self.clip_weight > 0


def with_local_term(norm: Tensor, z: Tensor, local_weight: float) -> Tensor:
    """-||M||_*, and lambda / P sum_p ||Z_p||_* beside it where lambda is not 0. z: (P, K, D) on the unit sphere."""
    return local_weight * nuclear_norm(z).mean() - norm if local_weight else -norm


class MMCRLoss(nn.Module):
    """MMCR's loss for any training loop: -||M||_*, M the mean over views of embeddings on the unit sphere.

    Args: local_weight: lambda of the local term, lambda / P sum_p ||Z_p||_* (0 in the papers' experiments).
    Call: z, (P, K, D) embeddings of K views of each of P images, of any length other than 0; or a list of K tensors
        (P, D), one a view. Float32 and float64 are computed as they are, half types in float32.
    Returns: scalar, between -sqrt(P min(P, D)) and 0 without the local term; differentiable once.
    Raises: ValueError for other shapes and types, for a weight that is negative or not finite.
    Source: Yerxa et al. 2023, arXiv 2303.03307; Schaeffer et al. 2024, arXiv 2406.09366.

    >>> loss = MMCRLoss()([network(view) for view in views])    # network: (P, C, H, W) -> (P, D)
    >>> loss.backward()
    """

    def __init__(self, local_weight: float = 0.0) -> None:
        super().__init__()
        if not 0 <= local_weight < float("inf"):
            raise ValueError(f"local_weight must be 0 or more, and finite; got {local_weight}")
        self.local_weight = local_weight

    def forward(self, z: Tensor | Sequence[Tensor]) -> Tensor:
        """(P, K, D), or K tensors (P, D) -> scalar."""
        z = z if isinstance(z, Tensor) else _stacked(list(z))
        require_embeddings(z)
        z = normalized(_scaled(at_least_float32(z)))
        return with_local_term(nuclear_norm(centroids(z)), z, self.local_weight)

    def extra_repr(self) -> str:
        return f"local_weight={self.local_weight}"


def _stacked(views: list[Tensor]) -> Tensor:
    """K tensors (P, D) -> (P, K, D)."""
    alike = all(isinstance(view, Tensor) and view.shape == views[0].shape for view in views)
    if not views or not alike or views[0].ndim != 2:
        got = ", ".join(str(tuple(view.shape)) if isinstance(view, Tensor) else type(view).__name__ for view in views)
        raise ValueError(f"z must be (P, K, D), or a list of K tensors (P, D) of one shape; got [{got}]")
    return torch.stack(views, dim=1)


def _scaled(z: Tensor) -> Tensor:
    """Each embedding over the power of two below its largest entry, exactly, so that no square of it overflows or
    vanishes: its direction is the same to the last bit."""
    largest = z.detach().abs().amax(dim=-1, keepdim=True)
    return z / torch.where(largest > 0, largest / (2 * torch.frexp(largest).mantissa), 1.0)


class MMCR(Objective):
    Options = MMCROptions
    options: MMCROptions

    def __init__(self, dims: int, options: MMCROptions) -> None:
        super().__init__(dims, options)
        self.clip = CLIP(dims, CLIPOptions()) if options.clip_weight else None

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        z = normalized(self.checked(z))
        M = centroids(z)
        norm = nuclear_norm(M)
        self.mean_embeddings, self.nuclear_norm = M.detach(), norm.detach()
        loss = with_local_term(norm, z, self.options.local_weight)
        if self.clip is not None:
            cosines = image_text_cosines(normalized(z), self.captions)
            loss = loss + self.options.clip_weight * self.clip.contrast(cosines)
        return loss

    def after_step(self) -> None:
        if self.clip is not None:
            self.clip.after_step()
