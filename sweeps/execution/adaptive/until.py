"""What `--until` asks for: how well the final errors, or a measure, are to be known when the sweep stops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.fitting.forecast.stopping import Target
from mmcr_core.config.run import RunSpec
from mmcr_core.evaluation.evaluate import requested_measures
from sweeps.cli.errors import OptionError
from sweeps.execution.adaptive.rung import PERCENT_ERROR

USES = "use 5% (r.m.s. relative error), max:5% (of every cell), or a measure such as knn_accuracy=0.01 (its own units)"
RELATIVE = re.compile(r"(max:)?(\d+(?:\.\d+)?)%")
ABSOLUTE = re.compile(r"(max:)?([a-z0-9_]+)=(\d*\.?\d+)")
# Measures that are shares, whose logit a trend is fitted to.
SHARES = ("knn_accuracy", "linear_accuracy", "zero_shot_top1", "zero_shot_top5")
RECALLS = tuple(f"{way}_recall_{n}" for way in ("image_to_text", "text_to_image") for n in (1, 5, 10))


@dataclass(frozen=True)
class Until:
    """`target` of the predictions of `quantity`, a measure's name or the percent error, as `text` spelled it."""

    text: str
    quantity: str
    target: Target

    @property
    def is_relative(self) -> bool:
        """Whether the target is a fraction of the error."""
        return self.quantity == PERCENT_ERROR

    def shown(self, width: float) -> str:
        """A half-width in the target's unit."""
        return f"{width:.1%}" if self.is_relative else f"{width:.3g}"


def parse_until(text: str) -> Until:
    """What `--until` says. Raises OptionError where that is nothing of its kind."""
    if match := RELATIVE.fullmatch(text.strip()):
        within = float(match[2]) / 100
        if not 0 < within < 1:
            raise OptionError("until", f"{text} must be more than 0% and less than 100%; {USES}")
        return Until(text, PERCENT_ERROR, Target(within, bool(match[1])))
    match = ABSOLUTE.fullmatch(text.strip())
    if not match:
        raise OptionError("until", f"'{text}' is not a target; {USES}")
    name, within = match[2], float(match[3])
    if name == PERCENT_ERROR:
        raise OptionError("until", f"'{text}': the percent error's target is a fraction of it; {USES}")
    if name not in (*SHARES, *RECALLS):
        known = ", ".join(SHARES)
        raise OptionError("until", f"'{name}' is no measure that is predicted; use one of {known}, ..._recall_N")
    if not 0 < within < 1:
        raise OptionError("until", f"{text}: must be more than 0 and less than 1, in the units of {name}")
    return Until(text, name, Target(within, bool(match[1])))


def require_measured(until: Until, cells: Sequence[RunSpec]) -> None:
    """Raises OptionError where a measure is the target and not all cells have it at their end."""
    if until.is_relative:
        return
    for cell in cells:
        asked = {name for name, subject in requested_measures(cell) if not subject}
        if until.quantity not in asked or 1 not in cell.evaluate.at:
            there = ", ".join(sorted(asked & {*SHARES, *RECALLS})) or "none that is predicted"
            where = "at the end of each run" if until.quantity in asked else f"; it has {there}"
            raise OptionError("until", f"the grid does not measure {until.quantity} {where}; add it under evaluate")
