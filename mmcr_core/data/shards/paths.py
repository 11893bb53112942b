"""Where the shards of a data set lie: a folder, a file, or webdataset's brace ranges, here or at a URL."""

from __future__ import annotations

import itertools
import os
import re
from typing import NamedTuple

from mmcr_core.data.decoding import reason
from mmcr_core.data.image_set import DatasetError
from mmcr_core.data.shards import urls

RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?")
BRACES = re.compile(r"\{([^{}]*(?:,|\.\.)[^{}]*)\}")
MOST = 1_000_000
WOULD_BE_RIGHT = "set path: to a folder of .tar files, one of them, or names such as DIR/{00000..00127}.tar"


class Place(NamedTuple):
    """A shard's name, relative to the folder that all of them share, and its absolute path or URL."""

    name: str
    where: str


def places(path: str) -> list[Place]:
    """The shards that `path` names, in the order of their names. Raises: DatasetError where there is none."""
    if path.startswith("pipe:"):
        raise DatasetError(f"path {path} is a command, which is not run; {WOULD_BE_RIGHT}, or to URLs of them")
    found = sorted(set(_spelt(path)))
    scheme = path[: path.index("://") + 3] if urls.is_url(path) else ""
    above = os.path.commonpath([os.path.dirname(where.removeprefix(scheme)) for where in found])
    return [Place(os.path.relpath(where.removeprefix(scheme), above), where) for where in found]


def expanded(path: str) -> list[str]:
    """Every name that braces spell: `{00..12}`, with a step `{0..12..4}`, `{a,b}`. Other braces stay as they are."""
    parts: list[list[str]] = []
    end, total = 0, 1
    for match in BRACES.finditer(path):
        names = _alternatives(match[1])
        if names is None:
            continue
        parts += [[path[end : match.start()]], names]
        end, total = match.end(), total * len(names)
        if total > MOST:
            raise DatasetError(f"path {path} names more than a million shards; name fewer")
    parts.append([path[end:]])
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _alternatives(inside: str) -> list[str] | None:
    if "," in inside:
        return inside.split(",")
    match = RANGE.fullmatch(inside)
    if match is None:
        return None
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1) or 1
    if abs(last - first) // step >= MOST:
        raise DatasetError(f"path has {{{inside}}}, more than a million shards; name fewer")
    padded = any(text.startswith("0") and len(text) > 1 for text in match.groups()[:2])
    width = max(len(match[1]), len(match[2])) if padded else 0
    numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    return [f"{number:0{width}d}" for number in numbers]


def _spelt(path: str) -> list[str]:
    """Absolute paths, or URLs, all of which are there as far as that is known without asking a server."""
    if urls.is_url(path):
        names = expanded(path)
        return _listed_url(path) if len(names) == 1 and not path.endswith(".tar") else names
    if os.path.isdir(path):
        found = [entry.path for entry in os.scandir(path) if _is_shard(entry)]
        if not found:
            raise DatasetError(f"folder {os.path.realpath(path)} holds no .tar files; {WOULD_BE_RIGHT}")
        return list(map(os.path.abspath, found))
    names = [path] if os.path.exists(path) else expanded(path)
    absent = [name for name in names if not os.path.isfile(name)]
    if len(absent) == len(names):
        raise DatasetError(f"path {path}: there is no such file or folder; {WOULD_BE_RIGHT}")
    if absent:
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise DatasetError(
            f"path {path} names {len(names)} shards, of which {', '.join(absent[:3])}{more} are not there; "
            f"put them back, or name those that are there"
        )
    return list(map(os.path.abspath, names))


def _listed_url(url: str) -> list[str]:
    try:
        found = urls.listed(url)
    except OSError as error:
        raise DatasetError(f"{url} cannot be listed ({reason(error)}); {WOULD_BE_RIGHT}") from error
    if not found:
        raise DatasetError(f"{url} lists no .tar files; {WOULD_BE_RIGHT}")
    return found


def _is_shard(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".tar") and not entry.name.startswith(".") and entry.is_file()
