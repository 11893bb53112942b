"""What `--until` asks for: how well the final errors, or a measure, are to be known when the sweep stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.fitting.forecast.stopping import Target
from analysis.fitting.forecast.target_text import RECALLS, SHARES, parse_target
from mmcr_core.config.run import RunSpec
from mmcr_core.evaluation.evaluate import requested_measures
from mmcr_core.theory import PERCENT_ERROR
from sweeps.cli.errors import OptionError


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
    try:
        return Until(text, *parse_target(text))
    except ValueError as error:
        raise OptionError("until", str(error)) from error


def require_measured(until: Until, cells: Sequence[RunSpec]) -> None:
    """Raises OptionError where a measure is the target and not all cells have it at their end."""
    if until.is_relative:
        return
    for cell in cells:
        asked = {name for name, _ in requested_measures(cell)}
        if until.quantity not in asked or 1 not in cell.evaluate.at:
            there = ", ".join(sorted(asked & {*SHARES, *RECALLS})) or "none that is predicted"
            where = " at the end of each run" if until.quantity in asked else f"; it has {there}"
            raise OptionError("until", f"the grid does not measure {until.quantity}{where}; add it under evaluate")
