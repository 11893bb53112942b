"""The paper's claims and ours, judged by sweeps: verdict and number with its interval, in the terminal or in a page.

python analysis/claims.py results/quickstart
python analysis/claims.py results/reference/* --write README.md    # between the markers that the page has
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from analysis.pages.claims_table import BEGIN, END, markdown, untested
from analysis.pages.command_options import new_app, open_each
from analysis.pages.output_files import shown, write_page
from analysis.pages.progress import track
from analysis.pages.sweep_claims import sweep_claims
from analysis.pages.terminal_table import print_table
from sweeps.storage.last_guard import guarded
from sweeps.storage.marked_page import between_markers, read_marked

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
    opened = open_each(results, None)
    text = read_marked(write, BEGIN, END) if write else ""  # refused before the fits rather than after
    claims = {sweep.root.name: sweep_claims(sweep) for sweep in track(opened, "judging")}
    if write:
        write_page(between_markers(text, BEGIN, END, markdown(claims, untested(opened))), write)
        print(shown(write))
        return
    rows = [(name, claim.statement, claim.verdict, claim.number) for name, each in claims.items() for claim in each]
    print_table(pd.DataFrame(rows, columns=["sweep", "claim", "verdict", "number (95 % interval)"]))


if __name__ == "__main__":
    app()
