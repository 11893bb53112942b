"""Sweeps in which little varies: every command draws what can be read, or says in a sentence why not."""

import re

import pytest

from analysis.figures.double_descent_figures import summary, summary_title
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.synthetic import FLOPS, law, noise, np, spec, write_run

SWEEPS = {
    "one cell": [(64, 64, 2, 0)],
    "one P": [(64, D, 2, 0) for D in (32, 64, 128)],
    "one P and D": [(64, 64, K, 0) for K in (2, 4, 8)],
}
NOTHING = "All runs have the same P and D: nothing to draw against either"
DRAWN = {  # by plot_double_descent, and by plot_scaling where P and D do not vary
    "one cell": {"scaling"},
    "one P": {"double_descent", "error_map", "gap"},
    "one P and D": {"gap", "scaling"},
}


@pytest.fixture(
    scope="module", params=["one cell", *(pytest.param(name, marks=pytest.mark.slow) for name in list(SWEEPS)[1:])]
)
def sweep(request, tmp_path_factory):
    store, rng = Store(tmp_path_factory.mktemp("small") / request.param.replace(" ", "-")), np.random.default_rng(0)
    for P, D, K, seed in SWEEPS[request.param]:
        curve = law(P, D, K, np.arange(1, 201) * FLOPS) * np.exp(noise(rng, 200, 0.0125))
        write_run(store, spec(P, D, K, seed, steps=200), curve)
    return request.param, store.root


def test_figures_that_would_show_one_cell_are_left_out_with_a_sentence(sweep):
    name, root = sweep
    descent = invoke("plot_double_descent", root)
    assert descent.returncode == 0 and (NOTHING in descent.stdout) == (name != "one P"), descent.stderr
    if name != "one P":
        scaling = invoke("plot_scaling", root)
        assert scaling.returncode == 0 and "exponents was not drawn" in scaling.stdout, scaling.stderr
    assert {path.stem for path in (root / "figures").glob("*.png")} == DRAWN[name]


def test_what_needs_more_cells_says_so(sweep):
    _, root = sweep
    for command in ("plot_grid_law", "plot_predictions", "claims"):
        ran = invoke(command, root)
        said = (ran.stdout + ran.stderr).strip()
        assert ran.returncode in (0, 2) and said and "defect" not in said and "0 rows" not in said, said
        assert ran.returncode == 0 or "too few" in said or "at least 3" in said


@pytest.mark.parametrize("sweep", ["one P and D"], indirect=True)  # one cell: test_commands.py
def test_the_report_has_a_sentence_in_the_place_of_a_figure(sweep):
    _, root = sweep
    ran = invoke("report", root)
    assert ran.returncode == 0, ran.stderr
    page = re.sub(r"base64,[^']*", "", (root / "report.html").read_text())
    assert NOTHING in page and "Largest percent error over" not in page
    assert "0 of 0 lines" not in page.partition("Reasoning")[0]
    assert not re.search(r"\bnan\b", page.partition("<h2>Provenance")[0])


def test_peaks_are_summarized_over_what_varies(sweep):
    name, root = sweep
    peaks = SweepAnalysis(open_results(root)).peaks
    along, other = ("D", "P") if name == "one P" else ("P", "D")
    assert summary_title(peaks) == f"Largest percent error over {along}, for each {other}"
    assert set(summary(peaks)[f"largest at {along}"]) == {64}
