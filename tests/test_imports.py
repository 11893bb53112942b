"""The arrows of the house: sweeps -> mmcr_core, analysis -> sweeps.storage and mmcr_core.theory, and no circles."""

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(file for package in ("mmcr_core", "sweeps", "analysis") for file in (ROOT / package).rglob("*.py"))


def module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(file) for file in FILES}


def imports(file: Path) -> set[str]:
    """Modules that a file imports anywhere in it, with names of ours resolved to the file they come from."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (whole & MODULES) | ({node.module} if whole - MODULES else set())
    return names


ARROWS = {module(file): imports(file) for file in FILES}


def seen_from(package: str) -> set[str]:
    return set().union(*(names for name, names in ARROWS.items() if name.split(".")[0] == package or name == package))


def under(names: set[str], *roots: str) -> set[str]:
    return {name for name in names if any(name == root or name.startswith(f"{root}.") for root in roots)}


AT_TORCH = """
import os, sys

class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"])
            raise SystemExit

sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize("first", ["mmcr_core.training", "sweeps.execution.ray.trainable", "sweeps.planning.preview"])
def test_threads_are_told_to_spin_briefly_before_torch_is_loaded(first):
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    code = f"{AT_TORCH}import {first}"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    assert ran.stdout == "PASSIVE 1000\n"


def test_no_files_import_each_other_in_a_circle():
    graph = {name: names & MODULES for name, names in ARROWS.items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_core_knows_nothing_of_ray_yaml_or_the_store():
    assert not under(seen_from("mmcr_core"), "ray", "yaml", "sweeps", "analysis", "duckdb", "pydantic")


def test_analysis_sees_the_storage_room_and_theory_alone():
    names = seen_from("analysis")
    assert not under(names, "torch", "torchvision", "ray")
    assert under(names, "sweeps") == under(names, "sweeps.storage") != set()
    assert under(names, "mmcr_core") == {"mmcr_core.theory"}


def test_sweeps_know_nothing_of_analysis():
    assert not under(seen_from("sweeps"), "analysis")


def test_the_storage_room_stands_on_nothing_of_ours():
    names = set().union(*(names for name, names in ARROWS.items() if name.startswith("sweeps.storage")))
    assert under(names, "sweeps") == under(names, "sweeps.storage")
    assert not under(names, "mmcr_core", "torch", "ray")


def test_commands_are_imported_by_nobody():
    commands = {module(file) for file in FILES if 'if __name__ == "__main__":' in file.read_text()}
    assert {"sweeps.launch", "analysis.report"} <= commands
    assert not commands & set().union(*ARROWS.values())


def test_rooms_of_analysis_stand_on_each_other_in_one_order():
    """Faces and doors on pages, pages on verdicts, these on SweepAnalysis, which stands on laws, laws on reading."""
    order = ["analysis.reading", "analysis.laws", "analysis.sweep_analysis", "analysis.verdicts", "analysis.pages"]
    for floor, room in enumerate(order):
        above = [*order[floor + 1 :], *(name for name in MODULES if name.count(".") == 1 and name not in order)]
        names = set().union(*(names for name, names in ARROWS.items() if under({name}, room)))
        assert not {name for name in names if name.startswith("analysis.") and under({name}, *above)}, room


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import mmcr_core, sweeps, analysis; dir(analysis)", ["torch", "ray", "pandas", "numpy"]),
        ("import mmcr_core.training", ["ray", "pyarrow", "pydantic", "pandas"]),
        ("import analysis.report, analysis.query, analysis.results.results", ["torch", "ray"]),
        ("import sweeps.storage.sweep_store", ["torch", "ray"]),
        ("import sweeps.config.grid_file", ["ray"]),
        ("import sweeps.__main__", ["torch", "ray", "pandas", "numpy", "typer"]),
    ],
)
def test_imports_bring_nothing_heavy_with_them(statement, absent):
    check = f"{statement}; import sys; print([m for m in {absent} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
