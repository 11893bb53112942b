"""The joint scaling law drawn: what it predicts beside what was measured, and all cells on one curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.joint_scaling_law import JointLaw
from analysis.figures.data_collapse_figure import draw_collapse
from analysis.figures.style import THEORY, colors, plain_ticks, save_one_of

IRREDUCIBLE = {"none": "E = 0", "free": "free E", "theory": "E = $e_\\infty$"}


def joint_law_figures(laws: dict[str, list[JointLaw]], folder: Path) -> list[Path]:
    """Draw and save, for each variant, the collapse of its best law, and the forecasts of the best law with each kind
    of irreducible error, where they were tested; the paths of the PNGs."""
    paths = []
    for i, (variant, kinds) in enumerate(laws.items()):
        tested = [law for law in kinds if law.test is not None and np.isfinite(law.coverage)]
        best = {law.form.irreducible: law for law in reversed(tested)}
        paths.append(save_one_of(draw_collapse(kinds[0]), folder, "collapse", i, len(laws), variant))
        if best:
            chosen = [best[kind] for kind in dict.fromkeys(law.form.irreducible for law in tested)]
            paths.append(save_one_of(draw(chosen), folder, "forecast", i, len(laws), variant))
    return paths


def draw(laws: list[JointLaw]) -> Figure:
    """A panel for each law: predicted against measured final errors; held-out cells filled, with forecasts."""
    tables = [law.test for law in laws if law.test is not None]
    figure, axes = plt.subplots(1, len(laws), figsize=(2.3 * len(laws), 2.8), sharex=True, sharey=True,
                                squeeze=False, layout="constrained")  # fmt: skip
    color = colors(sorted(tables[0]["K"].unique()))
    for ax, law, table in zip(axes[0], laws, tables, strict=True):
        for part, held in ((table[~table["held_out"]], False), (table[table["held_out"]], True)):
            for K, cells in part.groupby("K"):
                ax.plot(
                    cells["error"], cells["predicted"], "o", ms=3.5, color=color[K], mfc=color[K] if held else "none"
                )
                if held:
                    spread = np.abs(cells[["low", "high"]].to_numpy().T - cells["predicted"].to_numpy())
                    ax.errorbar(cells["error"], cells["predicted"], yerr=spread, fmt="none", color=color[K], lw=0.7)
        ends = [table[["error", "predicted"]].min().min() * 0.9, table[["error", "predicted"]].max().max() * 1.1]
        ax.plot(ends, ends, color=THEORY, lw=0.6, zorder=0)
        ax.set(xscale="log", yscale="log", xlabel="measured percent error")
        parts = [
            IRREDUCIBLE[law.form.irreducible],
            *["offset"] * (law.form.offset == "free"),
            *["aspect"] * law.form.aspect,
        ]
        ax.set_title(f"{', '.join(parts)}:\n{100 * law.error:.1f} % r.m.s.")
        plain_ticks([ax], "x", *ends)
        forecast = table.loc[table["held_out"], ["low", "high"]]
        plain_ticks([ax], "y", min(ends[0], forecast["low"].min() * 0.9), max(ends[1], forecast["high"].max() * 1.1))
    axes[0, 0].set_ylabel("predicted percent error")
    handles = [Line2D([], [], color=c, marker="o", ms=3, ls="none", label=f"K = {K}") for K, c in color.items()]
    handles.append(Line2D([], [], color="0.3", marker="o", mfc="none", ms=3, ls="none", label="cells fitted"))
    handles.append(Line2D([], [], color="0.3", marker="o", ms=3, lw=0.7, label="held-out, 95 % forecast"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure
