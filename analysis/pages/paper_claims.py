"""What a sweep says of the paper's claims, in numbers with intervals: each confirmed, refuted or undecided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws.cell_law import PURE, Form, chosen_form, form_name
from analysis.laws.diagonal_contrasts import (
    brief,
    of_form,
    peak_locations,
    rise_at_diagonal,
    slope_at_diagonal,
    survival,
)
from analysis.laws.exponents_in_words import in_words
from analysis.laws.grid_law import GridLaw

HALF_STEP = 0.5  # octaves of P / D: half of the usual spacing of a grid
AGAINST = "bend away|rises|constant|chi-square"  # doubts that speak against a law; others say that one cannot tell
MOST = 0.9  # of the cells, in which a law must be trusted that is said to describe them
FEW = 4  # cells, below which "every cell" has no number
MARGIN = 0.2  # of the exponent off the diagonal: exponents that differ by less are the same for any use made of them
SMALL = 0.1  # aspect exponent: 7 % for each octave from the diagonal
CLOSE, FAR = 0.1, 0.3  # relative errors within, and beyond, which a law foretells cells it has not seen, or does not


@dataclass(frozen=True)
class Claim:
    """A statement, its verdict (`confirmed`, `refuted`, `undecided`, `not tested`), why, the names of the figures
    behind it, and the number that decides, with its interval, in a few words (empty where there is none)."""

    statement: str
    verdict: str
    reason: str
    figures: tuple[str, ...]
    number: str = ""


def peak_claim(runs: pd.DataFrame, peaks: pd.DataFrame) -> Claim:
    """The percent error peaks at P = D. Places are told apart along P and along D: a parabola through points an octave
    apart puts both a little towards the larger value, and log2(P/D) of the two has opposite signs."""
    rise, lines = rise_at_diagonal(runs), peaks[_through_the_diagonal(runs, peaks)]
    places = {along: peak_locations(runs, lines[lines["along"] == along]) for along in ("P", "D")}
    places = {along: place for along, place in places.items() if place.cells}
    largest, found = int((lines["largest_at"] == 0).sum()), int(lines["found"].sum())
    reason = (
        f"the largest error is at P = D in {largest} of {len(lines)} rows and columns of the grid; {found} have a "
        "peak that noise does not explain"
    )
    number = f"largest there in {largest} of {len(lines)} lines, clearly lower on both sides in {found}"
    if rise.cells:
        reason += f"; error at P = D above its neighbours: {rise}"
        number += f"; {brief(rise)} above its neighbours"
    if places:
        reason += "; log2(P/D) of the peaks " + ", ".join(f"along {along}: {at}" for along, at in places.items())
        number += "; peak at log2(P/D) = " + ", ".join(f"{brief(at, 2)} along {along}" for along, at in places.items())
    statement, figures = "The percent error peaks at P = D", ("double_descent", "error_map")
    if found == 0 or not np.isfinite(rise.low):
        return Claim(statement, "undecided", reason + ".", figures, number if rise.cells else "")
    far = [abs(at.mean) >= HALF_STEP or at.low > HALF_STEP or at.high < -HALF_STEP for at in places.values()]
    verdict = "refuted" if any(far) or rise.high < 0 else "confirmed" if rise.low > 0 else "undecided"
    return Claim(statement, verdict, reason + ".", figures, number)


def _through_the_diagonal(runs: pd.DataFrame, peaks: pd.DataFrame) -> list[bool]:
    """Whether each line of the grid has a cell with P = D and two others at least: could have its peak there."""
    values = {
        along: runs.groupby(["variant", "K", "D" if along == "P" else "P"])[along].agg(set) for along in ("P", "D")
    }
    cells = [values[line.along].get((line.variant, line.K, line.at), set()) for line in peaks.itertuples()]
    return [len(each) > 2 and at in each for each, at in zip(cells, peaks["at"], strict=True)]


def law_claim(fits: pd.DataFrame) -> Claim:
    """The percent error falls as a power law in compute, in every cell. Cells that bend away, rise or stay constant
    speak against it; cells with too few points, too little range or too wide an interval do not speak."""
    plain = fits[(fits["floor"] == PURE[0]) & (fits["offset"] == PURE[1])]
    trusted = int(plain["trusted"].sum())
    reason = f"{trusted} of {len(plain)} cells have a pure power law that passes every check"
    if plain["scale"].notna().any():
        reason += f"; points scatter about the laws by {100 * plain['scale'].median():.1f} % (median)"
    reason += _commonest_doubt(plain)
    doubts = plain.loc[~plain["trusted"].astype(bool), "reason"]
    against = int(doubts.str.contains(AGAINST).sum())
    verdict = "confirmed" if trusted == len(plain) else "refuted" if against > len(plain) / 2 else "undecided"
    statement = "The percent error falls as a pure power law in compute, in every cell"
    number = f"passes every check in {trusted} of {len(plain)} cells; {_last_quarter(plain)}"
    number = number if len(plain) >= FEW else ""
    return Claim(statement, verdict, reason + ".", ("scaling",), number)


def quoted_claim(fits: pd.DataFrame, by_seed: pd.DataFrame) -> Claim:
    """A law of few parameters, of one form for all cells, describes each of them: the law to quote."""
    mine, form = fits[fits["chosen"]], chosen_form(fits)
    statement = "A law of one form describes every cell"
    if mine.empty:
        return Claim(statement, "undecided", "too few points.", ("scaling",))
    trusted, alone = int(mine["trusted"].sum()), of_form(by_seed, form)["chi_square"]
    reason = (
        f"of the laws of few parameters {form_name(*form)} has the least AICc over all cells; {trusted} of {len(mine)} "
        f"cells have one that passes every check; foretells the last quarter of the points within "
        f"{100 * mine['extrapolation_error'].median():.1f} % (median; the pure law "
        f"{100 * of_form(fits, PURE)['extrapolation_error'].median():.1f} %)"
    )
    if alone.notna().any():
        reason += f"; reduced chi-square {alone.median():.2f} run by run (median)"
    if (mine["seeds"] > 1).any():
        reason += f", {mine['chi_square'].median():.2f} with all seeds of a cell on one law"
    against = int(mine.loc[~mine["trusted"].astype(bool), "reason"].str.contains(AGAINST).sum())
    verdict = "confirmed" if trusted >= MOST * len(mine) else "refuted" if against > len(mine) / 2 else "undecided"
    number = f"{form_name(*form)} passes every check in {trusted} of {len(mine)} cells; {_last_quarter(mine)}"
    number = number if len(mine) >= FEW else ""
    return Claim(statement, verdict, f"{reason}{_commonest_doubt(mine)}.", ("scaling", "exponents"), number)


def _last_quarter(laws: pd.DataFrame) -> str:
    """How well laws foretell the quarter of the points with the largest compute: median and quartiles over cells."""
    low, middle, high = 100 * laws["extrapolation_error"].quantile([0.25, 0.5, 0.75])
    return f"last points foretold within {middle:.1f} % (median; quartiles {low:.1f} to {high:.1f} %)"


def _commonest_doubt(laws: pd.DataFrame) -> str:
    doubts = laws.loc[~laws["trusted"].astype(bool), "reason"]
    if doubts.empty:
        return ""
    kinds = doubts.str.replace(r"[\d.e-]+", "#", regex=True)
    return f". The commonest doubt: {doubts[kinds == kinds.mode().iloc[0]].iloc[0]}"


def slope_claim(by_seed: pd.DataFrame, form: Form) -> Claim:
    """Slopes are shallower at P = D; and whether they still are in laws of a form above e_inf."""
    statement = "Slopes are shallower at P = D"
    plain, above = (slope_at_diagonal(by_seed, kind) for kind in (PURE, form))
    if not np.isfinite(plain.low):
        return Claim(statement, "undecided", "too few cells on or off the diagonal.", ("exponents",))
    reason = f"exponent at P = D less that of its row and column, without a floor: {plain}"
    if np.isfinite(above.low):
        verdict = "they still are shallower there" if above.high < 0 else "they no longer are there"
        if above.low <= 0 <= above.high:
            verdict = "it cannot be told whether they still are there"
        elif above.high < 0 < above.cells_high:
            verdict += " in this grid, though by less than cells differ among themselves"
        change = survival(by_seed, form)
        reason += (
            f"; of {form_name(*form)}: {above}: {verdict}. In units of the mean exponent "
            f"off the diagonal the subtraction changes the contrast by {change}"
        )
    verdict = "confirmed" if plain.high < 0 else "refuted" if plain.low > 0 else "undecided"
    number = f"pure exponents {brief(plain)}; above e_inf {brief(above) or 'unknown'}"
    return Claim(statement, verdict, reason + ".", ("exponents",), number)


def same_slope_claim(by_seed: pd.DataFrame, form: Form, trusted: float = 1.0) -> Claim:
    """Above the level the exponent is the same on and off the diagonal: within MARGIN of the exponent off it. Not
    decided where less than half of the cells, the share `trusted`, have such a law that passes every check."""
    statement = f"Above e_inf the exponent is the same at P = D and elsewhere, within {100 * MARGIN:.0f} %"
    found = slope_at_diagonal(by_seed, form, relative=True)
    if trusted < 0.5:
        few = f"only {100 * trusted:.0f} % of the cells have {form_name(*form)} with every check passed."
        return Claim(statement, "undecided", few, ("exponents",))
    if not np.isfinite(found.low):
        return Claim(statement, "undecided", "too few cells on or off the diagonal.", ("exponents",))
    reason = (
        f"exponent of {form_name(*form)} at P = D less that of its row and column, over the mean exponent off the "
        f"diagonal: {found}; equivalent if all intervals lie within {MARGIN:g} of 0, different if the first is outside"
    )
    low, high = np.fmin(found.low, found.cells_low), np.fmax(found.high, found.cells_high)
    same, apart = low >= -MARGIN and high <= MARGIN, found.low > MARGIN or found.high < -MARGIN
    if found.over == "seeds" and not same and found.low >= -MARGIN and found.high <= MARGIN:
        reason += "; in this grid it is, for other grids like it the cells differ too much"
    verdict = "confirmed" if same else "refuted" if apart else "undecided"
    return Claim(statement, verdict, reason + ".", ("exponents",), f"{brief(found)} of the exponent")


def peak_left_claim(laws: list[GridLaw]) -> Claim:
    """Above the level nothing is left of the peak: the exponent of max(P, D) / min(P, D) in the law of the grid."""
    statement = "Above e_inf nothing is left of the peak at P = D"
    kinds = [law for law in laws if law.form.floor == "theory" and law.form.aspect and "aspect" in law.fit.alpha]
    if not kinds:
        return Claim(statement, "undecided", "too few cells to fit a law with an aspect.", ("collapse",))
    law = kinds[0]
    low, high = law.fit.interval("alpha", "aspect")
    times = 2.0 ** -np.array([law.fit.alpha["aspect"], high, low])
    bare = [other for other in laws if other.form.floor == "none" and other.form.aspect]
    without = f"; without e_inf to the power {-bare[0].fit.alpha['aspect']:.3f}" if bare else ""
    reason = (
        f"the error above e_inf changes by max(P, D) / min(P, D) to the power {-law.fit.alpha['aspect']:.3f} "
        f"({-high:.3f} to {-low:.3f}), {times[0]:.2f} times ({times[1]:.2f} to {times[2]:.2f}) for each octave from "
        f"the diagonal{without}"
    )
    verdict = (
        "confirmed" if low <= 0 <= high and high < SMALL else "refuted" if low > SMALL or high < 0 else "undecided"
    )
    number = f"aspect exponent {law.fit.alpha['aspect']:.3f} ({low:.3f} to {high:.3f})"
    number += f"; without e_inf {bare[0].fit.alpha['aspect']:.3f}" if bare else ""
    return Claim(statement, verdict, reason + ".", ("collapse", "forecast"), number)


def grid_claim(laws: list[GridLaw]) -> Claim:
    """One law of steps, P, D and K describes all cells, and foretells those that it has not seen."""
    statement = "One law of steps, P, D and K describes all cells, and foretells those it has not seen"
    if not laws or laws[0].tested == 0:
        return Claim(statement, "undecided", "too few cells to fit a law and to test it.", ("collapse", "forecast"))
    best = laws[0]
    floor = {"none": "no floor", "free": "a free floor", "theory": "e_inf(P, D) as floor"}[best.form.floor]
    offset = " and an offset of the steps" if best.form.offset == "free" else ""
    tested = f"the {best.tested} most expensive runs{_all_of(best.test)}"
    reason = (
        f"fitted to the cheaper cells with {floor}{offset} (best by BIC), it is off by {100 * best.error:.1f} % "
        f"(r.m.s.) on {tested}, of which {100 * best.coverage:.0f} % lie in its 95 % forecast. "
        f"{' '.join(in_words(best))}"
    )
    good, bad = best.error <= CLOSE and best.coverage >= 0.75, best.error > FAR or best.coverage < 0.5
    verdict = "confirmed" if good else "refuted" if bad else "undecided"
    number = f"{100 * best.error:.1f} % r.m.s. on {tested}, {100 * best.coverage:.0f} % inside 95 % forecasts"
    return Claim(statement, verdict, reason, ("collapse", "forecast", "isoflop"), number)


def _all_of(test: pd.DataFrame | None) -> str:
    """What all cells that were held out have in common: a test by cells of K = 8 alone asks for more than one within
    the range of the fit."""
    if test is None:
        return ""
    held = test[test["held_out"]]
    common = [f"{name} = {held[name].iloc[0]}" for name in "PDK" if held[name].nunique() == 1 < test[name].nunique()]
    return f", all of {' and '.join(common)}" if common else ""
