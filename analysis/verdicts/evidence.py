"""What a claim is judged by: a sweep's analysis, of those variants alone that the claim is asked of."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import pandas as pd

from analysis.comparisons.mmcr_vs_clip import plain
from analysis.estimates.joint_scaling_law import JointLaw
from analysis.estimates.per_cell_fit import Form, chosen_form
from analysis.estimates.uniform_baseline import level_table
from analysis.sweep_analysis import SweepAnalysis


class Evidence:
    """Tables of `analysis`, restricted to `variants` (`finished`, `peaks`, `fits`, `fits_by_seed`, `factor_changes`,
    `joint_laws`) or of all runs together (`differences`, `levels`, `pairs`). Each is computed when a judge asks."""

    def __init__(self, analysis: SweepAnalysis, variants: Collection[str]) -> None:
        self._analysis, self.variants = analysis, frozenset(variants)

    @cached_property
    def finished(self) -> pd.DataFrame:
        """The runs that finished."""
        return self._own(self._analysis.finished)

    @cached_property
    def peaks(self) -> pd.DataFrame:
        """Peaks of each line of the grid, see `peak_table`."""
        return self._own(self._analysis.peaks)

    @cached_property
    def fits(self) -> pd.DataFrame:
        """Per-cell scaling laws, see `fit_table`."""
        return self._own(self._analysis.fits)

    @cached_property
    def fits_by_seed(self) -> pd.DataFrame:
        """The laws of each run by itself, see `laws_by_seed`."""
        return self._own(self._analysis.fits_by_seed)

    @cached_property
    def factor_changes(self) -> pd.DataFrame:
        """What training changes in each run, see `factor_changes`."""
        return self._own(self._analysis.factor_changes)

    @property
    def joint_laws(self) -> list[JointLaw]:
        """The joint scaling laws of the variants, of each the selected one first."""
        return [law for name, laws in self._analysis.joint_laws.items() if name in self.variants for law in laws]

    @property
    def differences(self) -> pd.DataFrame:
        """How objectives differ over pairs of runs, see `objective_differences.differences`."""
        return self._analysis.objective_differences

    @cached_property
    def levels(self) -> pd.DataFrame:
        """Uniformity against the size of the data set, see `level_table`."""
        return level_table(self._analysis.finished)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Measurements of images and text, of `mmcr` without a share of CLIP's loss and of `clip`."""
        table = self._analysis.multimodal
        return table if table.empty else table[table["run_id"].isin(plain(self._analysis.results))]

    def _own(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["variant"].isin(self.variants)] if "variant" in table else table


def above_baseline(evidence: Evidence) -> Form:
    """The form of a law above the uniform baseline, with an offset where the selected model has one."""
    return ("theory", chosen_form(evidence.fits)[1])
