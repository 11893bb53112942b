"""One law of steps, P, D and K for the whole grid, and how well it predicts held-out cells.

e = E + A P^-b D^-c K^-d aspect^-f (steps + s0 P^p D^q K^r)^-a with aspect = max(P, D) / min(P, D). The
irreducible error E is none, free, or e_inf(P, D) cell by cell; the offset s0 may be none; where E is none the aspect is
the peak, since no product of powers of P and D alone has one, and what is left of it above e_inf is a finding.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.estimates.fit_data import Cell, Key
from analysis.estimates.uniform_baseline import Level
from analysis.fitting.huber_regression import Array
from analysis.fitting.multivariate_fit import JointFit, fit_joint
from analysis.results.errors import ResultsError

log = logging.getLogger(__name__)

IRREDUCIBLE = ("none", "free", "theory")
OFFSETS = ("none", "free")
SHIFTED = ("P", "D", "K")  # what the offset of the steps depends on
BOOTSTRAP = 400  # replicates
ALIKE = 2.0  # differences of BIC below which the simpler form is taken
HELD_OUT = 0.3  # of the cells, the most expensive
BY_FORMULA = "1 - 1/K"


class JointForm(NamedTuple):
    """`irreducible` (none, free, theory), `offset` (none, free), with a factor of `aspect` or not, and the part of
    the error above E proportional to 1 - 1/K `by_formula` (1 - r^2 = (1 - 1/K)(1 - c), c the mean cosine between views;
    see `mmcr_core.theory.decompose`) beside its power of K."""

    irreducible: str
    offset: str
    aspect: bool
    by_formula: bool = False

    @property
    def parameters(self) -> int:
        """How many more a form has than the simplest."""
        return (self.irreducible == "free") + 4 * (self.offset == "free") + self.aspect


FORMS = tuple(JointForm(f, o, a) for a in (True, False) for o in OFFSETS for f in IRREDUCIBLE)


@dataclass(frozen=True)
class JointLaw:
    """The joint law of one variant's cells in one form, and its test on the most expensive cells: `error`, root mean
    square relative error of their last points; `coverage`, share of these inside the 95% forecast; `tested`, their
    number (NaN and 0 where too few cells were left to fit); `test`, as `forecasts`; `level`, e_inf; `points`, what it
    was fitted to."""

    form: JointForm
    fit: JointFit
    error: float
    coverage: float
    tested: int
    test: pd.DataFrame | None
    level: Level
    points: pd.DataFrame

    def inputs(self, steps: Any, P: Any, D: Any, K: Any) -> dict[str, Any]:
        """Arguments of the fit's predict, band and forecast for given steps (optimizer), P, D and K."""
        return _inputs(self.fit, self.form, self.level, steps, P, D, K)

    @property
    def chi_square(self) -> float:
        """Squares of the residuals of log e over those of the points' noise: what the law leaves of each cell."""
        points = self.points
        predicted = self.fit.predict(**self.inputs(points["steps"], points["P"], points["D"], points["K"]))
        noise = np.maximum(points["noise"].to_numpy(float), 1e-6)
        return float(((np.log(points["error"].to_numpy(float) / predicted) / noise) ** 2).mean())

    def shifted(self, steps: Any, P: Any, D: Any, K: Any) -> Array:
        """Steps and their offset, steps + s0 P^p D^q K^r."""
        columns = _columns(steps, P, D, K)
        powers = [columns[name] ** s for name, s in self.fit.s.items()]
        offset = 0.0 if np.isnan(self.fit.s0) else self.fit.s0 * np.prod([np.ones_like(columns["P"]), *powers], axis=0)
        shifted: Array = columns["steps"] + offset
        return shifted

    def irreducible_errors(self, P: Any, D: Any) -> tuple[Array, Array]:
        """The irreducible error of cells P, D, (n,), and that of each bootstrap replicate, (bootstrap, n)."""
        if self.form.irreducible == "theory":
            level = np.atleast_1d(self.level(P, D))
            return level, np.broadcast_to(level, (len(self.fit.draws("E")), len(level)))
        count = len(np.atleast_1d(P))
        draws = self.fit.draws("E")[:, None]
        return np.full(count, self.fit.E), np.broadcast_to(draws, (len(draws), count))


def grid_points(cells: dict[Key, Cell]) -> pd.DataFrame:
    """Cells measured over `steps` as rows variant, P, D, K, seed, run, steps, error, noise (relative), decays, and the
    rank and images of their `Level`."""
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
                "rank": cell.level.rank,
                "images": cell.level.images,
            }
        )
        for (variant, P, D, K), cell in cells.items()
    ]
    points = pd.concat(frames, ignore_index=True)
    points["run"] = points.groupby(["variant", "P", "D", "K", "seed"]).ngroup()
    return points


def joint_laws(points: pd.DataFrame) -> dict[str, list[JointLaw]]:
    """The laws of each variant among `grid_points`, the best first. Raises ResultsError where there are too few
    cells for any."""
    laws, reason, kinds = {}, "", points["variant"].nunique()
    for variant, mine in points.groupby("variant"):
        try:
            laws[str(variant)] = fit_joint_laws(mine)
        except ValueError as error:
            reason = str(error)
    if not laws:
        each = f" (each of the {kinds} variants by itself)" if kinds > 1 else ""
        raise ResultsError(f"no joint scaling law{each}: {reason}")
    return laws


def fit_joint_laws(points: pd.DataFrame) -> list[JointLaw]:
    """The law in each form, the best by BIC of cells first (of those within 2 of it, the simplest), with intervals for
    the best and for those with an aspect. K enters by formula too, and first where that predicts the cells left out
    better (if K has three values or more: two cannot tell).

    Raises: ValueError where the cells are too few, or vary too little, for any.
    """
    laws, reason = [], ""
    if not _varying(points):
        raise ValueError("all points have the same steps, P, D and K; a law needs runs that vary in them")
    for form in FORMS:
        try:
            laws.append(fit_joint_law(points, form, bootstrap=BOOTSTRAP if form.aspect else 0))
        except ValueError as error:  # an offset has parameters that some grids cannot determine
            reason = str(error)
    if not laws:
        raise ValueError(reason)
    least = min(law.fit.bic for law in laws)
    laws = sorted(laws, key=lambda law: (max(law.fit.bic, least + ALIKE), law.form.parameters, law.fit.bic))
    if not laws[0].form.aspect:
        laws[0] = fit_joint_law(points, laws[0].form)
    if points["K"].nunique() > 2:
        other = fit_joint_law(points, laws[0].form._replace(by_formula=True))
        laws.insert(0 if other.error < laws[0].error else 1, other)
    return laws


def fit_joint_law(points: pd.DataFrame, form: JointForm, bootstrap: int = BOOTSTRAP) -> JointLaw:
    """The law in one form, fitted to all cells and tested on the most expensive ones; without bootstrap replicates no
    interval is known, nor the test's coverage."""
    log.info("fitting a joint law of %d points: %s", len(points), form)
    fit, level = _fit(points, form, _varying(points), bootstrap), _level(points)
    try:
        table = forecasts(points, form, bootstrap)
    except ValueError:
        return JointLaw(form, fit, float("nan"), float("nan"), 0, None, level, points)
    held = table[table["held_out"]]
    relative = held["predicted"] / held["error"] - 1
    inside = (held["low"] <= held["error"]) & (held["error"] <= held["high"])
    error, coverage = float(np.sqrt((relative**2).mean())), float(inside.mean()) if bootstrap else float("nan")
    return JointLaw(form, fit, error, coverage, len(held), table, level, points)


def law_table(laws: dict[str, list[JointLaw]]) -> pd.DataFrame:
    """One row for each law and column: variant, irreducible, offset, aspect and by_formula (true or false), aicc and
    bic, column, alpha, its interval (_low, _high), s and its interval (exponent of the column in the offset), s0 and
    its interval, and the test on held-out cells: test_error (r.m.s., relative), test_coverage (of 95% forecasts),
    tested. Of each variant the selected model comes first."""
    rows = []
    for variant, kinds in laws.items():
        for law in kinds:
            fit = law.fit
            whole = {"variant": variant, **law.form._asdict(), "aicc": fit.aicc, "bic": fit.bic}
            shift = dict(zip(("s0", "s0_low", "s0_high"), (fit.s0, *_interval(fit, "s0")), strict=True))
            test = {"test_error": law.error, "test_coverage": law.coverage, "tested": law.tested}
            for column, alpha in fit.alpha.items():
                power = dict(zip(("alpha_low", "alpha_high"), fit.interval("alpha", column), strict=True))
                s = (fit.s.get(column, np.nan), *_interval(fit, "s", column))
                own = dict(zip(("s", "s_low", "s_high"), s, strict=True))
                rows.append(whole | {"column": column, "alpha": alpha} | power | own | shift | test)
    return pd.DataFrame(rows)


def _interval(fit: JointFit, name: str, column: str | None = None) -> tuple[float, float]:
    """NaN of what the law does not have."""
    absent = np.isnan(fit.s0) if column is None else column not in fit.s
    return (np.nan, np.nan) if absent else fit.interval(name, column)


def forecasts(points: pd.DataFrame, form: JointForm, bootstrap: int = BOOTSTRAP) -> pd.DataFrame:
    """The last point of each run beside what the law of the cheaper cells says of it: the columns of
    `grid_points`, held_out (of the most expensive cells, see `_expensive`), predicted, and low and high of its 95%
    forecast. Raises ValueError where the cheaper cells are too few to fit."""
    dear = _expensive(points)
    early = _fit(points[~dear], form, _varying(points), bootstrap)
    last = points.assign(held_out=dear).sort_values("steps").groupby("run").tail(1)
    known = _inputs(early, form, _level(points), last["steps"], last["P"], last["D"], last["K"])
    low, high = early.forecast(**known)
    return last.assign(predicted=early.predict(**known), low=low, high=high)


def _expensive(points: pd.DataFrame) -> NDArray[np.bool_]:
    """Which points are of the most expensive cells, by views shown, then by P D: of all cells, or of those of each K
    where too little would vary among the others, such as K, to fit every exponent."""
    views = np.log(points["steps"] * points["P"] * points["K"])  # within 5% is the same: bins end unevenly
    cells = points.assign(shown=views, size=points["P"] * points["D"]).groupby(["P", "D", "K"])
    cost = (20 * cells[["shown", "size"]].max()).round().sort_values(["shown", "size"])
    index = points.set_index(["P", "D", "K"]).index
    dear: NDArray[np.bool_] = index.isin(_last(cost))
    if _varying(points[~dear]) != _varying(points):
        dear = index.isin([cell for _, of_one in cost.groupby("K") for cell in _last(of_one)])
    return dear


def _last(cost: pd.DataFrame) -> pd.Index:
    return cost.index[round((1 - HELD_OUT) * len(cost)) :]


def _varying(points: pd.DataFrame) -> list[str]:
    columns = _columns(points["steps"], points["P"], points["D"], points["K"])
    return [name for name, values in columns.items() if len(np.unique(values)) > 1]


def _fit(points: pd.DataFrame, form: JointForm, varying: list[str], bootstrap: int) -> JointFit:
    columns = _columns(points["steps"], points["P"], points["D"], points["K"])
    names = [name for name in varying if name != "aspect" or form.aspect]
    names = [name for name in names if name != BY_FORMULA or form.by_formula]
    cells = points.groupby(["P", "D", "K"]).ngroup()  # seeds of a cell deviate from the law together
    return fit_joint(
        {name: columns[name] for name in names},
        points["error"],
        form="multiplicative",
        irreducible=form.irreducible if form.irreducible != "theory" else _level(points)(points["P"], points["D"]),
        offset=[name for name in names if name in SHIFTED] if form.offset == "free" else None,
        known={BY_FORMULA: -1.0} if BY_FORMULA in names else None,
        groups=cells,
        bootstrap=bootstrap,
    )


def _columns(steps: Any, P: Any, D: Any, K: Any) -> dict[str, Array]:
    steps, P, D, K = (np.asarray(values, float) for values in np.broadcast_arrays(steps, P, D, K))
    aspect = np.maximum(P, D) / np.minimum(P, D)
    return {"steps": steps, "P": P, "D": D, "K": K, "aspect": aspect, BY_FORMULA: 1 - 1 / np.maximum(K, 1.001)}


def _level(points: pd.DataFrame) -> Level:
    return Level(float(points["rank"].min()), float(points["images"].min()))


def _inputs(fit: JointFit, form: JointForm, level: Level, steps: Any, P: Any, D: Any, K: Any) -> dict[str, Any]:
    columns = _columns(steps, P, D, K)
    return {
        "columns": {name: np.atleast_1d(columns[name]) for name in fit.alpha},
        "irreducible": np.atleast_1d(level(columns["P"], columns["D"])) if form.irreducible == "theory" else None,
    }
