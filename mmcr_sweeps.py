"""The installed command `mmcr-sweeps`. Its packages have names that others use too: where another one has been found
or installed in the place of one of ours, it says so."""

from __future__ import annotations

import base64
import hashlib
import importlib
import sys
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ("mmcr_core", "sweeps", "analysis")


def main() -> None:
    """Run `mmcr-sweeps` with the arguments of the command line. Exit code 2 where another package is in the way."""
    if problem := _elsewhere() or _overwritten():
        print(f"mmcr-sweeps: {problem}", file=sys.stderr)
        raise SystemExit(2)
    importlib.import_module("sweeps.cli.commands").main()


def _elsewhere() -> str | None:
    for name in PACKAGES:
        found = find_spec(name)
        place = Path(found.origin).resolve().parent if found and found.origin else None
        if place != HERE / name:
            where = place or "a folder without __init__.py"
            return f"{where} takes the place of its package '{name}'; rename it, or take its folder off PYTHONPATH"
    return None


def _overwritten() -> str | None:
    try:
        installed = files("mmcr-sweeps") or []
    except PackageNotFoundError:
        return None
    for file in installed:
        if file.hash and file.name == "__init__.py" and file.parts[0] in PACKAGES and len(file.parts) == 2:
            digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value:
                return f"another distribution has overwritten {file.locate()}; give each its own environment"
    return None
