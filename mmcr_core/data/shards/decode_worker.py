"""A process that decodes: it takes parts of batches from a pipe that all of them share, and fills them into memory that
all of them share.

Its parent starts it as `python -c`, so that the parent's own program is not run again, and without torch. It ends
when the parent does, however that ends: a thread waits for the end of a pipe that the parent alone holds open.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import select
import shutil
import struct
import threading
import warnings
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcr_core.data.image_text.captions import Encode, drawn_captions
from mmcr_core.data.shards.cache import Shard, ShardFiles, of_no_use
from mmcr_core.data.shards.index import ABSENT, IMAGE, JSON, TEXT
from mmcr_core.data.shards.sample import MAX_IMAGE_BYTES, MAX_TEXT_BYTES, Broken, captions, decoded
from mmcr_core.data.shards.sampler import FixedOrder, ShardOrder
from mmcr_core.rng import generator

PART = struct.Struct("<qqqq")  # step, slot, first row, last row
AHEAD = struct.Struct("<q")  # shard to make ready
ORPHANED_SECONDS = 1.0  # between looks at whether the parent is still the parent


@dataclass(frozen=True)
class Job:
    """What all processes of a reader do. `counts`: of each shard, the samples among which a broken one is replaced
    (None: a broken one is left out, and captions come back as text); `length`: of an encoded caption; `max_pixels`: of
    an image."""

    shards: tuple[Shard, ...]
    order: ShardOrder | FixedOrder
    size: int
    captions: int
    seed: int
    counts: tuple[int, ...] | None
    encode: Encode | None
    length: int
    slots: int
    max_pixels: int | None = None

    @property
    def points(self) -> int:
        return self.order.points

    @property
    def pixel_bytes(self) -> int:
        """Of a slot."""
        return self.points * 3 * self.size**2

    @property
    def slot_bytes(self) -> int:
        """Of pixels and tokens, which begin at a multiple of 8."""
        return -(-self.pixel_bytes // 8) * 8 + self.points * self.captions * self.length * 8

    def slot(self, memory: mmap.mmap, number: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Views of a slot: (points, size, 3, size) and (points, captions, length)."""
        begin = number * self.slot_bytes
        pixels = np.frombuffer(memory, np.uint8, self.pixel_bytes, begin)
        tokens = np.frombuffer(
            memory, np.int64, self.points * self.captions * self.length, begin + -(-self.pixel_bytes // 8) * 8
        )
        shape = (self.points, self.captions, self.length)
        return pixels.reshape(self.points, self.size, 3, self.size), tokens.reshape(shape)


class Pipes(NamedTuple):
    """File descriptors that a process is given: parts and shards to make ready, results, the parent's life, memory."""

    parts: int
    ahead: int
    results: int
    life: int
    memory: int


@dataclass
class Result:
    """What there is to say of a part: samples that were found broken, rows left out, captions as text, an error."""

    slot: int
    broken: list[tuple[int, int, str]] = field(default_factory=list)  # shard, place, what and why
    absent: list[int] = field(default_factory=list)
    texts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    error: tuple[str, str, str] | None = None  # kind, sentence, and what is not what was planned


class Filler:
    """Fills parts of batches; `number` of the process decides with which shard it begins, so that they share work."""

    def __init__(self, job: Job, folder: Path, memory: mmap.mmap, number: int) -> None:
        self._job, self._memory, self._number = job, memory, number
        self._files = ShardFiles(job.shards, folder)
        self._broken: dict[tuple[int, int], str] = {}

    def part(self, step: int, slot: int, first: int, last: int) -> Result:
        """Rows first..last-1 of a step's batch."""
        result = Result(slot)
        try:
            self._fill(result, step, slot, first, last)
        except MemoryError:
            result.error = ("memory", "decoding a sample takes more memory than there is", "")
        except Exception as error:
            kind = type(error).__name__
            sentence = str(error) if kind in ("ContentChanged", "DatasetError") else f"{kind}: {error}"
            result.error = (kind, sentence, getattr(error, "place", ""))
        return result

    def _fill(self, result: Result, step: int, slot: int, first: int, last: int) -> None:
        job = self._job
        pixels, tokens = job.slot(self._memory, slot)
        chosen = job.order.chosen(step)[first:last].tolist()
        shards = sorted({shard for shard, _ in chosen})
        begin = self._number % len(shards)
        for shard in shards[begin:] + shards[:begin]:
            self._files.opened(shard)
        texts: list[str] = []
        for row, (shard, place) in enumerate(chosen, first):
            found = self._sample(result, shard, place, pixels[row])
            if found is None:
                result.absent.append(row)
            elif job.encode is None:
                result.texts[row] = found
            else:
                rng = generator(job.seed, "captions", step * job.points + row)
                texts += [found[place] for place in drawn_captions(len(found), job.captions, rng)]
        for shard in shards:
            self._files.require_unchanged(shard)
        if job.encode is not None:
            tokens[first:last] = np.asarray(job.encode(texts)).reshape(last - first, job.captions, job.length)

    def _sample(self, result: Result, shard: int, place: int, target: NDArray[np.uint8]) -> tuple[str, ...] | None:
        """Captions of a sample, whose pixels go to `target`, or of the next one of its shard that is whole; None where
        a broken one is left out."""
        counts = self._job.counts
        count = counts[shard] if counts else 1
        for tried in range(count // 2 + 1):
            at = (place + tried) % count if counts else place
            if (shard, at) not in self._broken:
                try:
                    return self._whole(shard, at, target)
                except Broken as error:
                    self._files.require_unchanged(shard)  # else the reason is that it changed
                    opened = self._files.opened(shard)
                    self._broken[shard, at] = f"{self._job.shards[shard].name}: {opened.index.keys[at]}: {error}"
            result.broken.append((shard, at, self._broken[shard, at]))
        if counts is None:
            return None
        raise of_no_use(self._job.shards[shard].where, most_are_broken(self._broken[shard, place]))

    def _whole(self, shard: int, place: int, target: NDArray[np.uint8]) -> tuple[str, ...]:
        """Captions of a sample, whose pixels go to `target`. Raises: Broken."""
        opened = self._files.opened(shard)
        places = opened.index.places[place].tolist()

        def member(kind: int, most: int) -> bytes | None:
            offset, size = places[kind]
            if size > most:
                raise Broken(f"a member has {size:,} bytes, more than {most:,}")
            return None if offset == ABSENT else opened.read(offset, size)

        text = member(TEXT, MAX_TEXT_BYTES)
        found = captions(text, member(JSON, MAX_TEXT_BYTES) if text is None else None)
        target[...] = decoded(member(IMAGE, MAX_IMAGE_BYTES) or b"", self._job.size, self._job.max_pixels)
        return found


def most_are_broken(example: str) -> str:
    """What is said of a shard that is of no use."""
    return f"has mostly broken samples, one of them is {example}; leave that shard out"


def main(folder: str, number: int, parent: int, pipes: Pipes) -> None:
    """Serve until the pipe of parts ends."""
    threading.Thread(target=_end_with_parent, args=(pipes.life, parent, folder), daemon=True).start()
    warnings.simplefilter("ignore")
    with Connection(pipes.results, readable=False) as results:
        try:
            job: Job = pickle.loads((Path(folder) / "job").read_bytes())
        except Exception as error:
            results.send(Result(-1, error=(type(error).__name__, f"encode cannot be loaded ({error})", "")))
            return
        memory = mmap.mmap(pipes.memory, job.slots * job.slot_bytes)
        ahead = threading.Thread(target=_make_ready, args=(job, Path(folder), pipes.ahead), daemon=True)
        ahead.start()
        filler = Filler(job, Path(folder), memory, number)
        while part := os.read(pipes.parts, PART.size):
            results.send(filler.part(*PART.unpack(part)))


def _make_ready(job: Job, folder: Path, pipe: int) -> None:
    """Shards that are needed soon; what is wrong with one is said when it is needed."""
    files = ShardFiles(job.shards, folder)
    while shard := os.read(pipe, AHEAD.size):
        with contextlib.suppress(Exception):
            files.prepare(*AHEAD.unpack(shard))


def _end_with_parent(life: int, parent: int, folder: str) -> None:
    while os.getppid() == parent and not select.select([life], [], [], ORPHANED_SECONDS)[0]:
        pass
    shutil.rmtree(
        folder, ignore_errors=True
    )  # what a process writes after this, mmcr_core.data.shards.cache_dir removes
    os._exit(1)
