"""Texts to tokens and back. In a file of its own, since the processes that decode import it: it brings no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LENGTH = 12


def encode(texts: Sequence[str]) -> NDArray[np.int64]:
    """(n, 12): the first characters."""
    rows = [[ord(character) for character in text[:LENGTH].ljust(LENGTH)] for text in texts]
    return np.array(rows, dtype=np.int64)


def failing(texts: Sequence[str]) -> NDArray[np.int64]:
    """Fails on more than one text."""
    if len(texts) > 1:
        raise ValueError("no such word")
    return encode(texts)


def text_of(tokens: NDArray[np.int64]) -> str:
    return "".join(map(chr, tokens)).strip()
