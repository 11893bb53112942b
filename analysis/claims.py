"""The paper's claims and ours, judged by sweeps: verdict and number with its interval, in the terminal or in a page.

python analysis/claims.py results/quickstart
python analysis/claims.py results/reference/* --write README.md    # between the markers that the page has
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from analysis.pages.claims_table import markdown, put_into, untested
from analysis.pages.command_options import new_app, open_each
from analysis.pages.output_files import shown, write_page
from analysis.pages.progress import track
from analysis.pages.sweep_claims import sweep_claims
from analysis.pages.terminal_table import print_table
from analysis.reading.errors import ResultsError
from sweeps.storage.last_guard import guarded

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
    text = _text(write) if write else ""
    claims = {sweep.root.name: sweep_claims(sweep) for sweep in track(opened, "judging")}
    if write:
        write_page(put_into(text, markdown(claims, untested(opened)), write), write)
        print(shown(write))
        return
    rows = [(name, claim.statement, claim.verdict, claim.number) for name, each in claims.items() for claim in each]
    print_table(pd.DataFrame(rows, columns=["sweep", "claim", "verdict", "number (95 % interval)"]))


def _text(page: Path) -> str:
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{page} cannot be read: {error.strerror or error}") from error
    put_into(text, "", page)  # refused before an hour of fits rather than after
    return text


if __name__ == "__main__":
    app()
