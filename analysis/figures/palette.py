"""One color for one meaning in all figures: objectives, K, P, D, compute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

from analysis.results.display_names import objective_of

THEORY = "#333333"
MISSING = "#B00020"  # what became of a cell without a result
OBJECTIVES = {  # Okabe and Ito's, with three more; the control is gray
    "mmcr": "#0072B2",
    "simclr": "#D55E00",
    "vicreg": "#009E73",
    "barlow_twins": "#CC79A7",
    "byol": "#E69F00",
    "frossl": "#56B4E9",
    "swav": "#882255",
    "mcr2": "#6A51A3",
    "clip": "#000000",
    "siglip": "#999933",
    "alignment": "#8C8C8C",
}
OTHERS = ("#117733", "#AA4466", "#8C510A", "#44AA99", "#332288", "#DDCC77")  # of custom objectives, and of sweeps
VIEWS = {1: "#777777", 2: "#332288", 3: "#117733", 4: "#44AA99", 8: "#CC6677", 16: "#DDAA33", 32: "#AA4499"}  # Tol's
P_SCALE = LinearSegmentedColormap.from_list("P", ["#C7D93B", "#3FAE6A", "#23808C", "#2A5599", "#1B1B5E"])
D_SCALE = LinearSegmentedColormap.from_list("D", ["#F7C948", "#F08A32", "#D93A3A", "#96246B", "#3B0F4A"])
SIZES = (3, 11)  # log2 of the least and the largest P or D of the scales
RATIO = LinearSegmentedColormap.from_list("P/D", ["#08519C", "#6BAED6", "#8A8A8A", "#FB8A5A", "#A63603"])
COMPUTE = LinearSegmentedColormap.from_list("compute", ["#B5B5B5", "#000000"])


def size_color(name: str, size: float) -> str:
    """The color of a P or a D, the same in every figure."""
    place = (np.log2(size) - SIZES[0]) / (SIZES[1] - SIZES[0])
    return to_hex((P_SCALE if name == "P" else D_SCALE)(float(np.clip(place, 0, 1))))


def size_colors(name: str, sizes: Iterable[int]) -> dict[int, str]:
    """The colors of several P or D."""
    return {size: size_color(name, size) for size in sizes}


def view_colors(views: Iterable[int]) -> dict[int, str]:
    """The colors of several K."""
    return {K: VIEWS.get(K) or OTHERS[K % len(OTHERS)] for K in views}


def variant_colors(variants: Sequence[str]) -> dict[str, str]:
    """A color for each variant: that of its objective, lighter for each further variant of the same objective."""
    seen: dict[str, list[str]] = {}
    for variant in variants:
        seen.setdefault(objective_of(variant), []).append(variant)
    custom = [name for name in seen if name not in OBJECTIVES]
    base = OBJECTIVES | {name: OTHERS[i % len(OTHERS)] for i, name in enumerate(custom)}
    return {
        variant: _lighter(base[objective], 0.65 * i / max(len(mine), 1))
        for objective, mine in seen.items()
        for i, variant in enumerate(mine)
    }


def list_colors(values: Sequence[str]) -> dict[str, str]:
    """A color for each of what has no color of its own (sweeps, policies), in order."""
    return {value: OTHERS[i % len(OTHERS)] for i, value in enumerate(values)}


def _lighter(color: str, share: float) -> str:
    red, green, blue = (part * (1 - share) + share for part in to_rgb(color))
    return to_hex((red, green, blue))
