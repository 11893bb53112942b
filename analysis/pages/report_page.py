"""The report of one sweep, a self-contained page: the paper's claims judged, figures, tables, provenance."""

from __future__ import annotations

import html
import re
import tempfile
from pathlib import Path

import pandas as pd

from analysis.laws.cell_law import exponents_by_seed, floor_winners
from analysis.laws.grid_law import grid_laws, law_table, measured_points
from analysis.laws.measured_cells import measured_cells
from analysis.laws.peak import find_peaks
from analysis.pages import descent_figures, grid_law_figures, scaling_figures
from analysis.pages.html_page import images, page, paragraph, section, table
from analysis.pages.paper_claims import Claim, grid_claim, law_claim, peak_claim, slope_claim
from analysis.pages.provenance import provenance
from analysis.reading.errors import ResultsError
from analysis.reading.results import Results

RUN_COLUMNS = ["variant", "P", "D", "K", "seed", "steps", "flops", "percent_error", "heldout_percent_error"]
RUN_COLUMNS += ["probe_accuracy", "reconstruction", "uniformity", "images_per_second", "wall_seconds", "run_id"]
FLOORS = (
    "Cells in which each floor E of the power law does best: none, free (fitted), theory (e_inf of P and D, the level "
    "of uniform embeddings: a reference, not a bound, so cells whose error falls below it have no such law and are "
    "not counted here). Extrapolation: laws fitted without the quarter of largest compute, by their error on it."
)


def render(results: Results) -> str:
    """The page. Figures and fits are made anew, so that they match the store."""
    runs = results.runs()
    finished = runs[runs["status"] == "finished"]
    parts = [overview(runs)]
    if not finished.empty:
        with tempfile.TemporaryDirectory() as folder:
            parts += _analysis(results, finished, Path(folder))
        parts.append(section("Runs", table(finished[RUN_COLUMNS])))
    bad = runs[runs["status"] != "finished"]
    if not bad.empty:
        failed = bad[["variant", "P", "D", "K", "seed", "status", "error", "run_id"]]
        parts.append(section("Cells that did not finish", table(failed)))
    parts += [section("Provenance", provenance(runs)), section("How to reproduce", _reproduce(results))]
    return page(f"Sweep {runs['sweep'].iloc[0]}", parts)


def _analysis(results: Results, finished: pd.DataFrame, folder: Path) -> list[str]:
    peaks = find_peaks(results)
    descent = descent_figures.figures(results, folder)
    scaling, fits = scaling_figures.figures(results, folder)
    exponents = exponents_by_seed(measured_cells(results))
    claims = [peak_claim(finished, peaks), law_claim(fits), slope_claim(exponents)]
    try:
        laws = grid_laws(measured_points(results))
        forecast = grid_law_figures.figures(laws, folder)
        claims += [grid_claim(kinds) for kinds in laws.values()]
        grid = images(forecast) + table(law_table(laws))
    except ResultsError as error:
        forecast, grid = [], paragraph(str(error))
    floors = floor_winners(fits)
    pictures = [path.stem for path in descent + scaling + forecast]
    return [
        section("What this sweep says of the paper's claims", _claims(claims, pictures)),
        section("Double descent", images(descent) + table(descent_figures.summary(peaks))),
        section("Scaling with compute", images(scaling)),
        section(
            "Which floor", paragraph(FLOORS) + (table(floors) if len(floors) else paragraph("No cell has all three."))
        ),
        section("One law of steps, P, D and K", grid),
        section("Power laws, error = E + A x^-alpha", table(fits.drop(columns=["axis", "scale"]))),
    ]


def overview(runs: pd.DataFrame) -> str:
    """How many runs of what, and what they cost."""
    finished = runs[runs["status"] == "finished"]
    text = ", ".join(f"{count} {status}" for status, count in runs["status"].value_counts().items())
    sets, encoders = ", ".join(sorted(runs["dataset"].unique())), ", ".join(sorted(runs["encoder"].unique()))
    hours = finished["wall_seconds"].sum() / 3600
    return paragraph(
        f"{len(runs)} runs ({text}) of {encoders} on {sets}: {finished['flops'].sum():.3g} FLOPs in {hours:.2f} "
        "device-hours."
    )


def _claims(claims: list[Claim], pictures: list[str]) -> str:
    items = []
    for claim in claims:
        names = [stem for stem in pictures for figure in claim.figures if re.fullmatch(rf"{figure}(_\d+)?", stem)]
        links = ", ".join(f"<a href='#{name}'>{name}</a>" for name in names)
        items.append(
            f"<dt>{html.escape(claim.statement)}: <span class={claim.verdict}>{claim.verdict}</span></dt>"
            f"<dd>{html.escape(claim.reason)} {f'Figures: {links}.' if links else ''}</dd>"
        )
    return f"<dl>{''.join(items)}</dl>"


def _reproduce(results: Results) -> str:
    grid = results.root / "grid.yaml"
    text = grid.read_text(encoding="utf-8") if grid.exists() else "(the grid file is not in the store)"
    commands = "git checkout COMMIT\nmake install\n.venv/bin/python sweeps/launch.py grid.yaml"
    return f"<pre>{commands}</pre><p>grid.yaml:</p><pre>{html.escape(text)}</pre>"
