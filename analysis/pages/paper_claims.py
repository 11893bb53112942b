"""What a sweep says of the paper's claims, in numbers with intervals: each confirmed, refuted or undecided.

The unit of evidence is a diagonal cell, compared with its own neighbours, so that effects of P, D and K alone
drop out. Intervals are Student's t over seeds where there are several, else over the diagonal cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.laws.peak import find_peak
from analysis.laws.grid_law import GridLaw
from analysis.laws.huber import LEVEL, Array
from analysis.laws.cell_law import CELL, Cell, Key, fit_cell

HALF_STEP = 0.5  # octaves of P / D: half of the usual spacing of a grid
CLOSE, FAR = 0.1, 0.3  # relative errors within, and beyond, which a law foretells cells it has not seen, or does not


@dataclass(frozen=True)
class Contrast:
    """A mean difference with 95 % intervals: `low`, `high` over `over` (`seeds`, for this grid; with one seed,
    `cells`), `cells_low`, `cells_high` over cells (for other grids like it); `effect`: the mean in standard
    deviations between cells (Hedges' g); `cells` and `seeds`: how many there were."""

    mean: float
    low: float
    high: float
    cells_low: float
    cells_high: float
    effect: float
    cells: int
    seeds: int
    over: str

    def __str__(self) -> str:
        text = f"95 % interval over {self.over} {self.low:+.3f} to {self.high:+.3f}"
        if self.over == "seeds" and np.isfinite(self.cells_low):
            text += f", over cells {self.cells_low:+.3f} to {self.cells_high:+.3f}"
        if np.isfinite(self.effect):
            text += f"; g = {self.effect:+.1f}"
        return f"{self.mean:+.3f} ({text})"


@dataclass(frozen=True)
class Claim:
    """A statement, its verdict (`confirmed`, `refuted`, `undecided`), why, and the names of the figures behind it."""

    statement: str
    verdict: str
    reason: str
    figures: tuple[str, ...]


def contrast(units: pd.DataFrame) -> Contrast:
    """Mean of `value` over `cell`, with replicates by `seed`; NaN where there is nothing to take an interval of."""
    table = units.dropna(subset="value").pivot_table(index="seed", columns="cell", values="value")
    complete = table.dropna(axis=1) if len(table) > 1 else table
    values = complete.to_numpy(float)
    seeds, cells = values.shape if values.size else (0, 0)
    if cells == 0:
        nan = float("nan")
        return Contrast(nan, nan, nan, nan, nan, nan, 0, seeds, "cells")
    by_cell, effect = values.mean(axis=0), float("nan")
    over_cells = _t_interval(by_cell)
    interval = _t_interval(values.mean(axis=1)) if seeds > 1 else over_cells
    mean = float(by_cell.mean())
    if cells > 2 and (deviation := float(by_cell.std(ddof=1))) > 0:
        effect = mean / deviation * (1 - 3 / (4 * cells - 5))
    return Contrast(mean, *interval, *over_cells, effect, cells, seeds, "seeds" if seeds > 1 else "cells")


def _t_interval(sample: Array) -> tuple[float, float]:
    """Student's t interval of the mean; NaN for a single value."""
    if len(sample) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + LEVEL) / 2, len(sample) - 1) * float(sample.std(ddof=1)) / np.sqrt(len(sample))
    return float(sample.mean() - half), float(sample.mean() + half)


def rise_at_diagonal(runs: pd.DataFrame) -> Contrast:
    """Percent error at P = D above the mean of its neighbours on both sides, along P and along D."""
    errors = runs.groupby(["variant", "K", "seed", "P", "D"])["percent_error"].mean()
    rows = []
    for (variant, K, seed, P, D), error in errors.items():
        if P != D:
            continue
        grid = errors.loc[variant, K, seed]
        column, row = grid.xs(D, level="D"), grid.xs(P, level="P")
        beside = [line.loc[side] for line in (column, row) if (side := _sides(line.index.to_numpy(), P)) is not None]
        value = error - float(np.mean([part.mean() for part in beside])) if beside else np.nan
        rows.append({"cell": (variant, K, P), "seed": seed, "value": value})
    return contrast(pd.DataFrame(rows, columns=["cell", "seed", "value"]))


def _sides(values: np.ndarray, middle: int) -> list[int] | None:
    """The next smaller and the next larger value, where there are both."""
    below, above = values[values < middle], values[values > middle]
    return [int(below.max()), int(above.min())] if len(below) and len(above) else None


def peak_locations(runs: pd.DataFrame, peaks: pd.DataFrame) -> Contrast:
    """log2(P / D) of each seed's largest error along the columns (over P) and rows (over D) that have a peak."""
    rows = []
    for line in peaks[peaks["found"]].itertuples():
        other = "D" if line.along == "P" else "P"
        mine = runs[(runs["variant"] == line.variant) & (runs["K"] == line.K) & (runs[other] == line.at)]
        for seed, part in mine.groupby("seed"):
            peak = find_peak(part["P"], part["D"], part["percent_error"], bootstrap=1)
            value = peak.location if peak.found else peak.largest_at
            rows.append({"cell": (line.variant, line.K, line.along, line.at), "seed": seed, "value": value})
    return contrast(pd.DataFrame(rows, columns=["cell", "seed", "value"]))


def exponents_by_seed(cells: dict[Key, Cell], floors: tuple[str, ...] = ("none", "theory")) -> pd.DataFrame:
    """alpha of each run by itself: variant, P, D, K, seed, floor, alpha (NaN where there is no such fit)."""
    rows = []
    for key, cell in cells.items():
        for seed in sorted(set(cell.seeds)):
            mine = np.flatnonzero(np.asarray(cell.seeds) == seed)
            one = Cell(cell.x[mine], cell.error[mine], cell.error_se[mine], cell.covariance[np.ix_(mine, mine)],
                       [seed] * len(mine), cell.decays)  # fmt: skip
            for floor in floors:
                fit = fit_cell(one, key[1], key[2], floor, bootstrap=0)
                row = dict(zip(CELL, key, strict=True)) | {"seed": seed, "floor": floor}
                rows.append(row | {"alpha": fit.alpha if fit else np.nan})
    return pd.DataFrame(rows)


def slope_at_diagonal(exponents: pd.DataFrame, floor: str) -> Contrast:
    """Exponent at P = D less the mean exponent of the other cells of its row and its column."""
    mine = exponents[exponents["floor"] == floor]
    return contrast(_slope_units(mine))


def survival(exponents: pd.DataFrame) -> Contrast:
    """By how much subtracting e_inf changes the diagonal's slope contrast: relative to the mean exponent off the
    diagonal, so that steeper laws above a floor do not count as a change."""
    units = {}
    for floor in ("none", "theory"):
        mine = exponents[exponents["floor"] == floor]
        off = mine.loc[mine["P"] != mine["D"], "alpha"].mean()
        units[floor] = _slope_units(mine).set_index(["cell", "seed"])["value"] / off
    change = (units["theory"] - units["none"]).rename("value").reset_index()
    return contrast(change)


def _slope_units(exponents: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (variant, K, seed), part in exponents.groupby(["variant", "K", "seed"]):
        for cell in part[part["P"] == part["D"]].itertuples():
            beside = part[((part["P"] == cell.P) | (part["D"] == cell.D)) & (part["P"] != part["D"])]
            value = cell.alpha - beside["alpha"].mean()
            rows.append({"cell": (variant, K, cell.P), "seed": seed, "value": value})
    return pd.DataFrame(rows, columns=["cell", "seed", "value"])


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


def peak_claim(runs: pd.DataFrame, peaks: pd.DataFrame) -> Claim:
    """The percent error peaks at P = D."""
    rise, place = rise_at_diagonal(runs), peak_locations(runs, peaks)
    largest, found = int((peaks["largest_at"] == 0).sum()), int(peaks["found"].sum())
    reason = (
        f"the largest error is at P = D in {largest} of {len(peaks)} rows and columns of the grid; {found} have a "
        "peak that noise does not explain"
    )
    if rise.cells:
        reason += f"; error at P = D above its neighbours: {rise}"
    if place.cells:
        reason += f"; location of the peaks in log2(P/D): {place}"
    statement = "The percent error peaks at P = D"
    if found == 0 or not np.isfinite(rise.low):
        return Claim(statement, "undecided", reason + ".", ("double_descent", "error_map"))
    near = abs(place.mean) < HALF_STEP and not (place.low > HALF_STEP or place.high < -HALF_STEP)
    verdict = "confirmed" if rise.low > 0 and near else "refuted" if rise.high < 0 or not near else "undecided"
    return Claim(statement, verdict, reason + ".", ("double_descent", "error_map"))


def law_claim(fits: pd.DataFrame) -> Claim:
    """The percent error falls as a power law in compute, in every cell. Cells that bend away, rise or stay constant
    speak against it; cells with too few points, too little range or too wide an interval do not speak."""
    plain = fits[fits["floor"] == "none"]
    trusted = int(plain["trusted"].sum())
    reason = f"{trusted} of {len(plain)} cells have a pure power law that passes every check"
    if plain["scale"].notna().any():
        reason += f"; points scatter about the laws by {100 * plain['scale'].median():.1f} % (median)"
    doubts = plain.loc[~plain["trusted"].astype(bool), "reason"]
    against = int(doubts.str.contains("bend away|rises|constant").sum())
    if len(doubts):
        kinds = doubts.str.replace(r"[\d.e-]+", "#", regex=True)
        reason += f". The commonest doubt: {doubts[kinds == kinds.mode().iloc[0]].iloc[0]}"
    verdict = "confirmed" if trusted == len(plain) else "refuted" if against > len(plain) / 2 else "undecided"
    statement = "The percent error falls as a pure power law in compute, in every cell"
    return Claim(statement, verdict, reason + ".", ("scaling",))


def slope_claim(exponents: pd.DataFrame) -> Claim:
    """Slopes are shallower at P = D; and whether they still are above e_inf."""
    statement = "Slopes are shallower at P = D"
    plain, above = (slope_at_diagonal(exponents, floor) for floor in ("none", "theory"))
    if not np.isfinite(plain.low):
        return Claim(statement, "undecided", "too few cells on or off the diagonal.", ("exponents",))
    reason = f"exponent at P = D less that of its row and column, without a floor: {plain}"
    if np.isfinite(above.low):
        verdict = "they still are shallower there" if above.high < 0 else "they no longer are there"
        if above.low <= 0 <= above.high:
            verdict = "it cannot be told whether they still are there"
        elif above.high < 0 < above.cells_high:
            verdict += " in this grid, though by less than cells differ among themselves"
        change = survival(exponents)
        reason += (
            f"; above e_inf(P, D): {above}: {verdict}. In units of the mean exponent "
            f"off the diagonal the subtraction changes the contrast by {change}"
        )
    verdict = "confirmed" if plain.high < 0 else "refuted" if plain.low > 0 else "undecided"
    return Claim(statement, verdict, reason + ".", ("exponents",))


def grid_claim(laws: list[GridLaw]) -> Claim:
    """One law of steps, P, D and K foretells cells that it has not seen."""
    statement = "One law of steps, P, D and K foretells the error of cells it has not seen"
    if not laws or laws[0].tested == 0:
        return Claim(statement, "undecided", "too few cells to fit a law and to test it.", ("forecast",))
    best = laws[0]
    floor = {"none": "no floor", "free": "a free floor", "theory": "e_inf(P, D) as floor"}[best.floor]
    exponents = ", ".join(
        f"{name} {alpha:.3f} ({low:.3f} to {high:.3f})"
        for name, alpha in best.fit.alpha.items()
        for low, high in [best.fit.interval("alpha", name)]
    )
    reason = (
        f"fitted to the cheaper cells with {floor} (best by AICc), it is off by {100 * best.error:.1f} % (r.m.s.) on "
        f"the {best.tested} most expensive runs, of which {100 * best.coverage:.0f} % lie in its 95 % forecast. "
        f"Exponents on all cells: {exponents}."
    )
    good, bad = best.error <= CLOSE and best.coverage >= 0.75, best.error > FAR or best.coverage < 0.5
    verdict = "confirmed" if good else "refuted" if bad else "undecided"
    return Claim(statement, verdict, reason, ("forecast",))
