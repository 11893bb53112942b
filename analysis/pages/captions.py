"""Captions of a page's figures; each is its alternative text too."""

from __future__ import annotations

import re

CAPTIONS = {
    "double_descent": "Double descent. Pretraining percent error at the end of training, left against P with a line "
    "for each D, right against D with a line for each P. Dashed lines and crosses: the uniform baseline, "
    "in the limit and simulated at the size of each cell.",
    "error_map": "Percent error of each cell over P and D, a map for each K. Cells with P = D are outlined.",
    "gap": "Error decomposition. The percent error of each cell as a sum: the uniform baseline, imperfect "
    "reconstruction, and embeddings that are less uniform than the baseline. Hatched: what more uniform "
    "embeddings take away.",
    "levels": "Size of the data set. Uniformity deficit and percent error of cells with P = D against the number of "
    "images N, with the uniform baseline of each N.",
    "scaling": "Scaling with compute. Percent error along training in each cell, with the selected law (solid), the "
    "pure power law (dotted) and the exponent of the selected law above each panel.",
    "exponents": "Exponents of the selected law over P and D, a map for each K. Gray: the law failed a check.",
    "collapse": "Data collapse. Errors of all cells divided by what the joint scaling law says of P, D and K fall "
    "onto one line; below, what is left.",
    "forecast": "Forecast. Joint scaling laws fitted to the cheaper cells (hollow) predict the final errors of the "
    "most expensive ones (filled), with 95% intervals.",
    "isoflop": "Error, and gap above the uniform baseline, against P at fixed compute of one run: points measured, "
    "curves by the joint scaling law, stars at their minimum.",
    "predictions": "Each setting predicted from all others, against what was measured, with 95% intervals.",
    "predicted_grid": "The grid as it is known: measured cells filled, predicted ones as rings with their half-width.",
    "objectives": "Objectives on MMCR's axes: percent error, its two factors and probes against compute. Bars "
    "of objectives measured at one compute stand side by side.",
    "plane": "Paths of objectives in the plane of reconstruction and uniformity. In the upper right corner MMCR's "
    "bound is reached.",
    "measures": "Measures against the held-out percent error along training, from ring (untrained) to dot (end).",
    "multimodal": "Image-text objectives against the batch size, with 95% intervals over seeds; below each panel the "
    "paired difference to CLIP.",
    "errors": "Final percent error of each sweep against P, a panel for each D and K.",
    "trajectories": "Percent error of each sweep along training, a panel for each P and D.",
}
KIND = re.compile(r"^(?P<kind>[a-z_]+?)(_K\d+)?(_\d+)?$")


def caption_of(name: str) -> str:
    """What a figure shows, by the name of its file (of several of one kind they are numbered)."""
    found = KIND.match(name)
    return CAPTIONS.get(found["kind"], name) if found else name
