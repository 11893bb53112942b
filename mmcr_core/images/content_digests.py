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

from mmcr_core.images import image_folder, parquet_file
from mmcr_core.spec import DatasetSpec


def content_digest(spec: DatasetSpec) -> str:
    """SHA-256 of a parquet file's bytes, or of a folder's sorted relative names, sizes and bytes.

    Raises: DatasetError where the files are absent.
    """
    path = spec.path or ""
    before = _key(spec)
    if (kept := _kept(before)) is not None:
        return kept
    digest = image_folder.digest(path) if spec.name == "folder" else parquet_file.digest(path)
    if _key(spec) == before:  # else it is of neither what was there nor what is there
        _keep(before, digest)
    return digest


def forget_digest(spec: DatasetSpec) -> None:
    """Let go of what is kept for the files as they are now: it was found wrong."""
    with contextlib.suppress(OSError, RuntimeError):
        (_folder() / _key(spec)).unlink()


def _key(spec: DatasetSpec) -> str:
    """What changes when the files do. ctime too: a copy that keeps size and mtime (cp -p, rsync -t) changes it."""
    path = spec.path or ""
    files = image_folder.listing(path) if spec.name == "folder" else [parquet_file.located(path)]
    content = json.dumps([os.path.realpath(path), [(str(file), *_stamp(file)) for file in files]])
    return hashlib.sha256(content.encode()).hexdigest()


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "mmcr-sweeps" / "digests"  # RuntimeError where there is no home


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
