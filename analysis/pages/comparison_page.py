"""Sweeps laid over each other: the same P, D and K under other objectives, encoders, data sets or settings."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from analysis.pages.command_options import track
from analysis.laws.peak import BATCHES_FREEDOM
from analysis.pages.html_page import images, page, paragraph, section, table
from analysis.laws.power_law_fit import difference
from analysis.pages.provenance import provenance
from analysis.laws.cell_law import CELL, Cell, Fits, Key, fit_table, measured_cells, tail_errors
from analysis.pages.style import THEORY, colours, plain_ticks, save
from analysis.reading.results import Results, ResultsError, flatten
from mmcr_core.theory import expected_percent_error

MEASURES = ("percent_error", "heldout_percent_error", "probe_accuracy")


def render(sweeps: list[Results]) -> str:
    """The page of two sweeps or more. Raises ResultsError where they share no P, D, K."""
    runs = gather(sweeps)
    names = list(dict.fromkeys(runs["variant"]))
    cells: dict[Key, Cell] = {}
    for results, own in zip(sweeps, _labels(sweeps), strict=True):
        for (variant, P, D, K), cell in measured_cells(results).items():
            cells[(own[variant], P, D, K)] = cell
    fits, laws = fit_table(cells, "flops", track=track)
    differing = settings(sweeps)
    compared = differences(runs, laws)
    if compared.empty:
        raise ResultsError(f"{' and '.join(str(results.root) for results in sweeps)} share no cell P, D, K")
    with tempfile.TemporaryDirectory() as folder:
        pictures = [
            save(draw_errors(runs, names), Path(folder), "errors"),
            save(draw_trajectories(cells, names), Path(folder), "trajectories"),
        ]
        shown = images(pictures)
    parts = [
        section("What differs", table(differing) if len(differing) else paragraph("Nothing but the sweep's name.")),
        section("In words", "".join(paragraph(sentence) for sentence in sentences(compared))),
        section("Overlaid", shown),
        section("Cell by cell", table(compared)),
        section("Power laws, error = E + A x^-alpha", table(fits.drop(columns=["axis", "scale"]))),
        section("Provenance", provenance(runs)),
    ]
    return page(" against ".join(names), parts)


def gather(sweeps: list[Results]) -> pd.DataFrame:
    """Finished runs of all sweeps; `variant` names the sweep, and what varies within it; with `noise`, the
    standard error of each percent error."""
    parts = []
    for results, own in zip(sweeps, _labels(sweeps), strict=True):
        runs = results.runs()
        runs = runs[runs["status"] == "finished"].copy()
        runs["variant"] = runs["variant"].map(own)
        runs["noise"] = tail_errors(results).reindex(runs["run_id"]).to_numpy()
        parts.append(runs)
    runs = pd.concat(parts, ignore_index=True)
    if len(sweeps) > sum(not part.empty for part in parts):
        raise ResultsError("each of the sweeps must have finished runs")
    return runs


def _labels(sweeps: list[Results]) -> list[dict[str, str]]:
    """For each sweep, variant -> label."""
    names = [str(results.runs()["sweep"].iloc[0]) for results in sweeps]
    if len(set(names)) < len(names):
        names = [str(results.root) for results in sweeps]
    if len(set(names)) < len(names):
        raise ResultsError(f"{names[0]} is given twice; give sweeps that differ")
    labels = []
    for name, results in zip(names, sweeps, strict=True):
        variants = results.runs()["variant"].unique()
        labels.append({variant: name if len(variants) == 1 else f"{name}: {variant}" for variant in variants})
    return labels


def settings(sweeps: list[Results]) -> pd.DataFrame:
    """Spec keys whose values differ between the sweeps: key, and the values in each."""
    flat = [[flatten(json.loads(spec)) for spec in results.runs()["spec"]] for results in sweeps]
    rows = []
    for key in sorted({key for sweep in flat for spec in sweep for key in spec}):
        values = [sorted({json.dumps(spec.get(key)) for spec in sweep}, key=_natural) for sweep in flat]
        if any(each != values[0] for each in values):
            rows.append({"setting": key} | {str(results.root): ", ".join(each)
                                            for results, each in zip(sweeps, values, strict=True)})  # fmt: skip
    return pd.DataFrame(rows)


def _natural(text: str) -> tuple[float, str]:
    value = json.loads(text)
    return (float(value), "") if isinstance(value, int | float) else (float("inf"), text)


def differences(runs: pd.DataFrame, laws: Fits) -> pd.DataFrame:
    """For each pair of variants and each cell that both have: the second less the first in percent error, in
    held-out error and probe accuracy (with 95 % intervals where seeds or noise allow), and in exponent."""
    rows = []
    variants = list(dict.fromkeys(runs["variant"]))
    for first, second in itertools.combinations(variants, 2):
        pairs = [runs[runs["variant"] == name].groupby(["P", "D", "K"]) for name in (first, second)]
        for cell in sorted(set(pairs[0].groups) & set(pairs[1].groups)):
            a, b = (pair.get_group(cell) for pair in pairs)
            row: dict[str, Any] = {"pair": f"{second} less {first}"} | dict(zip(CELL[1:], cell, strict=True))
            row["seeds"] = min(len(a), len(b))
            for measure in MEASURES:
                row[measure], row[f"{measure}_low"], row[f"{measure}_high"] = _welch(
                    a[measure], b[measure], a["noise"] if measure == "percent_error" else None,
                    b["noise"] if measure == "percent_error" else None,
                )  # fmt: skip
            fits = [laws.get((name, *cell, "none")) for name in (first, second)]
            if fits[0] and fits[1]:
                row["alpha"], row["alpha_low"], row["alpha_high"] = difference(fits[1], fits[0])
            rows.append(row)
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _welch(
    a: pd.Series, b: pd.Series, noise_a: pd.Series | None, noise_b: pd.Series | None
) -> tuple[float, float, float]:
    """Difference b - a of means and its interval: Welch's t over seeds; with one seed, the noise within the runs."""
    mean = float(b.mean() - a.mean())
    if len(a) > 1 and len(b) > 1:
        parts = np.array([part.var(ddof=1) / len(part) for part in (a, b)])
        freedom = parts.sum() ** 2 / max((parts**2 / [len(a) - 1, len(b) - 1]).sum(), 1e-300)
        half = float(stats.t.ppf(0.975, max(freedom, 1.0)) * np.sqrt(parts.sum()))
        return mean, mean - half, mean + half
    if noise_a is None or noise_b is None:
        return mean, float("nan"), float("nan")
    spread = float(np.hypot(noise_a.mean() / np.sqrt(len(a)), noise_b.mean() / np.sqrt(len(b))))
    half = float(stats.t.ppf(0.975, BATCHES_FREEDOM)) * spread
    return mean, mean - half, mean + half


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
            if len(values) > 2:
                half = stats.t.ppf(0.975, len(values) - 1) * values.std() / np.sqrt(len(values))
                text += f" (95 % interval over cells {values.mean() - half:+.4f} to {values.mean() + half:+.4f})"
            if f"{name}_low" in part and part[f"{name}_low"].notna().any():
                higher, lower = int((part[f"{name}_low"] > 0).sum()), int((part[f"{name}_high"] < 0).sum())
                text += f"; clearly higher in {higher}, clearly lower in {lower} of them"
            found.append(text + ".")
    if compared["seeds"].min() == 1:
        found.append(
            "Where a cell has one seed, its interval counts the noise within the runs, not what seeds differ by."
        )
    return found


def draw_errors(runs: pd.DataFrame, names: list[str]) -> Figure:
    """Rows K, columns D: final percent error against P, a colour for each sweep."""
    views, dims = sorted(runs["K"].unique()), sorted(runs["D"].unique())
    figure, axes = _panels(len(views), len(dims))
    colour = colours(names)
    for row, K in zip(axes, views, strict=True):
        for ax, D in zip(row, dims, strict=True):
            panel = runs[(runs["K"] == K) & (runs["D"] == D)]
            for name, line in panel.groupby("variant"):
                grouped = line.groupby("P")
                mean, count = grouped["percent_error"].mean(), grouped.size()
                bars = (grouped["percent_error"].std() / np.sqrt(count)).fillna(grouped["noise"].mean())
                ax.errorbar(mean.index, mean, yerr=bars, color=colour[name], marker="o", ms=3)
            points = sorted(runs["P"].unique())
            fine = np.geomspace(points[0], points[-1], 100)
            ax.plot(fine, expected_percent_error(fine, D), color=THEORY, lw=0.5, zorder=0)
            ax.axvline(D, color="0.8", lw=0.8, zorder=0)
            ax.set_xscale("log", base=2)
            ax.set_xticks(points, [str(P) for P in points], rotation=90 if len(points) > 4 else 0)
            ax.minorticks_off()
            ax.set_title(f"D = {D}, K = {K}", fontsize=7, pad=3)
    axes[0, 0].set_ylim(bottom=0)
    figure.supxlabel("P, images a batch", fontsize=8)
    return _legend(figure, colour)


def draw_trajectories(cells: dict[Key, Cell], names: list[str]) -> Figure:
    """Rows P, columns D, log-log: percent error against compute of the smallest K that all sweeps have."""
    shared = set.intersection(*({key[3] for key in cells if key[0] == name} for name in names))
    K = min(shared) if shared else min(key[3] for key in cells)
    mine = {key: cell for key, cell in cells.items() if key[3] == K}
    rows, columns = sorted({key[1] for key in mine}), sorted({key[2] for key in mine})
    figure, axes = _panels(len(rows), len(columns))
    colour = colours(names)
    for (name, P, D, _), cell in mine.items():
        ax = axes[rows.index(P), columns.index(D)]
        ax.errorbar(cell.x, cell.error, yerr=cell.error_se, fmt="o", ms=1.8, lw=0.5, color=colour[name])
    for (i, P), (j, D) in itertools.product(enumerate(rows), enumerate(columns)):
        axes[i, j].set(xscale="log", yscale="log")
        axes[i, j].set_title(f"P = {P}, D = {D}, K = {K}", fontsize=7, pad=3)
        axes[i, j].axhline(float(expected_percent_error(P, D)), color=THEORY, lw=0.5, zorder=0)
    errors = np.concatenate([cell.error for cell in mine.values()])
    plain_ticks(axes.flat, "y", 0.85 * errors.min(), min(1.0, 1.2 * errors.max()))
    figure.supxlabel("compute (FLOPs)", fontsize=8)
    return _legend(figure, colour)


def _panels(rows: int, columns: int) -> tuple[Figure, np.ndarray[Any, np.dtype[Any]]]:
    size = (max(3.6, 1.5 * columns + 0.9), 1.4 * rows + 0.9)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    return figure, axes


def _legend(figure: Figure, colour: dict[object, str]) -> Figure:
    figure.supylabel("pretraining percent error", fontsize=8)
    handles = [Line2D([], [], color=c, marker="o", ms=3, label=str(name)) for name, c in colour.items()]
    handles.append(Line2D([], [], color=THEORY, lw=0.5, label="$e_\\infty$(P, D)"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(3, len(handles)))
    return figure
