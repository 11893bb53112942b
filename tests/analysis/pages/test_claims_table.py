"""The table of claims as Markdown: whose they are, what each sweep says, what none can."""

from analysis.pages.claims_table import markdown
from analysis.pages.factor_claims import RANGE
from analysis.pages.paper_claims import Claim

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
