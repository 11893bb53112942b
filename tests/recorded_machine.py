"""Whether bits may be compared: what differs between this machine and the one that a run's row records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("torch", "torchvision", "numpy")  # what a trajectory's numbers go through


def processor() -> dict[str, str]:
    """The first processor as Linux names it (`model name`, `cpu family`, `model` and more; nothing elsewhere), and the
    `vectors` that torch uses of it, such as AVX512."""
    cpuinfo = Path("/proc/cpuinfo")
    first = cpuinfo.read_text().split("\n\n")[0] if cpuinfo.exists() else ""
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    known = {key.strip(): value.strip() for key, value in pairs}
    return known | {"vectors": torch.backends.cpu.get_cpu_capability()}


def differences(row: Mapping[str, Any], recorded: Mapping[str, str] | None = None) -> list[str]:
    """What a row of `runs` records and is otherwise here; and of the processor, where `recorded` says more of it."""
    versions = json.loads(row["versions"])
    then = {"model name": row["device"], "threads": versions["threads"]} | dict(recorded or {})
    then |= {name: versions[name] for name in LIBRARIES}
    here = processor() | {"threads": torch.get_num_threads()} | {name: version(name) for name in LIBRARIES}
    return [f"{key} {here.get(key)}, recorded {value}" for key, value in then.items() if here.get(key) != value]
