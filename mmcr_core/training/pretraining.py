"""One pretraining run, resumable at any step: data, views, network, loss and optimiser on one device.

The future of a run follows from its spec and `state_dict()` alone. The step never waits for the device:
per-step metrics go to a buffer there, which is read once a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcr_core.images import datasets
from mmcr_core.images.encoders import build_network
from mmcr_core.images.probes import extract_features, knn_accuracy, linear_accuracy
from mmcr_core.images.views import draw_order, draw_parameters, make_views
from mmcr_core.objectives import make_objective
from mmcr_core.objectives.base import METRICS, centroids, measure, normalised
from mmcr_core.spec import RunSpec
from mmcr_core.training.cuda_graphs import StepGraphs
from mmcr_core.training.flops import flops_per_step
from mmcr_core.training.schedule import learning_rate

CHUNK_STEPS = 500
BUFFERED = ("loss", *METRICS)


@dataclass(frozen=True)
class Chunk:
    """Metrics of the consecutive steps step_first..step_last; `columns` maps names to arrays, a value a step:
    step, images, flops (both cumulative), percent_error, nuclear_norm, loss, reconstruction, uniformity,
    learning_rate."""

    step_first: int
    step_last: int
    columns: dict[str, NDArray[Any]]


class Diverged(Exception):
    """Loss or percent error is no longer finite. `step` is the first such step."""

    def __init__(self, step: int) -> None:
        super().__init__(f"loss or percent error is not finite from step {step} on")
        self.step = step


class Pretraining:
    """A run of `spec` on `device` ("cpu", "cuda", "cuda:1"). `images`: those of `spec.dataset`, where they are
    at hand already.

    Raises: DatasetError where the data is absent or has fewer than P images.
    """

    def __init__(
        self, spec: RunSpec, device: str | torch.device = "cpu", images: datasets.Images | None = None
    ) -> None:
        self.spec, self.device = spec, torch.device(device)
        self.images = (images or datasets.load(spec.dataset)).to(self.device)
        available = len(self.images.train)
        if available < spec.P:
            raise datasets.DatasetError(f"P = {spec.P} exceeds the {available} readable training images")
        self.steps = spec.budget.total_steps(spec.P, available)
        if self.steps < 1:
            raise datasets.DatasetError(f"the budget is less than one step of {spec.P} images")
        self.step = 0
        self.flops_per_step = flops_per_step(spec)

        network = build_network(spec.encoder, spec.projector, spec.D, self.images.channels, spec.seed)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = make_objective(spec.objective.name, local_weight=spec.objective.local_weight)
        on_gpu = self.device.type == "cuda"
        self._rate = torch.zeros((), device=self.device)  # a GPU reads its learning rate where a graph can
        self.optimizer = torch.optim.Adam(
            self.network.parameters(),
            lr=self._rate if on_gpu else 0.0,
            weight_decay=spec.optimizer.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
            capturable=on_gpu,
        )
        self._generator = torch.Generator(self.device).manual_seed(spec.seed)
        self._host_generator = torch.Generator().manual_seed(spec.seed)
        self._permutation = torch.empty(0, dtype=torch.int64, device=self.device)
        self._batch = torch.zeros(spec.P, dtype=torch.int64, device=self.device)
        self._row = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._buffer = torch.zeros(CHUNK_STEPS, len(BUFFERED), device=self.device)
        self._graphs = StepGraphs(self._device_step, self._generator) if on_gpu else None
        if on_gpu:
            torch.backends.cudnn.benchmark = True

    def run(self, until: int | None = None) -> Iterator[Chunk]:
        """Train up to step `until` (default: the end), yielding each chunk as it is completed.

        Chunks begin at multiples of CHUNK_STEPS wherever a run is split, so a replay yields the same ones.
        Raises: Diverged, after yielding the finite steps that came before.
        """
        until = self.steps if until is None else min(until, self.steps)
        while self.step < until:
            begun = self.step - self.step % CHUNK_STEPS
            end = min(begun + CHUNK_STEPS, self.steps)
            for _ in range(self.step, min(end, until)):
                self._train_step()
            finite = torch.isfinite(self._buffer[: self.step - begun, :2]).all(dim=1)
            bad = begun + int(finite.int().argmin()) if not bool(finite.all()) else None
            if bad is not None:
                if bad > begun:
                    yield self._chunk(begun, bad)
                raise Diverged(bad)
            if self.step == end:
                yield self._chunk(begun, end)

    def latest_percent_error(self) -> float:
        """Percent error of the last step taken; NaN before the first. Waits for the device."""
        if self.step == 0:
            return math.nan
        return float(self._buffer[(self.step - 1) % CHUNK_STEPS, 1 + METRICS.index("percent_error")])

    def _train_step(self) -> None:
        """Set the step's inputs, then run it: nothing here waits for the device."""
        self._set_rate(learning_rate(self.spec.optimizer, self.step, self.steps))
        self._batch.copy_(self._next_batch())
        self._row.fill_(self.step % CHUNK_STEPS)
        order = draw_order(self.spec.views, self._host_generator)
        (self._graphs or self._device_step)(order)
        self.step += 1

    def _set_rate(self, rate: float) -> None:
        self._rate.fill_(rate)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate if self._graphs else rate

    def _device_step(self, order: tuple[int, ...]) -> None:
        """Views, forward, loss, backward, optimiser and metrics of the batch at `_batch`, into row `_row`."""
        self.optimizer.zero_grad(set_to_none=True)
        views = self._views(self.images.train[self._batch], self._generator, order)
        loss = self.objective(self._embed(views))
        loss.value.backward()
        self.optimizer.step()
        row = torch.stack([loss.value.detach(), *(loss.metrics[name] for name in METRICS)])
        self._buffer.index_copy_(0, self._row, row[None])

    def _views(self, images: Tensor, generator: torch.Generator, order: tuple[int, ...]) -> Tensor:
        side = (images.shape[1], images.shape[3])
        drawn = draw_parameters(self.spec.views, len(images) * self.spec.K, side, generator, order)
        return make_views(images, self.spec.views, drawn)

    def _embed(self, views: Tensor) -> Tensor:  # (P * K, C, S, S) -> (P, K, D)
        bf16 = self.spec.precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
            z: Tensor = self.network(views)
        return z.float().view(-1, self.spec.K, self.spec.D)

    def _next_batch(self) -> Tensor:
        """Indices of the next P images; a new permutation each epoch, its last, smaller batch dropped."""
        per_epoch = len(self.images.train) // self.spec.P
        position = self.step % per_epoch
        if position == 0:
            self._permutation = torch.randperm(len(self.images.train), generator=self._generator, device=self.device)
        return self._permutation[position * self.spec.P : (position + 1) * self.spec.P]

    def _chunk(self, first: int, end: int) -> Chunk:
        values = self._buffer[: end - first].cpu().double().numpy()
        step = np.arange(first, end)
        columns: dict[str, NDArray[Any]] = {
            "step": step,
            "images": (step + 1) * self.spec.P,
            "flops": (step + 1) * float(self.flops_per_step),
            **{name: values[:, BUFFERED.index(name)] for name in (METRICS[0], METRICS[1], "loss", *METRICS[2:])},
            "learning_rate": np.array([learning_rate(self.spec.optimizer, int(s), self.steps) for s in step]),
        }
        return Chunk(first, end - 1, columns)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float | None]:
        """Held-out percent error (mean and standard deviation over batches of P images with K random views)
        and probe accuracy, with the network frozen. None where the held-out set has fewer than P images, no
        labels, or the spec asks for none. Leaves the run's own generators untouched."""
        spec, images = self.spec, self.images
        training = self.network.training
        self.network.eval()
        errors = []
        if len(images.heldout) >= spec.P:
            seed = spec.seed + 2**32
            generator = torch.Generator(self.device).manual_seed(seed)
            host_generator = torch.Generator().manual_seed(seed)
            for _ in range(spec.evaluate.heldout_batches):
                chosen = torch.randperm(len(images.heldout), generator=generator, device=self.device)[: spec.P]
                order = draw_order(spec.views, host_generator)
                z = self._embed(self._views(images.heldout[chosen], generator, order))
                errors.append(measure(centroids(normalised(z)))["percent_error"])
        accuracy = self._probe() if spec.evaluate.probe != "none" else None
        self.network.train(training)
        stacked = torch.stack(errors).double().cpu().numpy() if errors else np.empty(0)
        return {
            "heldout_percent_error": float(stacked.mean()) if len(stacked) else None,
            "heldout_percent_error_std": float(stacked.std(ddof=1)) if len(stacked) > 1 else None,
            "probe_accuracy": accuracy,
        }

    def _probe(self) -> float | None:
        images, recipe = self.images, self.spec.views
        bank, asked = images.train_labels >= 0, images.heldout_labels >= 0
        if not bool(bank.any()) or not bool(asked.any()):
            return None
        features = extract_features(self.network.encoder, images.train[bank], recipe)
        queries = extract_features(self.network.encoder, images.heldout[asked], recipe)
        accuracy = knn_accuracy if self.spec.evaluate.probe == "knn" else linear_accuracy
        return accuracy(features, images.train_labels[bank], queries, images.heldout_labels[asked])

    def state_dict(self) -> dict[str, Any]:
        """All that determines the future beside the spec: tensors, numbers and plain containers only."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "host_generator": self._host_generator.get_state(),
            "permutation": self._permutation,
            "buffer": self._buffer,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()` of a run of the same spec, bit for bit on the same kind of CPU."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
        self._host_generator.set_state(state["host_generator"].cpu())
        self._permutation = state["permutation"].to(self.device)
        self._buffer.copy_(state["buffer"])
        if self._graphs:
            self._graphs.reset()
        self.step = int(state["step"])
