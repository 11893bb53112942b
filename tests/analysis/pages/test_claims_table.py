"""The table of claims as Markdown: whose they are, what each sweep says, what none can, and its place in a page."""

from pathlib import Path

import pytest

from analysis.pages.claims_table import BEGIN, END, markdown, put_into
from analysis.pages.factor_claims import RANGE
from analysis.pages.paper_claims import Claim
from analysis.reading.errors import ResultsError

MINE = "Nothing | is left"


def table():
    ranged = Claim(RANGE, "confirmed", "why.", ("double_descent",), "0.1 to 0.6")
    refuted = Claim(RANGE, "refuted", "why.", ("double_descent",), "0.1 to 1.6")
    own = Claim(MINE, "undecided", "why.", ("collapse", "forecast"), "e_inf + A")
    return markdown({"digits": [own, ranged], "cifar10": [refuted]}, [("With STL-10", "sweeps/grids/paper.yaml")])


def test_the_papers_claims_come_first_each_with_all_its_sweeps():
    papers, ours = table().split("| **Ours** | | |")
    assert (
        "digits: **confirmed**, 0.1 to 0.6<br>cifar10: **refuted**, 0.1 to 1.6 | `plot_double_descent.py` |" in papers
    )
    assert "| With STL-10 | not tested here | `launch.py sweeps/grids/paper.yaml` |" in papers
    assert "digits: **undecided**" in ours and "`plot_grid_law.py`" in ours


def test_no_text_breaks_a_row():
    rows = table().splitlines()
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)


def test_a_page_keeps_all_but_the_table_and_needs_a_place_for_it():
    page = f"# A\n{BEGIN}\nold\n{END}\nb\n"
    assert put_into(page, "new", Path("p.md")) == f"# A\n{BEGIN}\n\nnew\n\n{END}\nb\n"
    assert put_into(put_into(page, "x", Path("p.md")), "new", Path("p.md")) == put_into(page, "new", Path("p.md"))
    for wrong in ("# A\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n"):
        with pytest.raises(ResultsError, match=r"p\.md has no place for the table"):
            put_into(wrong, "new", Path("p.md"))
