"""The power law of the percent error against compute, for each cell of a sweep.

Along trajectories or over budgets, see `measured_cells`. With a constant learning rate the two should agree; with a
decay only `budget` is a law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from analysis.laws.measured_cells import CELL, Cell, Key
from analysis.laws.power_law_fit import PowerLawFit, fit_power_law
from analysis.laws.reference_level import reference_level

FLOORS = ("none", "free", "theory")
HOLDOUT = 0.25  # of the points, those of largest compute, to compare floors by extrapolation
NUMBERS = ("E", "A", "alpha", "scale", "aicc", "points", "decades")
Fits = dict[tuple[str, int, int, int, str], PowerLawFit]


def fit_cell(cell: Cell, P: int, D: int, floor: str, holdout: float = 0.0, bootstrap: int = 400) -> PowerLawFit | None:
    """The law of one cell; None where fewer than three points were measured. `floor` `theory` is the level of uniform
    embeddings (see `reference_level`): a reference, not a bound, so a cell below it has no such fit."""
    level = float(reference_level(P, D, cell.rank)) if floor == "theory" else floor
    kept = len(cell.x) - round(holdout * len(cell.x))
    if kept < 3 or (floor == "theory" and cell.error.min() <= float(level)):
        return None
    known = cell.covariance if np.all(np.diag(cell.covariance) > 0) else None
    return fit_power_law(
        cell.x, cell.error, floor=level, covariance=known, runs=cell.seeds, holdout=holdout, bootstrap=bootstrap
    )


def fit_table(
    cells: dict[Key, Cell],
    axis: str,
    law: str = "trajectory",
    track: Callable[[Sequence[tuple[Key, Cell]], str], Iterable[tuple[Key, Cell]]] = lambda items, _: items,
) -> tuple[pd.DataFrame, Fits]:
    """One row for each cell and floor (none, free, theory), and the fits themselves by (*cell, floor). `track` may
    show progress.

    Columns: variant, P, D, K, law, axis, floor, seeds, E, A, alpha and A, E, alpha's 95 % intervals (_low,
    _high), scale, aicc, extrapolation_error (of a fit without the quarter of largest compute), points, decades,
    trusted, reason.
    """
    rows, fits = [], {}
    for key, cell in track(list(cells.items()), "fitting"):
        for floor in FLOORS:
            row = {**dict(zip(CELL, key, strict=True)), "law": law, "axis": axis, "floor": floor}
            row |= {"seeds": len(set(cell.seeds)), "points": len(cell.x)}
            fit = fit_cell(cell, key[1], key[2], floor)
            if fit is None:
                low = floor == "theory" and len(cell.x) >= 3
                reason = "errors fall below e_inf" if low else f"only {len(cell.x)} points; at least 3 are needed"
                rows.append({**row, "trusted": False, "reason": reason})
                continue
            fits[(*key, floor)] = fit
            early = fit_cell(cell, key[1], key[2], floor, HOLDOUT, bootstrap=0)
            note = "the learning rate decays, which bends the trajectory" if cell.decays else fit.reason
            row |= {name: getattr(fit, name) for name in NUMBERS}
            for name in ("E", "A", "alpha"):
                row[f"{name}_low"], row[f"{name}_high"] = fit.interval(name)
            row["extrapolation_error"] = early.extrapolation_error if early else float("nan")
            rows.append(row | {"trusted": fit.trusted and not cell.decays, "reason": note})
    columns = [*CELL, "law", "axis", "floor", "seeds", "E", "E_low", "E_high", "A", "A_low", "A_high"]
    columns += ["alpha", "alpha_low", "alpha_high", "scale", "aicc", "extrapolation_error"]
    columns += ["points", "decades", "trusted", "reason"]
    return pd.DataFrame(rows).reindex(columns=columns), fits


def exponents_by_seed(cells: dict[Key, Cell], floors: tuple[str, ...] = ("none", "theory")) -> pd.DataFrame:
    """alpha of each run by itself: variant, P, D, K, seed, floor, alpha (NaN where there is no such fit)."""
    rows = []
    for key, cell in cells.items():
        for seed in sorted(set(cell.seeds)):
            mine = np.flatnonzero(np.asarray(cell.seeds) == seed)
            one = Cell(cell.x[mine], cell.error[mine], cell.error_se[mine], cell.covariance[np.ix_(mine, mine)],
                       [seed] * len(mine), cell.decays, cell.rank)  # fmt: skip
            for floor in floors:
                fit = fit_cell(one, key[1], key[2], floor, bootstrap=0)
                row = dict(zip(CELL, key, strict=True)) | {"seed": seed, "floor": floor}
                rows.append(row | {"alpha": fit.alpha if fit else np.nan})
    return pd.DataFrame(rows)


def floor_winners(fits: pd.DataFrame) -> pd.DataFrame:
    """Which floor describes the cells best, on and off the diagonal: in how many cells it has the least AICc and
    the least error on the held-out quarter of largest compute, and the median of that error."""
    rows = []
    for where, part in (("P = D", fits[fits["P"] == fits["D"]]), ("P ≠ D", fits[fits["P"] != fits["D"]])):
        for by in ("aicc", "extrapolation_error"):
            table = part.pivot_table(index=CELL, columns="floor", values=by).dropna()
            if table.empty or table.shape[1] < 3:
                continue
            best = table.idxmin(axis=1).value_counts()
            name = {"aicc": "AICc", "extrapolation_error": "extrapolation"}[by]
            row = {"cells": where, "best by": name, "of": len(table)} | {
                floor: int(best.get(floor, 0)) for floor in table.columns
            }
            if by == "extrapolation_error":
                row |= {f"median error, {floor}": table[floor].median() for floor in table.columns}
            rows.append(row)
    return pd.DataFrame(rows)
