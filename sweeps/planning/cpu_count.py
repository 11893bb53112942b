"""How many CPU cores this process may use: what the plan counts and what Ray is given.

joblib.cpu_count() is not taken: it reads the quota of the topmost control group alone, rounds it up, and does not know
Slurm's request.
"""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that affinity (taskset, Slurm's cgroups), the control group's quota (containers) and Slurm's
    --cpus-per-task leave, which binds nothing by itself where Slurm runs without task affinity."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(1, min(allowed, int(_quota(CGROUPS, _own_group())), int(asked) if asked.isdigit() else allowed))


def _own_group() -> str:
    """This process's place in the unified hierarchy, such as /user.slice/x; / where there is none."""
    file = Path("/proc/self/cgroup")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.split("::", 1)[1] for line in lines if line.startswith("0::")), "/")


def _quota(root: Path, group: str) -> float:
    """The smallest CPU quota of a group and those above it, in cores; infinite where there is none."""
    places = [root / group.lstrip("/"), *(root / group.lstrip("/")).parents]
    inside = [place for place in places if place == root or root in place.parents]
    quotas = [quota for place in inside if (quota := _cpu_max(place / "cpu.max")) is not None]
    if (v1 := root / "cpu/cpu.cfs_quota_us").exists():
        microseconds, period = int(v1.read_text()), int((root / "cpu/cpu.cfs_period_us").read_text())
        quotas += [microseconds / period] if microseconds > 0 else []
    return max(1.0, min(quotas, default=1e9))


def _cpu_max(file: Path) -> float | None:
    """`QUOTA PERIOD` in microseconds, QUOTA `max` for none."""
    if not file.exists():
        return None
    quota, period = file.read_text().split()
    return None if quota == "max" else int(quota) / int(period)
