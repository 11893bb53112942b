"""What a sweep says of the paper's claims, in numbers with intervals: each confirmed, refuted or undecided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws.diagonal_contrasts import peak_locations, rise_at_diagonal, slope_at_diagonal, survival
from analysis.laws.grid_law import GridLaw

HALF_STEP = 0.5  # octaves of P / D: half of the usual spacing of a grid
CLOSE, FAR = 0.1, 0.3  # relative errors within, and beyond, which a law foretells cells it has not seen, or does not


@dataclass(frozen=True)
class Claim:
    """A statement, its verdict (`confirmed`, `refuted`, `undecided`), why, and the names of the figures behind it."""

    statement: str
    verdict: str
    reason: str
    figures: tuple[str, ...]


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
