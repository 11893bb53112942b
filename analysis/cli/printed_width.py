"""What figures are printed across: the text of a US-letter page, or one of its two columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Width(StrEnum):
    """Of the printed figure."""

    PAGE = "page"
    COLUMN = "column"


INCHES = {Width.PAGE: 6.75, Width.COLUMN: 3.25}
WIDTH: ContextVar[Width] = ContextVar("WIDTH", default=Width.PAGE)


@contextmanager
def printed_at(width: Width) -> Iterator[None]:
    """Within it, figures are drawn for this width."""
    token = WIDTH.set(width)
    try:
        yield
    finally:
        WIDTH.reset(token)


def inches() -> float:
    """The width that figures are drawn for."""
    return INCHES[WIDTH.get()]


def narrow() -> bool:
    """Whether figures are drawn for one column."""
    return WIDTH.get() is Width.COLUMN
