"""What planning needs of a shard, found out once and kept in the user's cache folder: size, checksum, samples.

Of a file on this machine it takes a walk through its headers and those of its images; the first samples are tried as
training will use them. At a URL it takes what the server says, where it gives an ETag and img2dataset's statistics lie
beside the shard; else the shard is copied once, walked and let go. What is kept is valid while size and times of the
file, or size, ETag and time at a URL, stay; where there can be no cache folder, all is found out each time.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmcr_core.data.content_digests import cache_folder, read_cached, write_cached
from mmcr_core.data.decoding import Pixels
from mmcr_core.data.shards import urls
from mmcr_core.data.shards.cache import Shard, etag_checksum, of_no_use, refused, unreadable, walk_of
from mmcr_core.data.shards.index import ABSENT, IMAGE, JSON, TEXT, ShardIndex, index, shown
from mmcr_core.data.shards.paths import Place
from mmcr_core.data.shards.sample import Broken, captions, captions_read_anew, decoded
from mmcr_core.data.shards.tar import Walked, packing
from mmcr_core.data.survey import Account, Some, Survey

THREADS = 8  # shards whose headers are waited for at a time
VERSION = 5  # of what is kept
FIRST = 5  # samples, one of which must be whole
TRIED = 5  # shards at a URL of which a sample is tried where its server counts them
BEGINNING = 1 << 20  # bytes of a shard at a URL that are read first for it
HEADER_BYTES = 1 << 15  # in which the header of an image most often ends


class Facts(NamedTuple):
    """A shard, what there is to say about it, and of its members (`account` None: not looked at), with images that are
    turned and whether version 0.1 read some otherwise."""

    shard: Shard
    remarks: tuple[str, ...] = ()
    account: Account | None = None
    turned: Some = Some()
    read_anew: bool = False


def facts(places: list[Place], max_pixels: int | None) -> list[Facts]:
    """Of each shard. Raises: DatasetError where one cannot be read, has no pair, or begins with samples of which none
    can be used."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(_facts, place, max_pixels) for place in places]
        try:
            return [one.result() for one in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def forget(where: str, max_pixels: int | None) -> None:
    """Let go of what is kept for a shard as it is now: it was found wrong."""
    with contextlib.suppress(OSError, RuntimeError):
        (cache_folder() / "shards" / _key(where, _stamp(where), max_pixels)).unlink()


@functools.lru_cache(maxsize=2 * TRIED)
def first_sample(shard: Shard, size: int, max_pixels: int | None) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels (size, 3, size) and captions of the first whole sample of a shard; of one at a URL only its beginning is
    read. Raises: DatasetError."""
    try:
        if urls.is_url(shard.where):
            return _first_at_url(shard, size, max_pixels)
        with open(shard.where, "rb") as stream:
            file = stream.fileno()
            return _first_whole(shard.where, index(walk_of(file).members), file, size, max_pixels)
    except OSError as error:
        raise unreadable(shard.where, error) from error


def _first_at_url(shard: Shard, size: int, max_pixels: int | None) -> tuple[Pixels, tuple[str, ...]]:
    """From as many bytes as hold the first samples, the last of which may be cut off."""
    count = BEGINNING
    while True:
        with tempfile.TemporaryFile() as copy:
            file = copy.fileno()
            copy.write(urls.beginning(shard.where, count))
            copy.flush()
            walked = walk_of(file)
            found = index(walked.members)
            whole = os.fstat(file).st_size >= shard.size
            if whole or len(found.keys) > FIRST or packing(os.pread(file, 8, 0)):
                return _usable(shard.where, walked, found, file, size, max_pixels)
        count *= 8


def tried(shards: Sequence[Shard]) -> list[Shard]:
    """A handful of them, the first and the last among it."""
    last = len(shards) - 1
    return [shards[i] for i in sorted({round(last * part / (TRIED - 1)) for part in range(TRIED)})]


def _facts(place: Place, max_pixels: int | None) -> Facts:
    try:
        at_url = urls.described(place.where) if urls.is_url(place.where) else None
        stamp = list(at_url) if at_url else _stamp(place.where)
        found = read_cached("shards", key := _key(place.where, stamp, max_pixels))
        if not isinstance(found, dict):
            found = _at_url(place.where, at_url, max_pixels) if at_url else _local(place.where, place.where, max_pixels)
            if at_url or _stamp(place.where) == stamp:  # else it is of neither what was there nor what is there
                write_cached("shards", key, found)
    except OSError as error:
        raise unreadable(place.where, error) from error

    def some(count: int, names: list[str]) -> Some:
        return Some(count, tuple(f"{place.name}: {name}" for name in names))

    shard = Shard(place.name, place.where, **found["shard"])
    if (seen := found.get("seen")) is None:
        return Facts(shard)
    account = Account(seen, found["used"], {reason: some(*which) for reason, which in found["left_out"].items()})
    remarks = tuple(f"{place.name} {remark}" for remark in found["remarks"])
    return Facts(shard, remarks, account, some(*found["turned"]), found["read_anew"])


def _local(file: str, where: str, max_pixels: int | None) -> dict[str, Any]:
    with open(file, "rb") as stream:
        return _walked(where, stream.fileno(), max_pixels)


def _at_url(url: str, said: urls.AtUrl, max_pixels: int | None) -> dict[str, Any]:
    samples = _successes(url) if said.etag else None
    if samples is None:
        with tempfile.NamedTemporaryFile(prefix="mmcr-shard-", suffix=".tar") as copy:
            urls.fetch(url, Path(copy.name))
            found = _local(copy.name, url, max_pixels)
    else:
        found = {"shard": {"size": said.size, "samples": samples}}
    if said.etag:
        found["shard"] |= {"checksum": etag_checksum(said.etag), "by_etag": True}
    return found


def _successes(url: str) -> int | None:
    """Samples of a shard by img2dataset's statistics beside it, if they are there and say so."""
    try:
        said = json.loads(urls.content(f"{url.removesuffix('.tar')}_stats.json"))
        number = said["successes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return number if type(number) is int and number > 0 else None


def _walked(where: str, file: int, max_pixels: int | None) -> dict[str, Any]:
    walked = walk_of(file)
    found = index(walked.members)
    _usable(where, walked, found, file, 1, max_pixels)
    survey = Survey(max_pixels, streamed=True, left_out=found.left_out)
    for name in walked.links:
        survey.leave_out(shown(name), "that are links, which are not followed")
    for name in walked.sparse:
        survey.leave_out(shown(name), "that are sparse files, which are not read; write the tar without --sparse")
    captions_anew = False
    for key, places, captioned in zip(found.keys, found.places.tolist(), found.captioned, strict=True):
        if not captioned:
            continue
        offset, size = places[IMAGE]
        survey.image(key, os.pread(file, min(size, HEADER_BYTES), offset), partial(os.pread, file, size, offset))
        for kind in (TEXT, JSON):
            if places[kind][0] != ABSENT:
                survey.use()
        if places[TEXT][0] == ABSENT:
            offset, size = places[JSON]
            captions_anew = captions_anew or captions_read_anew(os.pread(file, size, offset))
    account = survey.account(len(walked.members) + len(walked.links) + len(walked.sparse))
    return {
        "shard": {"size": os.fstat(file).st_size, "checksum": walked.checksum, "samples": len(found.keys)},
        "remarks": _remarks(walked, int(found.captioned.sum())),
        "seen": account.seen,
        "used": account.used,
        "left_out": account.left_out,
        "turned": survey.turned,
        "read_anew": found.read_anew or survey.read_anew or captions_anew,
    }


def _usable(
    where: str, walked: Walked, found: ShardIndex, file: int, size: int, max_pixels: int | None
) -> tuple[Pixels, tuple[str, ...]]:
    """As `_first_whole`, of what may be no shard. Raises: DatasetError."""
    if problem := refused(where, walked, os.pread(file, 8, 0), bool(found.captioned.any())):
        raise problem
    return _first_whole(where, found, file, size, max_pixels)


def _first_whole(
    where: str, found: ShardIndex, file: int, size: int, max_pixels: int | None
) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels and captions of one of the first samples. Raises: DatasetError where none of them can be used."""
    problem = ""
    for key, places in zip(found.keys[:FIRST], found.places.tolist(), strict=False):
        image, text, described = (
            os.pread(file, length, offset) if offset != ABSENT else None for offset, length in places
        )
        try:
            return decoded(image or b"", size, max_pixels), captions(text, described)
        except Broken as error:
            problem = problem or f"{key}: {error}"
    seen = min(FIRST, len(found.keys))
    raise of_no_use(where, f"begins with {seen} samples of which none can be used; the first is {problem}")


def _remarks(walked: Walked, samples: int) -> list[str]:
    remarks = []
    if walked.damage:
        remarks.append(f"{walked.damage}: the {samples:,} samples before are used")
    if walked.archives > 1:
        remarks.append(f"is {walked.archives} tars in one file, all of which are read")
    if walked.unread:
        remarks.append(f"ends with {walked.unread:,} bytes that are no tar and are not read")
    return remarks


def _stamp(where: str) -> list[Any]:
    status = os.stat(where)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _key(where: str, stamp: list[Any], max_pixels: int | None) -> str:
    place = where if urls.is_url(where) else os.path.realpath(where)
    return hashlib.sha256(json.dumps([VERSION, place, stamp, max_pixels]).encode()).hexdigest()
