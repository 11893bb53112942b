"""JSON of a person's files. Python's reader takes the last of two values under one key without a word."""

from __future__ import annotations

import json
from typing import Any


class RepeatedKey(ValueError):
    """An object has a key twice; `key` names it."""

    def __init__(self, key: str) -> None:
        super().__init__(f'it has "{key}" twice; leave one')
        self.key = key


def loads(text: str) -> Any:
    """The value of a JSON text. Raises: RepeatedKey; ValueError where it is no JSON; RecursionError."""
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKey(key)
        found[key] = value
    return found
