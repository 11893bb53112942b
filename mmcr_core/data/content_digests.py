"""The digest of a user's own files, by which a run knows them, kept so that an unchanged set is read once.

It is kept in the user's cache folder under sizes and times of change; where there can be no such folder, the files
are read each time. Planning a grid trusts what is kept; loading does not, and hashes what it reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Protocol


class Content(Protocol):
    """A user's own files."""

    @property
    def path(self) -> str: ...
    def located(self) -> list[Path]: ...
    def hashed(self) -> str: ...


def content_digest(files: Content) -> str:
    """The SHA-256 of files, as they hash themselves. Raises: DatasetError where they are absent."""
    before = _key(files)
    if (kept := _kept(before)) is not None:
        return kept
    digest = files.hashed()
    if _key(files) == before:  # else it is of neither what was there nor what is there
        _keep(before, digest)
    return digest


def forget_digest(files: Content) -> None:
    """Let go of what is kept for the files as they are now: it was found wrong."""
    with contextlib.suppress(OSError, RuntimeError):
        (_folder() / _key(files)).unlink()


def _key(files: Content) -> str:
    """What changes when the files do. ctime too: a copy that keeps size and mtime (cp -p, rsync -t) changes it."""
    stamps = [(str(file), *_stamp(file)) for file in files.located()]
    content = json.dumps([os.path.realpath(files.path), stamps])
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


def _folder() -> Path:
    return cache_folder() / "digests"


def _kept(key: str) -> str | None:
    with contextlib.suppress(OSError, RuntimeError):
        text = (_folder() / key).read_bytes().decode("ascii", "replace")
        return text if re.fullmatch("[0-9a-f]{64}", text) else None  # else a write was cut off
    return None


def _keep(key: str, digest: str) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        kept = _folder() / key
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{key}.{os.getpid()}")
        temporary.write_text(digest)
        temporary.rename(kept)
