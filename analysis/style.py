"""How figures look and how files are written: one colour-blind-safe palette, sizes for a paper's column."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)  # Okabe, Ito
THEORY = "#333333"
DPI = 200

plt.rcParams.update(
    {
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.2,
        "legend.frameon": False,
        "savefig.dpi": DPI,
        "pdf.fonttype": 42,
    }
)


def colours(values: Sequence[object]) -> dict[object, str]:
    """A colour for each value, in order; the same for the same list."""
    return {value: COLOURS[i % len(COLOURS)] for i, value in enumerate(values)}


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write NAME.png and NAME.pdf into `folder`, whole or not at all; returns the PNG's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("pdf", "png"):
        temporary = folder / f".{name}.{os.getpid()}.{suffix}"
        figure.savefig(temporary, bbox_inches="tight", metadata={"CreationDate": None} if suffix == "pdf" else None)
        temporary.rename(folder / f"{name}.{suffix}")
    plt.close(figure)
    return folder / f"{name}.png"


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a parquet file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    frame.to_parquet(temporary, index=False)
    temporary.rename(path)
