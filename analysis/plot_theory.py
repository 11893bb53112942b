"""Theory beside simulation: the percent error of perfectly uniform embeddings, and Cover's transition.

Random unit rows, N of them in D dimensions: figure 1 of Isik et al. 2023, with the bound and the Marchenko-Pastur limit
drawn through it. And random labelings of P points in N dimensions, separable up to P = 2N: the capacity of points.
Needs no sweep. Writes theory.{png,pdf}, cover.{png,pdf}, theory.csv and cover.csv.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.command_options import WIDTH
from analysis.cli.printed_width import Width, printed_at
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app

EXAMPLE = "Example: python analysis/plot_theory.py -o results/theory --largest 10000"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    output: Annotated[Path, typer.Option("-o", "--output", file_okay=False, help="Folder of the figures.")] = Path(
        "results/theory"
    ),
    largest: Annotated[int, typer.Option(min=10, help="Largest N and D; 10000 takes half an hour.")] = 1000,
    repeats: Annotated[int, typer.Option(min=2, help="Simulations per point.")] = 5,
    labelings: Annotated[int, typer.Option(min=20, help="Random labelings per point of Cover's transition.")] = 200,
    width: WIDTH = Width.PAGE,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulations.")] = 0,
) -> None:
    """Simulate uniform embeddings and random labelings of points, and draw both beside theory."""
    import numpy as np

    from analysis.cli.output_files import printable, write_csv
    from analysis.figures.style import save
    from analysis.figures.theory_figures import draw, draw_labelings, simulate, simulate_labelings

    sizes = [n for n in np.round(np.logspace(1, 4, 11)).astype(int).tolist() if n <= largest]
    if len(sizes) < 2:
        raise ResultsError(f"--largest {largest} leaves fewer than two sizes; use 20 or more")
    table = simulate(sizes, repeats, seed)
    with printed_at(width):
        path = save(draw(table), output, "theory")
    write_csv(table, output / "theory.csv")
    worst = (table["mean"] / table["expected"] - 1).abs()[table[["N", "D"]].min(axis=1) >= 100].max()
    if np.isfinite(worst):
        print(f"largest deviation from the limit where N, D >= 100: {100 * worst:.2f}%")
    print(printable(path))
    shares = simulate_labelings(labelings, seed)
    with printed_at(width):
        cover = save(draw_labelings(shares), output, "cover")
    write_csv(shares, output / "cover.csv")
    inside = shares["expected"].between(shares["low"], shares["high"])
    print(f"Cover's curve lies in {inside.sum()} of {len(shares)} intervals of 95%")
    print(printable(cover))


if __name__ == "__main__":
    app()
