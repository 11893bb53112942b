"""What is different where P = D: by how much the percent error rises there, where it peaks, how its slopes change.

The unit of evidence is a diagonal cell, compared with its own neighbors, so that effects of P, D and K alone
drop out. Intervals are Student's t over seeds where there are several, else over the diagonal cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates.peak import find_peak
from analysis.estimates.per_cell_fit import PURE, Form
from analysis.fitting.huber_regression import Array
from analysis.fitting.resampling import student_half_width


@dataclass(frozen=True)
class Contrast:
    """A mean difference with 95% intervals: `low`, `high` over `over` (`seeds`, for this grid; with one seed,
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

    @property
    def without(self) -> str:
        """Of what there is no interval, where there is none."""
        return "one cell" if self.cells < 2 and self.seeds < 2 else "equal values"

    def __str__(self) -> str:
        if not np.isfinite(self.low):
            return f"{self.mean:+.3f} (of {self.without}: no interval)"
        text = f"95% interval over {self.over} {self.low:+.3f} to {self.high:+.3f}"
        if self.over == "seeds" and np.isfinite(self.cells_low):
            text += f", over cells {self.cells_low:+.3f} to {self.cells_high:+.3f}"
        if np.isfinite(self.effect):
            text += f"; {self.effect:+.1f} standard deviations between cells"
        return f"{self.mean:+.3f} ({text})"


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
    half = student_half_width(float(sample.std(ddof=1)), len(sample))
    return float(sample.mean() - half), float(sample.mean() + half)


def rise_at_diagonal(runs: pd.DataFrame) -> Contrast:
    """Percent error at P = D above the mean of its neighbors on both sides, along P and along D."""
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


def slope_at_diagonal(laws: pd.DataFrame, form: Form, relative: bool = False) -> Contrast:
    """Exponent at P = D, of laws of a form as `laws_by_seed` gives them, less the mean exponent of the other cells of
    its row and its column; `relative` to the mean exponent off the diagonal, so that forms can be compared."""
    mine = of_form(laws, form)
    off = mine.loc[mine["P"] != mine["D"], "alpha"].mean() if relative else 1.0
    units = _slope_units(mine)
    return contrast(units.assign(value=units["value"] / off))


def contrast_robustness(laws: pd.DataFrame, form: Form) -> Contrast:
    """By how much the diagonal's slope contrast differs between laws of a form and pure ones, relative to the mean
    exponent off the diagonal, so that steeper laws above an irreducible error do not count as a change."""
    units = []
    for kind in (form, PURE):
        mine = of_form(laws, kind)
        off = mine.loc[mine["P"] != mine["D"], "alpha"].mean()
        units.append(_slope_units(mine).set_index(["cell", "seed"])["value"] / off)
    return contrast((units[0] - units[1]).rename("value").reset_index())


def of_form(laws: pd.DataFrame, form: Form) -> pd.DataFrame:
    """The rows of a table of laws that have a form."""
    return laws[(laws["irreducible"] == form[0]) & (laws["offset"] == form[1])]


def _slope_units(exponents: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (variant, K, seed), part in exponents.groupby(["variant", "K", "seed"]):
        for cell in part[part["P"] == part["D"]].itertuples():
            beside = part[((part["P"] == cell.P) | (part["D"] == cell.D)) & (part["P"] != part["D"])]
            value = cell.alpha - beside["alpha"].mean()
            rows.append({"cell": (variant, K, cell.P), "seed": seed, "value": value})
    return pd.DataFrame(rows, columns=["cell", "seed", "value"])
