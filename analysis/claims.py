"""The paper's claims and ours, judged by sweeps: verdict and number with its interval, in the terminal or in a page.

python analysis/claims.py results/quickstart
python analysis/claims.py results/reference/* --write README.md    # between the markers that the page has
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from analysis.pages.claims_table import BEGIN, END, markdown, untested
from analysis.pages.command_options import open_each
from analysis.pages.output_files import shown
from analysis.pages.progress import track
from analysis.pages.sweep_claims import sweep_claims
from analysis.pages.terminal_table import print_table
from analysis.reading.results import Results
from analysis.sweep_analysis import SweepAnalysis
from sweeps.storage.door import guarded, new_app
from sweeps.storage.marked_page import between_markers, read_marked, write_marked
from sweeps.storage.terminal import say

EXAMPLE = "Example: python analysis/claims.py results/quickstart"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: Annotated[list[str], typer.Argument(help="A sweep's folder or URL, or several.")],
    write: Annotated[
        Path | None, typer.Option(help="A Markdown page whose table of claims is written anew.", dir_okay=False)
    ] = None,
) -> None:
    """Judge the claims that sweeps can speak to; `report.py` gives the reasons and figures of one sweep."""
    opened = list({sweep.root: sweep for sweep in open_each(results, None)}.values())
    text = read_marked(write, BEGIN, END) if write else ""  # refused before the fits rather than after
    claims = dict(zip(_names(opened), map(sweep_claims, map(SweepAnalysis, track(opened, "judging"))), strict=True))
    for name in (name for name, each in claims.items() if not each):
        say(f"note: {name} has no runs of mmcr that can be judged; report.py judges other objectives", sys.stderr)
    if write:
        write_marked(write, between_markers(text, BEGIN, END, markdown(claims, untested(opened))))
        print(shown(write))
        return
    rows = [(name, claim.statement, claim.verdict, claim.number) for name, each in claims.items() for claim in each]
    print_table(pd.DataFrame(rows, columns=["sweep", "claim", "verdict", "number (95 % interval)"]))


def _names(opened: list[Results]) -> list[str]:
    """Of each sweep its folder, or the whole path where two folders are called the same."""
    short = [sweep.root.name for sweep in opened]
    return [sweep.root.name if short.count(sweep.root.name) == 1 else str(sweep.root) for sweep in opened]


if __name__ == "__main__":
    app()
