"""The committed reference sweeps, and what the pages say of them beside the claims (`test_reference_claims`)."""

import re

import numpy as np
import pytest

from analysis.comparisons.gain_over_untrained import gains
from analysis.comparisons.objective_differences import at_the_end, differences
from analysis.estimates.fit_data import measured_cells, tail_errors
from analysis.estimates.metric_correlation import beside_the_error, tracking
from analysis.estimates.peak import find_peak, finished_runs, peak_table
from analysis.estimates.per_cell_fit import PURE, laws_by_seed
from analysis.estimates.uniform_baseline import level_table
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import detect_collapse
from tests.conftest import REPOSITORY

ABOVE = ("theory", "free")


@pytest.mark.parametrize("sweep", sorted(path.name for path in (REPOSITORY / "results/reference").iterdir()))
def test_it_is_whole_and_of_clean_commits(sweep):
    results = open_results(REPOSITORY / "results/reference" / sweep)
    runs = results.runs()
    assert (runs["status"] == "finished").all()
    assert runs["git_commit"].str.fullmatch("[0-9a-f]{40}").all()
    assert results.sql("SELECT count(*) AS n FROM trajectories")["n"][0] == runs["steps"].sum()


@pytest.fixture(scope="module")
def digits():
    return open_results(REPOSITORY / "results/reference/digits")


def test_every_line_of_the_digits_peaks_at_p_equal_d(digits):
    runs = digits.runs()
    peaks = peak_table(runs, tail_errors(digits))
    assert len(runs) == 225 and len(peaks) == 30 and (peaks["largest_at"] == 0).all()
    inner = peaks[peaks["at"].isin([32, 64, 128])]
    assert inner["found"].all()


def said_of_seeds():
    """The table of seeds in docs/results.md: seed -> numbers."""
    text = (REPOSITORY / "docs/results.md").read_text().partition("## Reproducibility")[2]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| \d \|", line)]
    return {int(cells[0]): [float(cell.split()[0]) for cell in cells[1:]] for cells in rows}


def test_exponents_and_peaks_of_each_seed_are_those_of_the_findings(digits):
    by_seed = laws_by_seed(measured_cells(digits), (PURE, ABOVE))
    runs, peaks = digits.runs(), peak_table(finished_runs(digits), tail_errors(digits))
    said = said_of_seeds()
    assert sorted(said) == [0, 1, 2]
    for seed, numbers in said.items():
        mine = by_seed[by_seed["seed"] == seed].groupby("irreducible")["alpha"].median()
        own = runs[runs["seed"] == seed]
        places, largest = {"P": [], "D": []}, 0
        for line in peaks.itertuples():
            part = own[(own["K"] == line.K) & (own["D" if line.along == "P" else "P"] == line.at)]
            peak = find_peak(part["P"], part["D"], part["percent_error"], bootstrap=1)
            largest += peak.largest_at == 0
            if line.found:
                places[line.along].append(peak.location)
        measured = [mine["none"], mine["theory"], np.mean(places["P"]), np.mean(places["D"]), largest]
        assert numbers == pytest.approx(measured, abs=6e-4)


def test_the_findings_count_the_laws_that_the_tables_call_valid():
    text = (REPOSITORY / "docs/results.md").read_text()
    said = [tuple(map(int, pair)) for pair in re.findall(r"passes every check in (\d+) of (\d+) cells", text)]
    fits = open_results(REPOSITORY / "results/reference/cifar10").fits().set_index(["irreducible", "offset"])
    assert said == [(fits.loc[form, "trusted"].sum(), len(fits.loc[form])) for form in (PURE, ABOVE)]
    fits = open_results(REPOSITORY / "results/reference/digits").fits()
    failing = fits[fits["chosen"] & ~fits["trusted"]]
    few = re.search(r"in\s(\d+) of (\d+) because points scatter", text)
    scattered = failing["failed_checks"].map(lambda checks: "scatters" in checks).sum()
    assert tuple(map(int, few.groups())) == (scattered, len(failing))


def test_the_findings_show_final_errors_exponents_and_accuracies_of_the_stores():
    text = (REPOSITORY / "docs/results.md").read_text()
    rows = re.findall(r"^\| ([\w-]+), D = (\w+) \|(.*)\|$", text, re.M)
    assert len(rows) == 4
    for sweep, dims, cells in rows:
        runs = open_results(REPOSITORY / "results/reference" / sweep).runs()
        runs = runs[(runs["K"] == 2) & (runs["D"] == (runs["P"] if dims == "P" else int(dims)))]
        said = [float(cell.strip(" *")) for cell in cells.split("|") if cell.strip()]
        assert said == pytest.approx(runs.groupby("P")["percent_error"].mean().tolist(), abs=6e-4)
    fits = open_results(REPOSITORY / "results/reference/digits").fits().set_index(["irreducible", "offset"])
    for name, form in (("above e_inf, with offset", ABOVE), ("pure", PURE)):
        said = re.search(rf"^\| {name} \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.M).groups()
        medians = fits.loc[form].groupby("K")["alpha"].median()
        assert list(map(float, said)) == pytest.approx(medians.tolist(), abs=6e-4)
    said = re.search(r"from (0\.\d+) to (0\.\d+), and\s+nearest-neighbor accuracy from (0\.\d+) to (0\.\d+)", text)
    runs = open_results(REPOSITORY / "results/reference/cifar10").runs()
    ends = runs[(runs["K"] == 2) & (runs["D"] == 64)].sort_values("P").iloc[[0, -1]]
    measured = [*ends["percent_error"], *ends["probe_accuracy"]]
    assert list(map(float, said.groups())) == pytest.approx(measured, abs=6e-4)


@pytest.fixture(scope="module")
def images():
    return level_table(open_results(REPOSITORY / "results/reference/digits-images").runs())


def test_the_height_of_the_peak_falls_with_the_size_of_the_data_set(images):
    for D in (32, 64, 128):
        heights = images[(images["P"] == D) & (images["D"] == D)].sort_values("images")["percent_error"].to_numpy()
        assert (np.diff(heights) > 0).all()


def test_uniformity_follows_the_level_of_so_many_images(images):
    cells = images[images["P"] >= 64].set_index(["images", "P", "D"])[["deficit", "level"]].drop(index=128, level="D")
    changes = cells.loc[1437] - cells.loc[128]
    assert len(changes) == 6
    assert (changes["deficit"] / changes["level"]).between(0.65, 1.05).all()
    whole = images[(images["P"] == 128) & (images["images"] == 128) & (images["D"] <= 32)]
    assert (whole["deficit"] < 0.01).all() and whole["level"].to_numpy() == pytest.approx(0, abs=1e-9)


@pytest.fixture(scope="module")
def objectives():
    return open_results(REPOSITORY / "results/reference/objectives-digits")


def test_the_table_of_objectives_is_what_their_sweep_says(objectives):
    ends = at_the_end(objectives).pivot_table(index="variant", columns="quantity", values="value")
    gained = gains(objectives)
    gained = gained[gained["labels"] == "5 labels a class"].set_index(["variant", "probe"])
    text = (REPOSITORY / "docs/objectives.md").read_text().partition("## Comparison on digits")[2]
    rows = {cells[1].strip(" `"): cells[2:] for line in text.splitlines() if len(cells := line.split("|")) == 10}
    names = ["percent_error", "reconstruction", "uniformity", "capacity, views", "mutual_information_bound"]
    assert set(ends.index) <= set(rows)
    for name, values in ends.iterrows():
        plain = [float(rows[name][column]) for column in (0, 1, 2, 5, 6)]
        assert plain == pytest.approx(values[names].tolist(), abs=6e-3)
        assert plain[:3] == pytest.approx(values[names[:3]].tolist(), abs=6e-4)
        for column, probe in ((3, "knn"), (4, "linear")):
            said = [float(number) for number in re.findall(r"[-+][\d.]+", rows[name][column])]
            assert said == pytest.approx(gained.loc[(name, probe), ["gain", "low", "high"]].tolist(), abs=6e-4)


def test_all_objectives_but_the_control_gain_and_the_control_collapses(objectives):
    gained = gains(objectives)
    few = gained[gained["labels"] == "5 labels a class"]
    assert few.groupby("variant")["above_untrained"].all().to_dict() == {
        name: name != "alignment" for name in few["variant"].unique()
    }
    runs = objectives.runs()
    fallen = [bool(detect_collapse(u, P, D)) for u, P, D in zip(runs["uniformity"], runs["P"], runs["D"], strict=True)]
    assert fallen == (runs["objective"] == "alignment").tolist()


def test_mmcrs_capacity_rises_whenever_its_error_falls_and_its_information_ends_highest(objectives):
    ranks = tracking(beside_the_error(objectives)).set_index(["variant", "name", "subject"])
    assert np.allclose(ranks.loc["mmcr"].loc["capacity", ["least", "largest"]], -1)
    apart = differences(objectives)
    apart = apart[apart["quantity"] == "mutual_information_bound"]
    assert len(apart) == 8 and (apart["high"] < 0).all()


def test_every_objectives_error_is_largest_at_p_equal_d_as_the_docs_say(peaks_of_objectives):
    runs = peaks_of_objectives.runs()
    errors = runs[runs["D"] == 64].pivot_table(index="variant", columns="P", values="percent_error")
    assert len(errors) == 9 and (errors.idxmax(axis=1) == 64).all()
    text = (REPOSITORY / "docs/objectives.md").read_text().partition("## Double descent of other objectives")[2]
    rows = {cells[1].strip(" `"): cells[2:5] for line in text.splitlines() if len(cells := line.split("|")) == 7}
    for name, values in errors.iterrows():
        assert [float(number) for number in rows[name]] == pytest.approx(values.tolist(), abs=6e-4)


@pytest.fixture(scope="module")
def peaks_of_objectives():
    return open_results(REPOSITORY / "results/reference/objectives-peaks-digits")


@pytest.fixture(scope="module")
def pairs():
    results = open_results(REPOSITORY / "results/reference/multimodal-glyphs")
    runs = results.runs()
    measures = results.measures().merge(runs[["run_id", "objective", "P", "steps"]], on="run_id")
    return runs, measures[measures["step"] == measures["steps"]]


def test_the_table_of_images_and_text_is_what_its_sweep_says(pairs):
    runs, measures = pairs
    assert len(runs) == 36
    text = (REPOSITORY / "docs/multimodal.md").read_text().partition("## Results on glyphs")[2]
    rows = {cells[1].strip(" `"): cells[2:-1] for line in text.splitlines() if len(cells := line.split("|")) == 15}
    recall = measures[measures["name"].str.endswith("recall_10")].groupby(["objective", "P"])["value"].mean()
    top1 = measures[measures["name"] == "zero_shot_top1"].groupby(["objective", "P"])["value"].mean()
    error = runs.groupby(["objective", "P"])["heldout_percent_error"].mean()
    for name in ("mmcr", "clip", "siglip"):
        measured = [table[name, P] for table in (recall, top1, error) for P in (32, 64, 128, 256)]
        assert [float(cell) for cell in rows[name]] == pytest.approx(measured, abs=6e-4)


def test_every_objective_finds_held_out_glyphs_far_above_chance(pairs):
    _, measures = pairs
    recall = measures[measures["name"].str.endswith("recall_10")]
    assert (recall["low"] > 16 * 10 / recall["count"]).all() and len(recall) == 72
    top1 = measures[measures["name"] == "zero_shot_top1"]
    assert (top1["low"] > 1 / 26).all() and len(top1) == 36


def test_the_error_of_pairs_peaks_at_p_equal_d_and_mmcrs_gap_is_smallest(pairs):
    runs, measures = pairs
    error = runs.groupby(["objective", "P"])["heldout_percent_error"].mean().unstack()
    assert (error.idxmax(axis=1) == 64).all()
    gap = measures[measures["name"] == "modality_gap"].groupby(["P", "objective"])["value"].mean().unstack()
    assert (gap.idxmin(axis=1) == "mmcr").all()


def test_the_adaptive_sweep_was_as_right_as_its_page_says():
    stopped = SweepAnalysis(open_results(REPOSITORY / "results/reference/tiny-imagenet-adaptive")).at_stop()
    found, off = stopped.predicted, stopped.errors
    inside = ((found["low_95"] <= found["final"]) & (found["final"] <= found["high_95"])).sum()
    text = (REPOSITORY / "docs/adaptive_sweeps.md").read_text()
    said = [
        line.split("|")[3].strip()
        for line in text.splitlines()
        if line.startswith(
            ("| share of the FLOPs |", "| r.m.s. relative error, measured", "| largest error", "| cells inside")
        )
    ]
    worst = found.loc[off.abs().idxmax()]
    assert said == [
        f"{100 * stopped.share:.1f}%",
        f"{100 * np.sqrt((off**2).mean()):.1f}%",
        f"{100 * off.abs().max():.1f}% (P = {worst['P']}, D = {worst['D']})",
        f"{inside} of {len(found)}",
    ]
    assert stopped.expected_rms == pytest.approx(0.027, abs=0.002)  # as the launch said, with the code of that day
