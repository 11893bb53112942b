"""Which package may import which (docs/architecture.md), no import cycles, and packages of a readable size."""

import ast
import functools
import graphlib
import importlib
import importlib.metadata
import os
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(file for package in ("mmcr_core", "sweeps", "analysis") for file in (ROOT / package).rglob("*.py"))


def module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(file) for file in FILES}
COMMANDS = {module(file) for file in FILES if 'if __name__ == "__main__":' in file.read_text()}


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


@functools.cache
def all_imports() -> dict[str, set[str]]:
    return {module(file): imports(file) for file in FILES}


def imported_by(package: str) -> set[str]:
    return set().union(*(names for name, names in all_imports().items() if under({name}, package)))


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
def test_threads_spin_briefly_from_before_torch_is_loaded(first):
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    code = f"{AT_TORCH}import {first}"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    assert ran.stdout == "PASSIVE 1000\n"


def test_no_import_cycles():
    graph = {name: names & MODULES for name, names in all_imports().items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle


def test_no_folder_has_more_than_15_modules():
    sizes = Counter(file.parent.relative_to(ROOT).as_posix() for file in FILES if file.name != "__init__.py")
    assert {folder: size for folder, size in sizes.items() if size > 15} == {}


def test_mmcr_core_imports_neither_ray_nor_yaml_nor_the_store():
    assert not under(imported_by("mmcr_core"), "ray", "yaml", "sweeps", "analysis", "duckdb", "pydantic")


def test_sweeps_import_of_analysis_only_what_predicts_and_only_where_sweeps_are_adaptive():
    importers = {name for name, names in all_imports().items() if under({name}, "sweeps") and under(names, "analysis")}
    assert importers == under(importers, "sweeps.execution.adaptive") != set()
    names = imported_by("sweeps")
    assert under(names, "analysis") == under(names, "analysis.fitting.forecast")


def test_what_predicts_imports_nothing_else_of_the_project():
    names = imported_by("analysis.fitting.forecast")
    assert under(names, "mmcr_core", "sweeps", "analysis") == under(
        names, "analysis.fitting.forecast", "mmcr_core.theory"
    )


def test_analysis_imports_storage_cli_and_theory_only():
    names = imported_by("analysis")
    assert not under(names, "torch", "torchvision", "ray")
    assert under(names, "sweeps") == under(names, "sweeps.storage", "sweeps.cli") != set()
    assert under(names, "mmcr_core") == under(names, "mmcr_core.theory") != set()


def test_storage_imports_error_classes_and_home_folders_and_nothing_else_of_the_project():
    names = imported_by("sweeps.storage")
    assert under(names, "sweeps") - under(names, "sweeps.storage") == {"sweeps.cli.errors", "sweeps.cli.home_folder"}
    assert not under(names, "mmcr_core", "analysis", "torch", "ray")


def test_cli_imports_nothing_else_of_the_project():
    names = imported_by("sweeps.cli")
    assert under(names, "sweeps", "mmcr_core", "analysis") == under(names, "sweeps.cli")
    assert not under(names, "torch", "ray")


def test_nobody_imports_a_command():
    assert {"sweeps.launch", "analysis.report"} <= COMMANDS
    assert not COMMANDS & set().union(*all_imports().values())


def test_analysis_is_layered():
    """Each package imports only from those before it; modules at the top of analysis/ are commands and may import all.

    `results` and `fitting` import none of the others: statistics know no sweep, and reading a store fits nothing.
    """
    layers = ["results", "fitting", "estimates", "comparisons", "sweep_analysis", "cli", "verdicts"]
    layers += ["figures", "pages", "explorer"]
    layers = [f"analysis.{name}" for name in layers]
    folders = {f"analysis.{path.parent.name}" for path in (ROOT / "analysis").glob("*/__init__.py")}
    assert folders == {*layers} - {"analysis.sweep_analysis"}
    for position, layer in enumerate(layers):
        allowed = [layer] if position < 2 else layers[: position + 1]
        names = under(imported_by(layer), "analysis")
        assert names == under(names, *allowed), layer


def test_modules_of_shards_import_each_other_on_five_levels():
    shards = {name for name in MODULES if name.startswith("mmcr_core.data.shards.")}

    @functools.cache
    def level(name: str) -> int:
        return 1 + max(map(level, all_imports()[name] & shards), default=0)

    assert max(map(level, shards)) <= 5


@pytest.mark.parametrize("package", ["sweeps", "analysis"])
def test_modules_at_the_top_shadow_no_other_library(package):
    """A script runs with its own folder first on the path: `import html` must not find analysis/html.py."""
    tops = {name.split(".")[1] for name in MODULES if name.startswith(f"{package}.")}
    assert not tops & (sys.stdlib_module_names | importlib.metadata.packages_distributions().keys() | {"tables"})


def test_packages_export_no_name_that_a_submodule_has():
    """Once a submodule is imported, it takes the place of a function of its name."""
    packages = {module(file) for file in FILES if file.name == "__init__.py"}
    for name in packages:
        file = ROOT.joinpath(*name.split("."), "__init__.py")
        defined = {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
        imported = {
            one.asname or one.name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom)
            for one in node.names
        }
        assert not {f"{name}.{one}" for one in defined | imported} & MODULES, name
    for name in sorted(MODULES - {"sweeps.__main__"}):
        importlib.import_module(name)
    for name in packages:
        package = sys.modules[name]
        exported = set(getattr(package, "__all__", ()))
        assert not {f"{name}.{one}" for one in exported} & MODULES, name
        assert not [one for one in exported if isinstance(getattr(package, one), types.ModuleType)], name


@pytest.mark.parametrize(
    "in_turn",
    [
        {
            "import mmcr_core, sweeps, analysis; dir(analysis)": ["torch", "ray", "pandas", "numpy"],
            "import sweeps.cli.commands": ["torch", "ray", "pandas", "numpy", "typer"],
            f"import {', '.join(COMMANDS)}": ["torch", "ray", "pandas", "numpy"],
            "import sweeps.storage.sweep_store": ["torch", "ray"],
            "import analysis.results.results": ["torch", "ray", "scipy"],
            "import analysis.pages.report_page": ["torch", "ray"],
            "import sweeps.config.grid_file": ["ray"],
        },
        {
            "import mmcr_core.training": ["ray", "pyarrow", "pydantic", "pandas"],
            "import sweeps.execution.launching": ["analysis.fitting"],
        },
        {"import sweeps.execution.adaptive.until": ["ray", "pydantic"]},
    ],
    ids=["commands", "a launch", "its target"],
)
def test_imports_bring_nothing_heavy_with_them(in_turn):
    """One after another in one process: what must be absent after the last was not there before either."""
    lines = [f"{line}; print([m for m in {absent} if m in sys.modules])" for line, absent in in_turn.items()]
    code = "\n".join(["import sys", *lines])
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert dict(zip(in_turn, ran.stdout.splitlines(), strict=True)) == dict.fromkeys(in_turn, "[]")
