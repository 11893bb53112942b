"""All cells of a sweep on one curve: what the joint scaling law leaves of P, D and K."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from analysis.estimates.joint_scaling_law import JointLaw
from analysis.figures.style import THEORY

MARKERS = "osD^vP*X"  # of K, in order


def draw_collapse(law: JointLaw) -> Figure:
    """Above: the error above E over the law's amplitude of P, D and K, against steps and their offset, log-log,
    colored by P / D, with the law as a line. Below: measured over predicted error, less 1."""
    points = law.points
    where = [points[name] for name in ("steps", "P", "D", "K")]
    x, predicted = law.shifted(*where), law.fit.predict(**law.inputs(*where))
    irreducible, _ = law.irreducible_errors(points["P"], points["D"])
    above = predicted - irreducible
    alpha = law.fit.alpha["steps"]
    y = (points["error"].to_numpy(float) - irreducible) * x**-alpha / above
    missed = points["error"].to_numpy(float) / predicted - 1
    ratio = (points["P"] / points["D"]).to_numpy(float)
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.6, 4.6), sharex=True, layout="constrained",
                                         height_ratios=(3, 1))  # fmt: skip
    norm = LogNorm(min(ratio.min(), 0.999), max(ratio.max(), 1.001))
    for marker, K in zip(MARKERS * len(points), sorted(points["K"].unique()), strict=False):
        mine = (points["K"] == K).to_numpy() & (y > 0)
        drawn = top.scatter(x[mine], y[mine], c=ratio[mine], norm=norm, cmap="viridis", marker=marker, s=5, lw=0,
                            label=f"K = {K}")  # fmt: skip
        mine = (points["K"] == K).to_numpy()
        bottom.scatter(x[mine], 100 * missed[mine], c=ratio[mine], norm=norm, cmap="viridis", marker=marker, s=5, lw=0)
    line = np.geomspace(x.min(), x.max(), 100)
    top.plot(line, line**-alpha, color=THEORY, lw=0.8, label=f"slope $-${alpha:.2f}")
    top.set(xscale="log", yscale="log", ylabel=_ordinate(law))
    below = int((y <= 0).sum())
    if below:
        top.annotate(f"{below} points below $e_\\infty$ not shown", (0.03, 0.03), xycoords="axes fraction", fontsize=6)
    top.legend(loc="upper right")
    bottom.axhline(0, color=THEORY, lw=0.6, zorder=0)
    reach = float(np.quantile(np.abs(100 * missed), 0.995))
    offset = law.form.offset == "free"
    bottom.set(ylim=(-1.2 * reach, 1.2 * reach), ylabel="measured / law $-$ 1 (%)",
               xlabel="steps + $s_0$(P, D, K)" if offset else "steps")  # fmt: skip
    bar = figure.colorbar(drawn, ax=(top, bottom), label="P / D", aspect=40)
    ticks = np.unique(ratio)
    bar.set_ticks(ticks.tolist(), labels=[f"{t:g}" if t >= 1 else f"1/{1 / t:g}" for t in ticks])
    bar.minorticks_off()
    return figure


def _ordinate(law: JointLaw) -> str:
    error = {"none": "e", "free": "(e - E)", "theory": "(e - e_\\infty)"}[law.form.irreducible]
    powers = "".join(f"\\,{name}^{{{exponent}}}" for name, exponent in zip("PDK", "abc", strict=True)
                     if name in law.fit.alpha)  # fmt: skip
    aspect = "\\,(P \\vee D / P \\wedge D)^d" if law.form.aspect else ""
    return f"${error} \\,/\\, (A{powers}{aspect})$"
