"""Replays of finished sweeps: what an adaptive one would have trained, and how right it would have been."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import SweepAnalysis, open_results
from analysis.cli.replay_text import readable
from analysis.estimates.adaptive_replay import FinishedSweep, replay, summary
from analysis.fitting.forecast.stopping import Target
from analysis.results.errors import ResultsError
from tests.analysis.estimates.test_prediction import error
from tests.conftest import invoke
from tests.synthetic import write_sweep


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("replay") / "known", (32, 64, 128), (2, 4), steps=400, curve=error,
                       scale=0.01)  # fmt: skip


@pytest.fixture(scope="module")
def sweep(store):
    analysis = SweepAnalysis(open_results(store.root))
    return FinishedSweep.of(analysis.planned, analysis.measured_along("percent_error"))


@pytest.fixture(scope="module")
def ways(sweep):
    return {
        policy: [replay(sweep, Target(0.05), policy, 0)] for policy in ("adaptive", "random", "cheapest", "v-optimal")
    }


def test_an_adaptive_sweep_costs_less_than_whole_runs_in_random_order(ways):
    share = {policy: each[0]["share"].iloc[-1] for policy, each in ways.items()}
    assert share["adaptive"] < 0.8 * share["random"]


def test_it_stops_when_what_it_predicts_is_right(ways):
    end = ways["adaptive"][0].iloc[-1]
    assert end["trained"] + end["predicted"] == 18 and end["predicted"] > 0
    assert end["rms_error"] < 0.05 and end["coverage"] >= 0.8


def test_shares_and_rungs_grow_along_the_way(ways):
    for each in ways.values():
        assert (np.diff(each[0]["share"]) > 0).all() and each[0]["share"].iloc[-1] <= 1
        assert each[0]["rungs"].tolist() == list(range(1, len(each[0]) + 1))


def test_the_same_start_is_the_same_way(sweep, ways):
    again = replay(sweep, Target(0.05), "adaptive", 0)
    assert again.equals(ways["adaptive"][0])


def test_the_smallest_sweep_of_two_prices_can_be_replayed(tmp_path):
    store = write_sweep(tmp_path / "small", (32, 64), (2,), steps=400, curve=error, scale=0.01)
    analysis = SweepAnalysis(open_results(store.root))
    sweep = FinishedSweep.of(analysis.planned, analysis.measured_along("percent_error"))
    priced = replace(sweep, runs=sweep.runs.assign(flops_per_step=1e9 * sweep.runs["P"]))
    for start in range(3):
        end = replay(priced, Target(0.05), "adaptive", start).iloc[-1]
        assert end["trained"] + end["predicted"] == 4


def test_what_was_measured_at_the_end_alone_is_replayed_in_whole_runs(tmp_path):
    store = write_sweep(tmp_path / "ends", (32, 64, 128), (2, 4), steps=400, curve=error, scale=0.01)
    for row in store.rows():
        value = 0.9 - 0.3 * row["percent_error"]
        found = {"name": "knn_accuracy", "subject": "", "value": value, "low": value - 0.002, "high": value + 0.002,
                 "images": 400 * row["P"], "flops": row["flops"], "count": 100_000}  # fmt: skip
        store.write_measures(row["run_id"], 400, [found])
    ran = invoke("replay", store.root, "--until", "knn_accuracy=0.02", "--starts", 1, "--policy", "adaptive", "--json",
                 "-o", tmp_path)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(ran.stdout)
    assert 0 < row["share"] < 0.8 and row["rungs"] == row["trained"] and row["rms_error"] < 0.02
    table = pd.DataFrame([row | {"coverage": 0.9}])
    assert readable(table, relative=False)["r.m.s. error"].tolist() == [f"{row['rms_error']:.3f}"]
    assert readable(table, relative=True)["r.m.s. error"].tolist() == [f"{row['rms_error']:.2%}"]
    assert (
        "knn_accuracy of 18 of 18 runs is known at the end alone: these are trained whole or not at all" in ran.stderr
    )


def test_a_summary_has_a_row_for_each_policy(ways):
    table = summary(ways).set_index("policy")
    assert table.loc["adaptive", "starts"] == 1
    assert table.loc["adaptive", "share_low"] == table.loc["adaptive", "share"]


@pytest.mark.usefixtures("pdf_too")
def test_the_command_prints_a_list_of_objects_and_draws(store, tmp_path):
    ran = invoke("replay", store.root, "--starts", 1, "--policy", "adaptive", "--json", "-o", tmp_path)
    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(ran.stdout)
    assert row["policy"] == "adaptive" and 0 < row["share"] < 1 and {"rms_error", "coverage"} <= set(row)
    assert (tmp_path / "replay.png").exists() and (tmp_path / "replay.pdf").exists()


@pytest.mark.parametrize("until", ["5", "knn=0.1", "0%"])
def test_what_is_no_target_is_a_sentence(store, until):
    ran = invoke("replay", store.root, "--until", until)
    assert ran.returncode == 2 and "--until" in ran.stderr and "Traceback" not in ran.stderr


def test_too_few_settings_are_refused(sweep):
    few = sweep.runs.head(3)
    with pytest.raises(ResultsError, match="4 finished settings of P, D, K at least; 3 of 3 are"):
        FinishedSweep.of(few, dict.fromkeys(few["run_id"], None))
