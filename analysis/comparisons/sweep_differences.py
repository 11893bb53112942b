"""How sweeps differ: in settings, and cell by shared cell in error, accuracy and exponent, with intervals."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimates.fit_data import CELL, tail_errors
from analysis.estimates.peak import BATCHES_FREEDOM
from analysis.estimates.per_cell_fit import PURE, Fits
from analysis.fitting.power_law_fit import difference
from analysis.fitting.resampling import TIED
from analysis.results.errors import ResultsError
from analysis.results.results import Results
from analysis.results.sweep_folder import labels
from analysis.results.variant_labels import flatten
from sweeps.storage.run_status import RunStatus

MEASURES = ("percent_error", "heldout_percent_error", "probe_accuracy")


def gather(sweeps: list[Results]) -> pd.DataFrame:
    """Finished runs of all sweeps; `variant` names the sweep, and what varies within it; with `noise`, the
    standard error of each percent error."""
    parts = []
    for results, own in zip(sweeps, variant_labels(sweeps), strict=True):
        runs = results.runs()
        runs = runs[runs["status"] == RunStatus.FINISHED].copy()
        runs["variant"] = runs["variant"].map(own)
        runs["noise"] = tail_errors(results).reindex(runs["run_id"]).to_numpy()
        parts.append(runs)
    runs = pd.concat(parts, ignore_index=True)
    if len(sweeps) > sum(not part.empty for part in parts):
        raise ResultsError("each of the sweeps must have finished runs")
    return runs


def variant_labels(sweeps: list[Results]) -> list[dict[str, str]]:
    """For each sweep, variant -> what it is called beside the others: the sweep, and what varies within it."""
    found = []
    for name, results in zip(labels([results.root for results in sweeps]), sweeps, strict=True):
        variants = results.runs()["variant"].unique()
        found.append({variant: name if len(variants) == 1 else f"{name}: {variant}" for variant in variants})
    return found


def settings(sweeps: list[Results]) -> pd.DataFrame:
    """Spec keys whose values differ between the sweeps: key, and the values in each."""
    flat = [[flatten(json.loads(spec)) for spec in results.runs()["spec"]] for results in sweeps]
    rows = []
    for key in sorted({key for sweep in flat for spec in sweep for key in spec}):
        values = [sorted({json.dumps(spec.get(key)) for spec in sweep}, key=_natural) for sweep in flat]
        if any(each != values[0] for each in values):
            rows.append({"setting": key} | {str(results.root): ", ".join(each)
                                            for results, each in zip(sweeps, values, strict=True)})  # fmt: skip
    return pd.DataFrame(rows)


def _natural(text: str) -> tuple[float, str]:
    value = json.loads(text)
    return (float(value), "") if isinstance(value, int | float) else (float("inf"), text)


def differences(runs: pd.DataFrame, laws: Fits) -> pd.DataFrame:
    """For each pair of variants and each cell that both have: the second less the first in percent error, in
    held-out error and probe accuracy (with 95% intervals where seeds or noise allow), and in exponent."""
    rows = []
    variants = list(dict.fromkeys(runs["variant"]))
    for first, second in itertools.combinations(variants, 2):
        pairs = [runs[runs["variant"] == name].groupby(["P", "D", "K"]) for name in (first, second)]
        for cell in sorted(set(pairs[0].groups) & set(pairs[1].groups)):
            a, b = (pair.get_group(cell) for pair in pairs)
            row: dict[str, Any] = {"pair": f"{second} less {first}"} | dict(zip(CELL[1:], cell, strict=True))
            row["seeds"] = min(len(a), len(b))
            for measure in MEASURES:
                row[measure], row[f"{measure}_low"], row[f"{measure}_high"] = _welch(
                    a[measure], b[measure], a["noise"] if measure == "percent_error" else None,
                    b["noise"] if measure == "percent_error" else None,
                )  # fmt: skip
            fits = [laws.get((name, *cell, *PURE)) for name in (first, second)]
            if fits[0] and fits[1]:
                row["alpha"], row["alpha_low"], row["alpha_high"] = difference(fits[1], fits[0])
            rows.append(row)
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _welch(
    a: pd.Series, b: pd.Series, noise_a: pd.Series | None, noise_b: pd.Series | None
) -> tuple[float, float, float]:
    """Difference b - a of means and its interval: Welch's t over seeds; of one seed, or of seeds all alike, the
    noise within the runs, NaN without it."""
    mean = float(b.mean() - a.mean())
    if len(a) > 1 and len(b) > 1 and max(a.std(), b.std()) > TIED:
        parts = np.array([part.var(ddof=1) / len(part) for part in (a, b)])
        freedom = parts.sum() ** 2 / max((parts**2 / [len(a) - 1, len(b) - 1]).sum(), 1e-300)
        half = float(stats.t.ppf(0.975, max(freedom, 1.0)) * np.sqrt(parts.sum()))
        return mean, mean - half, mean + half
    if noise_a is None or noise_b is None:
        return mean, float("nan"), float("nan")
    spread = float(np.hypot(noise_a.mean() / np.sqrt(len(a)), noise_b.mean() / np.sqrt(len(b))))
    half = float(stats.t.ppf(0.975, BATCHES_FREEDOM)) * spread
    return mean, mean - half, mean + half
