"""The report of one sweep, a self-contained page: the paper's claims judged, figures, tables, provenance."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path

import pandas as pd

from analysis.estimates.exponent_summary import describe_exponents
from analysis.estimates.per_cell_fit import compare_forms
from analysis.figures import double_descent_figures, isoflop_figure, joint_law_figures, scaling_figures
from analysis.figures.style import png_alone
from analysis.pages.claims_section import claims_section
from analysis.pages.html_page import images, page, paragraph, section, table
from analysis.pages.multimodal_section import images_and_text
from analysis.pages.objective_section import objective_sections
from analysis.pages.picture_cache import KeptPictures
from analysis.pages.provenance import provenance
from analysis.pages.representation_collapse import collapsed_runs
from analysis.results.results import Results
from analysis.sweep_analysis import SweepAnalysis

RUN_COLUMNS = ["variant", "P", "D", "K", "seed", "steps", "flops", "percent_error", "heldout_percent_error"]
RUN_COLUMNS += ["probe_accuracy", "reconstruction", "uniformity", "images_per_second", "wall_seconds", "run_id"]
FORMS = (
    "Six forms of the power law, with and without a floor (E fitted, or e_inf: the uniform baseline of P "
    "images of so many in D dimensions, a reference and not a bound, so cells whose error falls below it have no such "
    "law) and an offset x0 of compute, on and off the diagonal. Held-out error: of laws fitted without the quarter of "
    "the points with the largest compute, on it. Chosen: the selected model, of one form for all cells, the one with "
    "the least AICc in sum among those without a fitted floor."
)


def render(analysis: SweepAnalysis) -> str:
    """The page, whose figures match the store: they are of its content, or drawn anew."""
    results, runs = analysis.results, analysis.runs
    finished = runs[runs["status"] == "finished"]
    parts = [overview(runs)] + ([paragraph(f"Note: {results.remark}.")] if results.remark else [])
    parts += collapsed_runs(finished)
    if not finished.empty:
        with tempfile.TemporaryDirectory() as folder, png_alone():
            parts += _analysis(analysis, Path(folder))
        parts.append(section("Runs", table(finished[RUN_COLUMNS])))
    bad = runs[runs["status"] != "finished"]
    if not bad.empty:
        failed = bad[["variant", "P", "D", "K", "seed", "status", "error", "run_id"]]
        parts.append(section("Cells that did not finish", table(failed)))
    parts += [section("Provenance", provenance(runs)), section("How to reproduce", _reproduce(results))]
    return page(f"Sweep {runs['sweep'].iloc[0]}", parts)


def _analysis(analysis: SweepAnalysis, folder: Path) -> list[str]:
    peaks = analysis.peaks
    fits, laws = analysis.fits, analysis.joint_laws
    drawn = KeptPictures(analysis, folder)
    descent = drawn.of("double descent", lambda folder: double_descent_figures.double_descent_figures(analysis, folder))
    scaling = drawn.of("scaling", lambda folder: scaling_figures.scaling_figures(analysis, folder))
    forecast = drawn.of("joint law", lambda folder: _of_joint_laws(analysis, folder)) if laws else []
    drawn.keep()
    words = (
        paragraph(" ".join([*([f"{variant}:"] * (len(laws) > 1)), *describe_exponents(kinds[0])]))
        for variant, kinds in laws.items()
    )
    grid = images(forecast) + "".join(words) + table(analysis.joint_law) if laws else paragraph(analysis.no_joint_law)
    pairs = images_and_text(analysis, folder)
    pictures = [path.stem for path in descent + scaling + forecast] + pairs.pictures
    return [
        claims_section(analysis, pictures),
        *pairs.sections,
        section("Double descent", images(descent) + table(double_descent_figures.summary(peaks))),
        section("Scaling with compute", images(scaling)),
        section("Which law", paragraph(FORMS) + table(compare_forms(fits))),
        section("One law of steps, P, D and K", grid),
        *objective_sections(analysis, folder),
        section(
            "Power laws, error = E + A (x + x0)^-alpha", table(fits.drop(columns=["axis", "scale", "failed_checks"]))
        ),
    ]


def _of_joint_laws(analysis: SweepAnalysis, folder: Path) -> list[Path]:
    laws = analysis.joint_laws
    isoflop = isoflop_figure.isoflop_figures(laws, analysis.cells, analysis.finished, folder)
    return joint_law_figures.joint_law_figures(laws, folder) + isoflop


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


def _reproduce(results: Results) -> str:
    grid = results.root / "grid.yaml"
    text = grid.read_text(encoding="utf-8") if grid.exists() else "(the grid file is not in the store)"
    commands = "git checkout COMMIT\nmake install\n.venv/bin/python sweeps/launch.py grid.yaml"
    return f"<pre>{commands}</pre><p>grid.yaml:</p><pre>{html.escape(text)}</pre>"
