"""What people are told of a recommendation: its table in round numbers, and its caveats."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from analysis.estimates.fit_data import CELL
from analysis.estimates.prediction import Backtest
from analysis.estimates.recommendation import Budget
from analysis.results.display_names import variant_name, with_names

BASELINES = (
    "Percent errors of different P / D have different baselines: uniform embeddings have e_inf(P, D), 0.151 at P = D "
    "and about min(P, D) / (8 max(P, D)) far from it. A small error far from P = D need not be a better encoder: "
    "compare `gap`, the error above e_inf (--rank gap), or accuracies (--rank probe)."
)
TOLERATED = 0.2  # relative error of the test prediction beyond which a warning says so


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: rounded, the 95% interval of the error in brackets (less e_inf, it is that of the gap)."""
    forecasts = zip(table["error"], table["low"], table["high"], strict=True)
    return with_names(table[[*CELL, "steps"]]).assign(
        **{
            "x trained": table["times"].map("{:.2g}".format),
            "percent error (95%)": [f"{value:.4f} ({low:.4f} to {high:.4f})" for value, low, high in forecasts],
            "e_inf": table["e_inf"].round(4),
            "gap": table["gap"].round(4),
            "probe accuracy (± s.e.)": [
                f"{value:.4f}" + (f" ± {spread:.4f}" if np.isfinite(spread) else "") if np.isfinite(value) else ""
                for value, spread in zip(table["probe_accuracy"], table["probe_error"], strict=True)
            ],
        }
    )


def readable_next(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `next_runs` for people."""
    ranges = zip(table["predicted"], table["low_95"], table["high_95"], strict=True)
    falls = zip(table["uncertainty"], table["uncertainty_after"], strict=True)
    several = table["variant"].nunique() > 1
    begun = table["from_step"].map("resumes from step {:,}".format)
    table = table.assign(what=table["what"].where(table["from_step"] == 0, begun))
    return with_names(table[[*(["variant"] if several else []), "P", "D", "K", "what", "steps"]]).assign(
        **{
            "FLOPs to go": table["flops"].map("{:.2g}".format),
            "predicted (95%)": [f"{value:.4f} ({low:.4f} to {high:.4f})" for value, low, high in ranges],
            "r.m.s. uncertainty of all settings": [f"{before:.2%} to {after:.2%}" for before, after in falls],
        }
    )


def warnings(
    shown: pd.DataFrame, decaying: Collection[str], tests: Mapping[str, Backtest], budget: Budget, rank: str
) -> list[str]:
    """Caveats of the ranking; `decaying`: variants whose learning rate decays; `tests`: of `backtest`, by variant."""
    found = []
    if (beyond := shown[shown["times"] > 1.01])["times"].size:
        ends = dict.fromkeys(f"{end:.2g}" for end in (beyond["times"].min(), beyond["times"].max()))
        found.append(
            f"{len(beyond)} of the {len(shown)} cells shown extrapolate: {budget} is {' to '.join(ends)} times as long "
            "as they were trained."
        )
    if (short := int((shown["steps"] < 10).sum())) > 0:
        found.append(f"{short} of the cells shown would make fewer than 10 steps; the law says nothing of warm-up.")
    best = shown.iloc[0]
    column = {"error": ("low", "high", "error"), "gap": ("gap_low", "gap_high", "gap")}.get(rank)
    if column and (ties := int((shown[column[0]] <= best[column[1]]).sum()) - 1) > 0:
        found.append(f"intervals of {ties} more of the cells shown overlap the first one's: the order is not certain.")
    if rank == "probe":
        found.append("accuracies are those measured at the end of each run, not at the compute asked for.")
    for variant in shown["variant"].unique():
        name = variant_name(variant)
        if variant in decaying:
            found.append(
                f"the learning rate of {name} decays, so errors along its runs are not those of shorter runs, nor "
                "do they lead on to longer ones: sweep the budget, and compare final errors."
            )
        error, coverage, runs = tests[variant]
        if runs == 0:
            found.append(f"the runs of {name} are too short to test predictions on their own ends.")
        elif error > TOLERATED or coverage < 0.8:
            found.append(
                f"from the first quarter of the runs of {name} their ends are predicted with "
                f"{100 * error:.0f}% error, {100 * coverage:.0f}% inside their 95% intervals: trust the ranking no "
                "further than that."
            )
    return found
