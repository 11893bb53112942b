"""What the frozen values of a run have in common: how they are read strictly, and how they refuse."""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

STRICT: dict[str, Any] = {
    "extra": "forbid",
    "strict": True,
    "allow_inf_nan": False,
    "use_attribute_docstrings": True,  # the text under a field describes it in sweeps/grid.schema.json
}  # how pydantic reads these classes from a file


class SpecError(ValueError):
    """A value that cannot be run. `key` is its path inside the spec, such as `views.crop_scale`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def require(condition: bool, key: str, problem: str) -> None:
    """Raises SpecError unless `condition` holds."""
    if not condition:
        raise SpecError(key, problem)


FILLED_IN = {"filled_in": True}  # metadata of a field that a run has and no grid names: it follows from the others


@functools.cache
def options_of(kind: type) -> dict[str, Field[Any]]:
    """Key -> field of the options of one kind of encoder, data set or optimizer."""
    return {one.name: one for one in fields(kind)}


def settle_options(spec: Any, kinds: Mapping[str, type], kind: str, called: str) -> None:
    """Has `kinds[kind]` check those fields of the flat value `spec` that are its options, and fills in its defaults.

    Raises: SpecError for an option that is another kind's alone or that is missing (the field's metadata says the
        remedy), and what the kind itself raises.
    """
    mine = options_of(kinds[kind])
    for key in dict.fromkeys(key for other in kinds.values() for key in options_of(other)):
        whose = join_names([name for name, other in kinds.items() if key in options_of(other)])
        given = getattr(spec, key) != getattr(type(spec), key)
        require(key in mine or not given, key, f"applies to {whose}, not to {called}; leave it out")
    for key, one in mine.items():
        absent = one.default is MISSING and not getattr(spec, key)
        require(not absent, key, f"is missing; {one.metadata.get('remedy')}")
    given = {key: getattr(spec, key) for key in mine if getattr(spec, key) is not None}
    options = kinds[kind](**given)
    for key in mine:
        object.__setattr__(spec, key, getattr(options, key))


class CustomOptions(dict[str, Any]):
    """Options of code that this project does not know, name -> plain value or a tuple of such. Hashable, so it must not
    be changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items(), key=lambda item: item[0])))

    @classmethod
    def checked(cls, options: Mapping[str, Any] | None, key: str) -> CustomOptions:
        """The same, lists as tuples; SpecError for a value of another kind."""
        frozen = cls()
        for name, value in (options or {}).items():
            frozen[name] = tuple(value) if isinstance(value, list) else value
            parts = frozen[name] if isinstance(frozen[name], tuple) else (value,)
            plain = all(part is None or isinstance(part, str | int | float | bool) for part in parts)
            require(plain, f"{key}.{name}", "must be a number, a text, true, false or null, or a list of such")
        return frozen


def absolute(path: str) -> str:
    """A path from the current folder or, with `~`, from the home folder; a URL as it is."""
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def is_custom(name: str) -> bool:
    """Whether a name is that of a user's own code, `my_module:attribute`."""
    return ":" in name


def join_names(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def suggest(name: str, known: Any) -> str:
    """`name` as it may have been meant, for the end of a sentence."""
    alike = difflib.get_close_matches(name, list(known), 3)
    return f"did you mean {' or '.join(alike)}?" if alike else f"known: {', '.join(known) or 'none'}"
