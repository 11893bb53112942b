"""The power law of the percent error against compute, for each cell of a sweep: six forms, and which is selected.

Along trajectories or over budgets, see `measured_cells`. With a constant learning rate the two should agree; with a
decay only `budget` is a law.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from analysis.estimates.fit_data import CELL, Cell, Key
from analysis.fitting.diagnostics import FailedCheck, Failures, message, reason_of
from analysis.fitting.power_law_fit import PowerLawFit, fit_power_law

log = logging.getLogger(__name__)

IRREDUCIBLE = ("none", "free", "theory")
OFFSETS = ("none", "free")
FORMS = tuple((irreducible, offset) for offset in OFFSETS for irreducible in IRREDUCIBLE)
PURE = ("none", "none")  # the paper's
POOR = tuple(form for form in FORMS if form[0] != "free")  # in parameters: two, or three with an offset
LEAST = 3  # points, of a law without offset
COMPARED = ("cells of least AICc", "cells of least held-out error")
HOLDOUT = 0.25  # of the points, those of largest compute, to compare forms by extrapolation
NUMBERS = ("E", "A", "alpha", "x0", "scale", "chi_square", "aicc", "points", "decades")
Form = tuple[str, str]  # irreducible, offset
Fits = dict[tuple[str, int, int, int, str, str], PowerLawFit]  # by variant, P, D, K, irreducible, offset


def fit_cell(
    cell: Cell, P: int, D: int, irreducible: str, offset: str = "none", holdout: float = 0.0, bootstrap: int = 400
) -> PowerLawFit | None:
    """The law of one cell; None where it was measured at fewer x than it has parameters. `irreducible` `theory` is the
    uniform baseline (see `uniform_baseline`): a reference, not a bound, so a cell below it has no such fit."""
    level = float(cell.level(P, D)) if irreducible == "theory" else irreducible
    fitted = np.sort(cell.x)[: len(cell.x) - round(holdout * len(cell.x))]
    if len(np.unique(fitted)) < LEAST + (irreducible == "free") * (offset == "free"):
        return None
    if irreducible == "theory" and cell.error.min() <= level:
        return None
    known = cell.covariance if np.all(np.diag(cell.covariance) > 0) else None
    return fit_power_law(
        cell.x, cell.error, irreducible=level, offset=offset, covariance=known, runs=cell.seeds, holdout=holdout,
        bootstrap=bootstrap,
    )  # fmt: skip


def fit_table(
    cells: dict[Key, Cell],
    axis: str,
    law: str = "trajectory",
    track: Callable[[Sequence[tuple[Key, Cell]], str], Iterable[tuple[Key, Cell]]] = lambda items, _: items,
) -> tuple[pd.DataFrame, Fits]:
    """One row for each cell, irreducible (none, free, theory) and offset (none, free), and the fits themselves. `track`
    may show progress.

    Columns: variant, P, D, K, law, axis, irreducible, offset, chosen (the selected model, see `choose`), seeds, E, A,
    alpha, x0 and their 95% intervals (_low, _high), scale, chi_square, aicc, extrapolation_error (of a fit without the
    quarter of the points with the largest compute), points, decades, trusted, failed_checks (a list of names), reason
    (of all failed checks, for people).
    """
    log.info("fitting %d per-cell laws of %s over %s", len(cells), law, axis)
    rows, fits = [], {}
    for key, cell in track(list(cells.items()), "fitting"):
        for form in FORMS:
            row = {
                **dict(zip(CELL, key, strict=True)),
                "law": law,
                "axis": axis,
                "irreducible": form[0],
                "offset": form[1],
            }
            row |= {"seeds": cell.replicates or len(set(cell.seeds)), "points": len(cell.x)}
            fit = fit_cell(cell, key[1], key[2], *form)
            if fit is None:
                rows.append(row | _verified(_unfitted(cell, form)))
                continue
            fits[(*key, *form)] = fit
            early = fit_cell(cell, key[1], key[2], *form, holdout=HOLDOUT, bootstrap=0)
            row |= {name: getattr(fit, name) for name in NUMBERS}
            for name in ("E", "A", "alpha", "x0"):
                row[f"{name}_low"], row[f"{name}_high"] = fit.interval(name)
            row["extrapolation_error"] = early.extrapolation_error if early else float("nan")
            rows.append(row | _verified(_of_cell(cell), fit))
    columns = [*CELL, "law", "axis", "irreducible", "offset", "chosen", "seeds"]
    columns += [f"{name}{end}" for name in ("E", "A", "alpha", "x0") for end in ("", "_low", "_high")]
    columns += ["scale", "chi_square", "aicc", "extrapolation_error", "points", "decades", "trusted"]
    columns += ["failed_checks", "reason"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    return table.assign(chosen=choose(table)), fits


def _unfitted(cell: Cell, form: Form) -> Failures:
    """Why a cell has no law of a form."""
    count = len(np.unique(cell.x))
    if form[0] == "theory" and count >= LEAST:
        return message(FailedCheck.BELOW_BASELINE)
    return message(FailedCheck.FEW_POINTS, count=count, needed=LEAST + (form == ("free", "free")))


def _of_cell(cell: Cell) -> Failures:
    """Checks that every per-cell law fails, whatever its form."""
    decays = message(FailedCheck.LEARNING_RATE_DECAYS) if cell.decays else {}
    return decays | (message(FailedCheck.ZERO_ERRORS, count=cell.left_out) if cell.left_out else {})


def _verified(failures: Failures, fit: PowerLawFit | None = None) -> dict[str, object]:
    """The columns of a row on the checks of a cell, and of its fit where there is one."""
    failed = frozenset(failures) | (fit.failed_checks if fit else frozenset())
    names = [check.value for check in FailedCheck if check in failed]
    reasons = [reason_of(failures), fit.reason if fit else ""]
    return {"trusted": not failed, "failed_checks": names, "reason": "; ".join(filter(None, reasons))}


def choose(table: pd.DataFrame) -> pd.Series:
    """Which row of a `fit_table` is the selected model: one per cell, of the same form in all cells of a variant.

    The form is that of POOR whose AICc, summed over the cells that have all of these forms, is least: so many cells
    choose together that hardly any of the choice is noise, and exponents of cells can be compared. A cell without that
    form (its errors fall below e_inf) takes the best of those it has.
    """
    chosen = pd.Series(False, index=table.index)
    poor = table[[form in POOR for form in zip(table["irreducible"], table["offset"], strict=True)]]
    for _, mine in poor.groupby("variant"):
        wide = mine.pivot_table(index=CELL, columns=["irreducible", "offset"], values="aicc")
        whole = wide.reindex(columns=list(POOR)).dropna() if len(wide) else wide
        best = whole.sum().idxmin() if len(whole) else None
        for _, cell in mine.dropna(subset="aicc").groupby(CELL):
            same = cell[
                [
                    (irreducible, offset) == best
                    for irreducible, offset in zip(cell["irreducible"], cell["offset"], strict=True)
                ]
            ]
            chosen[same.index[0] if len(same) else cell["aicc"].idxmin()] = True
    return chosen


def chosen_form(table: pd.DataFrame) -> Form:
    """The form that most of the chosen laws have; the pure power law where none was fitted."""
    forms = table.loc[table["chosen"], ["irreducible", "offset"]].value_counts()
    return tuple(forms.index[0]) if len(forms) else PURE


def form_name(irreducible: str, offset: str) -> str:
    """The formula of a form, for people."""
    level = {"none": "", "free": "E + ", "theory": "e_inf + "}[irreducible]
    return f"{level}A x^-alpha" if offset == "none" else f"{level}A (x + x0)^-alpha"


def laws_by_seed(cells: dict[Key, Cell], forms: Sequence[Form] = (PURE, ("theory", "none"))) -> pd.DataFrame:
    """The law of each run by itself: variant, P, D, K, seed, irreducible, offset, alpha, chi_square (NaN where there is
    no such fit)."""
    rows = []
    for key, cell in cells.items():
        for seed in sorted(set(cell.seeds)):
            for irreducible, offset in dict.fromkeys(forms):
                fit = fit_cell(cell.run(seed), key[1], key[2], irreducible, offset, bootstrap=0)
                row = dict(zip(CELL, key, strict=True)) | {"seed": seed, "irreducible": irreducible, "offset": offset}
                found = (fit.alpha, fit.chi_square) if fit else (np.nan, np.nan)
                rows.append(row | dict(zip(("alpha", "chi_square"), found, strict=True)))
    return pd.DataFrame(rows)


def compare_forms(fits: pd.DataFrame) -> pd.DataFrame:
    """How well each form describes the cells, on and off the diagonal: cells, law, fitted (in how many cells), the
    median chi-square and error on the held-out quarter of the points, in how many cells (of those that have all
    forms) it has the least of AICc and of that error, trusted, chosen."""
    rows = []
    for where, part in (("P = D", fits[fits["P"] == fits["D"]]), ("P ≠ D", fits[fits["P"] != fits["D"]])):
        tables = {
            name: part.pivot_table(index=CELL, columns=["irreducible", "offset"], values=name).dropna()
            for name in ("aicc", "extrapolation_error")
        }
        for form, mine in part.groupby(["irreducible", "offset"], sort=False):
            wins = {
                label: int((table.idxmin(axis=1) == form).sum()) if table.shape[1] == len(FORMS) else 0
                for label, table in zip(COMPARED, tables.values(), strict=True)
            }
            rows.append(
                {"cells": where, "law": form_name(*form), "cells fitted": int(mine["alpha"].notna().sum())}
                | {"median chi-square": mine["chi_square"].median()}
                | {"median held-out error": mine["extrapolation_error"].median()}
                | wins
                | {"trusted": int(mine["trusted"].sum()), "chosen": int(mine["chosen"].sum())}
            )
    return pd.DataFrame(rows)
