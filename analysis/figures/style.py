"""How figures look and how they are saved: one color-blind-safe palette, sizes for a paper's column."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from analysis.cli.output_files import write

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#882255",
    "#999999",
    "#F0E442",
)  # Okabe and Ito's, yellow last since it is faint, with two more for as many objectives
THEORY = "#333333"
DPI = 200
FORMATS: ContextVar[tuple[str, ...]] = ContextVar("FORMATS", default=("pdf", "png"))

plt.rcdefaults()  # the same figures whatever a matplotlibrc says, LaTeX or not
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


def colors(values: Sequence[object]) -> dict[object, str]:
    """A color for each value, in order; the same for the same list."""
    return {value: COLORS[i % len(COLORS)] for i, value in enumerate(values)}


def plain_ticks(axes: Iterable[Axes], axis: str, low: float, high: float) -> None:
    """Limits of a logarithmic axis that spans few decades (`x` or `y`), with ticks as plain numbers."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 3, 5, 7) if high / low < 20 else (1, 2, 5) if high / low < 200 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
    for ax in axes:
        chosen = ax.xaxis if axis == "x" else ax.yaxis
        (ax.set_xlim if axis == "x" else ax.set_ylim)(low, high)
        chosen.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        chosen.minorticks_off()


def save_one_of(figure: Figure, folder: Path, name: str, i: int, count: int, title: str = "") -> Path:
    """`save` of the i-th of `count` figures of a kind: where there are several, numbered and with its title over the
    legend, which a title of the figure would be drawn onto."""
    if count == 1:
        return save(figure, folder, name)
    if title and figure.legends:
        figure.legends[0].set_title(title, prop=FontProperties(size=8, weight="bold"))
    elif title:
        figure.suptitle(title, fontsize=8)
    return save(figure, folder, f"{name}_{i}")


@contextmanager
def png_alone() -> Iterator[None]:
    """Within it, figures are saved without their PDFs, for a page that shows the PNGs."""
    token = FORMATS.set(("png",))
    try:
        yield
    finally:
        FORMATS.reset(token)


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write NAME.png and NAME.pdf into `folder` (or URL), whole or not at all; returns the PNG's path."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it has done its work, and would do it again for each file
    for suffix in FORMATS.get():
        stream = io.BytesIO()
        metadata = {"CreationDate": None} if suffix == "pdf" else None
        figure.savefig(stream, format=suffix, bbox_inches="tight", metadata=metadata)
        content = stream.getvalue() if suffix == "pdf" else in_256_colors(stream)
        write(content, folder / f"{name}.{suffix}")
    plt.close(figure)
    return folder / f"{name}.png"


def in_256_colors(png: io.BytesIO) -> bytes:
    """The same picture in a third of the bytes; colors move by less than 1 in 255 on average."""
    few = Image.open(png).convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    few.save(packed, "PNG", optimize=True, dpi=(DPI, DPI))
    return packed.getvalue()
