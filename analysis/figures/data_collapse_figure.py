"""All cells of a sweep on one curve: what the joint scaling law leaves of P, D and K."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.estimates.joint_scaling_law import BY_FORMULA, JointLaw
from analysis.figures.palette import RATIO, THEORY
from analysis.figures.style import LEAST, line_mark, panels, plain_ticks

MARKERS = "osD^vP*X"  # of K, in order
EXPONENTS = {"P": "P^{-b}", "D": "D^{-c}", "K": "K^{-d}", "aspect": "\\mathrm{aspect}^{-f}", BY_FORMULA: "(1 - 1/K)"}
OFFSETS = {"P": "P^p", "D": "D^q", "K": "K^r"}
IRREDUCIBLE = {"none": "e", "free": "(e - E)", "theory": "(e - e_\\infty)"}


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
    missed = 100 * (points["error"].to_numpy(float) / predicted - 1)
    ratio = np.log2((points["P"] / points["D"]).to_numpy(float))
    reach = max(1.0, float(np.abs(ratio).max()))
    figure, axes = panels(2, 1, 1.9, 5.0, sharex=True, height_ratios=(5, 2))
    top, bottom = axes[:, 0]
    style = {"cmap": RATIO, "vmin": -reach, "vmax": reach, "s": 7, "lw": 0}
    views = sorted(int(K) for K in points["K"].unique())
    for marker, K in zip(MARKERS * len(points), views, strict=False):
        own = (points["K"] == K).to_numpy()
        mine = own & (y > 0)
        drawn = top.scatter(x[mine], y[mine], c=ratio[mine], marker=marker, **style)
        bottom.scatter(x[own], missed[own], c=ratio[own], marker=marker, **style)
    line = np.geomspace(x.min(), x.max(), 100)
    top.plot(line, line**-alpha, color=THEORY, lw=0.9)
    handles = [line_mark("0.4", f"K = {K}", marker=m, ls="none") for m, K in zip(MARKERS * 9, views, strict=False)]
    handles.append(line_mark(THEORY, f"the law, $a$ = {alpha:.2f}", lw=0.9))
    top.set(xscale="log", yscale="log", ylabel=_ordinate(law))
    plain_ticks([top], "y", 0.8 * float(y[y > 0].min()), 1.3 * float(y.max()))
    plain_ticks([top], "x", 0.9 * float(x.min()), 1.1 * float(x.max()))
    below = int((y <= 0).sum())
    if below:
        top.annotate(
            f"{below} points below $e_\\infty$ not shown", (0.03, 0.03), xycoords="axes fraction", fontsize=LEAST
        )
    top.legend(handles=handles, loc="upper right")
    bottom.axhline(0, color=THEORY, lw=0.6, zorder=0)
    most = 1.08 * float(np.abs(missed).max())
    bottom.set(ylim=(-most, most), ylabel="measured /\nlaw $-$ 1 (%)", xlabel=_abscissa(law))
    bar = figure.colorbar(drawn, ax=(top, bottom), label="P / D", aspect=40)
    ticks = np.arange(-np.floor(reach), np.floor(reach) + 1, 1 if reach <= 5 else 2)
    bar.set_ticks(ticks.tolist(), labels=[f"{2**t:g}" if t >= 0 else f"1/{2**-t:g}" for t in ticks])
    return figure


def _ordinate(law: JointLaw) -> str:
    amplitude = "\\,".join(["A", *(text for name, text in EXPONENTS.items() if name in law.fit.alpha)])
    return f"${IRREDUCIBLE[law.form.irreducible]} \\,/\\, ({amplitude})$"


def _abscissa(law: JointLaw) -> str:
    if law.form.offset != "free":
        return "optimizer steps"
    offset = "\\,".join(["s_0", *(OFFSETS[name] for name in law.fit.s)])
    return f"optimizer steps + ${offset}$"
