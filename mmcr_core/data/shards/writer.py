"""Images and captions written as shards that webdataset reads too: the same input gives the same bytes.

An image with one caption has KEY.txt and KEY.json, one with several has them in the "caption" list of KEY.json alone,
since readers take a text for the only caption.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mmcr_core.data.decoding import IMAGE_SUFFIXES, reason
from mmcr_core.data.shards.index import IMAGE, KINDS
from mmcr_core.data.shards.sample import MAX_IMAGE_BYTES, Broken, decoded

KEY_DIGITS = 9


@dataclass
class Written:
    """How many shards and samples were written, and why images were not, by their names."""

    shards: int = 0
    samples: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


def write_shards(
    images: Path, captions: dict[str, list[str]], folder: Path, samples_per_shard: int, advance: Callable[[], None]
) -> Written:
    """Write the images of `captions`, file name -> captions, in the order of their names to `folder`, which is made.

    `advance` is called after each. Each shard appears whole. Raises: OSError where `folder` cannot be written to.
    """
    written = Written()
    samples = _readable(images, captions, written, advance)
    for first in samples:
        folder.mkdir(parents=True, exist_ok=True)
        with _shard(folder / f"{written.shards:05d}.tar") as tar:
            for name, encoded, suffix in itertools.chain([first], itertools.islice(samples, samples_per_shard - 1)):
                _add(tar, f"{written.samples:0{KEY_DIGITS}d}", name, encoded, suffix, captions[name])
                written.samples += 1
        written.shards += 1
    return written


def _readable(
    images: Path, captions: dict[str, list[str]], written: Written, advance: Callable[[], None]
) -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and suffix of each image that can be decoded."""
    on_disk = _OnDisk(images)
    for name in sorted(captions):
        try:
            suffix = Path(name).suffix.lower().removeprefix(".")
            if KINDS.get(suffix) != IMAGE:
                raise Broken(f"it is not a .{', .'.join(IMAGE_SUFFIXES)} file")
            file = images / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise Broken("its name is not relative to the folder of images")
            if not file.exists():
                file = on_disk.spelled.get(name, file)
            if file.stat().st_size > MAX_IMAGE_BYTES:
                raise Broken(f"it has more than {MAX_IMAGE_BYTES:,} bytes")
            encoded = file.read_bytes()
            decoded(encoded, 1)
            yield name, encoded, suffix
        except FileNotFoundError:
            written.left_out[name] = "there is no such file"
        except (OSError, ValueError, Broken) as error:
            written.left_out[name] = reason(error)
        advance()


class _OnDisk:
    """The files below a folder; systems differ in how they write the accents of a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def spelled(self) -> dict[str, Path]:
        """Name in NFC -> file."""
        files = [file for file in self._folder.rglob("*") if file.is_file()]
        return {unicodedata.normalize("NFC", file.relative_to(self._folder).as_posix()): file for file in files}


def _add(tar: tarfile.TarFile, key: str, name: str, encoded: bytes, suffix: str, captions: list[str]) -> None:
    said = captions[0] if len(captions) == 1 else captions
    described = json.dumps({"caption": said, "file": name, "key": key}, sort_keys=True)
    members = [(suffix, encoded), ("json", described.encode())]
    if len(captions) == 1:
        members.append(("txt", captions[0].encode()))
    for ending, content in members:
        member = tarfile.TarInfo(f"{key}.{ending}")
        member.size, member.mode = len(content), 0o644
        tar.addfile(member, io.BytesIO(content))


@contextmanager
def _shard(file: Path) -> Iterator[tarfile.TarFile]:
    """A new tar, which has its name only when it is whole."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                yield tar
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(file)
    finally:
        temporary.unlink(missing_ok=True)
