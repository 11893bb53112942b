"""What many cells of a grid share is made and checked once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """Values by what they are and what they are made of: plain keys by value, everything else by being the same object,
    which is kept alive."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[tuple[Any, ...], Any]] = {}

    def __call__(self, what: Hashable, made_of: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives for these parts, from the first time on the same; an exception is not kept."""
        key = what, *((type(one), one) if isinstance(one, str | int | float | None) else id(one) for one in made_of)
        if key not in self._found:
            self._found[key] = made_of, make()
        found: T = self._found[key][1]
        return found
