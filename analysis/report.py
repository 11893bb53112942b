"""One self-contained HTML page of a sweep: what it says of the paper's claims, figures, tables, provenance.

python analysis/report.py results/quickstart
python analysis/report.py results/A results/B      # two sweeps (or more) laid over each other
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app
from sweeps.cli.errors import OptionError, require_price
from sweeps.cli.progress import track

EXAMPLE = "Example: python analysis/report.py results/quickstart"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: Annotated[list[str], typer.Argument(help="A sweep's folder or URL; two or more are compared.")],
    best_over: BEST_OVER = None,
    price: Annotated[
        float | None,
        typer.Option(min=0, help="Price of a device-hour, from which the report gives the cost of the sweep."),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show a page that follows the sweep, on this machine alone, until Ctrl-C.")
    ] = False,
    explore: Annotated[
        bool, typer.Option("--explore", help="Write explore.html: heat map and curves to filter, without a network.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", dir_okay=False, help="Default: report.html in RESULTS.")
    ] = None,
) -> None:
    """Write the report of a sweep, or of how sweeps compare (comparison.html in the first one's folder)."""
    from analysis.cli.opening import open_each
    from analysis.cli.output_files import announce, printable, write_page
    from analysis.pages import report_page, sweep_comparison
    from analysis.sweep_analysis import SweepAnalysis

    require_price(price)
    if serve or explore:
        for option, given in (("price", price), ("best_over", best_over), ("output", serve and output)):
            if given:
                raise OptionError(option, f"is not for --{'serve' if serve else 'explore'}; leave it out")
        _explore(results, serve and explore, serve, output)
        return
    if price is not None and len(results) > 1:
        raise OptionError("price", "is for the report of one sweep; leave it out where several are compared")
    sweeps = [SweepAnalysis(opened, track) for opened in open_each(results, best_over, output and output.parent)]
    name = "report.html" if len(sweeps) == 1 else "comparison.html"
    text = report_page.render(sweeps[0], price) if len(sweeps) == 1 else sweep_comparison.render(sweeps)
    target = output or sweeps[0].results.root / name
    write_page(text, target)
    announce(f"Open {printable(target)} in a browser.", target)


def _explore(results: list[str], both: bool, serve: bool, output: Path | None) -> None:
    from analysis.cli.output_files import announce, printable, write_page
    from analysis.explorer.page import offline_page  # brings plotly with it
    from analysis.explorer.server import LiveServer
    from sweeps.storage.filesystems import to_path

    if both or len(results) > 1:
        raise OptionError("serve" if serve else "explore", "shows one sweep: give one folder, and --serve or --explore")
    root = to_path(results[0])
    if not root.is_dir():
        raise ResultsError(f"{root} is not a folder; give a sweep's folder, such as results/quickstart")
    if not serve:
        target = output or root / "explore.html"
        write_page(offline_page(root), target)
        announce(f"Open {printable(target)} in a browser.", target)
        return
    with LiveServer(root) as server:
        print(f"Open {server.url} in a browser; Ctrl-C ends it.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    app()
