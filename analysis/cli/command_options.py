"""Arguments and options that analysis commands share, and how they open sweeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.progress import track
from analysis.results.errors import ResultsError
from analysis.results.results import Results, open_results
from analysis.sweep_analysis import SweepAnalysis

RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]
FIGURES = Annotated[
    Path | None,
    typer.Option("-o", "--output", file_okay=False, help="Folder of figures and tables. Default: in RESULTS."),
]
BEST_OVER = Annotated[
    str | None,
    typer.Option(
        help="A swept setting, such as optimizer.learning_rate: use the value with the lowest final error in each cell."
    ),
]


def open_best(place: str, best_over: str | None) -> Results:
    """A sweep's tables, of the best runs over a swept setting if one is named, which is said."""
    return open_each([place], best_over)[0]


def analyze(place: str, best_over: str | None) -> SweepAnalysis:
    """The analysis of what `open_best` opens."""
    return SweepAnalysis(open_best(place, best_over), track)


def open_each(places: list[str], best_over: str | None) -> list[Results]:
    """The same of several sweeps; those in which the setting does not vary are taken whole. Raises ResultsError where
    it varies in none."""
    opened = [open_results(place) for place in places]
    if best_over is None:
        return opened
    best = [results.best_over(best_over) for results in opened]
    said, refused = [], []
    for results in best:
        try:
            said.append(f"{results.root}: {results.remark}")
        except ResultsError as error:
            said.append("")
            refused.append(error)
    if not any(said):
        raise refused[0]
    print("\n".join(filter(None, said)), file=sys.stderr)
    return [taken if text else whole for whole, taken, text in zip(opened, best, said, strict=True)]
