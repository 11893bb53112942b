"""The analysis commands as a user runs them: tables, figures, report, exit codes."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from analysis.figures.theory_figures import simulate, simulate_labelings
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import expected_percent_error
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke
from tests.synthetic import exponent, law, spec, write_run, write_sweep


@pytest.mark.parametrize(
    "arguments",
    [
        ["query", "{tmp}/none", "SELECT 1"],
        ["plot_scaling", "{tmp}"],
        ["plot_scaling", "{sweep}", "--axis", "dollars"],
        ["plot_double_descent", "{tmp}/none"],
        ["plot_scaling", "{sweep}", "--law", "moral"],
        ["plot_grid_law", "{tmp}"],
        ["plot_multimodal", "{sweep}"],
        ["recommend", "{tmp}", "--flops", "1e12"],
        ["report", "{tmp}"],
        ["report", "{sweep}", "{tmp}"],
        ["plot_theory", "--largest", "5"],
        ["plot_theory", "--labelings", "2"],
        ["plot_theory", "-o", "{binary}/x", "--largest", "50"],
        ["plot_scaling", "{sweep}", "-o", "{binary}"],
        ["report", "{sweep}", "-o", "{tmp}"],
        ["report", "{binary}"],
        ["report", "{sweep}", "{sweep}/../known"],
    ],
)
def test_bad_input_is_exit_code_2_without_a_traceback(sweep, tmp_path, arguments):
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    ran = invoke(*(argument.format(sweep=sweep, tmp=tmp_path, binary=binary) for argument in arguments))
    assert ran.returncode == 2
    assert ran.stderr and "Traceback" not in ran.stderr
    assert list(tmp_path.glob("*.csv")) == []


COMMANDS = {
    "query": ["SELECT 1"], "plot_scaling": [], "plot_double_descent": [], "plot_grid_law": [],
    "plot_multimodal": [], "recommend": ["--flops", "1e12"], "report": [],
}  # fmt: skip


@pytest.mark.parametrize("script", COMMANDS)
def test_a_defect_is_one_sentence_that_names_the_file_of_its_traceback(sweep, tmp_path, monkeypatch, script):
    def defective(*places):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("analysis.cli.opening.open_each", defective)
    monkeypatch.setattr("analysis.results.results.Results", defective)
    ran = invoke(script, sweep, *COMMANDS[script])
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    log = Path(re.search(r"report it with (\S+\.log): ZeroDivisionError: by design", ran.stderr).group(1))
    assert "Traceback (most recent call last)" in log.read_text() and "in defective" in log.read_text()


def test_a_defect_in_a_real_process_leaves_with_code_1(sweep, tmp_path):
    broken = "import analysis.results.results as r; r.Results = None"
    code = f"{broken}; import analysis.query as q; q.app(['{sweep}', 'SELECT 1'])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env={"TMPDIR": str(tmp_path)},
                         capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert ran.returncode == 1 and ran.stdout == "" and ran.stderr.count("\n") == 1
    assert "TypeError" in next(tmp_path.glob("*.log")).read_text()


def test_help_of_each_script_has_an_example():
    """Run by their paths, as `python analysis/x.py` does, one after another in a process that imports libraries
    once."""
    scripts = [*COMMANDS, "plot_theory"]
    code = f"""import runpy, sys
sys.path.insert(0, "analysis")
for script in {scripts}:
    sys.argv = [script, "--help"]
    try: runpy.run_path(f"analysis/{{script}}.py", run_name="__main__")
    except SystemExit as end: print(end.code, flush=True)"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n").count("0") == len(scripts), ran.stderr
    for script in scripts:
        assert f"Example: python analysis/{script}.py" in " ".join(ran.stdout.split())


KINDS = ("scaling", "exponents", "double_descent", "error_map", "gap")


def test_every_exponent_comes_back_inside_its_interval(sweep):
    table = SweepAnalysis(open_results(sweep)).fits
    plain = table[(table["irreducible"] == "none") & (table["offset"] == "none")]
    truth = np.array([exponent(P, D) for P, D in zip(plain["P"], plain["D"], strict=True)])
    inside = (plain["alpha_low"] <= truth) & (truth <= plain["alpha_high"])
    assert len(plain) == 18
    # 18 draws of a 95% interval; its coverage itself is measured in test_power_law_fit, over 150 trajectories
    assert stats.binomtest(int(inside.sum()), len(plain), 0.95, alternative="less").pvalue > 0.01
    assert plain["alpha"].to_numpy() == pytest.approx(truth, rel=0.05)
    assert plain["trusted"].mean() > 0.9


@pytest.mark.usefixtures("pdf_too")
def test_plot_scaling_draws_every_panel_and_writes_fits(own):
    ran = invoke("plot_scaling", own)
    assert ran.returncode == 0, ran.stderr
    for name in ("scaling", "exponents"):
        image = Image.open(own / "figures" / f"{name}.png")
        assert image.info["dpi"][0] == pytest.approx(200, abs=1)
        assert (own / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    fits = open_results(own).fits()
    assert len(fits) == 18 * 6
    assert set(fits["irreducible"]) == {"none", "free", "theory"}
    assert not list(own.rglob(".*"))


def test_plot_double_descent_marks_the_diagonal(own, tmp_path):
    ran = invoke("plot_double_descent", own, "-o", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert {file.stem for file in (tmp_path / "out").glob("*.png")} == {"double_descent", "error_map", "gap"}
    peaks = open_results(own).peaks()
    assert len(peaks) == 12
    assert (peaks["largest_at"] == 0).all()
    inner = peaks[peaks["at"].isin([128])]
    assert inner["found"].all() and (inner["location"].abs() < 0.2).all()
    assert not peaks[peaks["at"].isin([64, 256])]["found"].any()


def test_sweeps_of_two_variants_get_a_figure_each(tmp_path):
    store, rng = Store(tmp_path / "two"), np.random.default_rng(0)
    for rate in (1e-3, 3e-3):
        for P in (64, 128):
            error = law(P, 64, 2, np.arange(1, 401) * 1e9) * np.exp(0.01 * rng.standard_normal(400))
            write_run(store, spec(P, 64, 2, learning_rate=rate, steps=400), error)
    assert invoke("plot_scaling", store.root).returncode == 0
    assert invoke("plot_double_descent", store.root).returncode == 0
    names = {file.name for file in (store.root / "figures").glob("*.png")}
    assert names == {f"{kind}_{i}.png" for kind in KINDS for i in (0, 1)}
    assert set(open_results(store.root).fits()["variant"]) == {
        "mmcr, optimizer.learning_rate=0.001",
        "mmcr, optimizer.learning_rate=0.003",
    }


def test_sweeps_of_one_cell_of_short_runs_or_of_failures_only_are_reported_too(tmp_path):
    one = write_sweep(tmp_path / "one", sizes=(64,), views=(2,), steps=3)
    for script in ("plot_scaling", "plot_double_descent", "report"):
        ran = invoke(script, one.root)
        assert ran.returncode == 0, ran.stderr
    assert not open_results(one.root).fits()["trusted"].any()
    failed = Store(tmp_path / "failed")
    write_run(failed, spec(64, 64, 2), np.full(3, 0.5), status="failed", error="out of memory")
    assert invoke("report", failed.root).returncode == 0
    assert "out of memory" in (failed.root / "report.html").read_text()
    ran = invoke("plot_scaling", failed.root)
    assert ran.returncode == 2 and "no finished run" in ran.stderr


@pytest.mark.usefixtures("pdf_too")
def test_plot_theory_needs_no_sweep(tmp_path):
    few = ("--largest", "100", "--repeats", "2", "--labelings", "20")
    ran = invoke("plot_theory", "-o", tmp_path / "theory", *few)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"Cover's curve lies in 3\d of 39 intervals", ran.stdout)
    assert len(pd.read_csv(tmp_path / "theory/theory.csv")) == 16
    assert len(pd.read_csv(tmp_path / "theory/cover.csv")) == 39
    for name in ("theory.png", "theory.pdf", "cover.png", "cover.pdf"):
        assert (tmp_path / "theory" / name).stat().st_size > 5000


def test_simulated_labelings_cross_at_two_points_a_dimension():
    table = simulate_labelings(repeats=150, seed=1)
    assert set(table["N"]) == {5, 15, 50}
    at_two = table[table["P"] == 2 * table["N"]]
    assert at_two["expected"].tolist() == pytest.approx([0.5] * 3)
    np.testing.assert_allclose(table["share"], table["expected"], atol=4 * np.sqrt(0.25 / 150))
    assert table["expected"].between(table["low"], table["high"]).mean() > 0.85
    pd.testing.assert_frame_equal(simulate_labelings(20, seed=3), simulate_labelings(20, seed=3))


def test_simulation_agrees_with_the_limit_in_every_ratio():
    table = simulate([79, 158, 316], repeats=6, seed=0)
    np.testing.assert_allclose(table["mean"], expected_percent_error(table["N"], table["D"]), rtol=0.03)


def test_all_noise_yields_no_trusted_law_and_no_peak(tmp_path):
    store, rng = Store(tmp_path / "noise"), np.random.default_rng(0)
    for P in (64, 128, 256):
        for D in (64, 128, 256):
            write_run(store, spec(P, D, 2, steps=800), 0.3 * np.exp(0.05 * rng.standard_normal(800)))
    analysis = SweepAnalysis(open_results(store.root))
    assert len(analysis.fits) == 9 * 6 and not analysis.fits["trusted"].any()
    assert len(analysis.peaks) == 6 and not analysis.peaks["found"].any()
