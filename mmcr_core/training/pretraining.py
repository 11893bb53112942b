"""One pretraining run, resumable at any step: source, network, objective and optimizer on one device.

The future of a run follows from its spec, its step, and what was learned: randomness is drawn by counter and has no
state. The step never waits for the device: per-step metrics go to a buffer there, which is read once a chunk.
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

from mmcr_core.augmentation.augmentations import Order
from mmcr_core.config.run import RunSpec
from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError, Images
from mmcr_core.device_buffers import Staging
from mmcr_core.evaluation.evaluate import Measure, evaluate
from mmcr_core.models.ema_teacher import ema_copy, ema_update
from mmcr_core.models.mixed_precision import embed
from mmcr_core.models.networks import build_network
from mmcr_core.models.recompute import recompute
from mmcr_core.objectives import build_objective
from mmcr_core.objectives.base import METRICS, Objective, centroids, measure, normalized
from mmcr_core.rng import generator
from mmcr_core.training.compiled_network import Forward, compiled_network
from mmcr_core.training.cuda_graphs import Graphs, can_replay
from mmcr_core.training.flops import flops_per_step
from mmcr_core.training.optimizers import build_optimizer, load_optimizer_state, optimizer_state, set_rate
from mmcr_core.training.schedule import learning_rate

CHUNK_STEPS = 500
BUFFERED = ("loss", *METRICS)
WARM_UP_STEPS = 3  # eager steps before the training graph is captured; those of the views are captured before


@dataclass(frozen=True)
class Chunk:
    """Metrics of the consecutive steps step_first..step_last; `columns` maps names to arrays, a value per step:
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
    """A run of `spec` on `device` ("cpu", "cuda", "cuda:1").

    Args: images: those of `spec.dataset`, where they are at hand already; graphs: replay the step as CUDA graphs, on a
        GPU; compiled: compile the views; network_compiled: compile encoder and projector too; recomputed: the blocks of
        the network are computed again in backward, which takes less memory and more time; threads: of the CPU, for this
        process from here on: sums depend on it, so that it is 1 whatever the machine.
    Raises: DatasetError where the data is absent or has fewer than P images; CompilationFailed.
    """

    def __init__(
        self,
        spec: RunSpec,
        device: str | torch.device = "cpu",
        images: Images | None = None,
        *,
        graphs: bool = True,
        compiled: bool = False,
        network_compiled: bool = False,
        recomputed: bool = False,
        threads: int = 1,
    ) -> None:
        self.spec, self.device = spec, prepared(torch.device(device), threads)
        self.images = images.to(self.device) if images else registry.load(spec.dataset, self.device, spec.views.size)
        staging = Staging(self.device)
        self._control = staging.add((2,), torch.float32)  # learning rate, progress
        self._row = staging.add((1,), torch.int64)
        self.source = registry.source_of(spec, self.images, staging)
        if self.source.available < spec.P:
            raise DatasetError(f"P = {spec.P} exceeds the {self.source.available} readable training images")
        self.steps = spec.budget.total_steps(spec.P, self.source.available)
        if self.steps < 1:
            raise DatasetError(f"the budget is less than one step of {spec.P} images")
        self.step = 0
        self.flops_per_step = flops_per_step(spec)
        self.network = build_network(spec).to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recomputed = recomputed
        if recomputed:
            recompute(self.network)
        self.objective = seeded_objective(spec).to(self.device)
        self.teacher = ema_copy(self.network) if self.objective.has_teacher else None
        learned = [*self.network.parameters(), *self.objective.parameters()]
        self.optimizer = build_optimizer(spec.optimizer, learned, self._control.tensor[0])
        self._buffer = torch.zeros(CHUNK_STEPS, len(BUFFERED), device=self.device)
        self._graphs = Graphs(self.device) if graphs and can_replay(self.device) else None
        self._views = self._views_buffer() if self._graphs is not None else None
        if compiled or network_compiled:
            self.source.compile(self._views)
        self._forward = self._compiled_network() if network_compiled else None

    def run(self, until: int | None = None) -> Iterator[Chunk]:
        """Train up to step `until` (default: the end), yielding each chunk as it is completed.

        Chunks begin at multiples of CHUNK_STEPS wherever a run is split, so a replay yields the same ones.
        Raises: Diverged, after yielding the finite steps that came before; CaptureFailed, CaptureOutOfMemory.
        """
        until = self.steps if until is None else min(until, self.steps)
        while self.step < until:
            begun = self.step - self.step % CHUNK_STEPS
            end = min(begun + CHUNK_STEPS, self.steps)
            for _ in range(self.step, min(end, until)):
                self.train_step()
            finite = torch.isfinite(self._buffer[: self.step - begun, :2]).all(dim=1)
            bad = begun + int(finite.int().argmin()) if not bool(finite.all()) else None
            if bad is not None:
                if bad > begun:
                    yield self._chunk(begun, bad)
                raise Diverged(bad)
            if self.step == end:
                yield self._chunk(begun, end)

    def unfinished_chunk(self) -> Chunk | None:
        """The steps since the last whole chunk; None where there are none. The whole one will begin alike."""
        begun = self.step - self.step % CHUNK_STEPS
        return self._chunk(begun, self.step) if self.step > begun else None

    def train_step(self) -> None:
        """One optimizer step; nothing in it waits for the device, and one copy goes there."""
        rate = learning_rate(self.spec.optimizer, self.step, self.steps)
        self._control.fill(np.array([rate, self.step / self.steps], dtype=np.float32))
        self._row.fill(np.array([self.step % CHUNK_STEPS]))
        order = self.source.prepare_step(self.step)
        set_rate(self.optimizer, rate)
        if self._graphs is None:
            self._learn((self.source.batch(order), *self.source.extra_inputs))
        else:
            self._replay(self._graphs, order)
        self.step += 1

    def _replay(self, graphs: Graphs, order: Order) -> None:
        if not graphs.captured:  # all of them now, so that no later step is slower
            for each in self.source.graph_keys():
                graphs.capture(each, lambda each=each: self._write_views(each), warm_up=True)  # type: ignore[misc]
        graphs.run(order, lambda: self._write_views(order), warm_up=0)
        assert self._views is not None
        batch = self._views, *self.source.extra_inputs
        graphs.run("step", lambda: self._learn(batch), warm_up=WARM_UP_STEPS)

    def _write_views(self, order: Order) -> None:
        self.source.batch(order, self._views)

    def _views_buffer(self) -> Tensor:
        """Where the graphs of the views write and that of the step reads. Rounded as autocast would for our own
        encoders, which convolve first; what another begins with may not be rounded by autocast."""
        rounded = self.spec.precision == "bf16" and bool(getattr(self.network, "autocast_weights", ()))
        dtype = torch.bfloat16 if rounded else torch.float32
        size = self.source.batch_shape
        return torch.empty(size, dtype=dtype, device=self.device, memory_format=torch.channels_last)

    def _compiled_network(self) -> Forward:
        order = next(self.source.graph_keys())
        batch = self.source.batch(order, self._views), *self.source.extra_inputs
        return compiled_network(self.network, self.spec, batch, self.teacher is not None)

    def _learn(self, batch: tuple[Tensor, ...]) -> None:
        """Forward, loss, backward, optimizer, and the metrics into row `_row` of the buffer."""
        self.optimizer.zero_grad(set_to_none=True)
        progress = self._control.tensor[1]
        z = embed(self.network, batch, self.spec.precision, self._forward)
        loss = self.objective.loss(z, self.teacher_embeddings(batch), progress)
        loss.backward()
        self.optimizer.step()
        self.objective.after_step()
        if self.teacher is not None:
            ema_update(self.teacher, self.network, self.objective.momentum(progress))
        M = self.objective.mean_embeddings
        M = centroids(normalized(z.detach())) if M is None else M
        metrics = measure(M, self.objective.nuclear_norm)
        row = torch.stack([loss.detach().float(), *(metrics[name] for name in METRICS)])
        self._buffer.index_copy_(0, self._row.tensor, row[None])

    @torch.no_grad()
    def teacher_embeddings(self, batch: tuple[Tensor, ...]) -> Tensor | None:
        """A batch as the network reads it -> (P, K, D) embeddings of the EMA teacher; None where there is none."""
        return None if self.teacher is None else embed(self.teacher, batch, self.spec.precision, self._forward)

    def latest_percent_error(self) -> float:
        """Percent error of the last step taken; NaN before the first. Waits for the device."""
        if self.step == 0:
            return math.nan
        return float(self._buffer[(self.step - 1) % CHUNK_STEPS, 1 + METRICS.index("percent_error")])

    def recent(self, name: str, steps: int = 50) -> float:
        """Mean of a metric of METRICS over the last `steps` steps of the unfinished chunk, or of the chunk just
        finished; NaN before the first step. Waits for the device."""
        if self.step == 0:
            return math.nan
        end = (self.step - 1) % CHUNK_STEPS + 1
        return float(self._buffer[max(0, end - steps) : end, 1 + METRICS.index(name)].mean())

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

    def evaluate(self) -> list[Measure]:
        """What the spec asks to be measured, of the network as it stands; it changes nothing in the run. Graphs are
        dropped first: their memory is needed, and a run that goes on captures them anew."""
        if self._graphs is not None:
            self._graphs.reset()
        return evaluate(self.network, self.spec, self.images, trained=self.step > 0)

    def close(self) -> None:
        """End the processes that read ahead, where there are any; the run cannot go on."""
        self.source.close()

    def state_dict(self) -> dict[str, Any]:
        """All that determines the future beside the spec: tensors, numbers and plain containers only. The same on
        every type of device: a run begun on a GPU can go on on a CPU. As of torch's modules, the tensors are the run's
        own: save or copy them before it goes on."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "buffer": self._buffer,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()` of a run of the same spec, bit for bit on the same kind of CPU. `state` is
        copied: several runs may continue from one."""
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self._buffer.copy_(state["buffer"])
        if self._graphs is not None:
            self._graphs.reset()
        self.step = int(state["step"])


def prepared(device: torch.device, threads: int) -> torch.device:
    """`device`, with the settings of its libraries that a result depends on: fp32 means 24 bits, not TF32's 11."""
    torch.set_num_threads(threads)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
    return device


def seeded_objective(spec: RunSpec) -> Objective:
    """The objective of a run; what it draws follows from the seed alone, the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(spec.seed, "objective").integers(2**63)))
        return build_objective(spec.objective, spec.D, spec.dataset.captions)
