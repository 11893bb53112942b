"""Final error against the learning rate of every cell: python examples/own_analysis/learning_rate.py RESULTS

A parabola through the logarithms gives each cell's best rate. Writes RESULTS/figures/learning_rate.png.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from analysis import open_results

RATE, ERROR = "optimizer.learning_rate", "percent_error"
CELL = ["P", "D", "K"]


def best_rate(rates: np.ndarray, errors: np.ndarray) -> tuple[float, np.poly1d]:
    """The rate at the minimum of log error = a quadratic of log rate, nan where it has none; and the quadratic."""
    curve = np.poly1d(np.polyfit(np.log(rates), np.log(errors), 2))
    return (float(np.exp(-curve[1] / (2 * curve[2]))) if curve[2] > 0 else np.nan), curve


def main(results: Path) -> None:
    runs = open_results(results).runs()
    runs = runs[runs["status"] == "finished"]
    figure, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
    for cell, part in runs.groupby(CELL):
        mean = part.groupby(RATE)[ERROR].mean()  # over seeds
        rates, errors = mean.index.to_numpy(float), mean.to_numpy()
        if len(rates) < 3:
            sys.exit(f"a parabola needs three learning rates; {results} has {len(rates)}")
        best, curve = best_rate(rates, errors)
        name = ", ".join(f"{key} = {value}" for key, value in zip(CELL, cell, strict=True))
        inside = "within the grid" if rates[0] < best < rates[-1] else "beyond the grid: extend it"
        print(f"{name}: best learning rate {best:.2g}, {inside}")
        fine = np.geomspace(rates[0], rates[-1], 100)
        (points,) = ax.plot(rates, errors, "o", label=name)
        ax.plot(fine, np.exp(curve(np.log(fine))), color=points.get_color())
    ax.set(xscale="log", xlabel="learning rate", ylabel="pretraining percent error (fraction)")
    ax.legend(frameon=False)
    target = results / "figures" / "learning_rate.png"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=200)
    print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
