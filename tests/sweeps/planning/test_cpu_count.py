"""One notion of cores for the plan and for Ray."""

import os

import pytest

from sweeps.planning import cpu_count
from sweeps.planning.cpu_count import usable_cores


def group(root, path, text):
    folder = root / path.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text)


@pytest.fixture
def played(tmp_path, monkeypatch):
    """A control group /pod/container, and eight cores that affinity leaves."""
    monkeypatch.setattr(cpu_count, "CGROUPS", tmp_path)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(cpu_count, "_own_group", lambda: "/pod/container")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path


def test_without_quotas_affinity_says_it(played):
    assert usable_cores() == 8
    group(played, "/pod", "max 100000")
    assert usable_cores() == 8


@pytest.mark.parametrize(("place", "quota", "expected"), [
    ("/pod/container", "250000 100000", 2),
    ("/pod", "400000 100000", 4),
    ("/", "100000 100000", 1),
    ("/pod", "50000 100000", 1),
    ("/pod", "9900000 100000", 8),
])  # fmt: skip
def test_the_smallest_quota_of_a_group_and_those_above_it_counts(played, place, quota, expected):
    group(played, place, quota)
    assert usable_cores() == expected


def test_slurms_cpus_per_task_count_also_where_they_bind_nothing(played, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert usable_cores() == 3
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "64")
    assert usable_cores() == 8


def test_the_older_kind_of_control_group_counts_too(played):
    (played / "cpu").mkdir()
    (played / "cpu/cpu.cfs_quota_us").write_text("300000\n")
    (played / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores() == 3
    (played / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cores() == 8
