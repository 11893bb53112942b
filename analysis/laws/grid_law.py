"""One law of steps, P, D and K for the whole grid, and how well it foretells cells it has not seen.

e = E + A steps^-a P^-b D^-c K^-d aspect^-f with aspect = max(P, D) / min(P, D). The last factor is the peak: no
product of powers of P and D alone has one. The floor E is none, free, or e_inf(P / D) cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.laws.huber import Array
from analysis.laws.joint_law import JointFit, fit_joint
from analysis.laws.measured_cells import Cell, Key, measured_cells
from analysis.laws.reference_level import reference_level
from analysis.reading.errors import ResultsError
from analysis.reading.results import Results

COLUMNS = ("steps", "P", "D", "K", "aspect")
FLOORS = ("none", "free", "theory")
HELD_OUT = 0.3  # of the cells, the most expensive


@dataclass(frozen=True)
class GridLaw:
    """The joint law of one variant's cells with one kind of floor, and its test on the most expensive cells:
    `error`, root mean square relative error of their last points; `coverage`, share of these inside the 95 %
    forecast; `tested`, their number (NaN and 0 where too few cells were left to fit); `test`, as `forecasts`;
    `rank`, the bound on the rank of M that the level of `theory` allows for."""

    floor: str
    fit: JointFit
    error: float
    coverage: float
    tested: int
    test: pd.DataFrame | None
    rank: float = np.inf

    def inputs(self, steps: Any, P: Any, D: Any, K: Any) -> dict[str, Any]:
        """Arguments of the fit's predict, band and forecast for given steps (optimiser), P, D and K."""
        return _inputs(self.fit, self.floor, self.rank, steps, P, D, K)

    def floors(self, P: Any, D: Any) -> tuple[Array, Array]:
        """The floor of cells P, D, (n,), and that of each bootstrap replicate, (bootstrap, n)."""
        if self.floor == "theory":
            level = np.atleast_1d(reference_level(P, D, self.rank))
            return level, np.broadcast_to(level, (len(self.fit.draws("E")), len(level)))
        count = len(np.atleast_1d(P))
        draws = self.fit.draws("E")[:, None]
        return np.full(count, self.fit.E), np.broadcast_to(draws, (len(draws), count))


def grid_points(cells: dict[Key, Cell]) -> pd.DataFrame:
    """Cells measured over `steps` as rows variant, P, D, K, seed, run, steps, error, noise (relative), decays, rank."""
    frames = [
        pd.DataFrame(
            {
                "variant": variant,
                "P": P,
                "D": D,
                "K": K,
                "seed": cell.seeds,
                "steps": cell.x,
                "error": cell.error,
                "noise": cell.error_se / cell.error,
                "decays": cell.decays,
                "rank": cell.rank,
            }
        )
        for (variant, P, D, K), cell in cells.items()
    ]
    points = pd.concat(frames, ignore_index=True)
    points["run"] = points.groupby(["variant", "P", "D", "K", "seed"]).ngroup()
    return points


def measured_points(results: Results) -> pd.DataFrame:
    """`grid_points` of the trajectories of all finished runs. Raises ResultsError where there are none."""
    cells = measured_cells(results, axis="steps")
    if not cells:
        raise ResultsError(f"{results.root} holds no finished run with a trajectory")
    return grid_points(cells)


def grid_laws(points: pd.DataFrame) -> dict[str, list[GridLaw]]:
    """The laws of each variant among `grid_points`, best floor first. Raises ResultsError where there are too few
    cells for any."""
    laws, reason = {}, ""
    for variant, mine in points.groupby("variant"):
        try:
            laws[str(variant)] = fit_grid_laws(mine)
        except ValueError as error:
            reason = str(error)
    if not laws:
        raise ResultsError(f"no law of the grid: {reason}")
    return laws


def fit_grid_laws(points: pd.DataFrame) -> list[GridLaw]:
    """The law with each kind of floor, the best by AICc first. Raises ValueError where the cells are too few, or
    vary too little, for any."""
    laws = [fit_grid_law(points, floor) for floor in FLOORS]
    return sorted(laws, key=lambda law: law.fit.aicc)


def fit_grid_law(points: pd.DataFrame, floor: str) -> GridLaw:
    """The law with one of FLOORS, fitted to all cells and tested on the most expensive ones."""
    fit, rank = _fit(points, floor, _varying(points)), _rank(points)
    try:
        table = forecasts(points, floor)
    except ValueError:
        return GridLaw(floor, fit, float("nan"), float("nan"), 0, None, rank)
    held = table[table["held_out"]]
    relative = held["foretold"] / held["error"] - 1
    inside = (held["low"] <= held["error"]) & (held["error"] <= held["high"])
    error = float(np.sqrt((relative**2).mean()))
    return GridLaw(floor, fit, error, float(inside.mean()), len(held), table, rank)


def law_table(laws: dict[str, list[GridLaw]]) -> pd.DataFrame:
    """variant, floor, aicc, column, alpha, alpha_low, alpha_high, and the test on held-out cells: test_error (r.m.s.,
    relative), test_coverage (of 95 % forecasts), tested."""
    rows = []
    for variant, kinds in laws.items():
        for law in kinds:
            for column, alpha in law.fit.alpha.items():
                low, high = law.fit.interval("alpha", column)
                rows.append({"variant": variant, "floor": law.floor, "aicc": law.fit.aicc, "column": column,
                             "alpha": alpha, "alpha_low": low, "alpha_high": high, "test_error": law.error,
                             "test_coverage": law.coverage, "tested": law.tested})  # fmt: skip
    return pd.DataFrame(rows)


def forecasts(points: pd.DataFrame, floor: str) -> pd.DataFrame:
    """The last point of each run beside what the law of the cheaper cells says of it: the columns of
    `grid_points`, held_out (the most expensive cells, by images shown, then by P D), foretold, and low and high of
    its 95 % forecast. Raises ValueError where the cheaper cells are too few to fit."""
    images = np.log(points["steps"] * points["P"] * points["K"])  # within 5 % is the same: bins end unevenly
    cells = points.assign(images=images, size=points["P"] * points["D"]).groupby(["P", "D", "K"])
    cost = (20 * cells[["images", "size"]].max()).round()
    held = cost.sort_values(["images", "size"]).index[round((1 - HELD_OUT) * len(cost)) :]
    dear = points.set_index(["P", "D", "K"]).index.isin(held)
    early = _fit(points[~dear], floor, _varying(points))
    last = points.assign(held_out=dear).sort_values("steps").groupby("run").tail(1)
    known = _inputs(early, floor, _rank(points), last["steps"], last["P"], last["D"], last["K"])
    low, high = early.forecast(**known)
    return last.assign(foretold=early.predict(**known), low=low, high=high)


def _varying(points: pd.DataFrame) -> list[str]:
    columns = _columns(points["steps"], points["P"], points["D"], points["K"])
    return [name for name, values in columns.items() if len(np.unique(values)) > 1]


def _fit(points: pd.DataFrame, floor: str, names: list[str]) -> JointFit:
    columns = _columns(points["steps"], points["P"], points["D"], points["K"])
    level = _level(floor, _rank(points), points["P"], points["D"])
    cells = points.groupby(["P", "D", "K"]).ngroup()  # seeds of a cell deviate from the law together
    return fit_joint(
        {name: columns[name] for name in names},
        points["error"],
        form="multiplicative",
        floor=floor if level is None else level,
        groups=cells,
    )


def _columns(steps: Any, P: Any, D: Any, K: Any) -> dict[str, Array]:
    steps, P, D, K = (np.asarray(values, float) for values in np.broadcast_arrays(steps, P, D, K))
    return dict(zip(COLUMNS, (steps, P, D, K, np.maximum(P, D) / np.minimum(P, D)), strict=True))


def _rank(points: pd.DataFrame) -> float:
    return float(points["rank"].min())


def _level(floor: str, rank: float, P: Any, D: Any) -> Array | None:
    return np.atleast_1d(reference_level(P, D, rank)) if floor == "theory" else None


def _inputs(fit: JointFit, floor: str, rank: float, steps: Any, P: Any, D: Any, K: Any) -> dict[str, Any]:
    columns = _columns(steps, P, D, K)
    return {
        "columns": {name: np.atleast_1d(columns[name]) for name in fit.alpha},
        "floor": _level(floor, rank, columns["P"], columns["D"]),
    }
