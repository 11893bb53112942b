"""One self-contained HTML page of a sweep: what it says of the paper's claims, figures, tables, provenance.

python analysis/report.py results/quickstart
python analysis/report.py results/A results/B      # two sweeps (or more) laid over each other
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER, open_each
from analysis.cli.output_files import announce, printable, write_page
from analysis.cli.progress import track
from analysis.pages import report_page, sweep_comparison
from analysis.sweep_analysis import SweepAnalysis
from sweeps.cli.app import guarded, new_app
from sweeps.cli.errors import OptionError

EXAMPLE = "Example: python analysis/report.py results/quickstart"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: Annotated[list[str], typer.Argument(help="A sweep's folder or URL; two or more are compared.")],
    best_over: BEST_OVER = None,
    price: Annotated[
        float | None, typer.Option(min=0, help="What a device-hour costs, to say what the sweep did.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", dir_okay=False, help="Default: report.html in RESULTS.")
    ] = None,
) -> None:
    """Write the report of a sweep, or of how sweeps compare (comparison.html in the first one's folder)."""
    if price is not None and len(results) > 1:
        raise OptionError("price", "is for the report of one sweep; leave it out where several are compared")
    sweeps = [SweepAnalysis(opened, track) for opened in open_each(results, best_over)]
    name = "report.html" if len(sweeps) == 1 else "comparison.html"
    text = report_page.render(sweeps[0], price) if len(sweeps) == 1 else sweep_comparison.render(sweeps)
    target = output or sweeps[0].results.root / name
    write_page(text, target)
    announce(f"Open {printable(target)} in a browser.", target)


if __name__ == "__main__":
    app()
