"""`~` in a path, which shells leave as it is in --results=~/x."""

from __future__ import annotations

import os
from pathlib import Path

from sweeps.cli.errors import UserError


def with_home(place: str | Path) -> Path:
    """A path, `~` and `~user` being home folders. Raises UserError for the home of nobody."""
    path = os.path.expanduser(place)
    if path.startswith("~"):
        raise UserError(f"{place}: there is no such home folder; write ./{place} for a folder of that name")
    return Path(path)
