"""Representation-collapse detection of the report."""

import pandas as pd

from analysis.pages.report_page import render
from analysis.pages.representation_collapse import collapsed_runs
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from tests.synthetic import law, spec, write_run, write_sweep


def test_the_report_names_collapsed_runs_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.pages.report_page._analysis", lambda *_: [])  # figures and fits take seconds
    store = write_sweep(tmp_path / "known", sizes=(64,), views=(2,), steps=300)
    assert "Collapsed" not in render(SweepAnalysis(open_results(store.root)))
    steps = pd.Series(range(1, 301)) * 1e9
    key = write_run(store, spec(64, 64, 8, steps=300), law(64, 64, 8, steps.to_numpy()), uniformity=0.15)
    text = render(SweepAnalysis(open_results(store.root)))
    assert "1 of 2 finished runs have collapsed" in text
    assert "collapsed: effective rank 1.4 of 64" in text and key in text


def test_runs_without_a_uniformity_are_not_judged():
    runs = pd.DataFrame({"uniformity": [None, 0.9], "P": [64, 64], "D": [64, 64]})
    assert collapsed_runs(runs) == []
    assert collapsed_runs(runs.iloc[:0]) == []
