"""Files that a person names for a command's output: whole or not at all where that can be, and never in the place of a
link, a pipe or a device."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from sweeps.storage.filesystems import is_local, write_atomically

STREAMS = (Path("/dev"), Path("/proc"))  # links here lead to what a process has open, such as /dev/stdout


def is_stdout(path: Path) -> bool:
    """Whether a name stands for standard output."""
    return str(path) == "-"


def write_target(path: Path, content: bytes) -> None:
    """Write `content` to where `path` leads: `-` is standard output, links are followed, pipes and devices are written
    through; an absent or regular file has at any moment its old content or all of the new. Raises OSError."""
    if is_stdout(path):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    elif not is_local(path):
        write_atomically(path, content)
    elif _leads_to_stream(path):
        with path.open("ab", buffering=0) as stream:
            stream.write(content)
    else:
        write_atomically(Path(os.path.realpath(path)), content)


def _leads_to_stream(path: Path) -> bool:
    """Whether what is there is no regular file, or is one that a process has open."""
    for _ in range(40):  # links, as many as Linux follows
        if not path.is_symlink():
            break
        if any(folder in path.absolute().parents for folder in STREAMS):
            return True
        path = path.parent / path.readlink()
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)
