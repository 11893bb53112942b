"""What `analysis` offers by name: resolved when it is asked for, whatever was imported before."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import analysis
from tests.conftest import REPOSITORY

NAMES = {"SweepAnalysis", "find_peak", "fit_joint", "fit_power_law", "open_results"}


def test_public_names_are_functions_and_a_class_though_all_submodules_were_imported():
    modules = [module.name for module in pkgutil.walk_packages(analysis.__path__, "analysis.")]
    for name in modules:
        importlib.import_module(name)
    assert set(analysis.__all__) == NAMES and set(dir(analysis)) >= NAMES
    assert not NAMES & {name.rpartition(".")[2] for name in modules}
    for name in NAMES:
        assert callable(getattr(analysis, name)) and getattr(analysis, name).__name__ == name


def test_importing_the_package_costs_nothing():
    code = "import sys; before = set(sys.modules); import analysis; print(*(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    brought = {name for name in ran.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert brought == {"analysis"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fit_everything'"):
        _ = analysis.fit_everything
