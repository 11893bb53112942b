"""Every benchmark's module loads with what this version of the product offers; what it measures takes minutes."""

from importlib import import_module

import pytest

from tests.benchmarks.__main__ import NAMES, SIMULATIONS


@pytest.mark.parametrize("name", [*NAMES, *SIMULATIONS])
def test_a_benchmark_loads(name):
    assert callable(import_module(f"tests.benchmarks.{name}").main)
