"""The paper's claims and ours, judged by sweeps: verdict and number with its interval, in the terminal or in a page.

python analysis/claims.py results/quickstart
python analysis/claims.py results/reference/* --write docs/results.md --summary README.md    # between their markers
python analysis/claims.py results/quickstart --json
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped
from sweeps.cli.generated_markdown import between_markers, read_marked, write_marked
from sweeps.cli.progress import track

if TYPE_CHECKING:
    from analysis.results.results import Results

EXAMPLE = "Example: python analysis/claims.py results/quickstart"
BEGIN, END = "<!-- claims: written by analysis/claims.py -->", "<!-- end of claims -->"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: Annotated[list[str], typer.Argument(help="A sweep's folder or URL, or several.")],
    write: Annotated[
        Path | None, typer.Option(help="A Markdown page whose section of claims is written anew.", dir_okay=False)
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            help="A Markdown page whose table of verdicts is written anew: symbols, a column for each sweep.",
            dir_okay=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Judge the claims that sweeps can speak to; `report.py` gives the reasons and figures of one sweep."""
    from analysis.cli.opening import open_each
    from analysis.cli.output_files import printable
    from analysis.cli.terminal_table import print_table
    from analysis.sweep_analysis import SweepAnalysis
    from analysis.verdicts.registry import judgments
    from analysis.verdicts.rendering import as_json, markdown, symbols, terminal

    if json and (write or summary):
        raise ResultsError("--json prints; leave --write and --summary out")
    if write and write == summary:
        raise ResultsError(f"--write and --summary name the same page, {write}; give each its own")
    texts = {page: read_marked(page, BEGIN, END) for page in (write, summary) if page}  # refused before the fits
    opened = list({sweep.root: sweep for sweep in open_each(results, None)}.values())
    found = [judgments(SweepAnalysis(sweep)) for sweep in track(opened, "judging")]
    judged = dict(zip(_names(opened), found, strict=True))
    for name in (name for name, each in judged.items() if not any(one.verdict.measured for one in each)):
        print_wrapped(
            f"note: {name} has too few finished runs of MMCR for any claim, or none; report.py judges other objectives",
            sys.stderr,
        )
    if json:
        print(as_json(judged))
    elif not texts and len(table := terminal(judged)):
        print_table(table)
    for page, text in texts.items():
        rendered = markdown(judged, opened) if page == write else symbols(judged)
        write_marked(page, between_markers(text, BEGIN, END, rendered))
        print(printable(page))


def _names(opened: list[Results]) -> list[str]:
    """Of each sweep its folder, or the whole path where two folders are called the same."""
    short = [sweep.root.name for sweep in opened]
    return [sweep.root.name if short.count(sweep.root.name) == 1 else str(sweep.root) for sweep in opened]


if __name__ == "__main__":
    app()
