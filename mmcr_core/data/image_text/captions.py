"""Captions of pairs: which of them a step has, and their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Captions = tuple[tuple[str, ...], ...]  # of each pair, one or more
Encode = Callable[[Sequence[str]], NDArray[np.int64]]  # n texts -> (n, L) tokens


class TokenTable:
    """The tokens of all captions of a set, each text encoded once."""

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


def drawn_captions(there_are: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places (wanted,) of captions among those there are, none twice unless there are too few."""
    if there_are == 1:
        return np.zeros(wanted, dtype=np.int64)
    return np.resize(rng.permutation(there_are), wanted)


def texts_of(captions: Sequence[tuple[str, ...]], wanted: int) -> list[str]:
    """The first `wanted` captions of each pair, in turn where it has fewer, one after another."""
    return [texts[place % len(texts)] for texts in captions for place in range(wanted)]
