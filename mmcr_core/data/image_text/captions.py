"""Captions of pairs: what is one, the same in tables, parquet files and shards; which a step has, and their tokens."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Captions = tuple[tuple[str, ...], ...]  # of each pair, one or more
Encode = Callable[[Sequence[str]], NDArray[np.int64]]  # n texts -> (n, L) tokens
MAX_CHARACTERS = 2000  # of a caption; what follows is left out
BYTE_ORDER_MARK = "\ufeff"
KINDS = {bool: "true or false", int: "a number", float: "a number", dict: "a mapping", bytes: "bytes"}


class NoCaption(ValueError):
    """What stands in place of a caption, such as "its caption is a number, not text"."""


def captions_of(value: Any) -> tuple[str, ...]:
    """The captions that a text or a list of texts is, each stripped and cut to 2,000 characters.

    Empty ones and None in a list are passed over. Raises: NoCaption where none is left or one is not text.
    """
    if value is None:
        raise NoCaption("it has no caption")
    kept = []
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        if not isinstance(one, str):
            raise NoCaption(f"its caption is {KINDS.get(type(one), 'a ' + type(one).__name__)}, not text")
        if any("\ud800" <= character <= "\udfff" for character in one):
            raise NoCaption("its caption is not UTF-8")
        kept.append(one.removeprefix(BYTE_ORDER_MARK).strip()[:MAX_CHARACTERS].strip())
    if not any(kept):
        raise NoCaption("its caption is empty")
    return tuple(filter(None, kept))


class TokenTable:
    """The tokens of all captions of a set."""

    def __init__(self, captions: Captions, encode: Encode) -> None:
        counts = np.array([len(texts) for texts in captions])
        self._first = np.concatenate([[0], np.cumsum(counts)])[:-1]
        self._counts = counts
        self._tokens: NDArray[np.int64] = encode([text for texts in captions for text in texts])
        self.length = self._tokens.shape[1]

    def drawn(self, chosen: NDArray[np.int64], captions: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(P, captions, L): so many captions of each chosen pair; drawn where it has more, in turn where fewer."""
        if captions == 1 and self._counts.max() == 1:
            return self._tokens[chosen][:, None]
        rows = [self._first[i] + drawn_captions(int(self._counts[i]), captions, rng) for i in chosen]
        found: NDArray[np.int64] = self._tokens[np.stack(rows)]
        return found


token_table = functools.lru_cache(maxsize=2)(TokenTable)  # the same for the runs of a process: training, held-out


def drawn_captions(there_are: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places (wanted,) of captions among those there are, none twice unless there are too few."""
    if there_are == 1:
        return np.zeros(wanted, dtype=np.int64)
    return np.resize(rng.permutation(there_are), wanted)


def texts_of(captions: Sequence[tuple[str, ...]], wanted: int) -> list[str]:
    """The first `wanted` captions of each pair, in turn where it has fewer, one after another."""
    return [texts[place % len(texts)] for texts in captions for place in range(wanted)]
