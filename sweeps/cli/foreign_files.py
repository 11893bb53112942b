"""What is to blame for an error that is no defect of this project: a file that is neither its own nor installed and got
in its way, by PYTHONPATH or in the current folder, or the storage at a URL."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def blame(error: Exception) -> str:
    """A sentence where the storage at a URL or such a file raised the error, or such a file stands in the place of a
    module that is needed; else empty."""
    for name in {*sys.stdlib_module_names, *packages_distributions()} & {*sys.modules}:
        file = getattr(sys.modules[name], "__file__", None)
        if file and _is_foreign(file):
            remedy = "rename it, or take its folder off PYTHONPATH"
            return f"{file} takes the place of the module '{name}' that mmcr-sweeps needs: {remedy}"
    frames = traceback.extract_tb(error.__traceback__)
    storage = {Path(str(sys.modules[name].__file__)).parent for name in ("fsspec", "upath") if name in sys.modules}
    if any(storage & {*Path(frame.filename).parents} for frame in frames):
        return "the storage at the URL answers with this: check its address, its credentials and the network"
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames and _is_foreign(frames[-1].filename) else ""
    remedy = "raises this, which is no part of mmcr-sweeps: mend it, or take its folder off PYTHONPATH"
    return f"{where} {remedy}" if where else ""


def _is_foreign(file: str) -> bool:
    ours = {PROJECT, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
    path = Path(file)
    return path.is_absolute() and path.exists() and not any(folder in path.parents for folder in ours)
