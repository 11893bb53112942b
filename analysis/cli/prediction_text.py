"""What people are told of a sweep's predictions: how they were calibrated, and what they rest on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates.prediction import CELL, FEWEST, Predictor
from analysis.estimates.stopped_sweep import StoppedSweep
from analysis.fitting.forecast.calibration import ENOUGH
from analysis.results.display_names import variant_names
from analysis.sweep_analysis import SweepAnalysis
from sweeps.cli.formatting import counted


def prediction_remarks(analysis: SweepAnalysis, measure: str) -> list[str]:
    """A sentence or two for each family of variants that is predicted together, and what is not predicted."""
    found, left_out = [], analysis.left_out(measure)
    for predictor in {each.variants: each for each in analysis.predictors_of(measure).values()}.values():
        found += _remarks(predictor, left_out[left_out["variant"].isin(predictor.variants)])
        decaying = sorted(analysis.decaying & set(predictor.variants))
        if decaying:
            found.append(
                f"The learning rate of {variant_names(decaying)} decays, so only the ends of its runs tell anything."
            )
    found += unpredicted_remarks(analysis, measure)
    planned = analysis.planned[~analysis.planned["variant"].isin(list(analysis.unpredicted(measure)))]
    if diverged := planned.groupby(CELL)["run_id"].agg(lambda runs: runs.isin(analysis.diverged).all()).sum():
        found.append(f"{counted(diverged, 'setting')} diverged: nothing is predicted there.")
    return found


def unpredicted_remarks(analysis: SweepAnalysis, measure: str) -> list[str]:
    """A sentence for each variant of which nothing is predicted."""
    return [f"{why[0].upper()}{why[1:]}." for why in analysis.unpredicted(measure).values()]


def stop_remark(stopped: StoppedSweep) -> str:
    """How right a finished adaptive sweep was when it stopped."""
    table = stopped.predicted
    head = f"It stopped after {stopped.share:.1%} of the grid's FLOPs and {counted(stopped.rungs, 'rung')}"
    if table.empty:
        return f"{head}, with every setting trained to its end: nothing was predicted."
    error, written = stopped.errors, "{:.1%}".format if stopped.is_relative else "{:.3f}".format
    inside = ((table["low_95"] <= table["final"]) & (table["final"] <= table["high_95"])).sum()
    worst = table.loc[error.abs().idxmax()]
    return (
        f"{head}, with {len(table)} of {counted(len(stopped.settings), 'setting')} predicted: r.m.s. error "
        f"{written(stopped.expected_rms)} expected, {written(np.sqrt((error**2).mean()))} measured since; {inside} "
        f"inside their 95% intervals; the largest {written(error.abs().max())} "
        f"(P = {worst['P']}, D = {worst['D']}, K = {worst['K']})."
    )


def _remarks(predictor: Predictor, table: pd.DataFrame) -> list[str]:
    """`table`: the rows of `SweepAnalysis.left_out` of its variants."""
    calibration, unfinished = predictor.calibration, int((~table["finished"]).sum())
    at = f" at the last step that was trained ({unfinished} of them unfinished)" if unfinished else ""
    names = variant_names(predictor.variants)
    if len(table) < FEWEST:
        return [
            f"{names}: {counted(len(table), 'setting')}, too few to be left out: the intervals are the model's own."
        ]
    missed = np.sqrt(((table["predicted"] / table["measured"] - 1) ** 2).mean())
    inside = ((table["low_95"] <= table["measured"]) & (table["measured"] <= table["high_95"])).sum()
    found = [
        f"{names}: predicted from all others, {len(table)} settings{at} are off by {100 * missed:.1f}% (r.m.s.); "
        f"{inside} lie inside their 95% intervals (widened {calibration.factor:.2f} times by calibration)."
    ]
    if calibration.few:
        found.append(
            f"{calibration.residuals} residuals are fewer than the {ENOUGH} from which a 95% interval could be read "
            "without assuming a distribution (Student's t)."
        )
    if not predictor.has_replicates:
        found.append("No setting has two seeds, so the noise between seeds is assumed, not measured.")
    return found
