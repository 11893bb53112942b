"""What `make figures` writes from the committed sweeps is what is committed: claims, laws, peaks.

Fits end in iterations whose last digits depend on the processor's arithmetic, so numbers may differ by one in the last
digit that is printed; words, verdicts and the rows themselves may not.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.claims import BEGIN, END
from analysis.estimates.fit_data import measured_cells, tail_errors
from analysis.estimates.peak import finished_runs, peak_table
from analysis.estimates.per_cell_fit import fit_table
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.registry import judgments
from analysis.verdicts.rendering import markdown, symbols
from analysis.verdicts.verdict import above, below
from tests.conftest import REPOSITORY

REFERENCE = REPOSITORY / "results/reference"
PREDICTED = "tiny-imagenet-adaptive"  # a sweep for docs/adaptive_sweeps.md, of which no claim is judged
SWEEPS = sorted(folder.name for folder in REFERENCE.iterdir() if folder.is_dir() and folder.name != PREDICTED)
FITTED = sorted(path.parent.name for path in REFERENCE.glob("*/fits.parquet"))
MANY_FITS = (  # 20 to 60 seconds of them; a few laws, and all peaks, are made anew below
    "digits",
    "digits-images",
    "objectives-peaks-digits",
    "tiny-imagenet",
)
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*")


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def rows(section):
    """(claim, sweep) -> verdict and numbers with their headings, of a page's section of claims."""
    found, claim, over, head = {}, None, "", []
    for line in section.splitlines():
        if title := re.match(r"\*\*(.+)\.\*\* .+ \(figure by `\w+\.py`(?:; interval over (.+))?\)$", line):
            claim, over = title[1], title[2]
        elif line.startswith("| sweep |"):
            head = cells_of(line)
        elif claim and line.startswith("| ") and len(cells := cells_of(line)) == len(head) and cells[0] != "---":
            pairs = [*zip(head[1:], cells[1:], strict=True), ("interval over", over)]
            found[claim, cells[0]] = "; ".join(f"{name}: {cell}" for name, cell in pairs if cell)
    return found


def symbols_of(table, sweep):
    """Claim -> symbol and number, of a sweep's column."""
    lines = [cells_of(line) for line in table.splitlines() if line.startswith("|")]
    numbers = {name: number for number, name in re.findall(r"(\d+)\s([\w-]+)[,.]", table.partition("|")[0])}
    column = lines[0].index(numbers[sweep])
    return {line[0]: line[column] for line in lines[2:] if line[column]}


def assert_same(said, made):
    assert NUMBER.sub("#", said) == NUMBER.sub("#", made)
    for old, new in zip(NUMBER.findall(said), NUMBER.findall(made), strict=True):
        last = 10.0 ** -len(old.partition(".")[2])
        assert float(new.replace(",", "")) == pytest.approx(float(old.replace(",", "")), abs=1.01 * last), (said, made)


def unfitted(sweep, folder):
    """A copy of a sweep without what analysis writes."""
    written = shutil.ignore_patterns("*.parquet", "figures", "report.html")

    def ignored(place, names):
        return written(place, names) if Path(place) == REFERENCE / sweep else ()

    return shutil.copytree(REFERENCE / sweep, folder / sweep, ignore=ignored)


@pytest.mark.parametrize(
    "sweep", [pytest.param(sweep, marks=pytest.mark.slow if sweep in MANY_FITS else ()) for sweep in SWEEPS]
)
def test_the_claims_of_the_pages_are_what_the_committed_sweeps_say(sweep, tmp_path):
    full, short = (
        (REPOSITORY / page).read_text().partition(BEGIN)[2].partition(END)[0]
        for page in ("docs/results.md", "README.md")
    )
    said = {key: text for key, text in rows(full).items() if key[1] == sweep}
    judged = judgments(SweepAnalysis(open_results(unfitted(sweep, tmp_path))))
    made = rows(markdown({sweep: judged}))
    assert said.keys() == made.keys() and made
    for key, text in said.items():
        assert_same(text, made[key])
    marks, anew = symbols_of(short, sweep), symbols_of(symbols({sweep: judged}), sweep)
    assert marks.keys() == anew.keys()
    for claim, mark in marks.items():
        assert_same(mark, anew[claim])
    for claim, verdict, _ in judged:
        if claim.id == "shallower_pure_slopes" and verdict.measured:
            assert verdict.decision == below(verdict.effect)
        if claim.id == "peak_at_p_equal_d" and verdict.decision != "undecided":
            assert verdict.decision == above(verdict.effect)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_percent_error_of_every_step_lies_between_0_and_1(sweep):
    found = open_results(REFERENCE / sweep).sql(
        "SELECT min(percent_error) AS low, max(percent_error) AS high, count(*) AS steps FROM trajectories"
    )
    assert found["low"][0] >= 0 and found["high"][0] <= 1 and found["steps"][0] > 1000


@pytest.mark.parametrize("sweep", FITTED)
def test_committed_laws_are_those_of_the_committed_trajectories(sweep):
    results = open_results(REFERENCE / sweep)
    committed = results.fits().set_index(["variant", "P", "D", "K", "irreducible", "offset"])
    cells = measured_cells(results)
    few = dict(sorted(cells.items())[:: max(1, len(cells) // 4)])
    anew = fit_table(few, "flops")[0].set_index(committed.index.names)
    for name in ("alpha", "alpha_low", "alpha_high", "A", "E", "x0", "chi_square", "extrapolation_error"):
        same = np.isclose(anew[name], committed.loc[anew.index, name], rtol=1e-3, atol=1e-6, equal_nan=True)
        assert same.all(), (name, anew[name][~same], committed.loc[anew.index, name][~same])


@pytest.mark.parametrize("sweep", [path.parent.name for path in sorted(REFERENCE.glob("*/peaks.parquet"))])
def test_committed_peaks_are_those_of_the_committed_runs(sweep):
    results = open_results(REFERENCE / sweep)
    anew = peak_table(finished_runs(results), tail_errors(results))
    committed = results.peaks()[anew.columns]
    for name in ("variant", "K", "along", "at", "largest_at", "found"):
        assert anew[name].tolist() == committed[name].tolist()
    assert anew["reason"].ne("").tolist() == committed["reason"].ne("").tolist()  # version 0.1 had other words for it
    for name in ("location", "location_low", "location_high", "height", "prominence"):
        assert np.allclose(anew[name], committed[name], rtol=1e-3, atol=1e-6, equal_nan=True)
