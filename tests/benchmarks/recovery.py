"""The paper's 75 cells with known exponents and peaks, and the same grid with noise alone: what comes back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from analysis.estimates.fit_data import measured_cells, tail_errors
from analysis.estimates.peak import peak_table
from analysis.estimates.per_cell_fit import fit_table
from analysis.results.results import open_results
from tests.benchmarks.measure import report
from tests.synthetic import PAPER, exponent, write_sweep

STORES = 4  # of each kind


def main() -> None:
    rows = [recovered(draw + STORES * flat, flat) for flat in (False, True) for draw in range(STORES)]
    report("recovery", "75 cells of known law, and of noise alone", rows)


def recovered(draw: int, flat: bool) -> dict[str, object]:
    """Exponents inside their intervals, peaks where they are, and laws and peaks that are not there."""
    with tempfile.TemporaryDirectory() as folder:
        constant = {"curve": lambda P, D, K, flops: np.full(len(flops), 0.3), "scale": 0.05} if flat else {}
        store = write_sweep(Path(folder) / "s", PAPER, (2, 4, 8), draw=draw, **constant)
        results = open_results(store.root)
        fits, _ = fit_table(measured_cells(results), "flops")
        peaks = peak_table(results.runs(), tail_errors(results))
    plain = fits[(fits["irreducible"] == "none") & (fits["offset"] == "none")]
    truth = np.array([0.0 if flat else exponent(P, D) for P, D in zip(plain["P"], plain["D"], strict=True)])
    inside = (plain["alpha_low"] <= truth) & (truth <= plain["alpha_high"])
    inner = peaks["at"].isin(PAPER[1:-1])
    return {
        "store": "noise alone" if flat else "known laws",
        "cells": len(plain),
        "alpha in interval": int(inside.sum()),
        "largest error of alpha %": float("nan") if flat else 100 * float((plain["alpha"] / truth - 1).abs().max()),
        "trusted laws": int(plain["trusted"].sum()),
        "peaks there": 0 if flat else int(inner.sum()),
        "peaks found": int(peaks["found"].sum()),
        "of these at P = D": int((peaks["found"] & (peaks["location"].abs() < 0.25)).sum()),
    }
