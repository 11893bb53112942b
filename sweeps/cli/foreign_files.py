"""Files that are neither this project's nor installed, and got in its way: by PYTHONPATH, or in the current folder."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def blame(error: Exception) -> str:
    """A sentence where such a file raised the error, or stands in the place of a module that is needed; else empty."""
    for name in {*sys.stdlib_module_names, *packages_distributions()} & {*sys.modules}:
        file = getattr(sys.modules[name], "__file__", None)
        if file and _is_foreign(file):
            remedy = "rename it, or take its folder off PYTHONPATH"
            return f"{file} takes the place of the module '{name}' that mmcr-sweeps needs: {remedy}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames and _is_foreign(frames[-1].filename) else ""
    remedy = "raises this, which is no part of mmcr-sweeps: mend it, or take its folder off PYTHONPATH"
    return f"{where} {remedy}" if where else ""


def _is_foreign(file: str) -> bool:
    ours = {PROJECT, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
    path = Path(file)
    return path.is_absolute() and path.exists() and not any(folder in path.parents for folder in ours)
