"""Priors: what sweeps teach, and that a sweep that taught nothing is predicted by what others did."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.prediction import fit_predictors
from analysis.fitting.forecast.priors import MEDIANS, SPREADS, VAGUE, VAGUE_SPREAD, learned
from analysis.fitting.forecast.process import fit_process
from analysis.fitting.forecast.trends import ScalingLaw
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from tests.conftest import REPOSITORY

TEACHERS = ("digits", "cifar10", "tiny-imagenet", "digits-images")


def test_a_prior_is_the_geometric_mean_and_one_sweep_more():
    twice = VAGUE._replace(misfit=4 * VAGUE.misfit, variant=0.0)
    medians, spreads = learned([twice])
    assert medians.misfit == pytest.approx(2 * VAGUE.misfit) and medians.variant == pytest.approx(VAGUE.variant)
    assert spreads.misfit == pytest.approx(np.hypot(np.log(4) / np.sqrt(2), 0.35))
    assert spreads.variant == 0.7 and spreads.noise == pytest.approx(0.35)


@pytest.fixture(scope="module")
def sweeps():
    found = {}
    for name in TEACHERS:
        analysis = SweepAnalysis(open_results(REPOSITORY / "results" / "reference" / name))
        found[name] = (analysis.planned, analysis.measured_along("percent_error"))
    return found


@pytest.fixture(scope="module")
def modes(sweeps):
    points = {name: next(iter(fit_predictors(*both).values())).points for name, both in sweeps.items()}
    return {name: fit_process(at, ScalingLaw.near(at), VAGUE, VAGUE_SPREAD).mode for name, at in points.items()}


@pytest.mark.slow
def test_the_priors_are_what_the_reference_sweeps_teach(modes):
    """Within a standard error of what so few sweeps teach; which runs of a large sweep hyperparameters are learned from
    moves medians by up to 0.12, spreads by up to 0.27."""
    medians, spreads = learned(list(modes.values()))
    count = 1 + len(modes)
    assert (np.abs(np.log(MEDIANS) - np.log(medians)) < np.array(SPREADS) / np.sqrt(count)).all()
    assert np.log(SPREADS) == pytest.approx(np.log(spreads), abs=1 / np.sqrt(2 * (count - 1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "silent", "within"), [("cifar10", ("cifar10",), 0.03), ("digits", ("digits", "digits-images"), 0.04)]
)
def test_a_sweep_that_taught_nothing_is_predicted_by_what_others_taught(sweeps, modes, name, silent, within):
    """The dearest 30% of its settings, from the others."""
    medians, spreads = learned([mode for teacher, mode in modes.items() if teacher not in silent])
    runs, measured = sweeps[name]
    each = [runs["P"], runs["D"], runs["K"]]
    sizes = runs[["P", "D", "K"]].astype(float)
    cost = (sizes["K"] + sizes["P"] * sizes["D"] * 1e-9).groupby(each).max()  # each K shows as many images
    if name == "cifar10":  # two values of K tell nothing of a third
        cost = cost % 1
    held = pd.MultiIndex.from_arrays(each).isin(cost.nlargest(round(0.3 * len(cost))).index)
    points = next(iter(fit_predictors(runs, measured).values())).points
    known, ends = points[~held[points.run]], points[held[points.run]]
    last = ends[ends.steps == np.array([ends.steps[ends.run == run].max() for run in ends.run])]
    process = fit_process(known, ScalingLaw.near(known), medians, spreads)
    mean, _ = process.predict(last)
    assert np.sqrt((np.expm1(mean - last.value) ** 2).mean()) < within
