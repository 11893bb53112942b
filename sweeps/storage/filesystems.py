"""Where results lie: a folder of this machine or its network, or a URL that fsspec knows (s3://, gs://).

Paths of both kinds answer to pathlib's names. What differs is here: on object stores an upload appears whole
or not at all, and there are no folders to make.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.cli.home_folder import with_home


def to_path(place: str | Path) -> Path:
    """The path of a folder, `~` being the home folder, or URL. Listings of a URL are never cached: others write there
    too. Raises UserError for the home of nobody."""
    if str(place).startswith("file://"):
        return Path(str(place).removeprefix("file://"))
    if "://" in str(place):
        from upath import UPath

        return cast(Path, UPath(str(place), use_listings_cache=False))
    return with_home(place)


def is_local(path: Path) -> bool:
    """Whether `path` lies in a file system of this machine."""
    return isinstance(path, Path)


def outlives_this_process(path: Path) -> bool:
    """Whether what is written to `path` is there when this process has ended."""
    return is_local(path) or cast(Any, path).protocol != "memory"


def file_system(path: Path) -> Any:
    """fsspec's file system of a URL's path."""
    return cast(Any, path).fs


def resolved(path: Path) -> str:
    """What a worker, elsewhere, needs to find `path`."""
    return str(path.resolve()) if is_local(path) else str(path)


def read_table(file: Path, **options: Any) -> pa.Table:
    """A parquet file as a table. Raises ArrowException or OSError where it cannot be read."""
    return pq.read_table(pa.BufferReader(file.read_bytes()), **options)


def read_undamaged(file: Path, **options: Any) -> pa.Table | None:
    """A parquet file as a table; None where it is damaged or absent. Raises as `raise_unless_damaged`."""
    try:
        return read_table(file, **options)
    except (pa.ArrowException, OSError) as error:
        raise_unless_damaged(error, file)
        return None


def raise_unless_damaged(error: Exception, file: Path) -> None:
    """Raise an OSError with the name of `file` where `error` kept it from being read for want of permission, open files
    or a disk: that it is whole is likely, and it is neither damaged nor absent."""
    of_content = type(error) is OSError and error.errno is None  # pyarrow's, of what does not decompress
    if isinstance(error, OSError) and not of_content and not isinstance(error, FileNotFoundError):
        number = error.errno or errno.EIO
        text = os.strerror(number) if error.errno else str(error)
        raise OSError(number, text, str(error.filename or file)) from error


def files_below(folder: Path, depth: int = 1) -> list[tuple[str, ...]]:
    """Names of the files in `folder`, with `depth` 2 of those in its subfolders: the parts of each path below `folder`,
    in order. A URL is listed by one call; nothing where there is no such folder."""
    if is_local(folder):
        return sorted(_scanned(str(folder), depth))
    start = len(folder.path.rstrip("/")) + 1  # type: ignore[attr-defined]
    found = [tuple(name[start:].split("/")) for name in file_system(folder).find(folder.path)]  # type: ignore[attr-defined]
    return sorted(parts for parts in found if len(parts) == depth)


def _scanned(folder: str, depth: int) -> Iterator[tuple[str, ...]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if depth == 1:
            if entry.is_file():
                yield (entry.name,)
        elif entry.is_dir():
            yield from ((entry.name, *rest) for rest in _scanned(entry.path, depth - 1))


def read_files(files: Sequence[Path]) -> list[bytes | None]:
    """Contents of small files of a URL, fetched at once; None where gone. Raises as `raise_unless_damaged`."""
    paths = [str(file.path) for file in files]  # type: ignore[attr-defined]
    starts, ends = [0] * len(paths), [None] * len(paths)  # without ranges each would be asked for its size first
    got = file_system(files[0]).cat_ranges(paths, starts, ends, on_error="return")
    for file, content in zip(files, got, strict=True):
        if isinstance(content, Exception):
            raise_unless_damaged(content, file)
    return [content if isinstance(content, bytes) else None for content in got]


def write_atomically(path: Path, content: bytes) -> None:
    """Write `path` so that at any moment it has either its old content or all of the new, even after a crash. An
    OSError, as of a full disk or a limit on the size of files, names a file."""
    if not is_local(path):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a stream knows no name
            error.filename = str(path)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def create_exclusively(path: Path, content: bytes) -> bool:
    """Write `path` whole if nothing has that name; whether it was written. One of several processes succeeds."""
    if not is_local(path):
        try:
            file_system(path).pipe_file(str(path), content, mode="create")
        except FileExistsError:
            return False
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    temporary.write_bytes(content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def move(file: Path, target: Path) -> Path:
    """Move a file; its new path."""
    if is_local(file):
        target.parent.mkdir(parents=True, exist_ok=True)
        return file.rename(target)
    target.write_bytes(file.read_bytes())
    file.unlink()
    return target


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that lies in it, if it is there."""
    if not folder.exists():
        return
    if is_local(folder):
        shutil.rmtree(folder)
    else:
        file_system(folder).rm(str(folder), recursive=True)


def remove_files(files: Sequence[Path]) -> None:
    """Remove files, those of a URL by few calls; the folders that this leaves empty go too."""
    if files and not is_local(files[0]):
        file_system(files[0]).rm([str(file.path) for file in files])  # type: ignore[attr-defined]
        return
    for file in files:
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in files}:
        with contextlib.suppress(OSError):  # it holds something else
            folder.rmdir()


def modified(path: Path) -> float:
    """When a file was last written, in seconds of time.time()."""
    return path.stat().st_mtime if is_local(path) else float(file_system(path).modified(str(path)).timestamp())


def touch(path: Path, content: bytes) -> None:
    """Renew the time at which a file of this `content` was last written."""
    if is_local(path):
        os.utime(path)
    else:
        path.write_bytes(content)
