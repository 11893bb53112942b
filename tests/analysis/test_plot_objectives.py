"""The command that compares objectives, and its section of the report."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from mmcr_core.objectives import objective_spec
from sweeps.storage.sweep_store import Store
from tests import synthetic
from tests.conftest import invoke

NAMES = ("alignment", "mmcr", "simclr")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Three objectives, two sizes, two seeds, measured at four steps."""
    store, steps = Store(tmp_path_factory.mktemp("objectives")), 200
    for i, name in enumerate(NAMES):
        for P in (64, 128):
            for seed in (0, 1):
                run = dataclasses.replace(synthetic.spec(P, 64, 2, seed, steps=steps), objective=objective_spec(name))
                curve = (0.3 + 0.1 * i + 0.01 * seed) * np.arange(1.0, steps + 1) ** -0.05
                run_id = synthetic.write_run(store, run, curve, objective=name)
                for step in (0, 10, 50, 200):
                    error = float(curve[max(step - 1, 0)])
                    rows = [("heldout_percent_error", "", error), ("capacity", "views", 1 / error)]
                    rows += [("knn_accuracy", "", 1 - error), ("knn_accuracy", "5 labels a class", 0.9 - error)]
                    store.write_measures(run_id, step, [
                        {"name": n, "subject": s, "value": v, "low": v - 0.1, "high": v + 0.1, "images": step * P,
                         "flops": step * synthetic.FLOPS, "count": 9} for n, s, v in rows])  # fmt: skip
    return store.root


def test_figures_table_and_words_are_made(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.figures.objective_figures.ROWS_A_PAGE", 1)
    ran = invoke("plot_objectives", sweep, "-o", tmp_path)
    assert ran.returncode == 0, ran.stderr
    numbered = {f"{name}_{page}.png" for name in ("objectives", "plane") for page in (0, 1)}
    assert {path.name for path in tmp_path.glob("*.png")} == {"measures.png", *numbered}
    assert "Alignment (control) against MMCR, 4 pairs of runs – higher: capacity, views" in ran.stdout
    table = pd.read_csv(tmp_path / "objectives.csv")
    assert set(table["variant"]) == {"alignment", "simclr"}
    few = "knn_accuracy, 5 labels a class"
    assert {"percent_error", "knn_accuracy", few, "capacity, views"} <= set(table["quantity"])


def test_one_objective_is_drawn_without_comparison(tmp_path):
    store = synthetic.write_sweep(tmp_path / "one", (64,), (2,), steps=40)
    ran = invoke("plot_objectives", store.root, "-o", tmp_path / "figures")
    assert ran.returncode == 0 and " against " not in ran.stdout
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {"objectives.png", "plane.png"}


def test_a_folder_that_holds_no_sweep_is_one_sentence(tmp_path):
    ran = invoke("plot_objectives", tmp_path / "absent")
    assert ran.returncode == 2 and len(ran.stderr.splitlines()) == 1


def test_the_report_compares_objectives_and_ranks_measures(sweep):
    ran = invoke("report", sweep)
    assert ran.returncode == 0, ran.stderr
    page = (sweep / "report.html").read_text()
    folds = re.findall(r"<details( open)?><summary>([\w ()]+): \d", page)
    assert folds == [(" open", "MMCR"), ("", "Alignment (control)"), ("", "SimCLR")]
    assert "Objectives on the same axes" in page and "SimCLR against MMCR, 4 pairs of runs" in page
    assert "Measures and the percent error" in page and "id='plane'" in page and "id='measures'" in page
