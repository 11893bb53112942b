"""Shards at a URL that fsspec knows (https://, s3://): what is there, and a copy of it; fsspec is loaded when asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, TypeVar

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


def fetch(url: str, target: BinaryIO) -> None:
    """Copy a file to the start of `target`, which is open for writing. Raises: OSError."""
    files, path = _opened(url)

    def copy() -> None:
        target.seek(0)
        target.truncate()
        files.get_file(path, target)
        target.flush()

    _tried(copy)


def _opened(url: str) -> tuple[Any, str]:
    from upath import UPath

    place = UPath(url)
    return place.fs, place.path


def _tried(call: Callable[[], T]) -> T:
    """What `call` returns, a few times anew where the network fails; its last failure as OSError."""
    for attempt in range(TRIES):
        try:
            return call()
        except ABSENT:
            raise
        except Exception as error:  # each file system and its client has failures of its own
            if attempt == TRIES - 1 or isinstance(error, ImportError | ValueError | PermissionError):
                raise OSError(" ".join(f"{type(error).__name__}: {error}".split())[:200]) from error
            time.sleep(2**attempt)
    raise AssertionError
