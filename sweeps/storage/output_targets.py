"""Files that a person names for a command's output: whole or not at all where that can be, and never in the place of a
link, a pipe or a device."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from sweeps.storage.filesystems import is_local, remove_tree, write_atomically

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


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill in the place of `target`, which is absent or empty, and gets that name once it is whole. Where
    that can't be, at a URL or where `target` exists, it is `target` itself. Of an exception nothing is left."""
    if not is_local(target) or target.exists():
        try:
            yield target
        except BaseException:
            for path in list(target.iterdir()) if target.exists() else ():
                if path.is_dir():
                    remove_tree(path)
                else:
                    path.unlink()
            raise
        return
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
        if partial.exists():
            partial.rename(target)
    except BaseException:
        remove_tree(partial)
        raise


def _leads_to_stream(path: Path) -> bool:
    """Whether what is there is no regular file, or is one that a process has open."""
    for _ in range(40):  # links, as many as Linux follows
        if not path.is_symlink():
            break
        if any(folder in path.absolute().parents for folder in STREAMS):
            return True
        path = path.parent / path.readlink()
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)
