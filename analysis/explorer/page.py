"""The live page as HTML: with all data in it, for a file, or asking a server for them."""

from __future__ import annotations

from pathlib import Path

from plotly.offline import get_plotlyjs

from analysis.explorer.sweep_state import SweepState, packed_curves
from analysis.pages.html_page import render_template


def offline_page(root: Path) -> str:
    """The page of the store at `root` as one file that needs no network."""
    state = SweepState(root)
    cells = state.cells()
    curves = packed_curves(state.curves(cells["cells"]["run_id"]))
    return render_template("explore.html", title=cells["name"], plotly=get_plotlyjs(), cells=cells, curves=curves)


def live_page(name: str) -> str:
    """The page that gets its data, and plotly, from the server that it came from."""
    return render_template("explore.html", title=name, plotly=None, cells=None, curves=None)
