"""The committed reference sweep (96 real runs) and what the README says of it."""

import re

import pytest

from analysis.laws.cell_law import PURE, laws_by_seed
from analysis.laws.diagonal_contrasts import slope_at_diagonal
from analysis.laws.measured_cells import measured_cells, tail_errors
from analysis.laws.peak import peak_table
from analysis.pages.paper_claims import peak_claim
from analysis.reading.results import open_results
from tests.conftest import REPOSITORY

ABOVE = ("theory", "free")


@pytest.fixture(scope="module")
def reference():
    return open_results(REPOSITORY / "results/reference/digits-seeds")


def test_it_is_whole_and_of_one_clean_commit(reference):
    runs = reference.runs()
    assert len(runs) == 96 and (runs["status"] == "finished").all()
    assert runs["git_commit"].nunique() == 1 and "dirty" not in runs["git_commit"][0]
    assert reference.sql("SELECT count(*) AS n FROM trajectories")["n"][0] == runs["steps"].sum()


def test_its_errors_peak_at_p_equal_d(reference):
    runs = reference.runs()
    peaks = peak_table(runs, tail_errors(reference))
    assert (peaks["largest_at"] == 0).all()
    assert peak_claim(runs, peaks).verdict == "confirmed"


def test_its_slopes_are_those_of_the_readme(reference):
    exponents = laws_by_seed(measured_cells(reference), (PURE, ABOVE))
    number = r"([\d.]+)"
    interval = rf"{number}\s+\({number}\s+to\s+{number}\)"
    pattern = rf"at P = D are {interval}.*?above e_inf only {interval}"
    said = re.search(pattern, (REPOSITORY / "README.md").read_text(), re.S)
    assert said
    plain, above = (slope_at_diagonal(exponents, form) for form in (PURE, ABOVE))
    measured = [-plain.mean, -plain.high, -plain.low, -above.mean, -above.high, -above.low]
    assert [float(number) for number in said.groups()] == pytest.approx(measured, abs=6e-4)
