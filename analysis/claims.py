"""The paper's claims and ours, judged by sweeps: verdict and number with its interval, in the terminal or in a page.

python analysis/claims.py results/quickstart
python analysis/claims.py results/reference/* --write README.md    # between the markers that the page has
python analysis/claims.py results/quickstart --json
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.command_options import open_each
from analysis.cli.output_files import printable
from analysis.cli.progress import track
from analysis.cli.terminal_table import print_table
from analysis.results.errors import ResultsError
from analysis.results.results import Results
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.registry import judgments
from analysis.verdicts.rendering import as_json, markdown, terminal
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped
from sweeps.cli.generated_markdown import between_markers, read_marked, write_marked

EXAMPLE = "Example: python analysis/claims.py results/quickstart"
BEGIN, END = "<!-- claims: written by analysis/claims.py -->", "<!-- end of claims -->"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: Annotated[list[str], typer.Argument(help="A sweep's folder or URL, or several.")],
    write: Annotated[
        Path | None, typer.Option(help="A Markdown page whose table of claims is written anew.", dir_okay=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Judge the claims that sweeps can speak to; `report.py` gives the reasons and figures of one sweep."""
    if write and json:
        raise ResultsError("give one of --write and --json")
    opened = list({sweep.root: sweep for sweep in open_each(results, None)}.values())
    text = read_marked(write, BEGIN, END) if write else ""  # refused before the fits rather than after
    found = [judgments(SweepAnalysis(sweep)) for sweep in track(opened, "judging")]
    judged = dict(zip(_names(opened), found, strict=True))
    for name in (name for name, each in judged.items() if not any(one.verdict.measured for one in each)):
        print_wrapped(
            f"note: {name} has too few finished runs of mmcr for any claim, or none; report.py judges other objectives",
            sys.stderr,
        )
    if json:
        print(as_json(judged))
    elif write:
        write_marked(write, between_markers(text, BEGIN, END, markdown(judged, opened)))
        print(printable(write))
    else:
        print_table(terminal(judged))


def _names(opened: list[Results]) -> list[str]:
    """Of each sweep its folder, or the whole path where two folders are called the same."""
    short = [sweep.root.name for sweep in opened]
    return [sweep.root.name if short.count(sweep.root.name) == 1 else str(sweep.root) for sweep in opened]


if __name__ == "__main__":
    app()
