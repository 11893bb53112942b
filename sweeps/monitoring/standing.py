"""How an adaptive sweep stands, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.cli.formatting import counted


@dataclass(frozen=True)
class Standing:
    """Runs `trained` to their end, `paused`, `begun` (within a rung), and `left_out` since they diverged or failed, of
    `total`; the `share` of the FLOPs of all that was spent. Of the settings none of whose runs has finished: how many
    are `predicted`, their r.m.s. uncertainty and the largest 95% half-width, relative or (`unit`) those of a measure.
    Whether the target is `met`, and whether so `few` predictions were tried that intervals rest on an assumed
    distribution. `whole`: whether the runs are all of the grid."""

    until: str
    unit: str
    total: int
    trained: int
    paused: int
    begun: int
    left_out: int
    share: float
    predicted: int
    rms: float
    worst: float
    met: bool
    few: bool
    whole: bool = True

    def _shown(self, width: float) -> str:
        return f"{width:.3g} in {self.unit}" if self.unit else f"{width:.1%}"

    def line(self) -> str:
        """For a table that is drawn again and again."""
        counts = f"{self.trained} finished, {self.paused} paused, {self.predicted} predicted"
        return (
            f"{counts}, largest half-width {self._shown(self.worst)} (--until {self.until}), {self.share:.1%} of FLOPs"
        )

    def summary(self) -> str:
        """At the end of a launch."""
        untouched = self.total - self.trained - self.paused - self.begun - self.left_out
        counts = f"{self.trained} of {counted(self.total, 'cell')} finished, {self.paused} paused, "
        counts += f"{self.begun} begun, " if self.begun else ""
        counts += f"{untouched} not begun"
        counts += f", {self.left_out} left out (diverged or failed)" if self.left_out else ""
        left = self.total - self.trained - self.left_out
        what = f"--until {self.until} is {'met' if self.met else 'not met yet'}"
        if self.met and not left:
            what = f"nothing is left to predict for --until {self.until}"
        of = "the grid's FLOPs" if self.whole else "the FLOPs of the chosen cells"
        text = f"{what} after {self.share:.1%} of {of}: {counts}"
        if self.predicted:
            text += (
                f"; predicted: {counted(self.predicted, 'setting')}, r.m.s. {self._shown(self.rms)}, the widest 95% "
                f"interval ± {self._shown(self.worst)}"
            )
            if self.few:
                text += "; few predictions were tried, so that this rests on Student's distribution"
        elif left:
            text += "; each setting has a finished run, and further seeds were not trained"
        text += "; launch without --until to train the rest" if left else ""
        return text
