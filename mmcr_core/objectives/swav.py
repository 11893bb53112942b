"""SwAV: predict, from one view, to which prototypes another view is assigned when all prototypes must be used alike
(Caron et al. 2020, arXiv 2006.09882, eq. 2 to 5).

Codes are made for each view of the batch, beside a queue of earlier embeddings, by the Sinkhorn-Knopp iteration, and
predicted from each other view: for K > 2 the loss is the mean over ordered pairs, for K = 2 that of the authors' code.
All views have one size and one distribution here, so one queue, of first views, serves them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective, mean_over_pairs


@dataclass(frozen=True)
class SwAVOptions(ObjectiveSpec):
    """Defaults: Caron et al. 2020, section 4 and appendix A, and the authors' recipes: the queue from 15 of 200 epochs
    on, prototypes frozen for 1 of 400."""

    least_views: ClassVar[int] = 2
    follows_progress: ClassVar[bool] = True
    name: str = "swav"
    prototypes: int = 3000
    """Number of prototypes."""
    temperature: float = 0.1
    """tau, which divides the prediction scores."""
    epsilon: float = 0.05
    """Softness of the codes."""
    iterations: int = 3
    """Iterations of Sinkhorn-Knopp."""
    queue: int = 0
    """Earlier embeddings that join the assignment once the queue is full (0: none; the authors use 3840 for batches of
    256)."""
    queue_start: float = 0.075
    """Fraction of the run after which the queue is filled."""
    frozen: float = 0.0025
    """Fraction of the run in which the prototypes stay fixed."""

    def __post_init__(self) -> None:
        require(self.prototypes >= 2, "prototypes", "must be 2 or more")
        require(self.iterations >= 1, "iterations", "must be 1 or more")
        require(self.queue >= 0, "queue", "must be 0 or more embeddings")
        for key in ("temperature", "epsilon"):
            require(getattr(self, key) > 0, key, "must be more than 0")
        for key in ("queue_start", "frozen"):
            require(0 <= getattr(self, key) <= 1, key, "is a share of the run; it must lie in [0, 1]")

    def require_run(self, points: int, steps: int) -> None:
        """A queue must be full before the last step."""
        rows = points * max(0, steps - math.ceil(self.queue_start * steps) - 1)
        late = f"from queue_start = {self.queue_start:g} on {rows} embeddings come before the last of {steps} steps"
        require(self.queue <= rows, "queue", f"{self.queue} is never full, and so never used: {late}; use fewer, or 0")


class SwAV(Objective):
    Options = SwAVOptions
    options: SwAVOptions
    queue: Tensor
    queued: Tensor

    def __init__(self, dims: int, options: SwAVOptions) -> None:
        super().__init__(dims, options)
        self.prototypes = nn.Parameter(nn.functional.normalize(torch.randn(options.prototypes, dims), dim=1))
        self.register_buffer("queue", torch.zeros(options.queue, dims))
        self.register_buffer("queued", torch.zeros((), dtype=torch.int64))

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): the mean over images and pairs k != l of -sum_j code_kj log softmax_j(<z_l, c_j> / tau)."""
        if progress is None:
            raise ValueError("swav needs progress=, the share of the run that is done, a scalar tensor in [0, 1]")
        options = self.options
        z = self.normalized(z)
        learns = progress >= options.frozen
        kept = self.prototypes.detach().clone()
        prototypes = (kept + learns * (self.prototypes - kept)).to(z.dtype)  # no gradient while they are frozen
        scores = (z @ prototypes.mT).transpose(0, 1)  # (K, P, prototypes)
        codes = self._codes(scores.detach(), kept.to(z.dtype))
        predictions = torch.nn.functional.log_softmax(scores / options.temperature, dim=-1)
        cross_entropies = -torch.einsum("kpj,lpj->pkl", codes, predictions)
        self._step = learns, kept, progress >= options.queue_start, z[:, 0].detach()
        return mean_over_pairs(cross_entropies)

    @torch.no_grad()
    def _codes(self, scores: Tensor, prototypes: Tensor) -> Tensor:
        """(K, P, prototypes) scores -> codes, of rows that sum to 1. The queue takes part once it is full."""
        K, P, count = scores.shape
        length = len(self.queue)
        if length:
            earlier = self.queue.to(scores.dtype) @ prototypes.mT
            scores = torch.cat([scores, earlier.expand(K, length, count)], dim=1)
        takes_part = torch.arange(P + length, device=scores.device) < P + length * (self.queued >= length)
        return sinkhorn(scores / self.options.epsilon, self.options.iterations, takes_part[:, None])[:, :P]

    @torch.no_grad()
    def after_step(self) -> None:
        """Prototypes back to length 1, or as they were while they are frozen; the batch into the queue."""
        learns, kept, queues, batch = self._step
        self.prototypes.copy_(torch.where(learns, nn.functional.normalize(self.prototypes, dim=1), kept))
        if length := len(self.queue):
            newest = torch.cat([batch.to(self.queue.dtype), self.queue])[:length]
            self.queue.copy_(torch.where(queues, newest, self.queue))
            self.queued += queues * len(batch)


def sinkhorn(logits: Tensor, iterations: int, takes_part: Tensor) -> Tensor:
    """(..., N, J) -> (..., N, J) codes exp(logits) scaled along both axes until all prototypes J weigh alike over the
    samples that take part, (N, 1) bool; each sample's code sums to 1. In logarithms: nothing over- or underflows."""
    for _ in range(iterations):
        logits = logits.masked_fill(~takes_part, -torch.inf)
        logits = logits - logits.logsumexp(dim=-2, keepdim=True)
        logits = logits - logits.logsumexp(dim=-1, keepdim=True)
    return logits.exp()
