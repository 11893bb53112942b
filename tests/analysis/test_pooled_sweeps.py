"""Several sweeps in one figure: seeds and cells of all, each run once, settings that differ as variants."""

import numpy as np
import pandas as pd
import pytest

from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.synthetic import FLOPS, law, spec, write_run, write_sweep

SIZES = (64, 128, 256)


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """The same grid on two machines, a seed each, of which the second has a run of the first too."""
    root = tmp_path_factory.mktemp("pooled")
    for draw, name in enumerate(("here", "there")):
        write_sweep(root / name, SIZES, (2,), (draw,), steps=600, draw=draw)
    run = spec(64, 64, 2, 0, steps=600)
    write_run(Store(root / "there"), run, law(64, 64, 2, np.arange(1, 601) * FLOPS))  # with other last digits
    return root / "here", root / "there"


def files(root):
    return {path.relative_to(root): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "pictures"),
    [("plot_double_descent", ["double_descent.png", "error_map.png", "gap.png"]), ("plot_scaling", ["scaling.png"])],
)
def test_seeds_of_two_machines_are_pooled_and_neither_store_is_touched(machines, command, pictures):
    before = [files(root) for root in machines]
    ran = invoke(command, *machines)
    assert ran.returncode == 0, ran.stderr
    assert "note: 1 run of the same id but other content, such as " in ran.stderr
    assert [files(root) for root in machines] == before
    both = machines[0].parent / "here+there"
    assert {path.name for path in (both / "figures").iterdir()} >= set(pictures)
    table = pd.read_parquet(both / {"plot_scaling": "fits.parquet", "plot_double_descent": "peaks.parquet"}[command])
    if command == "plot_scaling":
        assert set(table["seeds"]) == {2}
    assert table["variant"].nunique() == 1


def test_sweeps_that_differ_in_a_setting_are_variants(machines, tmp_path):
    other = Store(tmp_path / "fast")
    for size in SIZES:
        curve = law(size, 64, 2, np.arange(1, 601) * FLOPS)
        write_run(other, spec(size, 64, 2, 0, learning_rate=1e-2, steps=600), curve)
    ran = invoke("plot_double_descent", machines[0], other.root, "-o", tmp_path / "figures")
    assert ran.returncode == 0, ran.stderr
    peaks = pd.read_parquet(tmp_path / "figures/peaks.parquet")
    assert set(peaks["variant"]) == {"mmcr, optimizer.learning_rate=0.001", "mmcr, optimizer.learning_rate=0.01"}


def test_a_sweep_given_twice_is_refused(machines):
    ran = invoke("plot_scaling", machines[0], machines[0])
    assert ran.returncode == 2 and "is given twice" in ran.stderr
