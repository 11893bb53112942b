"""Percent error of perfectly uniform embeddings: simulation, bound and the Marchenko-Pastur limit.

Random unit rows, N of them in D dimensions: figure 1 of Isik et al. 2023, with the limit drawn through it.
Needs no sweep. Writes theory.{png,pdf} and theory.csv.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from analysis.pages.command_options import new_app
from analysis.pages.output_files import shown, write_csv
from analysis.pages.style import save
from analysis.pages.theory_figures import draw, simulate
from analysis.reading.errors import ResultsError
from sweeps.storage.last_guard import guarded

EXAMPLE = "Example: python analysis/plot_theory.py -o results/theory --largest 10000"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    output: Annotated[Path, typer.Option("-o", "--output", file_okay=False, help="Folder of the figure.")] = Path(
        "results/theory"
    ),
    largest: Annotated[int, typer.Option(min=10, help="Largest N and D; 10000 takes half an hour.")] = 1000,
    repeats: Annotated[int, typer.Option(min=2, help="Simulations a point.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
) -> None:
    """Simulate uniform embeddings and draw their percent error beside theory."""
    sizes = [n for n in np.round(np.logspace(1, 4, 11)).astype(int).tolist() if n <= largest]
    if len(sizes) < 2:
        raise ResultsError(f"--largest {largest} leaves fewer than two sizes; use 20 or more")
    table = simulate(sizes, repeats, seed)
    path = save(draw(table), output, "theory")
    write_csv(table, output / "theory.csv")
    worst = (table["mean"] / table["expected"] - 1).abs()[table[["N", "D"]].min(axis=1) >= 100].max()
    if np.isfinite(worst):
        print(f"largest deviation from the limit where N, D >= 100: {100 * worst:.2f} %")
    print(shown(path))


if __name__ == "__main__":
    app()
