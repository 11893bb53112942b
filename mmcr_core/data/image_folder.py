"""A user's folder of images, as torchvision's ImageFolder sees it: the first folder below the root is the class.

Links are followed, as subsets are often made of them; hidden files and folders are left out. What is there and
cannot be read (a link to nothing, a folder that cannot be listed) is listed all the same, so that it is named when
the set is loaded; it adds nothing to the digest, as it is not trained on. Files that are no images, or of a kind that
is not read, are counted; a class folder that has only such images is an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from mmcr_core.data.custom_images import OwnFiles
from mmcr_core.data.decoding import IMAGE_SUFFIXES
from mmcr_core.data.image_set import ContentChanged, DatasetError, Entry
from mmcr_core.data.parquet.files import SPLITS
from mmcr_core.data.survey import NAMED, Contents, Some, Survey

SUFFIXES = frozenset(f".{suffix}" for suffix in IMAGE_SUFFIXES)
UNREAD_KINDS = "heic heif avif jxl jp2 svg psd raw dng cr2 cr3 nef arw orf rw2 dcm fits ico tga ppm pgm exr hdr npy"
UNREAD = frozenset(f".{kind}" for kind in UNREAD_KINDS.split())


class ImageFolder(OwnFiles):
    """The folder at `spec.path`."""

    def located(self) -> list[Path]:
        return sorted(_files(_root(self.path)))

    def surveyed(self) -> Contents:
        root, content = _root(self.path), hashlib.sha256()
        survey, files = Survey(self.spec.max_pixels), self.located()
        for file in files:
            name = file.relative_to(root)
            if not _is_listed(file):
                survey.leave_out(_shown(name), f"with suffix '{file.suffix}', which is not read")
                continue
            encoded = _read(file)
            _add(content, name, encoded)
            survey.image(_shown(name), encoded)
        found = survey.contents(content.hexdigest(), len(files), f"folder {self.path}", "files")
        names = [file.relative_to(root) for file in files if _is_listed(file)]
        return found._replace(remarks=(*found.remarks, *_of_classes(f"folder {self.path}", names)))

    def require_present(self) -> None:
        super().require_present()
        _require_classes(_root(self.path), self.located())

    def total(self) -> int:
        return len(listing(self.path))

    def entries(self) -> Iterator[Entry]:
        return entries(self.path, self.spec.digest)


def listing(path: str) -> list[Path]:
    """The images below `path`, in the order of their names.

    Raises: DatasetError where the folder is absent or holds none.
    """
    root = _root(path)
    files = sorted(filter(_is_listed, _files(root)))
    if not files:
        raise DatasetError(f"folder {root} holds no .{', .'.join(IMAGE_SUFFIXES)} files")
    return files


def class_names(path: str) -> tuple[str, ...]:
    """The class folders below `path` that hold images, in the order of their labels. Raises as `listing`."""
    root = _root(path)
    names = (file.relative_to(root) for file in listing(path))
    return tuple(sorted({name.parts[0] for name in names if len(name.parts) > 1}))


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


def _of_classes(where: str, names: list[Path]) -> Iterator[str]:
    """What is odd about the labels that places give to images."""
    labels = {name.parts[0] for name in names if len(name.parts) > 1}
    loose = [name for name in names if len(name.parts) == 1]
    if labels and loose:
        some = Some(len(loose), tuple(map(_shown, loose[:NAMED])))
        yield f"{where}: {len(loose):,} images lie in no class folder and have no label {some}"
    splits = {name.parts[0] for name in names if len(name.parts) > 2 and name.parts[0].lower() in SPLITS}
    if splits:
        some = Some(len(labels), tuple(sorted(labels)[:NAMED]))
        yield (
            f"{where}: labels are its first folders {some}, not the folders in them; to train on one split, with its "
            f"own classes, add its name to path, such as /{max(splits)}"
        )


def _is_listed(file: Path) -> bool:
    """Whether a place is an image by its name, or cannot be read."""
    return file.suffix.lower() in SUFFIXES or not file.is_file()


def _require_classes(root: Path, files: list[Path]) -> None:
    """Raises DatasetError where a class has images, all of a kind that is not read."""
    classes: dict[str, list[Path]] = {}
    for name in (file.relative_to(root) for file in files):
        if len(name.parts) > 1:
            classes.setdefault(name.parts[0], []).append(name)
    for label, names in classes.items():
        unread = [name for name in names if name.suffix.lower() in UNREAD]
        if unread and not any(_is_listed(root / name) for name in names):
            raise DatasetError(
                f"folder {root}: class '{label}' has no image that can be read, and {len(unread)} that cannot, such as "
                f"{_shown(unread[0])}; convert them to JPEG or PNG, or take the folder out"
            )


def _files(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Files and unreadable places below `folder`; `above`: the folders that it lies in, to end a loop of links."""
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
            yield from _files(path, (*above, here))
        elif entry.is_file():
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
