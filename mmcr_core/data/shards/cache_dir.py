"""The folder that the processes of a reader share, for indices and for copies of shards at URLs.

Whoever makes one holds a lock in it while it lives; a folder whose lock is free was left by processes that were all
killed together, and is removed by the next reader on the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

PREFIX = "mmcr-shards-"
OWNER = "owner"


def own_folder() -> tuple[Path, BinaryIO]:
    """A new folder, and its lock, held until it is closed. Removes what others have left."""
    _remove_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (folder / f"{OWNER}.new").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / f"{OWNER}.new").rename(folder / OWNER)  # nobody sees it unlocked
    return folder, lock


def _remove_left() -> None:
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNER}"):
        with contextlib.suppress(OSError), owner.open("rb") as lock:
            if os.fstat(lock.fileno()).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError where its owner lives
                shutil.rmtree(owner.parent, ignore_errors=True)
