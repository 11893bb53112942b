"""What is installed, in the lines that a report of a defect needs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("torch", "ray", "numpy", "scipy", "pandas", "pyarrow", "duckdb")


def version_text() -> str:
    """Versions of this project, of Python, and of the libraries that results depend on."""
    libraries = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return f"mmcr-sweeps {_version('mmcr-sweeps')}\nPython {platform.python_version()}, {libraries}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
