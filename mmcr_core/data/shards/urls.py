"""Shards at a URL that fsspec knows (https://, s3://): what is there, and a copy of it; fsspec is loaded when asked."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

TRIES = 4
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
T = TypeVar("T")


class AtUrl(NamedTuple):
    """Size in bytes, the ETag where the server gives one, and whatever else changes when the file does."""

    size: int
    etag: str | None
    version: str


def is_url(place: str) -> bool:
    """Whether a place is not a path of this machine."""
    return "://" in place


def described(url: str) -> AtUrl:
    """What the server says of a file. Raises: OSError, FileNotFoundError where there is none."""
    files, path = _opened(url)
    files.invalidate_cache()
    said = _tried(lambda: files.info(path))
    if said.get("size") is None:
        raise OSError(f"the server does not say how large {url} is")
    etag = said.get("ETag") or said.get("etag")
    version = said.get("Last-Modified") or said.get("LastModified") or said.get("mtime") or said.get("updated") or ""
    return AtUrl(int(said["size"]), None if etag is None else str(etag), str(version))


def listed(url: str) -> list[str]:
    """URLs of the `.tar` files of a folder. Raises: OSError."""
    files, path = _opened(url)
    files.invalidate_cache()
    names = _tried(lambda: files.ls(path, detail=False))
    return sorted(str(files.unstrip_protocol(name)) for name in names if str(name).endswith(".tar"))


def content(url: str) -> bytes:
    """A small file. Raises: OSError."""
    files, path = _opened(url)
    return bytes(_tried(lambda: files.cat_file(path)))


def beginning(url: str, count: int) -> bytes:
    """The first `count` bytes of a file, or more where the server gives no parts. Raises: OSError."""
    files, path = _opened(url)
    return bytes(_tried(lambda: files.cat_file(path, start=0, end=count)))


def fetch(url: str, target: Path) -> None:
    """Copy a file to `target`. Raises: OSError."""
    files, path = _opened(url)
    _tried(lambda: files.get_file(path, str(target)))


def _opened(url: str) -> tuple[Any, str]:
    from upath import UPath

    try:
        place = UPath(url)
        return place.fs, place.path
    except (ValueError, ImportError) as error:  # a scheme that nobody knows, or whose package is not installed
        raise OSError(" ".join(str(error).split())) from error


def _tried(call: Callable[[], T]) -> T:
    """What `call` returns, a few times anew where the network fails; its last failure as OSError."""
    for attempt in range(TRIES):
        try:
            return call()
        except Exception as error:  # each file system and its client has failures of its own
            if _is_absent(error):
                raise FileNotFoundError(errno.ENOENT, "there is no such file") from error
            if attempt == TRIES - 1 or isinstance(error, PermissionError):
                cause = error.__cause__ or error
                raise OSError(" ".join(f"{type(cause).__name__}: {cause}".split())[:200]) from error
            time.sleep(2**attempt)
    raise AssertionError


def _is_absent(error: Exception) -> bool:
    """Whether a server said that there is no such file: fsspec says so too where a server said nothing."""
    cause = error.__cause__
    silent = type(cause).__module__.startswith("aiohttp") and getattr(cause, "status", None) not in (404, 410)
    return isinstance(error, ABSENT) and not silent
