"""Checkpoint files, `checkpoints/RUN_ID/STEP.ckpt`: a SHA-256 of the payload, then the payload; the newest two stay."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from sweeps.storage.filesystems import files_below, write_atomically

log = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 2


def write_checkpoint(folder: Path, step: int, payload: bytes, kept: int = KEPT_CHECKPOINTS) -> None:
    """Keep `payload` with its checksum as the checkpoint after `step` steps, and `kept` - 1 before it."""
    write_atomically(folder / f"{step:08d}.ckpt", hashlib.sha256(payload).digest() + payload)
    log.info("checkpoint of step %d written to %s, %d bytes", step, folder, len(payload))
    for old in checkpoint_files(folder)[:-kept]:
        old.unlink()


def read_checkpoints(folder: Path) -> Iterator[tuple[str, bytes | None]]:
    """Name and payload of the checkpoints in `folder`, newest first; None for one that is damaged."""
    for file in reversed(checkpoint_files(folder)):
        yield file.name, checkpoint_payload(file)


def checkpoint_payload(file: Path) -> bytes | None:
    """What a checkpoint holds; None where its checksum does not hold."""
    content = file.read_bytes()
    return content[32:] if hashlib.sha256(content[32:]).digest() == content[:32] else None


def checkpointed_step(folder: Path) -> int:
    """Steps taken before the newest checkpoint; 0 where there is none."""
    return max((int(file.stem) for file in checkpoint_files(folder)), default=0)


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first. Raises OSError where it cannot be read."""
    return [folder / name for (name,) in files_below(folder) if re.fullmatch(r"\d{8,}\.ckpt", name)]
