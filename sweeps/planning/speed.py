"""How fast this machine's CPU goes through an encoder, measured in a moment: sizes and layers decide which share of the
matrix-product rate a network reaches, and no constant says it for all. Counted is this thread's time on the CPU: what
else runs while one plans changes no estimate."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from mmcr_core.config.encoder import EncoderSpec
from mmcr_core.config.run import ProjectorSpec, RunSpec
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import example_inputs, network_for_one
from mmcr_core.training.flops import network_flops

TIMED_FLOPS = 1e10  # of one pass
MOST_VIEWS = 64
REPEATS = 3
DIMS = 64


class Speed(NamedTuple):
    """FLOPs per second of one CPU thread: forward with backward, and forward alone in eval mode, as measures do."""

    training: float
    measuring: float


def speed_of(spec: RunSpec) -> Speed | None:
    """The speed of a run's encoder here; None where it cannot run, which its cell then reports."""
    try:
        return _timed(spec.encoder, len(spec.views.mean), spec.views.size, spec.precision == "bf16")
    except Exception:  # code that is not ours raises what it likes, and is not what is asked about here
        return None


@functools.cache
def _timed(encoder: EncoderSpec, channels: int, size: int, bf16: bool) -> Speed:
    of_network = (encoder, ProjectorSpec(()), DIMS, channels, size)
    both, forward = network_flops(*of_network), network_flops(*of_network, backward=False)
    views = max(4, min(MOST_VIEWS, int(TIMED_FLOPS / both)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            network = network_for_one(*of_network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            images = torch.rand_like(example_inputs(encoder, channels, size, views)[0])
        embed = network.of_images if isinstance(network, PairNetwork) else network

        def step() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                embeddings = embed(images)
            embeddings.float().sum().backward()

        training = views * both / _best(step)
        network.eval()
        with torch.no_grad():
            return Speed(training, views * forward / _best(lambda: embed(images)))
    finally:
        torch.set_num_threads(threads)


def _best(work: Callable[[], object]) -> float:
    """Seconds; the first time is not counted."""
    work()
    taken = []
    for _ in range(REPEATS):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return min(taken)
