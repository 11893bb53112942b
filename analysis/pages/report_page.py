"""The report of one sweep, a self-contained page: the paper's claims judged, figures, tables, provenance."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from analysis.cli.prediction_text import prediction_remarks
from analysis.estimates.exponent_summary import describe_exponents
from analysis.estimates.per_cell_fit import compare_forms, form_name
from analysis.figures import double_descent_figures, isoflop_figure, joint_law_figures, scaling_figures
from analysis.figures.predictions.predicted_cells import prediction_figures
from analysis.figures.style import png_alone
from analysis.pages.claims_section import claims_section
from analysis.pages.html_page import embed, render_template
from analysis.pages.multimodal_section import images_and_text
from analysis.pages.objective_section import objective_sections
from analysis.pages.overview import findings, overview, strip
from analysis.pages.picture_cache import KeptPictures
from analysis.pages.provenance import provenance
from analysis.pages.representation_collapse import collapsed_runs
from analysis.pages.reproduction import commands
from analysis.results.display_names import objective_of, variant_name
from analysis.results.errors import ResultsError
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.registry import SUBJECT
from mmcr_core.theory import PERCENT_ERROR
from sweeps.storage.run_status import RunStatus

RUN_COLUMNS = ["variant", "P", "D", "K", "seed", "steps", "flops", "percent_error", "heldout_percent_error"]
RUN_COLUMNS += ["probe_accuracy", "reconstruction", "uniformity", "images_per_second", "wall_seconds", "run_id"]
FIT_COLUMNS = ["variant", "P", "D", "K", "irreducible", "offset", "alpha", "alpha_low", "alpha_high", "trusted"]
FIT_COLUMNS += ["reason"]
PREDICTED_COLUMNS = ["variant", "P", "D", "K", "steps", "predicted", "low_95", "high_95"]
UNFINISHED_COLUMNS = ["variant", "P", "D", "K", "seed", "status", "error", "run_id"]


def render(analysis: SweepAnalysis, price: float | None = None) -> str:
    """The page, whose figures match the store: they are of its content, or drawn anew. `price`: of a device-hour.
    Raises ResultsError where no run has ended."""
    results, runs = analysis.results, analysis.runs
    if runs.empty:
        raise ResultsError(f"{results.root} holds no run that has ended; see python sweeps/status.py {results.root}")
    finished, unfinished = runs[runs["status"] == RunStatus.FINISHED], runs[runs["status"] != RunStatus.FINISHED]
    grid, name = results.root / "grid.yaml", str(runs["sweep"].iloc[0])
    with tempfile.TemporaryDirectory() as folder, png_alone():
        analyzed = None if finished.empty else _analysis(analysis, Path(folder))
    return render_template(
        "report.html",
        title=f"Sweep {name}",
        overview=overview(runs, price),
        remarks=best.remarks if (best := results.best) else [],
        findings=[] if finished.empty else findings(analysis),
        strip=strip(runs),
        collapsed=collapsed_runs(finished),
        analysis=analyzed,
        finished=finished[RUN_COLUMNS],
        unfinished=unfinished[UNFINISHED_COLUMNS],
        source=provenance(runs),
        grid=grid.read_text(encoding="utf-8") if grid.exists() else "",
        grid_file=f"{name}.yaml",
        commands=[] if finished.empty else commands(finished, name),
        predicted_columns=PREDICTED_COLUMNS,
        hidden=[] if runs["variant"].nunique() > 1 else ["variant"],
    )


def _analysis(analysis: SweepAnalysis, folder: Path) -> dict[str, object]:
    """What the page has of finished runs."""
    fits, laws = analysis.fits, analysis.joint_laws
    drawn = KeptPictures(analysis, folder)
    descent = drawn.of("double descent", lambda folder: double_descent_figures.double_descent_figures(analysis, folder))
    scaling = drawn.of("scaling", lambda folder: scaling_figures.scaling_figures(analysis, folder))
    forecast = drawn.of("joint law", lambda folder: _of_joint_laws(analysis, folder)) if laws else []
    predicted = predictions(analysis)
    pictured = [] if predicted is None else drawn.of("predictions", lambda folder: prediction_figures(analysis, folder))
    drawn.keep()
    words = [
        " ".join([*([f"{variant_name(variant)}:"] * (len(laws) > 1)), *describe_exponents(kinds[0])])
        for variant, kinds in laws.items()
    ]
    pairs = images_and_text(analysis, folder)
    sections = objective_sections(analysis, folder)
    pictures = [path.stem for path in descent + scaling + forecast]
    shown = _first_variants(analysis)
    groups = {"descent": embed(descent, shown), "scaling": embed(scaling, shown), "joint_law": embed(forecast)}
    several = [pairs.pictures if pairs else [], sections["pictures"], *groups.values()]
    lead = next(picture for group in several for picture in group if not picture.folded)
    chosen = fits[fits["chosen"]]
    forms = {form_name(*form) for form in chosen[["irreducible", "offset"]].itertuples(index=False)}
    alike = ["irreducible", "offset"] if len(forms) == 1 else []  # said above the table
    return {
        "claims": claims_section(analysis, pictures + [each.name for each in pairs.pictures] if pairs else pictures),
        "pairs": pairs,
        "lead": lead,
        "descent": groups["descent"],
        "no_descent": double_descent_figures.not_drawn(analysis.finished),
        "peaks": _peaks(analysis),
        "peaks_title": double_descent_figures.summary_title(analysis.peaks),
        "scaling": groups["scaling"],
        "forms": compare_forms(fits),
        "joint_law_pictures": groups["joint_law"],
        "joint_law_words": words or [f"There is {analysis.no_joint_law}."],
        "joint_law": analysis.joint_law,
        "predictions": predicted,
        "prediction_pictures": embed(pictured),
        "prediction_words": [] if predicted is None else prediction_remarks(analysis, PERCENT_ERROR),
        "objectives": sections,
        "fits": fits.drop(columns=["axis", "scale", "failed_checks"]),
        "selected_law": forms.pop() if len(forms) == 1 else "E + A (x + x0)^-alpha",
        "selected_fits": chosen[FIT_COLUMNS].drop(columns=alike),
    }


def _first_variants(analysis: SweepAnalysis) -> set[int]:
    """Places of the variants whose figures are shown at once: those of MMCR, else the first."""
    order = sorted(set(analysis.finished["variant"]))
    return {place for place, name in enumerate(order) if objective_of(name) == SUBJECT} or {0}


def _peaks(analysis: SweepAnalysis) -> pd.DataFrame | None:
    """The table of peaks; None where neither P nor D varies."""
    several = double_descent_figures.has_sizes(analysis.finished)
    return double_descent_figures.summary(analysis.peaks) if several else None


def _of_joint_laws(analysis: SweepAnalysis, folder: Path) -> list[Path]:
    laws = analysis.joint_laws
    isoflop = isoflop_figure.isoflop_figures(laws, analysis.cells, analysis.finished, folder)
    return joint_law_figures.joint_law_figures(laws, folder) + isoflop


def predictions(analysis: SweepAnalysis) -> pd.DataFrame | None:
    """What the cells that have not finished are predicted to end at; None where nothing can be said."""
    try:
        table = analysis.predict()
    except ResultsError:  # fewer runs than a prediction needs
        return None
    return table[table["measured"].isna()].drop(columns="measured")
