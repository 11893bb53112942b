"""What an objective is, and the measures that put every objective on MMCR's axes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmcr_core.config.run import ObjectiveSpec
from mmcr_core.nuclear_norm import nuclear_norm

METRICS = ("percent_error", "nuclear_norm", "reconstruction", "uniformity")


class Objective(nn.Module):
    """A loss on embeddings. Its parameters go to the optimizer, with its buffers they go to the checkpoint.

    Nothing in it may read a value back from the device, nor branch on one: it runs inside a captured graph.
    `mean_embeddings` and `nuclear_norm`: M (P, D) of the last z and its norm, detached, where the loss has them anyway;
    else None. Training measures with them.
    `has_teacher`: it learns from an EMA teacher, which training owns and moves as `momentum` says.
    `captions`: how many of the K embeddings, the last ones, are of captions; training sets it.
    """

    Options: type[ObjectiveSpec]
    has_teacher: ClassVar[bool] = False
    mean_embeddings: Tensor | None = None
    nuclear_norm: Tensor | None = None
    captions: int = 1

    def __init__(self, dims: int, options: Any) -> None:
        super().__init__()
        self.dims, self.options = dims, options

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Scalar to minimize.

        Args: z: (P, K, D) embeddings, not normalized; teacher: the same of the EMA teacher, for an objective that
            has one; progress: scalar in [0, 1] on z's device, the share of the run that is done.
        Raises: ValueError for other shapes, and where teacher or progress is left out and needed.
        """
        raise NotImplementedError

    def checked(self, z: Tensor) -> Tensor:
        """z in float32 at least. Raises ValueError where it has other dimensions than D or too few views."""
        compared = self.captions + 1 if self.options.needs_captions else self.options.least_views
        require_embeddings(z)
        if z.shape[2] != self.dims or z.shape[1] < compared:
            asked = f"{self.options.name} needs K of {compared} or more and D = {self.dims}"
            raise ValueError(f"z is (P, K, D) = {tuple(z.shape)}; {asked}")
        return at_least_float32(z)

    def normalized(self, z: Tensor) -> Tensor:
        """`normalized(z)`, of which `mean_embeddings` are kept."""
        z = normalized(self.checked(z))
        self.mean_embeddings = centroids(z.detach())
        return z

    def momentum(self, progress: Tensor) -> Tensor:
        """Share in [0, 1] that the EMA teacher keeps of itself after a step, a scalar on the device of `progress`."""
        raise NotImplementedError

    def after_step(self) -> None:
        """What must follow the optimizer's step."""


def require_embeddings(z: Tensor) -> None:
    """Raises ValueError where z is not a batch of views."""
    if z.ndim != 3 or not z.numel() or not z.is_floating_point():
        wanted = "z must be (P, K, D), or a list of K tensors (P, D), of floating point and not empty"
        raise ValueError(f"{wanted}; got {tuple(z.shape)} of {z.dtype}")


def at_least_float32(z: Tensor) -> Tensor:
    """z itself in float64, else in float32."""
    return z if z.dtype == torch.float64 else z.float()


def mean_over_pairs(values: Tensor) -> Tensor:
    """(..., K, K) -> scalar: the mean over ordered pairs of different views k != l, and over all else."""
    K = values.shape[-1]
    others = 1 - torch.eye(K, dtype=values.dtype, device=values.device)
    return (values * others).mean() * (K / (K - 1))


def normalized(z: Tensor) -> Tensor:
    """(P, K, D) -> (P, K, D) on the unit sphere, in float32 at least."""
    return torch.nn.functional.normalize(at_least_float32(z), dim=-1)


def centroids(z: Tensor) -> Tensor:
    """(P, K, D) unit embeddings -> (P, D) mean embedding of each image; rows are not normalized again."""
    return z.mean(dim=1)


@torch.no_grad()
def measure(M: Tensor, norm: Tensor | None = None) -> dict[str, Tensor]:
    """METRICS of the mean embeddings M (P, D), given their nuclear norm where it is known.

    percent_error = 1 - reconstruction * uniformity (see mmcr_core.theory.decompose).
    """
    P, D = M.shape
    norm = nuclear_norm(M) if norm is None else norm
    frobenius = torch.linalg.vector_norm(M)
    return {
        "percent_error": 1 - norm / (P * min(P, D)) ** 0.5,
        "nuclear_norm": norm,
        "reconstruction": frobenius / P**0.5,
        "uniformity": norm / (frobenius * min(P, D) ** 0.5),
    }
