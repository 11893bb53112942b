"""Sweeps laid over each other: the same P, D and K under other objectives, encoders, data sets or settings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.comparisons.sweep_differences import differences, gather, settings, variant_labels
from analysis.figures.comparison_figures import draw_errors, draw_trajectories
from analysis.figures.style import png_alone, save
from analysis.fitting.resampling import student_half_width
from analysis.pages.html_page import embed, render_template
from analysis.pages.provenance import provenance
from analysis.results.errors import ResultsError
from analysis.sweep_analysis import SweepAnalysis


def render(sweeps: list[SweepAnalysis]) -> str:
    """The page of two sweeps or more. Raises ResultsError where they share no P, D, K."""
    opened = [analysis.results for analysis in sweeps]
    runs = gather(opened)
    names = list(dict.fromkeys(runs["variant"]))
    labeled = list(zip(sweeps, variant_labels(opened), strict=True))
    laws = {(own[key[0]], *key[1:]): fit for each, own in labeled for key, fit in each.cell_fits().items()}
    compared = differences(runs, laws)
    if compared.empty:
        raise ResultsError(f"{' and '.join(str(results.root) for results in opened)} share no cell P, D, K")
    cells = {(own[key[0]], *key[1:]): cell for each, own in labeled for key, cell in each.cells.items()}
    fits = pd.concat([each.fits.assign(variant=each.fits["variant"].map(own)) for each, own in labeled])
    with tempfile.TemporaryDirectory() as folder, png_alone():
        drawn = [
            save(draw_errors(runs, names), Path(folder), "errors"),
            save(draw_trajectories(cells, names), Path(folder), "trajectories"),
        ]
        pictures = embed(drawn)
    return render_template(
        "comparison.html",
        title=" against ".join(names),
        differing=settings(opened),
        sentences=sentences(compared),
        pictures=pictures,
        compared=compared,
        fits=fits.drop(columns=["axis", "scale", "failed_checks"]),
        source=provenance(runs),
    )


def sentences(compared: pd.DataFrame) -> list[str]:
    """For each pair, the mean difference over shared cells with its interval over cells, and where it is clear."""
    found = []
    for pair, part in compared.groupby("pair", sort=False):
        for name, label in (
            ("percent_error", "percent error"),
            ("heldout_percent_error", "held-out percent error"),
            ("probe_accuracy", "probe accuracy"),
            ("alpha", "exponent of the pure power law"),
        ):
            if name not in part or part[name].notna().sum() == 0:
                continue
            values = part[name].dropna()
            text = f"{pair}, {label}: {values.mean():+.4f} on average over {len(values)} cells"
            half = student_half_width(values.std(), len(values))
            if len(values) > 2 and np.isfinite(half):
                text += f" (95% interval over cells {values.mean() - half:+.4f} to {values.mean() + half:+.4f})"
            if f"{name}_low" in part and part[f"{name}_low"].notna().any():
                higher, lower = int((part[f"{name}_low"] > 0).sum()), int((part[f"{name}_high"] < 0).sum())
                text += f"; clearly higher in {higher}, clearly lower in {lower} of them"
            found.append(text + ".")
    if compared["seeds"].min() == 1:
        found.append(
            "Where a cell has one seed, its interval counts the noise within the runs, not what seeds differ by."
        )
    return found
