"""The cells of a grid that `--only` names."""

from __future__ import annotations

import re

from mmcr_core.identity import run_id
from mmcr_core.spec import RunSpec
from sweeps.storage.errors import UserError

SELECTABLE = ("P", "D", "K", "seed", "run_id")


def selected(cells: tuple[RunSpec, ...], only: str | None) -> tuple[RunSpec, ...]:
    """The cells for which all of `only` holds: KEY=VALUE[|VALUE...] joined by commas; None means every cell.

    Raises: UserError for what is no such condition, or where no cell is left.
    """
    if only is None:
        return cells
    wanted: dict[str, set[str]] = {}
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([\w|]+)\s*", part)
        if not match or match[1] not in SELECTABLE:
            keys = ", ".join(SELECTABLE)
            raise UserError(f"--only: '{part}' is not KEY=VALUE with one of {keys}; such as 'P=64|128,K=2'")
        wanted.setdefault(match[1], set()).update(match[2].split("|"))

    def value(cell: RunSpec, key: str) -> str:
        return run_id(cell) if key == "run_id" else str(getattr(cell, key))

    chosen = tuple(cell for cell in cells if all(value(cell, key) in any_of for key, any_of in wanted.items()))
    if not chosen:
        raise UserError(f"--only: no cell of the grid has {only}; see --plan for the cells")
    return chosen
