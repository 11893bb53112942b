"""Samples per second from shards against webdataset's plain pipeline: the same shards, sizes and number of processes.

webdataset: shards in random order, PIL, the shorter side resized and the center cut, batches through a DataLoader.
It reads shards from their beginning and mixes no samples. Target: at least as fast.
"""

from __future__ import annotations

import functools
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import webdataset
from PIL import Image

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data.shards.loader import ShardReader
from mmcr_core.data.shards.shard_set import open_shards
from tests.benchmarks.measure import report
from tests.mmcr_core.data.shards.shard_tokens import encode

P, PROCESSES, ROUNDS = 64, 2, 5
SHARDS = 8
CASES = ((256, 224, 250, 40), (64, 64, 1000, 400))  # side, side cut out, samples of a shard, batches timed
Take = Callable[[], Any]


def write_shards(folder: Path, side: int, samples: int) -> str:
    """Smooth noise of two scales, as photographs have it, as JPEG of quality 90."""
    rng = np.random.default_rng(side)
    pictures = []
    for _ in range(50):
        coarse, fine = (rng.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (side // 16, side // 2))
        layers = [Image.fromarray(layer).resize((side, side), Image.Resampling.BICUBIC) for layer in (coarse, fine)]
        stream = io.BytesIO()
        Image.blend(*layers, 0.2).save(stream, "JPEG", quality=90)
        pictures.append(stream.getvalue())
    for shard in range(SHARDS):
        with webdataset.TarWriter(str(folder / f"{shard:05d}.tar")) as writer:
            for i in range(samples):
                key = f"{shard:05d}{i:05d}"
                writer.write({"__key__": key, "jpg": pictures[i % len(pictures)], "txt": f"a picture of noise {key}"})
    return str(folder / f"{{00000..{SHARDS - 1:05d}}}.tar")


def cut(image: Image.Image, size: int) -> np.ndarray:
    """(3, size, size)."""
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    if image.size != (size, size):
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image).transpose(2, 0, 1)


def tokens(text: str) -> np.ndarray:
    return encode([text])


@contextmanager
def webdatasets(path: str, size: int) -> Iterator[Take]:
    pairs = webdataset.WebDataset(path, shardshuffle=SHARDS, seed=0).repeat().decode("pil").to_tuple("jpg", "txt")
    batches = pairs.map_tuple(functools.partial(cut, size=size), tokens).batched(P)
    loader = iter(torch.utils.data.DataLoader(batches, batch_size=None, num_workers=PROCESSES))
    yield lambda: next(loader)
    loader._shutdown_workers()


@contextmanager
def ours(path: str, size: int) -> Iterator[Take]:
    shards = open_shards(DatasetSpec("shards", path=path))
    options = {"captions": 1, "seed": 0, "sampling": "epochs", "processes": PROCESSES, "encode": encode}
    reader = ShardReader(shards, size=size, points=P, **options)
    steps = iter(range(10**9))
    yield lambda: reader.batch(next(steps))
    reader.close()


def samples_per_second(way: Any, path: str, size: int, batches: int) -> float:
    with way(path, size) as take:
        for _ in range(3 * PROCESSES):  # the start of the processes, and what they had time to prepare
            take()
        began = time.perf_counter()
        for _ in range(batches):
            take()
        return batches * P / (time.perf_counter() - began)


def main() -> None:
    rows = []
    for side, size, samples, batches in CASES:
        with tempfile.TemporaryDirectory() as folder:
            path = write_shards(Path(folder), side, samples)
            ways = {"webdataset": webdatasets, "ours": ours}
            rounds = [
                {name: samples_per_second(way, path, size, batches) for name, way in ways.items()}
                for _ in range(ROUNDS)
            ]
        rates = {name: statistics.median(one[name] for one in rounds) for name in ways}
        rows.append({"JPEG": f"{side} to {size} px", **rates, "ratio": rates["ours"] / rates["webdataset"]})
    report("shard_reader", f"Samples/s from shards, P = {P}, {PROCESSES} processes", rows)


if __name__ == "__main__":
    main()
