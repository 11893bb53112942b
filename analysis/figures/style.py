"""How figures look and how they are saved: as wide as they are printed, with text of 7 pt or more."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox
from PIL import Image

from analysis.cli.output_files import write
from analysis.cli.printed_width import inches

DPI = 200
LEAST = 7.0  # points, of any text at the size at which it is printed
ERROR = "pretraining percent error (fraction)"
BASELINE = "uniform baseline $e_\\infty$"
SIZES = {"P": "P, images per batch", "D": "D, embedding dimensions", "K": "K, views per image"}  # labels of axes
FORMATS: ContextVar[tuple[str, ...]] = ContextVar("FORMATS", default=("pdf", "png"))
Panels = np.ndarray[Any, np.dtype[Any]]

plt.rcdefaults()  # the same figures whatever a matplotlibrc says, LaTeX or not
plt.rcParams.update(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": LEAST,
        "ytick.labelsize": LEAST,
        "legend.fontsize": LEAST,
        "legend.title_fontsize": LEAST,
        "figure.titlesize": 8,
        "figure.labelsize": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.formatter.useoffset": False,  # labels are the numbers, without a "+1" at the corner
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.2,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "legend.columnspacing": 1.4,
        "hatch.linewidth": 0.6,
        "savefig.dpi": DPI,
        "pdf.fonttype": 42,
    }
)


def across(count: int, least: float, most: int = 8) -> int:
    """How many of `count` panels stand in a row, each `least` inches wide or more."""
    return max(1, min(count, most, int((inches() + 0.01) / least)))


def panels(rows: int, columns: int, height: float, width: float | None = None, **options: Any) -> tuple[Figure, Panels]:
    """A figure of rows and columns of axes, each row `height` inches high; `width`: of the figure, by default that of
    the page or column."""
    size = (min(width or inches(), inches()), height * rows + 0.35)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **options)


def clear_beyond(axes: Panels, count: int) -> None:
    """Take the axes out that no panel needs."""
    remove(axes, list(axes.flat)[count:])


def remove(axes: Panels, empty: Iterable[Axes]) -> None:
    """Take the empty axes out of a grid; the lowest that is left in each column has the ticks' labels."""
    for ax in empty:
        ax.remove()
    for column in axes.T:
        left = [ax for ax in column if ax.figure is not None]
        if left:
            left[-1].tick_params(labelbottom=True)


def legend(figure: Figure, handles: Sequence[Artist], title: str = "") -> Legend:
    """Explain `handles` above the panels, row by row in few even rows that fit the width; the figure grows by their
    height."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for rows in range(1, len(handles) + 1):
        columns = -(-len(handles) // rows)
        by_columns = [handle for first in range(columns) for handle in handles[first::columns]]
        made = figure.legend(handles=by_columns, loc="outside upper center", ncols=columns, title=title)
        box = made.get_window_extent(renderer)
        if columns == 1 or box.width / figure.dpi <= figure.get_figwidth() - 0.05:
            break
        made.remove()
    height, added = figure.get_figheight(), box.height / figure.dpi
    figure.set_figheight(height + added)
    for label in (text for text in figure.texts if text.get_rotation() == 90):
        label.set_y(0.5 * height / (height + added))  # a shared label of axes y: beside the panels, not the legend
    return made


def line_mark(color: str, label: str, **style: Any) -> Line2D:
    """A legend's entry of a line or marker."""
    return Line2D([], [], color=color, label=label, **({"ms": 3.5, "lw": 1.2} | style))


def interval_mark(label: str) -> Line2D:
    """A legend's entry of upright error bars."""
    return line_mark("0.3", label, marker="|", ms=7, ls="none")


def swatches(colors: dict[Any, str], label: str = "{}", marker: str = "s") -> list[Line2D]:
    """A legend's entries for what colors mean."""
    return [line_mark(color, label.format(value), marker=marker, ls="none") for value, color in colors.items()]


def diagonal_mark() -> Patch:
    """The legend's entry of cells with P = D."""
    return Patch(fc="none", ec="black", lw=1.4, label="P = D")


def frame(ax: Axes) -> None:
    """Mark the panel of a cell with P = D."""
    for spine in ax.spines.values():
        spine.set(visible=True, linewidth=1.4)


def plain_ticks(axes: Iterable[Axes], axis: str, low: float, high: float, small: bool = False) -> None:
    """Limits of a logarithmic axis that spans few decades (`x` or `y`), with ticks as plain numbers, fewer in `small`
    panels."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    fine = (1, 1.5, 2, 3, 4, 6) if high / low < 8 else (1, 2, 5) if small else (1, 2, 3, 5, 7)
    steps = fine if high / low < 12 else (1, 2, 5) if high / low < (300 if small else 3000) else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
    for ax in axes:
        chosen = ax.xaxis if axis == "x" else ax.yaxis
        (ax.set_xlim if axis == "x" else ax.set_ylim)(low, high)
        chosen.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        chosen.minorticks_off()


def power_of_ten(number: float) -> str:
    """A large number for a label, as 5.0 x 10^11."""
    digits, exponent = f"{number:.1e}".split("e")
    return f"${digits} \\times 10^{{{int(exponent)}}}$"


def hide_touching_labels(figure: Figure) -> None:
    """Of ticks' labels that would touch along an axis hide some: those of minor ticks first, then later ones."""
    for ax in figure.axes:
        for axis, gap in ((ax.xaxis, 0.02 * figure.dpi), (ax.yaxis, 0.0)):
            shown: list[Bbox] = []
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                box = tick.label1.get_window_extent()
                if not (tick.label1.get_visible() and tick.label1.get_text()) or not _in_view(axis, tick.get_loc()):
                    continue
                if box.padded(gap, 0).count_overlaps(shown):
                    tick.label1.set_visible(False)
                else:
                    shown.append(box)


def _in_view(axis: Axis, at: float) -> bool:
    low, high = sorted(axis.get_view_interval())
    return bool(low <= at <= high)


def size_ticks(ax: Axes, sizes: Sequence[int], upright: bool = False) -> None:
    """Ticks of a log2 axis x at sizes that were run, upright where they would touch."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(size) for size in sizes], rotation=90 if upright else 0)
    ax.minorticks_off()


def save_one_of(figure: Figure, folder: Path, name: str, i: int, count: int, title: str = "") -> Path:
    """`save` of the i-th of `count` figures of a kind: where there are several, numbered and with its title."""
    if count == 1:
        return save(figure, folder, name)
    if title:
        figure.set_figheight(figure.get_figheight() + 0.2)
        if figure.legends:  # a title of the figure would be drawn onto the legend
            figure.legends[0].set_title(title, prop=FontProperties(size=8, weight="bold"))
        else:
            figure.suptitle(title, weight="bold")
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
    hide_touching_labels(figure)
    for suffix in FORMATS.get():
        stream = io.BytesIO()
        metadata = {"CreationDate": None} if suffix == "pdf" else None
        figure.savefig(stream, format=suffix, metadata=metadata)
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
