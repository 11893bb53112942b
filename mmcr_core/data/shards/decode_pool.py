"""The processes that decode, seen from their parent: batches come in order, a few are always on their way.

Pixels and tokens lie in memory without a name that all processes share (not /dev/shm, which containers keep small);
the pipes carry only which rows to fill and what was found. So much memory is taken, however slow the taker: three
batches, or what keeps all processes busy where batches are small.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmcr_core.data.image_set import ContentChanged, DatasetError
from mmcr_core.data.shards.cache_dir import own_folder
from mmcr_core.data.shards.decode_worker import AHEAD, PART, Job, Pipes, Result

LARGEST_PART, LEAST_PART = 32, 8  # rows
BATCHES = 3  # in memory at least
MOST_PARTS = 1024  # on their way at a time: they fit into a pipe
START = """
import signal
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(each, signal.SIG_IGN)  # the parent ends it
import sys; sys.path[:] = {path!r}
from mmcr_core.data.shards.decode_worker import Pipes, main
main({folder!r}, {number}, {parent}, Pipes{pipes!r})
"""


class ShardChanged(ContentChanged):
    """A process found a shard that is not what was planned."""

    def __init__(self, sentence: str, place: str) -> None:
        Exception.__init__(self, sentence)
        self.place = place


@dataclass
class Batch:
    """One on its way. `broken`: shard, place, and what was wrong; `absent`: rows without a sample; `texts`: captions
    of a row."""

    slot: int
    waiting: int
    broken: list[tuple[int, int, str]] = field(default_factory=list)
    absent: set[int] = field(default_factory=set)
    texts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    error: tuple[str, str, str] | None = None

    def take(self, result: Result) -> None:
        self.waiting -= 1
        self.broken += result.broken
        self.absent.update(result.absent)
        self.texts |= result.texts
        self.error = self.error or result.error

    def require_whole(self) -> None:
        """Raises what was found, if something was."""
        if self.error:
            kind, sentence, changed = self.error
            if changed:
                raise ShardChanged(sentence, changed)
            raise (DatasetError if kind == DatasetError.__name__ else RuntimeError)(sentence)


class ShardPool:
    """`processes` that do `job`, started when the first batch is asked for. `last`: a step that is not begun ahead."""

    def __init__(self, job: Job, processes: int, last: int | None = None) -> None:
        self._processes, self._last = processes, last
        self._rows = _rows_of_a_part(job.points, processes)
        slots = max(BATCHES, -(-2 * processes * self._rows // job.points) + 1)
        self._job = replace(job, slots=slots)
        self._end: weakref.finalize[..., ShardPool] | None = None
        self._on_their_way: dict[int, Batch] = {}
        self._free: list[int] = []
        self._next = 0
        self._ready: set[int] = set()
        self._results: dict[Connection, subprocess.Popen[bytes]] = {}

    def batch(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], Batch]:
        """Pixels (points, size, 3, size), tokens (points, captions, L), and what else was found, of a step.

        Raises: ContentChanged, DatasetError; RuntimeError where a process ended.
        """
        if self._end is None:
            self._free = list(range(self._job.slots))
            self._start()
        if step not in self._on_their_way:
            while any(batch.waiting for batch in self._on_their_way.values()):
                self._receive()
            self._free += [batch.slot for batch in self._on_their_way.values()]
            self._on_their_way, self._next = {}, step
        self._schedule()
        batch = self._on_their_way[step]
        while batch.waiting:
            self._receive()
        pixels, tokens = self._job.slot(self._memory, batch.slot)
        taken = pixels.copy(), tokens.copy()
        del self._on_their_way[step]
        self._free.append(batch.slot)
        self._schedule()
        batch.broken.sort()
        batch.require_whole()
        return *taken, batch

    def close(self) -> None:
        """End the processes; another batch would start them anew."""
        if self._end is not None:
            self._end()
            self._end = None
            self._on_their_way, self._ready, self._results = {}, set(), {}

    def _start(self) -> None:
        self._folder, lock = own_folder()
        ours: list[int] = []
        theirs: list[int] = []
        running: list[subprocess.Popen[bytes]] = []
        self._end = weakref.finalize(self, _end, running, self._results, ours, self._folder, lock)
        (self._folder / "job").write_bytes(pickle.dumps(self._job))
        try:
            memory = _memory(self._job.slots * self._job.slot_bytes)
            theirs.append(memory)
            self._memory = mmap.mmap(memory, self._job.slots * self._job.slot_bytes)
            for _ in range(3):
                end, begin = os.pipe()
                theirs.append(end)
                ours.append(begin)
            _, parts, ahead, life = theirs
            self._parts, self._ahead = ours[:2]
            os.set_blocking(self._ahead, False)
            for number in range(self._processes):
                end, begin = os.pipe()
                connection = Connection(end, writable=False)
                try:
                    running.append(_started(str(self._folder), number, Pipes(parts, ahead, begin, life, memory)))
                finally:
                    os.close(begin)
                self._results[connection] = running[-1]
        except BaseException:
            self.close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def _schedule(self) -> None:
        """Begin as many steps as there is memory for."""
        while self._free and (self._last is None or self._next <= self._last):
            step, slot = self._next, self._free.pop()
            firsts = range(0, self._job.points, self._rows)
            self._on_their_way[step] = Batch(slot, len(firsts))
            self._next += 1
            for first in firsts:
                self._send(PART.pack(step, slot, first, min(first + self._rows, self._job.points)))
            self._make_ready()

    def _make_ready(self) -> None:
        """Have the shards that come next made ready, and let go of those that have passed."""
        order = self._job.order
        ahead = self._next + order.ahead
        if self._last is not None:
            ahead = min(ahead, self._last)
        coming = order.window(ahead)
        for shard in sorted(coming - self._ready):
            with contextlib.suppress(OSError):  # full, or nobody reads: it is made ready when it is needed
                os.write(self._ahead, AHEAD.pack(shard))
        needed = coming.union(*(order.window(step) for step in self._on_their_way))
        for shard in self._ready - needed:
            for suffix in ("tar", "index", "lock"):
                (self._folder / f"{shard}.{suffix}").unlink(missing_ok=True)
        self._ready = set(needed)

    def _send(self, part: bytes) -> None:
        try:
            os.write(self._parts, part)
        except BrokenPipeError:
            self._explain(next(iter(self._results)))

    def _receive(self) -> None:
        for connection in wait(list(self._results)):
            assert isinstance(connection, Connection)
            try:
                result = connection.recv()
            except (EOFError, OSError):
                self._explain(connection)
            if result.slot < 0:
                self.close()
                raise RuntimeError(f"a process that decodes shards did not start: {result.error[1]}")
            next(one for one in self._on_their_way.values() if one.slot == result.slot).take(result)

    def _explain(self, connection: Connection) -> None:
        """Raise RuntimeError about a process that ended."""
        code = self._results[connection].wait()
        self.close()
        how = f"was killed by signal {-code}, perhaps for want of memory" if code < 0 else f"ended with code {code}"
        raise RuntimeError(f"a process that decodes shards {how}; fewer processes take less memory")


def _rows_of_a_part(points: int, processes: int) -> int:
    rows = min(LARGEST_PART, max(LEAST_PART, -(-points // (2 * processes))))
    return min(points, max(rows, -(-points * BATCHES // MOST_PARTS)))


def _memory(size: int) -> int:
    """A file without a name, of zeros."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("shards")
    else:
        with tempfile.TemporaryFile() as stream:
            descriptor = fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 0)
    os.ftruncate(descriptor, size)
    return descriptor


def _started(folder: str, number: int, pipes: Pipes) -> subprocess.Popen[bytes]:
    program = START.format(path=sys.path, folder=folder, number=number, parent=os.getpid(), pipes=tuple(pipes))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, **threads}, pass_fds=tuple(pipes), stdin=subprocess.DEVNULL
    )


def _end(
    running: list[subprocess.Popen[bytes]],
    results: dict[Connection, subprocess.Popen[bytes]],
    ours: list[int],
    folder: Path,
    lock: BinaryIO,
) -> None:
    for process in running:
        process.kill()  # they hold nothing that must be written
    for process in running:
        process.wait()
    for connection in results:
        connection.close()
    for descriptor in ours:
        os.close(descriptor)
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
