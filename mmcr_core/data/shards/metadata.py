"""What planning needs of a shard, found out once and kept in the user's cache folder: size, checksum, samples.

Of a file on this machine it takes a walk through its headers. At a URL it takes what the server says, where it gives
an ETag and img2dataset's statistics lie beside the shard; else the shard is copied once, walked and let go. What is
kept is valid while size and times of the file, or size, ETag and time at a URL, stay; where there can be no cache
folder, all is found out each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from mmcr_core.data.shards import urls
from mmcr_core.data.shards.cache import Shard, etag_checksum, refused, unreadable, walk_of
from mmcr_core.data.shards.index import index
from mmcr_core.data.shards.paths import Place
from mmcr_core.data.shards.tar import Walked

THREADS = 8  # shards whose headers are waited for at a time
NAMED = 3  # keys that a remark names
VERSION = 1  # of what is kept


class Facts(NamedTuple):
    """A shard, and what there is to say about it."""

    shard: Shard
    remarks: tuple[str, ...]


def facts(places: list[Place]) -> list[Facts]:
    """Of each shard. Raises: DatasetError where one cannot be read or has no pair."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(_facts, place) for place in places]
        try:
            return [one.result() for one in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def forget(where: str) -> None:
    """Let go of what is kept for a shard as it is now: it was found wrong."""
    with contextlib.suppress(OSError, RuntimeError):
        (_folder() / _key(where, _stamp(where))).unlink()


def _facts(place: Place) -> Facts:
    try:
        at_url = urls.described(place.where) if urls.is_url(place.where) else None
        stamp = list(at_url) if at_url else _stamp(place.where)
        found = _kept(key := _key(place.where, stamp))
        if found is None:
            found = _at_url(place.where, at_url) if at_url else _local(place.where, place.where)
            if at_url or _stamp(place.where) == stamp:  # else it is of neither what was there nor what is there
                _keep(key, found)
    except OSError as error:
        raise unreadable(place.where, error) from error
    remarks = tuple(f"{place.name} {remark}" for remark in found.pop("remarks"))
    return Facts(Shard(place.name, place.where, **found), remarks)


def _local(file: str, where: str) -> dict[str, Any]:
    with open(file, "rb") as stream:
        return _walked(where, stream.fileno())


def _at_url(url: str, said: urls.AtUrl) -> dict[str, Any]:
    samples = _successes(url) if said.etag else None
    if samples is None:
        with tempfile.NamedTemporaryFile(prefix="mmcr-shard-", suffix=".tar") as copy:
            urls.fetch(url, Path(copy.name))
            found = _local(copy.name, url)
    else:
        found = {"size": said.size, "samples": samples, "remarks": []}
    return found | ({"checksum": etag_checksum(said.etag), "by_etag": True} if said.etag else {})


def _successes(url: str) -> int | None:
    """Samples of a shard by img2dataset's statistics beside it, if they are there and say so."""
    try:
        said = json.loads(urls.content(f"{url.removesuffix('.tar')}_stats.json"))
        number = said["successes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return number if type(number) is int and number > 0 else None


def _walked(where: str, file: int) -> dict[str, Any]:
    walked = walk_of(file)
    found = index(walked.members)
    if problem := refused(where, walked, os.pread(file, 8, 0), found.pairs):
        raise problem
    size = os.fstat(file).st_size
    remarks = _remarks(walked, found.repeated, len(found.keys))
    return {"size": size, "checksum": walked.checksum, "samples": len(found.keys), "remarks": remarks}


def _remarks(walked: Walked, repeated: tuple[str, ...], samples: int) -> list[str]:
    remarks = []
    if walked.damage:
        remarks.append(f"{walked.damage}: the {samples:,} samples before are used")
    if repeated:
        more = f" and {len(repeated) - NAMED} more" if len(repeated) > NAMED else ""
        remarks.append(f"has keys again, of which the first is kept: {', '.join(repeated[:NAMED])}{more}")
    return remarks


def _stamp(where: str) -> list[Any]:
    status = os.stat(where)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _key(where: str, stamp: list[Any]) -> str:
    place = where if urls.is_url(where) else os.path.realpath(where)
    return hashlib.sha256(json.dumps([VERSION, place, stamp]).encode()).hexdigest()


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "mmcr-sweeps" / "shards"  # RuntimeError where there is no home


def _kept(key: str) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        found = json.loads((_folder() / key).read_bytes())
        return found if isinstance(found, dict) else None
    return None


def _keep(key: str, found: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        kept = _folder() / key
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{key}.{os.getpid()}")
        temporary.write_text(json.dumps(found))
        temporary.rename(kept)
