"""The arrows of import: sweeps -> mmcr_core <- analysis (theory only), each package cheap to import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported_by(package: str) -> set[str]:
    names: set[str] = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_core_knows_nothing_of_ray_yaml_or_the_store():
    forbidden = ("ray", "yaml", "sweeps", "analysis", "duckdb", "pydantic")
    assert not {name for name in imported_by("mmcr_core") if name.split(".")[0] in forbidden}


def test_analysis_imports_only_theory_of_the_core_and_neither_torch_nor_ray():
    names = imported_by("analysis")
    assert not {name for name in names if name.split(".")[0] in ("torch", "torchvision", "ray", "sweeps")}
    core = {name for name in names if name.startswith("mmcr_core")}
    assert core and all(name.startswith("mmcr_core.theory") for name in core)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import mmcr_core, sweeps, analysis", ["torch", "ray", "pandas", "numpy"]),
        ("import mmcr_core.training.pretraining", ["ray", "pyarrow", "pydantic", "pandas"]),
        ("import analysis.report, analysis.query", ["torch", "ray"]),
        ("import sweeps.grid.grid_file", ["ray"]),
    ],
)
def test_imports_bring_nothing_heavy_with_them(statement, absent):
    check = f"{statement}; import sys; print([m for m in {absent} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
