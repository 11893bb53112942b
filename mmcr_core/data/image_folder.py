"""A user's folder of images, as torchvision's ImageFolder sees it: the first folder below the root is the class.

Links are followed, as subsets are often made of them; hidden files and folders are left out. What is there and
cannot be read (a link to nothing, a folder that cannot be listed) is listed all the same, so that it is named when
the set is loaded; it adds nothing to the digest, as it is not trained on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from mmcr_core.data.custom_images import OwnFiles
from mmcr_core.data.image_set import ContentChanged, DatasetError, Entry

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class ImageFolder(OwnFiles):
    """The folder at `spec.path`."""

    def located(self) -> list[Path]:
        return listing(self.path)

    def hashed(self) -> str:
        return digest(self.path)

    def total(self) -> int:
        return len(listing(self.path))

    def entries(self) -> Iterator[Entry]:
        return entries(self.path, self.spec.digest)


def listing(path: str) -> list[Path]:
    """The images below `path`, in the order of their names.

    Raises: DatasetError where the folder is absent or holds none.
    """
    root = _root(path)
    files = sorted(_images(root))
    if not files:
        raise DatasetError(f"folder {root} holds no {', '.join(SUFFIXES)} files")
    return files


def digest(path: str) -> str:
    """SHA-256 of the sorted relative names, sizes and bytes of the images below `path`."""
    root, content = _root(path), hashlib.sha256()
    for file in listing(path):
        _add(content, file.relative_to(root), _read(file))
    return content.hexdigest()


def class_count(path: str) -> int:
    """How many class folders hold images below `path`. Raises as `listing`."""
    root = _root(path)
    return len({name.parts[0] for name in (file.relative_to(root) for file in listing(path)) if len(name.parts) > 1})


def entries(path: str, expected: str | None) -> Iterator[Entry]:
    """The images below `path`, each read once; images directly in the root have no label.

    Raises: ContentChanged, at the end, where what was read does not have the digest `expected`.
    """
    root, files, content = _root(path), listing(path), hashlib.sha256()
    names = [file.relative_to(root) for file in files]
    classes = {name: i for i, name in enumerate(sorted({name.parts[0] for name in names if len(name.parts) > 1}))}
    for file, name in zip(files, names, strict=True):
        encoded = _read(file)
        _add(content, name, encoded)
        yield Entry(_shown(name), encoded, classes[name.parts[0]] if len(name.parts) > 1 else -1)
    if expected is not None and content.hexdigest() != expected:
        raise ContentChanged(f"folder {root}", content.hexdigest(), expected)


def _root(path: str) -> Path:
    root = Path(os.path.realpath(path))
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise DatasetError(f"folder {root} {problem}; set path: to a folder with images in class folders")
    return root


def _images(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Images and unreadable places below `folder`; `above`: the folders that it lies in, to end a loop of links."""
    try:
        status = os.stat(folder)
        found = list(os.scandir(folder))
    except OSError:
        yield folder
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in found:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink() and not os.path.exists(path):  # leads nowhere, to itself, or where one may not look
            yield path
        elif entry.is_dir():
            yield from _images(path, (*above, here))
        elif path.suffix.lower() in SUFFIXES and entry.is_file():
            yield path


def _read(file: Path) -> bytes | OSError:
    try:
        return file.read_bytes()
    except OSError as error:
        return error


def _add(content: hashlib._Hash, name: Path, encoded: bytes | OSError) -> None:
    if isinstance(encoded, bytes):
        content.update(f"{name.as_posix()}\0{len(encoded)}\0".encode("utf-8", "surrogateescape"))
        content.update(encoded)


def _shown(name: Path) -> str:
    """A name that can be printed and stored, whatever bytes it has."""
    return name.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
