"""The cells of a grid that the option `only` names."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from sweeps.cli.errors import OptionError
from sweeps.config.axes import keys_of
from sweeps.storage.run_status import RunStatus

EXAMPLE = "such as 'P=64|128,K=2', 'optimizer.learning_rate=1e-3' or 'status=failed'"
UNFINISHED = "unfinished"  # every status but that of a finished run
STATUSES = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.DIVERGED, UNFINISHED)


def selected(
    cells: tuple[RunSpec, ...], only: str | None, statuses: Callable[[], dict[str, str]] = dict
) -> tuple[RunSpec, ...]:
    """The cells for which every condition of `only` holds: KEY=VALUE[|VALUE...] joined by commas; None: every cell.

    KEY is any key of the grid, dotted where it stands inside another, run_id, or status (see STATUSES; `statuses` gives
    run_id -> status of the runs that have ended). Two conditions on one key narrow as any two do.

    Raises: OptionError for an unknown key, a value that no cell has, or where no cell is left.
    """
    if only is None:
        return cells
    rows = [keys_of(cell) for cell in cells]
    conditions = [_condition(part.strip(), rows) for part in only.split(",")]
    ended = statuses() if any(key == "status" for key, _ in conditions) else {}
    for cell, row in zip(cells, rows, strict=True):
        row["status"] = ended.get(run_id(cell), UNFINISHED)
    chosen = tuple(
        cell
        for cell, row in zip(cells, rows, strict=True)
        if all(any(_is(row.get(key), text) for text in texts) for key, texts in conditions)
    )
    if not chosen:
        raise OptionError("only", f"no cell of the grid has {only}; a plan lists the cells")
    return chosen


def asks_for_diverged(only: str | None) -> bool:
    """Whether `only` names cells that have diverged, which are otherwise not trained again."""
    conditions = (part.partition("=") for part in (only or "").split(","))
    return any(key.strip() == "status" and RunStatus.DIVERGED in texts.split("|") for key, _, texts in conditions)


def _condition(part: str, rows: list[dict[str, Any]]) -> tuple[str, list[str]]:
    key, equals, value = (text.strip() for text in part.partition("="))
    known = {name for row in rows for name in row} | {"status"}
    if not equals or not value:
        raise OptionError("only", f"'{part}' is not KEY=VALUE; {EXAMPLE}")
    if key not in known:
        alike = [name for name in sorted(known) if name.lower() == key.lower() or name.endswith(f".{key}")]
        near = alike or difflib.get_close_matches(key, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"use a key of the grid, {EXAMPLE}"
        raise OptionError("only", f"'{key}' is not a key of the grid's cells; {hint}")
    texts = [text.strip() for text in value.split("|")]
    there = STATUSES if key == "status" else list(dict.fromkeys(row.get(key) for row in rows))
    for text in texts:
        if not any(_is(one, text) for one in there):
            shown = ", ".join(str(one) for one in there[:12]) + (", ..." if len(there) > 12 else "")
            raise OptionError("only", f"no cell has {key}={text}; the grid has {shown}")
    return key, texts


def _is(value: Any, text: str) -> bool:
    """Whether `text` spells a value: numbers by size (1e-3 is 0.001), everything else by its letters."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() == text.lower()
    if isinstance(value, int | float):
        try:
            return float(text) == float(value)
        except ValueError:
            return False
    return str(value) == text
