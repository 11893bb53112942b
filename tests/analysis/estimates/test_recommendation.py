"""Which P, D and K for this much compute: right on a grid whose law is known, and plain about its limits."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.cli.recommendation_text import warnings
from analysis.estimates.prediction import backtest
from analysis.estimates.recommendation import Budget, priced_cells, recommend
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import expected_percent_error
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.synthetic import FLOPS, noise, spec, write_run

SIZES = (32, 64, 128, 256)
STEPS = 1500


def truth(P, D, K, steps):
    return expected_percent_error(P, D) + 0.8 * np.asarray(steps) ** -0.3 * K**-0.3


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Errors above e_inf fall with K; steps of cells with P = 256 run four times as fast."""
    store, rng = Store(tmp_path_factory.mktemp("recommend") / "known"), np.random.default_rng(0)
    for P in SIZES:
        for D in SIZES:
            for K in (2, 4):
                curve = truth(P, D, K, np.arange(1, STEPS + 1)) * np.exp(noise(rng, STEPS, 0.01))
                speed = P * STEPS / 10 * (4 if P == 256 else 1)
                write_run(store, spec(P, D, K, steps=STEPS), curve, images_per_second=speed,
                          probe_accuracy=0.9 if (P, D, K) == (64, 64, 4) else 0.5)  # fmt: skip
    return store.root


@pytest.fixture(scope="module")
def laws(known):
    return SweepAnalysis(open_results(known)).predictors_of("percent_error")


@pytest.fixture(scope="module")
def ask(known, laws):
    """Rows of the answer for a budget and a rank, best first."""
    cells = priced_cells(open_results(known).runs(), laws)
    return lambda budget, rank="error": recommend(cells, laws, budget, rank).to_dict("records")


def test_the_best_cells_are_those_of_the_law_with_intervals(ask):
    rows = ask(Budget("flops", 5 * STEPS * FLOPS))
    expected = {(P, D, K): float(truth(P, D, K, 5 * STEPS)) for P in SIZES for D in SIZES for K in (2, 4)}
    assert rows[0]["K"] == 4 and {rows[0]["P"], rows[0]["D"]} == {32, 256}
    inside = [row["low"] <= expected[row["P"], row["D"], row["K"]] <= row["high"] for row in rows]
    assert np.mean(inside) > 0.9
    for row in rows:
        assert row["error"] == pytest.approx(expected[row["P"], row["D"], row["K"]], rel=0.05)
        assert row["steps"] == 5 * STEPS and row["times"] == pytest.approx(5)


def test_the_gap_to_the_floor_ranks_otherwise(ask):
    rows = ask(Budget("flops", STEPS * FLOPS), "gap")
    gaps = [row["gap"] for row in rows]
    assert gaps == sorted(gaps)
    assert {row["K"] for row in rows[:16]} == {4}  # the baseline no longer favors cells far from P = D
    gap = truth(64, 64, 4, 0.975 * STEPS) - expected_percent_error(64, 64)
    assert [row["gap"] for row in rows[:16]] == pytest.approx([gap] * 16, rel=0.03)


def test_hours_count_the_measured_speeds(ask):
    rows = ask(Budget("seconds", 10.0))
    steps = {row["P"]: row["steps"] for row in rows}
    assert steps[256] == 4 * STEPS and steps[64] == STEPS


def test_probe_accuracy_ranks_by_what_was_measured(ask):
    best = ask(Budget("flops", 1e12), "probe")[0]
    assert (best["P"], best["D"], best["K"]) == (64, 64, 4)


def test_json_is_the_same_answer_with_the_remarks_beside_it(known, ask):
    ran = invoke("recommend", known, "--gpu-hours", 10 / 3600, "--rank", "gap", "--json", "--top", 3)
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)
    best = ask(Budget("seconds", 10.0), "gap")[:3]
    assert [(row["P"], row["D"], row["K"]) for row in rows] == [(row["P"], row["D"], row["K"]) for row in best]
    assert "different baselines" in ran.stderr and "Speeds are those measured on: synthetic" in ran.stderr


@pytest.mark.usefixtures("pdf_too")
def test_people_are_told_of_floors_and_extrapolation_in_100_columns(known, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    ran = invoke("recommend", known, "--flops", 1e14, "-o", tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = " ".join(ran.stdout.split())
    assert "different baselines" in told and "--rank gap" in told
    assert "Warning" in told and "extrapolate" in told
    assert max(map(len, ran.stdout.split("\n"))) <= 100
    assert ran.stdout.count(" to 0.") >= 10  # a forecast is not broken over lines
    assert (tmp_path / "frontier.png").exists() and (tmp_path / "frontier.pdf").exists()


@pytest.fixture(scope="module")
def tests(laws):
    return {name: backtest(each) for name, each in laws.items()}


def test_within_what_was_trained_nothing_is_extrapolated(ask, laws, tests):
    budget = Budget("flops", 0.5 * STEPS * FLOPS)
    said = warnings(pd.DataFrame(ask(budget)), (), tests, budget, "error")
    assert not any("extrapolate" in warning for warning in said)


def test_runs_whose_learning_rate_decays_are_a_warning(known, laws, tests):
    budget = Budget("flops", STEPS * FLOPS)
    table = recommend(priced_cells(open_results(known).runs(), laws), laws, budget, "error")
    assert any("sweep the budget" in warning for warning in warnings(table, {"mmcr"}, tests, budget, "error"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "one of the two"),
        (["--flops", "1e12", "--gpu-hours", "1"], "one of the two"),
        (["--flops", "-1"], "must be positive"),
        (["--flops", "inf"], "must be positive"),
        (["--flops", "1e12", "--rank", "beauty"], "beauty"),
    ],
)
def test_mistakes_are_one_sentence(known, arguments, says):
    ran = invoke("recommend", known, *arguments)
    assert ran.returncode == 2
    assert says in ran.stderr and "Traceback" not in ran.stderr


def test_too_few_cells_have_no_answer(tmp_path):
    store = Store(tmp_path / "one")
    write_run(store, spec(64, 64, 2, steps=200), 0.3 * np.arange(1.0, 201) ** -0.1)
    ran = invoke("recommend", store.root, "--flops", 1e12)
    assert ran.returncode == 2 and "at least 3 runs" in ran.stderr
