"""All claims that a sweep can speak to, judged: those of MMCR's runs, and those on its runs together."""

from __future__ import annotations

from analysis.laws.cell_law import fit_table
from analysis.laws.factor_changes import factor_changes
from analysis.laws.grid_law import grid_laws, measured_points
from analysis.laws.measured_cells import measured_cells
from analysis.laws.multimodal import measurements
from analysis.laws.objective_differences import differences
from analysis.laws.peak import find_peaks, finished_runs
from analysis.laws.small_batches import plain
from analysis.pages.claims_section import claims_of
from analysis.pages.level_claim import level_claim
from analysis.pages.level_figure import level_table
from analysis.pages.multimodal_claim import small_batch_claim
from analysis.pages.objective_claims import families_claim, information_claim
from analysis.pages.paper_claims import Claim
from analysis.reading.errors import ResultsError
from analysis.reading.results import Results

SUBJECT = "mmcr"


def claims_on_all_runs(results: Results) -> list[Claim]:
    """Claims that set objectives, data sets or batch sizes against each other, as far as the sweep has several."""
    apart, pairs = differences(results), measurements(results)
    asked = [information_claim(apart), families_claim(apart), level_claim(level_table(finished_runs(results)))]
    if not pairs.empty:
        asked.append(small_batch_claim(pairs[pairs["run_id"].isin(plain(results))]))
    return [claim for claim in asked if claim.verdict != "not tested"]


def sweep_claims(results: Results) -> list[Claim]:
    """The claims that a sweep has a number for. Those on the law of a grid are left out where MMCR has several
    variants (data sets, encoders, options): each has a law of its own, and `report.py` judges them one by one."""
    runs = finished_runs(results)
    own = runs[runs["objective"] == SUBJECT]
    names = set(own["variant"])
    cells = {key: cell for key, cell in measured_cells(results).items() if key[0] in names}
    if not cells:
        return [claim for claim in claims_on_all_runs(results) if claim.number]
    peaks, changes = find_peaks(results), factor_changes(results)
    fits, _ = fit_table(cells, "flops")
    laws = {}
    if len(names) == 1:
        try:
            points = measured_points(results)
            laws = grid_laws(points[points["variant"].isin(names)])
        except ResultsError:
            laws = {}  # too few cells for any: nothing to judge
    mine = peaks[peaks["variant"].isin(names)], fits, cells, laws, changes[changes["variant"].isin(names)]
    claims = claims_of(own, *mine) + claims_on_all_runs(results)
    return [claim for claim in claims if claim.number]
