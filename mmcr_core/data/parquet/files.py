"""Which parquet files a path names: one, those of a folder, or those that a pattern matches, of one split or several.

A file belongs to the split that is a word of its name, or to that of the folder that it lies in, as on the Hugging Face
Hub: `train-00000-of-00005.parquet`, `cifar10-test.parquet`, `validation/0000.parquet`.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from mmcr_core.config.validation import join_names
from mmcr_core.data.image_set import DatasetError

SUFFIX = ".parquet"
NUMBERED = re.compile(r"(.+)-(\d+)-of-(\d+)")
SPLITS = ("train", "test", "validation", "valid", "val", "dev", "eval")


def located(path: str, split: str = "train") -> list[Path]:
    """The files at `path`, links resolved, in the order of their names; of `split`, or several joined by +, one split
    after the other. Raises: DatasetError where there are none."""
    whole = Path(os.path.realpath(path))
    if whole.is_file():
        if split != "train":
            raise DatasetError(f"file {whole} is one file; leave split out, or give a folder with files of each split")
        return [whole]
    files = _named(path)
    return [Path(os.path.realpath(file)) for one in split.split("+") for file in _of_split(files, one, path)]


def of_no_split(path: str, split: str) -> list[str]:
    """Names of files at `path` that `located` leaves out, though they tell of no other split."""
    if os.path.isfile(path):
        return []
    files, taken = _named(path), set(located(path, split))
    told = (NUMBERED.fullmatch(name.stem) or any(_is_of(name, one) for one in SPLITS) for name in files)
    rest = [str(name) for name, known in zip(files, told, strict=True) if not known]
    return [name for name in rest if Path(os.path.realpath(files[Path(name)])) not in taken]


def incomplete(path: str, split: str) -> list[str]:
    """Of each set of numbered files at `path` of which some are not there: `1 of 3 train-*-of-00003.parquet`."""
    if os.path.isfile(path):
        return []
    sets: dict[tuple[str, str], set[str]] = {}
    for file in located(path, split):
        if named := NUMBERED.fullmatch(file.stem):
            sets.setdefault((named[1], named[3]), set()).add(named[2])
    return [
        f"{len(numbers)} of {int(total)} {prefix}-*-of-{total}{SUFFIX}"
        for (prefix, total), numbers in sets.items()
        if len(numbers) < int(total)
    ]


def _named(path: str) -> dict[Path, Path]:
    """The files at `path` by their names. Raises as `located`."""
    whole = Path(os.path.realpath(path))
    if whole.is_dir():
        found = sorted(file.relative_to(whole) for file in _below(whole) if file.name.endswith(SUFFIX))
        files = {file: whole / file for file in found if not any(part.startswith(".") for part in file.parts)}
        files = {name: file for name, file in files.items() if file.is_file()}
        what = f"folder {whole} holds no *{SUFFIX} files"
    else:
        names = [Path(os.path.abspath(file)) for file in sorted(glob.glob(path, recursive=True))]
        files = {file: file for file in names if file.is_file()}
        what = f"no file matches {path}" if glob.has_magic(path) else f"file {whole} does not exist"
    if not files:
        raise DatasetError(
            f"{what}; set path: to a parquet file, a folder of them, or a pattern such as 'DIR/*{SUFFIX}'"
        )
    return files


def _below(folder: Path) -> Iterator[Path]:
    """Raises OSError where a folder cannot be read."""

    def unread(error: OSError) -> None:
        raise error

    for place, _, names in os.walk(folder, onerror=unread):
        yield from (Path(place, name) for name in names)


def _of_split(files: dict[Path, Path], split: str, path: str) -> list[Path]:
    """Those of a split; all of them where no name tells of any."""
    found = [file for name, file in files.items() if _is_of(name, split)]
    told = {one for one in SPLITS for name in files if _is_of(name, one)}
    if found or (split == "train" and not told):
        return found or list(files.values())
    numbered = {named[1] for name in files if (named := NUMBERED.fullmatch(name.stem))}
    others = f"there are files of {join_names(sorted(told | numbered))}" if told | numbered else "no name tells of any"
    raise DatasetError(f"{path} has no file of split '{split}', such as {split}-00000-of-00001{SUFFIX}; {others}")


def _is_of(name: Path, split: str) -> bool:
    numbered, word = NUMBERED.fullmatch(name.stem), re.escape(split)
    if numbered:
        told = re.fullmatch(rf"(.*[-_.])?{word}", numbered[1])
    else:
        told = re.search(rf"(?<![A-Za-z]){word}(?![A-Za-z])", name.stem)
    return told is not None or name.parent.name == split
