"""Decoded images of a user's own files, kept on disk, so that a machine decodes a set once and not each cell.

An entry is known by what its pixels follow from: the digest of the files, the size, and the code that decodes. Pixels
are mapped into memory and not read, so that of a set of which a run uses a part no more than that is read, once for all
processes. One process decodes, others wait for it; where the folder cannot hold an entry, each process decodes for
itself. Entries that were not used for the longest time go first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import torch
from torch import Tensor

from mmcr_core.data import decoding
from mmcr_core.data.content_digests import cache_folder

LARGEST = 20 << 30  # bytes of all entries together
SHARE = 0.5  # of what is free on the disk, of one entry


class Decoded(NamedTuple):
    """What could be read, training images before those held out: pixels (N, H, C, W) uint8, labels (N,), captions of
    each where asked for, which are held out (N,), and what was skipped."""

    pixels: Tensor
    labels: Tensor
    captions: list[tuple[str, ...]]
    heldout: Tensor
    skipped: tuple[str, ...]

    @property
    def divided(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Training pixels and labels, held-out pixels and labels; none of them copied."""
        train = len(self.heldout) - int(self.heldout.sum())
        return self.pixels[:train], self.labels[:train], self.pixels[train:], self.labels[train:]


def kept(content: dict[str, Any], decode: Callable[[], Decoded]) -> Decoded:
    """The images of a `content`, from the cache, or decoded and kept there."""
    entry = _entry(content)
    try:
        with _locked(entry):
            try:
                os.utime(entry)
                return _read(entry)
            except (OSError, ValueError, KeyError):  # absent, or of no use
                shutil.rmtree(entry, ignore_errors=True)
            decoded = decode()
            return _read(entry) if _write(entry, decoded) else decoded
    except _NoCache:
        return decode()


def is_kept(content: dict[str, Any]) -> bool:
    """Whether a content needs no decoding on this machine."""
    with contextlib.suppress(_NoCache):
        return _entry(content).is_dir()
    return False


class _NoCache(Exception):
    """There is no folder for a cache, or none that can be written to."""


def _entry(content: dict[str, Any]) -> Path:
    code = hashlib.sha256(Path(decoding.__file__).read_bytes()).hexdigest()
    key = json.dumps([content, code, PIL.__version__, np.__version__], sort_keys=True)
    try:
        return cache_folder() / "decoded" / hashlib.sha256(key.encode()).hexdigest()[:32]
    except RuntimeError as error:  # no home
        raise _NoCache from error


@contextlib.contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Within, no other process makes this entry."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        lock = (entry.parent / f"{entry.name}.lock").open("wb")
    except OSError as error:
        raise _NoCache from error
    with lock:
        with contextlib.suppress(OSError):  # some file systems know no locks: both then make the same entry
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(entry: Path) -> Decoded:
    facts = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
    pixels = torch.from_numpy(np.load(entry / "pixels.npy", mmap_mode="c"))  # "r" is refused by torch
    labels = torch.from_numpy(np.load(entry / "labels.npy"))
    heldout = torch.arange(len(labels)) >= facts["train"]
    return Decoded(pixels, labels, [tuple(each) for each in facts["captions"]], heldout, tuple(facts["skipped"]))


def _write(entry: Path, decoded: Decoded) -> bool:
    """Write an entry whole or not at all; whether it was written."""
    unfinished = entry.with_name(f".{entry.name}.new")
    size = decoded.pixels.nbytes
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        if size > min(LARGEST, SHARE * shutil.disk_usage(entry.parent).free):
            return False
        _make_room(entry.parent, LARGEST - size)
        unfinished.mkdir()
        np.save(unfinished / "pixels.npy", decoded.pixels.numpy())
        np.save(unfinished / "labels.npy", decoded.labels.numpy())
        train = len(decoded.heldout) - int(decoded.heldout.sum())
        facts = {"train": train, "captions": decoded.captions, "skipped": decoded.skipped}
        (unfinished / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        for file in unfinished.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        unfinished.rename(entry)
    except OSError:  # a full disk, a quota
        shutil.rmtree(unfinished, ignore_errors=True)
        return False
    return True


def _make_room(folder: Path, most: int) -> None:
    """Remove the entries used last the longest ago, until no more than `most` bytes are left."""
    used = 0
    entries = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for entry in sorted(entries, key=lambda path: -path.stat().st_mtime):
        used += sum(file.stat().st_size for file in entry.iterdir())
        if used > most:
            shutil.rmtree(entry, ignore_errors=True)
            entry.with_name(f"{entry.name}.lock").unlink(missing_ok=True)
