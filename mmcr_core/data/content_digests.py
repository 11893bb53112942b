"""What is known of a user's own files by their content, kept so that an unchanged set is read once.

It is kept in the user's cache folder under sizes and times of change; where there can be no such folder, the files
are read each time. Planning a grid trusts what is kept; loading does not, and hashes what it reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Protocol

from mmcr_core.data.survey import Contents

VERSION = 3  # of what is kept
_FOUND: dict[str, Contents] = {}  # by this process, where there is no cache folder


class Files(Protocol):
    """A user's own files; `reading`: what else decides what is found in them."""

    @property
    def path(self) -> str: ...
    @property
    def reading(self) -> str: ...
    def located(self) -> list[Path]: ...
    def surveyed(self) -> Contents: ...


def contents(files: Files) -> Contents:
    """The digest of files, as they hash themselves, and what else there is to say. Raises: DatasetError where they are
    absent."""
    before = _key(files)
    if before in _FOUND:
        return _FOUND[before]
    with contextlib.suppress(ValueError, TypeError):
        digest, decoding, used, remarks = read_cached("digests", before)
        return Contents(digest, decoding, used, tuple(remarks))
    found = files.surveyed()
    # else it is of neither what was there nor what is there
    if _key(files) == before and not write_cached("digests", before, found):
        _FOUND[before] = found
    return found


def forget_contents(files: Files) -> None:
    """Let go of what is kept for the files as they are now: it was found wrong."""
    _FOUND.pop(key := _key(files), None)
    with contextlib.suppress(OSError, RuntimeError):
        (cache_folder() / "digests" / key).unlink()


def _key(files: Files) -> str:
    """What changes when the files do. ctime too: a copy that keeps size and mtime (cp -p, rsync -t) changes it."""
    stamps = [(str(file), *_stamp(file)) for file in files.located()]
    content = json.dumps([VERSION, files.reading, os.path.realpath(files.path), stamps])
    return hashlib.sha256(content.encode()).hexdigest()


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def cache_folder() -> Path:
    """The user's cache folder of this program. Raises RuntimeError where there is no home."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "mmcr-sweeps"


def read_cached(kind: str, key: str) -> Any:
    """The JSON value that is kept under a key; None where there is none, or a write of it was cut off."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        return json.loads((cache_folder() / kind / key).read_bytes())
    return None


def write_cached(kind: str, key: str, value: Any) -> bool:
    """Keep a JSON value where there can be a cache folder; whether it is kept."""
    with contextlib.suppress(OSError, RuntimeError):
        kept = cache_folder() / kind / key
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{key}.{os.getpid()}")
        temporary.write_text(json.dumps(value))
        temporary.rename(kept)
        return True
    return False
