"""Open shards: each verified when it is opened, a few open at a time, those at a URL copied to a folder first.

All processes of a reader share that folder: whichever comes first, under a lock, verifies a shard and writes down its
index (and the copy of a URL's), the others take it from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mmcr_core.data.decoding import IMAGE_SUFFIXES, reason
from mmcr_core.data.shards import urls
from mmcr_core.data.shards.index import ShardIndex, index
from mmcr_core.data.shards.tar import Walked, packing, walk

OPEN = 16  # shards at a time: two windows of sampler.GROUP
Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Shard:
    """What planning knows of a shard. `checksum`: SHA-256 of its walk (mmcr_core.data.shards.tar), or, `by_etag`, of
    the ETag of its URL; `samples`: how many it has."""

    name: str
    where: str
    size: int
    checksum: str
    samples: int
    by_etag: bool = False


@dataclass
class OpenShard:
    """An open file with its index; `stamp`: what changes when the file does (empty of a copy, which nobody changes)."""

    file: int
    index: ShardIndex
    stamp: Stamp

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self.file, size, offset)


class ShardFiles:
    """`shards`, of which at most 16 are open, with what processes share of them in `folder`."""

    def __init__(self, shards: tuple[Shard, ...], folder: Path) -> None:
        self._shards, self._folder = shards, folder
        self._open: OrderedDict[int, OpenShard] = OrderedDict()

    def opened(self, number: int) -> OpenShard:
        """A shard, opened and verified unless it is open. Raises: ContentChanged, DatasetError."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        while len(self._open) >= OPEN:
            os.close(self._open.popitem(last=False)[1].file)
        self._open[number] = self._verified(number)
        return self._open[number]

    def prepare(self, number: int) -> None:
        """Do what opening a shard takes, so that it is quick afterwards. Raises as `opened`."""
        os.close(self._verified(number).file)

    def require_unchanged(self, number: int) -> None:
        """Raises: ContentChanged, DatasetError where an open shard is no longer what was opened."""
        shard, opened = self._shards[number], self._open[number]
        if opened.stamp and _path_stamp(shard.where) != opened.stamp:
            os.close(self._open.pop(number).file)
            self._open[number] = self._verified(number)

    def _verified(self, number: int) -> OpenShard:
        shard = self._shards[number]
        with _locked(self._folder / f"{number}.lock"):
            if urls.is_url(shard.where):
                return self._copied(shard, self._folder / f"{number}.tar", self._folder / f"{number}.index")
            return self._local(shard, self._folder / f"{number}.index")

    def _local(self, shard: Shard, kept: Path) -> OpenShard:
        try:
            file = os.open(shard.where, os.O_RDONLY)
        except OSError as error:
            raise unreadable(shard.where, error) from error
        try:
            while True:
                stamp = _stamp(os.fstat(file))
                if (known := _kept(kept, stamp)) is not None:
                    return OpenShard(file, known, stamp)
                found = _index_of(shard, walk_of(file))
                if _stamp(os.fstat(file)) == stamp:
                    _keep(kept, stamp, found)
                    return OpenShard(file, found, stamp)
        except BaseException:
            os.close(file)
            raise

    def _copied(self, shard: Shard, copy: Path, kept: Path) -> OpenShard:
        if (known := _kept(kept, ())) is None or not copy.exists():
            temporary = copy.with_suffix(".part")
            fetch_verified(shard, temporary)
            with temporary.open("rb") as stream:
                known = _index_of(shard, walk_of(stream.fileno()))
            temporary.rename(copy)
            _keep(kept, (), known)
        return OpenShard(os.open(copy, os.O_RDONLY), known, ())


def walk_of(file: int) -> Walked:
    """The walk of an open tar."""
    return walk(lambda offset, count: os.pread(file, count, offset), os.fstat(file).st_size)


def fetch_verified(shard: Shard, target: Path) -> None:
    """Copy a shard at a URL to `target`. Raises: ContentChanged where its ETag is not what was planned, before the
    copy or after; DatasetError where it cannot be read."""
    try:
        for after in (False, True):
            if shard.by_etag and (found := etag_checksum(urls.described(shard.where).etag)) != shard.checksum:
                raise changed(shard, found)
            if not after:
                urls.fetch(shard.where, target)
    except OSError as error:
        raise unreadable(shard.where, error) from error
    if target.stat().st_size != shard.size:
        raise changed(shard, sha256(str(target.stat().st_size).encode()).hexdigest())


def etag_checksum(etag: str | None) -> str:
    """A checksum of what an ETag says, of one form with all others."""
    return sha256(f"etag {etag}".encode()).hexdigest()


def changed(shard: Shard, found: str) -> Exception:
    """The error of a shard that is another than was planned."""
    from mmcr_core.data.image_set import ContentChanged  # brings torch, which the processes do without

    return ContentChanged(f"shard {shard.where}", found, shard.checksum)


def unreadable(where: str, error: OSError) -> Exception:
    """The error of a shard that has vanished or cannot be read."""
    return of_no_use(where, f"cannot be read ({reason(error)}); put it back, or launch again without it")


def of_no_use(where: str, problem: str) -> Exception:
    """A DatasetError about a shard."""
    from mmcr_core.data.image_set import DatasetError  # brings torch

    return DatasetError(f"shard {where} {problem}")


def refused(where: str, walked: Walked, start: bytes, pairs: bool) -> Exception | None:
    """The error of a file that is of no use as a shard, with what would be right; None where it is of use."""
    if packed := packing(start):
        return of_no_use(where, f"is compressed ({packed}); unpack it to a plain .tar")
    if walked.damage and not walked.members:
        return of_no_use(where, "is not a tar file; name .tar files of image-text pairs")
    if not pairs:
        sparse = (
            f"; {len(walked.sparse):,} sparse files are not read, write it without --sparse" if walked.sparse else ""
        )
        return of_no_use(
            where,
            f"has no pair: no KEY.{', .'.join(IMAGE_SUFFIXES)} with a KEY.txt or KEY.json of the same key{sparse}",
        )
    return None


def _index_of(shard: Shard, walked: Walked) -> ShardIndex:
    """The index of a shard that is what was planned."""
    if not shard.by_etag and walked.checksum != shard.checksum:
        raise changed(shard, walked.checksum)
    found = index(walked.members)
    if problem := refused(shard.where, walked, b"", bool(found.captioned.any())):
        raise problem
    if len(found.keys) != shard.samples:
        raise of_no_use(
            shard.where,
            f"has {len(found.keys)} samples, but its _stats.json says {shard.samples} successes; put that file right, "
            f"or remove it, and launch again",
        )
    return found


def _path_stamp(where: str) -> Stamp:
    try:
        return _stamp(os.stat(where))
    except OSError as error:
        raise unreadable(where, error) from error


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    with lock.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _kept(file: Path, stamp: Stamp) -> ShardIndex | None:
    with contextlib.suppress(FileNotFoundError):
        of, found = pickle.loads(file.read_bytes())
        if of == stamp:
            return ShardIndex(*found)
    return None


def _keep(file: Path, stamp: Stamp, found: ShardIndex) -> None:
    temporary = file.with_suffix(".writing")
    temporary.write_bytes(pickle.dumps((stamp, tuple(found)), protocol=5))
    temporary.rename(file)
