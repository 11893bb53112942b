"""Which members of a tar are one sample: webdataset's rule, that they share a name up to its first dot."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcr_core.data.decoding import IMAGE_SUFFIXES
from mmcr_core.data.survey import Some

IMAGE, TEXT, JSON = range(3)
KINDS = dict.fromkeys(IMAGE_SUFFIXES, IMAGE) | {"txt": TEXT, "json": JSON}
NAMES = ("images", "captions", "captions")  # of the kinds
READ_BEFORE = {"jpg", "jpeg", "png", "webp", "txt", "json"}  # by version 0.1
ABSENT = -1


class ShardIndex(NamedTuple):
    """The samples of a shard, in the order in which their keys first appear: those that have an image.

    `places`: (N, 3, 2) int64, offset and size of image, text and JSON, offset -1 where there is none; `left_out`:
    reason -> members that are no part of a sample; `read_anew`: whether version 0.1 found other samples.
    """

    keys: tuple[str, ...]
    places: NDArray[np.int64]
    left_out: dict[str, Some]
    read_anew: bool

    @property
    def captioned(self) -> NDArray[np.bool_]:
        """(N,) whether a sample has a text or JSON."""
        there: NDArray[np.bool_] = (self.places[:, TEXT:, 0] != ABSENT).any(axis=1)
        return there


def index(members: Iterable[tuple[str, int, int]]) -> ShardIndex:
    """The samples among `members` (name, offset, size of each). Names that Unicode holds for the same are."""
    found: dict[str, list[list[int]]] = {}
    names: dict[tuple[str, int], str] = {}
    spelled: dict[str, str] = {}
    left_out: dict[str, Some] = {}
    read_anew = False

    def leave_out(name: str, why: str) -> None:
        left_out[why] = left_out.get(why, Some()) + Some(1, (shown(name),))

    for name, offset, size in members:
        folder, slash, base = name.removeprefix("./").rpartition("/")
        stem, _, suffix = base.partition(".")
        kind = KINDS.get(suffix.lower())
        if kind is None or not stem:
            leave_out(name, _why_no_part(stem, suffix))
            continue
        raw = f"{folder}{slash}{stem}"
        key = unicodedata.normalize("NFC", raw)
        read_anew = read_anew or suffix.lower() not in READ_BEFORE or spelled.setdefault(key, raw) != raw
        places = found.setdefault(key, [[ABSENT, 0], [ABSENT, 0], [ABSENT, 0]])
        if places[kind][0] == ABSENT:
            places[kind], names[key, kind] = [offset, size], name
        else:
            leave_out(name, "that come again with a key and kind of an earlier one")
    samples = {key: places for key, places in found.items() if places[IMAGE][0] != ABSENT}
    for (key, _), name in names.items():
        if key not in samples:
            leave_out(name, "captions without an image of the same key")
        elif found[key][TEXT][0] == found[key][JSON][0] == ABSENT:
            leave_out(name, "images without a .txt or .json of the same key")
    table = np.array(list(samples.values()), dtype=np.int64).reshape(-1, 3, 2)
    return ShardIndex(tuple(map(shown, samples)), table, left_out, read_anew)


def _why_no_part(stem: str, suffix: str) -> str:
    if not stem:
        return "whose name begins with a dot"
    kind = KINDS.get(suffix.rpartition(".")[2].lower()) if "." in suffix else None
    if kind is not None:
        return f"{NAMES[kind]} with a dot in the key, which ends at the first one"
    return f"with suffix '.{shown(suffix)}', which is not read" if suffix else "without a suffix"


def shown(name: str) -> str:
    """A name that can be printed and stored, whatever bytes it has."""
    return name.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
