"""All claims that a sweep can speak to, judged: those of MMCR's runs, and those on its runs together."""

from __future__ import annotations

from analysis.laws.small_batches import plain
from analysis.pages.claims_section import claims_of
from analysis.pages.level_claim import level_claim
from analysis.pages.level_figure import level_table
from analysis.pages.multimodal_claim import small_batch_claim
from analysis.pages.objective_claims import families_claim, information_claim
from analysis.pages.paper_claims import Claim
from analysis.sweep_analysis import SweepAnalysis

SUBJECT = "mmcr"


def claims_on_all_runs(analysis: SweepAnalysis) -> list[Claim]:
    """Claims that set objectives, data sets or batch sizes against each other, as far as the sweep has several."""
    apart, pairs = analysis.objective_differences, analysis.multimodal
    asked = [information_claim(apart), families_claim(apart), level_claim(level_table(analysis.finished))]
    if not pairs.empty:
        asked.append(small_batch_claim(pairs[pairs["run_id"].isin(plain(analysis.results))]))
    return [claim for claim in asked if claim.verdict != "not tested"]


def sweep_claims(analysis: SweepAnalysis) -> list[Claim]:
    """The claims that a sweep has a number for. Those on the law of a grid are left out where MMCR has several
    variants (data sets, encoders, options): each has a law of its own, and `report.py` judges them one by one."""
    runs = analysis.finished
    own = runs[runs["objective"] == SUBJECT]
    names = set(own["variant"])
    fits = analysis.fits[analysis.fits["variant"].isin(names)]
    if fits.empty:
        return [claim for claim in claims_on_all_runs(analysis) if claim.number]
    peaks, by_seed = (table[table["variant"].isin(names)] for table in (analysis.peaks, analysis.fits_by_seed))
    laws = {name: kinds for name, kinds in analysis.joint_laws.items() if name in names} if len(names) == 1 else {}
    changes = analysis.factor_changes[analysis.factor_changes["variant"].isin(names)]
    claims = claims_of(own, peaks, fits, by_seed, laws, changes)
    return [claim for claim in claims + claims_on_all_runs(analysis) if claim.number]
