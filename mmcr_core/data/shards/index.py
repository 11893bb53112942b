"""Which members of a tar are one sample: webdataset's rule, that they share a name up to its first dot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IMAGE, TEXT, JSON = range(3)
KINDS = {"jpg": IMAGE, "jpeg": IMAGE, "png": IMAGE, "webp": IMAGE, "txt": TEXT, "json": JSON}
ABSENT = -1


class ShardIndex(NamedTuple):
    """The samples of a shard, in the order in which their keys first appear: those that have an image.

    `places`: (N, 3, 2) int64, offset and size of image, text and JSON, offset -1 where there is none; `pairs`: how many
    have a text or JSON too; `repeated`: keys of which a member came again, and was passed over.
    """

    keys: tuple[str, ...]
    places: NDArray[np.int64]
    pairs: int
    repeated: tuple[str, ...]


def index(members: Iterable[tuple[str, int, int]]) -> ShardIndex:
    """The samples among `members` (name, offset, size of each); members that are no image, text or JSON are skipped."""
    found: dict[str, list[list[int]]] = {}
    repeated: dict[str, None] = {}
    for name, offset, size in members:
        folder, slash, base = name.removeprefix("./").rpartition("/")
        stem, _, suffix = base.partition(".")
        kind = KINDS.get(suffix.lower())
        if kind is None or not stem:
            continue
        key = f"{folder}{slash}{stem}"
        places = found.setdefault(key, [[ABSENT, 0], [ABSENT, 0], [ABSENT, 0]])
        if places[kind][0] == ABSENT:
            places[kind] = [offset, size]
        else:
            repeated[key] = None
    samples = {key: places for key, places in found.items() if places[IMAGE][0] != ABSENT}
    pairs = sum(places[TEXT][0] != ABSENT or places[JSON][0] != ABSENT for places in samples.values())
    table = np.array(list(samples.values()), dtype=np.int64).reshape(-1, 3, 2)
    return ShardIndex(tuple(map(shown, samples)), table, pairs, tuple(map(shown, repeated)))


def shown(name: str) -> str:
    """A name that can be printed and stored, whatever bytes it has."""
    return name.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
