"""A target as people write it: 5%, max:5%, knn_accuracy=0.01."""

from __future__ import annotations

import re

from analysis.fitting.forecast.stopping import Target
from mmcr_core.theory import PERCENT_ERROR

USES = "use 5% (r.m.s. relative error), max:5% (of every cell), or a measure such as knn_accuracy=0.01 (its own units)"
RELATIVE = re.compile(r"(max:)?(\d+(?:\.\d+)?)%")
ABSOLUTE = re.compile(r"(max:)?([a-z0-9_]+)=(\d*\.?\d+)")
SHARES = ("knn_accuracy", "linear_accuracy", "zero_shot_top1", "zero_shot_top5")  # measures between 0 and 1
RECALLS = tuple(f"{way}_recall_{n}" for way in ("image_to_text", "text_to_image") for n in (1, 5, 10))


def parse_target(text: str) -> tuple[str, Target]:
    """The quantity that a target is of, and the target. Raises ValueError, in a sentence, where it is none."""
    if match := RELATIVE.fullmatch(text.strip()):
        within = float(match[2]) / 100
        if not 0 < within < 1:
            raise ValueError(f"{text} must be more than 0% and less than 100%; {USES}")
        return PERCENT_ERROR, Target(within, bool(match[1]))
    match = ABSOLUTE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not a target; {USES}")
    name, within = match[2], float(match[3])
    if name == PERCENT_ERROR:
        raise ValueError(f"'{text}': the percent error's target is a fraction of it; {USES}")
    if name not in (*SHARES, *RECALLS):
        raise ValueError(f"'{name}' is no measure that is predicted; use one of {', '.join(SHARES)}, ..._recall_N")
    if not 0 < within < 1:
        raise ValueError(f"{text}: must be more than 0 and less than 1, in the units of {name}")
    return name, Target(within, bool(match[1]))
