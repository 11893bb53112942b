"""The page of two sweeps laid over each other."""

import numpy as np
import pytest

from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.synthetic import law, spec, write_run, write_sweep


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A sweep of other learning rate, whose errors are a tenth lower in every cell."""
    root = tmp_path_factory.mktemp("other") / "faster"
    store, rng = Store(root), np.random.default_rng(5)
    for P in (64, 128):
        for D in (64, 128):
            for K in (2, 4):
                curve = 0.9 * law(P, D, K, np.arange(1, 2001) * 1e9) * np.exp(0.01 * rng.standard_normal(2000))
                write_run(store, spec(P, D, K, learning_rate=3e-3), curve)
    return root


def test_two_sweeps_are_laid_over_each_other(sweep, other, tmp_path):
    target = tmp_path / "both.html"
    ran = invoke("report", sweep, other, "-o", target)
    assert ran.returncode == 0, ran.stderr
    text = target.read_text()
    assert text.count("data:image/png;base64,") == 2
    assert "optimizer.learning_rate" in text and "0.003" in text
    assert "clearly higher in 0, clearly lower in 8 of them" in text
    assert "one seed" in text and "known against faster" in text


def test_a_comparison_needs_shared_cells_and_two_different_sweeps(sweep, tmp_path):
    far = write_sweep(tmp_path / "far", sizes=(512,), views=(8,), steps=50)
    ran = invoke("report", sweep, far.root)
    assert ran.returncode == 2 and "share no cell" in ran.stderr
    ran = invoke("report", sweep, sweep)
    assert ran.returncode == 2 and "given twice" in ran.stderr
    assert not (sweep / "comparison.html").exists()
