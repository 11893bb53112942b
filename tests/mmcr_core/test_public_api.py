"""What `mmcr_core` offers by name: resolved when it is asked for, whatever was imported before."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import mmcr_core
from tests.conftest import REPOSITORY

NAMES = {"MMCRLoss", "Pretraining", "expected_percent_error", "make_objective", "percent_error"}


def test_public_names_are_functions_and_classes_though_all_submodules_were_imported():
    modules = [module.name for module in pkgutil.walk_packages(mmcr_core.__path__, "mmcr_core.")]
    for name in modules:
        importlib.import_module(name)
    assert set(mmcr_core.__all__) == NAMES and set(dir(mmcr_core)) >= NAMES
    assert not NAMES & {name.rpartition(".")[2] for name in modules}
    for name in NAMES:
        assert callable(getattr(mmcr_core, name)) and getattr(mmcr_core, name).__name__ == name


def test_importing_the_package_brings_nothing_but_itself():
    code = "import sys; before = set(sys.modules); import mmcr_core; print(*(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    brought = {name for name in ran.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert brought == {"mmcr_core"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'MMCRLos'"):
        _ = mmcr_core.MMCRLos
