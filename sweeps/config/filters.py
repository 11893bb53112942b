"""Conditions on cells: what the option `only` chooses and a grid's `exclude` leaves out.

KEY=VALUE[|VALUE...], KEY<VALUE, <=, > and >=, joined by commas: all of them must hold. KEY is any key of the grid,
dotted where it stands inside another; VALUE is a value, or, of a number, another key.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from sweeps.cli.errors import OptionError
from sweeps.config.axes import Keys, keys_of, keys_of_parts
from sweeps.config.yaml_lines import Marked, YamlError
from sweeps.storage.run_status import RunStatus

EXAMPLE = "such as 'P=64|128,K=2', 'optimizer.learning_rate=1e-3' or 'D<=P'"
OF_RUNS = ("status", "run_id")  # known of a cell once it is one
UNFINISHED = "unfinished"  # every status but that of a finished run
STATUSES = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.DIVERGED, UNFINISHED)
ORDER: dict[str, Callable[[Any, Any], Any]] = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
CONDITION = re.compile(rf"\s*([^<>=]+?)\s*({'|'.join(ORDER)}|=)\s*(.+?)\s*")


class FilterError(ValueError):
    """What is wrong with a condition, and what would be right."""


class Condition(NamedTuple):
    """`key` is one of `values`, by = alone, or less or more than the one value there is."""

    key: str
    sign: str
    values: tuple[str, ...]

    def holds(self, keys: Keys) -> bool:
        value = keys.get(self.key)
        if self.sign == "=":
            return any(_is(value, text) or _same_number(value, keys.get(text)) for text in self.values)
        other = float(self.values[0]) if _is_float(self.values[0]) else keys.get(self.values[0])
        return _is_number(value) and _is_number(other) and bool(ORDER[self.sign](value, other))


def parsed(text: str) -> list[Condition]:
    """The conditions of a text. Raises FilterError."""
    return [_condition(part) for part in text.split(",")]


def require_known(conditions: list[Condition], known: Iterable[str]) -> None:
    """Raises FilterError for a key that no cell has, with the one that may be meant."""
    names = set(known)
    for key, sign, values in conditions:
        others = [one for one in values if sign != "=" and not _is_float(one)]
        for one in (key, *others):
            if one not in names:
                alike = [name for name in sorted(names) if name.lower() == one.lower() or name.endswith(f".{one}")]
                near = alike or difflib.get_close_matches(one, names, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"use a key of the grid, {EXAMPLE}"
                number = "" if one == key else " nor a number"
                raise FilterError(f"'{one}' is not a key of the grid's cells{number}; {hint}")


def selected(
    cells: tuple[RunSpec, ...], only: str | None, statuses: Callable[[], dict[str, str]] = dict
) -> tuple[RunSpec, ...]:
    """The cells for which every condition of `only` holds; None: every cell.

    Beside keys of the grid there are run_id, and status (see STATUSES; `statuses` gives run_id -> status of the runs
    that have ended). Two conditions on one key narrow as any two do.

    Raises: OptionError for an unknown key, a value that no cell has, or where no cell is left.
    """
    if only is None:
        return cells
    rows = [keys_of(cell) for cell in cells]
    try:
        conditions = parsed(only)
        require_known(conditions, {name for row in rows for name in row} | {"status"})
        _require_values(conditions, rows)
    except FilterError as error:
        raise OptionError("only", str(error)) from error
    ended = statuses() if any(condition.key == "status" for condition in conditions) else {}
    for cell, row in zip(cells, rows, strict=True):
        row["status"] = ended.get(run_id(cell), UNFINISHED)
    chosen = tuple(
        cell for cell, row in zip(cells, rows, strict=True) if all(condition.holds(row) for condition in conditions)
    )
    if not chosen:
        raise OptionError("only", f"no cell of the grid has {only}; a plan lists the cells")
    return chosen


class CellCount(NamedTuple):
    """How many cells are left after a step, and `what` it is: the grid, an override, a link, an exclusion."""

    what: str
    cells: int


class Exclusion:
    """The cells that `exclude` of a grid leaves out: those for which all conditions of one of its texts hold, whether
    or not they could be run. Raises YamlError, at its line, for what is no condition."""

    def __init__(self, given: Marked | None) -> None:
        listed: Any = [] if given is None or given.value is None else given.value
        self._texts: list[Marked] = listed if isinstance(listed, list) or given is None else [given]
        self._conditions = [self._parsed(text) for text in self._texts]
        self._known: set[str] = set()
        self._holds, self._first = ([0] * len(self._texts) for _ in "12")  # cells of each, and those of none before it

    @staticmethod
    def _parsed(text: Marked) -> list[Condition]:
        try:
            if not isinstance(text.value, str):
                raise FilterError(f'{text.plain()!r} is not text; write exclude: ["P=1024,K=8", "D>P"]')
            conditions = parsed(text.value)
            for key in (one.key for one in conditions if one.key in OF_RUNS):
                raise FilterError(f"'{key}' is a word of --only; a grid leaves cells out by their own keys, {EXAMPLE}")
        except FilterError as error:
            raise YamlError(text.line, f"exclude: {error}") from error
        return conditions

    def leaves_out(self, parts: Mapping[str, Any]) -> bool:
        """Whether a cell with these parts is left out."""
        if not self._texts:
            return False
        keys = keys_of_parts(parts)
        self._known.update(keys)
        holding = [all(one.holds(keys) for one in conditions) for conditions in self._conditions]
        self._holds = [count + holds for count, holds in zip(self._holds, holding, strict=True)]
        if any(holding):
            self._first[holding.index(True)] += 1
        return any(holding)

    def counts(self, left: int) -> list[CellCount]:
        """How many cells each text leaves, once all were looked at and `left` are. Raises YamlError for a key that no
        cell has, and where no cell is left."""
        for text, conditions in zip(self._texts, self._conditions, strict=True):
            try:
                require_known(conditions, self._known)
            except FilterError as error:
                raise YamlError(text.line, f"exclude: {error}") from error
        total = left + sum(self._first)
        if not left:
            raise YamlError(self._texts[0].line, f"exclude: leaves out all {total} cells of the grid; exclude fewer")
        steps = enumerate(self._texts)
        return [CellCount(f"without {text.value}", total - sum(self._first[: place + 1])) for place, text in steps]

    @property
    def remarks(self) -> tuple[str, ...]:
        """Which texts leave out nothing."""
        unused = (text.value for text, count in zip(self._texts, self._holds, strict=True) if not count)
        return tuple(f"note: exclude: '{text}' leaves out no cell of this grid" for text in unused)


def asks_for_diverged(only: str | None) -> bool:
    """Whether `only`, whose conditions are right, names cells that have diverged, which are otherwise not trained
    again."""
    conditions = parsed(only) if only else []
    return any(one.key == "status" and RunStatus.DIVERGED in one.values for one in conditions)


def _condition(part: str) -> Condition:
    found = CONDITION.fullmatch(part)
    if found is None:
        raise FilterError(f"'{part.strip()}' is not KEY=VALUE; {EXAMPLE}")
    key, sign, value = found.groups()
    return Condition(key, sign, tuple(text.strip() for text in value.split("|")) if sign == "=" else (value,))


def _require_values(conditions: list[Condition], rows: list[Keys]) -> None:
    """Raises FilterError for a value that no cell has."""
    for key, sign, values in conditions:
        there = STATUSES if key == "status" else list(dict.fromkeys(row.get(key) for row in rows))
        if sign != "=" and not any(map(_is_number, there)):
            raise FilterError(f"'{key}' is no number, which {sign} compares; give its values as {key}=A|B")
        for text in values if sign == "=" else ():
            if not any(_is(one, text) for one in there) and not any(_is_number(row.get(text)) for row in rows):
                shown = ", ".join(str(one) for one in there[:12]) + (", ..." if len(there) > 12 else "")
                raise FilterError(f"no cell has {key}={text}; the grid has {shown}")


def _is(value: Any, text: str) -> bool:
    """Whether `text` spells a value: numbers by size (1e-3 is 0.001), everything else by its letters."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() == text.lower()
    if isinstance(value, int | float):
        return _is_float(text) and float(text) == float(value)
    return str(value) == text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_number(value: Any, other: Any) -> bool:
    return _is_number(value) and _is_number(other) and value == other


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
