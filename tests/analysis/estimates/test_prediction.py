"""Predictions of a sweep's cells: against what is known of synthetic ones, with intervals, for runs and measures."""

import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import SweepAnalysis, open_results
from analysis.estimates.run_points import whole_steps
from analysis.figures.predictions.predicted_cells import draw_predicted
from analysis.opened_results import open_results as opened
from analysis.results.errors import ResultsError
from mmcr_core.config.run_id import canonical_json, run_id
from mmcr_core.theory import expected_percent_error
from sweeps.storage.schemas import CELL_SCHEMA
from tests.conftest import invoke
from tests.synthetic import FLOPS, spec, write_run, write_sweep

STEPS = 400


def error(P, D, K, flops):
    steps = np.asarray(flops) / 1e9
    return expected_percent_error(P, D) + 0.4 * (64 / P) ** 0.1 * (1 - 1 / K) * ((steps + 20) / 256) ** -0.3


def final(P, D, K):
    return error(P, D, K, 1e9 * 0.975 * STEPS)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two seeds of 3 x 3 x 2 settings, and two settings more that were planned."""
    store = write_sweep(tmp_path_factory.mktemp("predict") / "known", (32, 64, 128), (2, 4), (0, 1), STEPS, curve=error,
                        scale=0.01, between=0.01)  # fmt: skip
    rows = []
    for P, D in ((256, 64), (64, 256)):
        one = spec(P, D, 2, steps=STEPS)
        text = json.dumps(json.loads(open_results(store.root).runs()["spec"][0]) | {"P": P, "D": D, "K": 2, "seed": 0})
        rows.append({"run_id": run_id(one), "P": P, "D": D, "K": 2, "seed": 0, "steps": STEPS, "spec": text})
    pq.write_table(pa.Table.from_pylist(rows, CELL_SCHEMA), store.root / "cells.parquet")
    return store


@pytest.fixture(scope="module")
def analysis(store):
    return SweepAnalysis(open_results(store.root))


def test_every_cell_has_a_prediction_with_nested_intervals_that_hold(analysis):
    table = analysis.predict()
    assert len(table) == 20 and table["measured"].isna().sum() == 2
    truth = np.array([final(row.P, row.D, row.K) for row in table.itertuples()])
    assert table["predicted"].to_numpy() == pytest.approx(truth, rel=0.03)
    assert ((table["low_95"] <= truth) & (truth <= table["high_95"])).mean() >= 0.85
    order = ["low_95", "low_80", "low_50", "predicted", "high_50", "high_80", "high_95"]
    assert (np.diff(table[order].to_numpy(), axis=1) > 0).all()


def test_what_was_not_trained_is_less_certain(analysis):
    table = analysis.predict()
    width = np.log(table["high_95"] / table["low_95"])
    assert width[table["measured"].isna()].min() > width[table["measured"].notna()].max()


def test_any_cell_and_any_steps_can_be_asked_for(analysis):
    cells = pd.DataFrame({"P": [64, 64, 512], "D": [64, 64, 512], "K": [2, 2, 2]})
    table = analysis.predict(cells, at=[100, 10 * STEPS, 50])
    assert table["steps"].tolist() == [100, 10 * STEPS, 50]
    early = error(64, 64, 2, 1e9 * 97.5)
    assert table["predicted"][0] == pytest.approx(early, rel=0.03)
    assert table["predicted"][1] < table["predicted"][0]
    whole = analysis.predict(cells.iloc[2:])
    assert whole["steps"].tolist() == [STEPS]  # the budget is one of steps


def test_a_run_beyond_the_grid_has_its_budget():
    grid = {"variant": ["a", "a", "b"], "P": [64, 128, 64], "D": 64, "K": 2, "steps": [1171, 585, 500]}
    planned = pd.DataFrame(grid).assign(fixed_steps=[False, False, True])
    cells = pd.DataFrame({"variant": ["a", "a", "a", "b"], "P": [128, 100, 10**6, 256], "D": 64, "K": 2})
    assert whole_steps(planned, cells).tolist() == [585, 1171 * 64 // 100, 1, 500]


def test_each_row_has_its_own_prediction_whatever_the_index(analysis):
    cells = pd.DataFrame({"P": [64, 32], "D": [32, 64], "K": [2, 4]})
    plain, repeated = analysis.predict(cells), analysis.predict(cells.set_axis([7, 7]))
    assert repeated.index.tolist() == [7, 7]
    pd.testing.assert_frame_equal(repeated.reset_index(drop=True), plain)
    pd.testing.assert_frame_equal(analysis.predict(plain), plain)  # what was predicted before is replaced


def test_cells_are_predicted_by_their_numbers_and_for_so_much_compute(store, analysis):
    results = opened(store.root)
    by_steps = results.predict(P=[32, 64], D=64, K=2, steps=200)
    pd.testing.assert_frame_equal(by_steps, results.analysis.predict(by_steps[["P", "D", "K", "variant", "steps"]]))
    assert by_steps["predicted"].tolist() == analysis.predict(by_steps[["P", "D", "K"]], at=200)["predicted"].tolist()
    assert ((by_steps["low_95"] < by_steps["predicted"]) & (by_steps["predicted"] < by_steps["high_95"])).all()
    whole = results.predict(64, 64, 2)
    assert whole["steps"].tolist() == [STEPS]
    pd.testing.assert_frame_equal(results.predict(64, 64, 2, flops=1e9 * STEPS, variant="mmcr"), whole, check_like=True)
    beyond = results.predict(512, 64, 4, flops=[1e12, 2e12])  # priced by the median of all runs per view
    per_view = np.median([1e9 / P / K for P in (32, 64, 128) for K in (2, 4)])
    assert beyond["steps"].tolist() == pytest.approx([1e12 / per_view / 2048, 2e12 / per_view / 2048])
    for mistake, says in (({"flops": 1e12, "steps": 3}, "one of the two"), ({"flops": 1.0}, "of 1 step or more")):
        with pytest.raises(ResultsError, match=says):
            results.predict(64, 64, 2, **mistake)


def test_one_run_is_less_certain_than_its_setting_and_a_trained_one_is_known(analysis):
    runs = analysis.finished[["run_id", "variant", "P", "D", "K"]].head(4)
    known = analysis.predict(runs)
    measured = analysis.finished["percent_error"].head(4).to_numpy()
    assert known["predicted"].to_numpy() == pytest.approx(measured, rel=0.015)
    predictor = analysis.predictors_of("percent_error")["mmcr"]
    another = predictor.predict(runs.drop(columns="run_id"), np.full(4, STEPS), single=True)
    setting = predictor.predict(runs.drop(columns="run_id"), np.full(4, STEPS))
    assert (another["high_95"] - another["low_95"] > setting["high_95"] - setting["low_95"]).all()


def test_settings_left_out_are_predicted_from_the_others(analysis):
    table = analysis.left_out()
    assert len(table) == 18
    assert np.sqrt(((table["predicted"] / table["measured"] - 1) ** 2).mean()) < 0.05
    assert ((table["low_95"] <= table["measured"]) & (table["measured"] <= table["high_95"])).mean() >= 0.8


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"P": [64]}, "no column D, K"),
        ({"P": [64], "D": [64], "K": [2], "variant": ["x"]}, "there is no variant 'x'; variants: mmcr$"),
        ({"P": [], "D": [], "K": []}, "no cells to predict"),
        ({"P": [64, 1], "D": [64, 64], "K": [2, 2]}, "P: '1' is not a whole number of 2 or more"),
        ({"P": [64], "D": [48.5], "K": [2]}, "D: '48.5' is not"),
        ({"P": [64], "D": [64], "K": [0]}, "K: '0' is not"),
        ({"P": ["64"], "D": [64], "K": [2]}, "P: '64' is not"),
        ({"P": [64], "D": [np.nan], "K": [True]}, "D: 'nan' is not"),
        ({"P": [64], "D": [64], "K": [2], "run_id": ["0" * 16]}, "0000 is no run of the sweep"),
        ({"P": [64], "D": [64], "K": [2], "steps": [np.inf]}, "1 step or more"),
    ],
)
def test_mistakes_are_named(analysis, cells, says):
    with pytest.raises(ResultsError, match=says):
        analysis.predict(pd.DataFrame(cells))


def test_a_run_is_of_its_own_cell_and_steps_are_one_for_each(analysis):
    run = analysis.finished[["run_id", "variant", "P", "D", "K"]].head(1)
    with pytest.raises(ResultsError, match="P=32, D=32, K=2, not of variant=mmcr, P=64"):
        analysis.predict(run.assign(P=64))
    for given in ({"at": [100, 200]}, {"at": "long"}, {"flops": [1e12, 1e13]}):
        with pytest.raises(ResultsError, match="one for each of the 1 cells"):
            analysis.predict(run, **given)


def test_a_measure_nobody_made_has_no_prediction(analysis):
    with pytest.raises(ResultsError, match="no run of the sweep has a measure knn_accuracy"):
        analysis.predict(measure="knn_accuracy")


def measure_row(name, subject, value):
    return {"name": name, "subject": subject, "value": value, "low": value - 0.02, "high": value + 0.02, "images": 1,
            "flops": 1.0, "count": 400}  # fmt: skip


def test_a_measure_is_predicted_of_one_subject_and_between_0_and_1(tmp_path):
    store = write_sweep(tmp_path / "measured", (32, 64, 128), (2,), (0,), STEPS, curve=error)
    for key in store.statuses():
        rows = [("knn_accuracy", "", 0.8), ("knn_accuracy", "1 label a class", 0.2), ("zero_shot_top1", "glyphs", 0.4),
                ("capacity", "views", 0.1), ("capacity", "classes", 0.3), ("effective_rank", "", 18.0)]  # fmt: skip
        store.write_measures(key, STEPS, [measure_row(*row) for row in rows])
    analysis = SweepAnalysis(open_results(store.root))
    for name, value in (("knn_accuracy", 0.8), ("zero_shot_top1", 0.4)):
        table = analysis.predict(measure=name)
        assert table["measured"].to_numpy() == pytest.approx(value)
        assert table["predicted"].to_numpy() == pytest.approx(value, abs=0.01)
    for name, says in (("capacity", "of classes, views"), ("effective_rank", "from 18 to 18")):
        with pytest.raises(ResultsError, match=says):
            analysis.predict(measure=name)


@pytest.mark.usefixtures("pdf_too")
def test_the_command_prints_and_draws_them(store, tmp_path):
    ran = invoke("plot_predictions", store.root, "-o", tmp_path, "--json")
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)
    assert len(rows) == 20 and {"predicted", "low_95", "measured"} <= set(rows[0])
    assert {path.name for path in tmp_path.iterdir()} >= {"predictions.csv", "predictions.png", "predicted_grid.pdf"}
    said = invoke("plot_predictions", store.root, "-o", tmp_path).stdout
    assert "predicted from all others, 18 settings are off by" in said and "18 residuals are fewer than the 19" in said


def test_the_next_runs_are_those_that_tell_the_most(store):
    ran = invoke("recommend", store.root, "--next", 4, "--json")
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)
    assert len(rows) == 4 and {row["what"] for row in rows} <= {"in the grid", "another seed", "beyond the grid"}
    falls = [(row["uncertainty"], row["uncertainty_after"]) for row in rows]
    assert all(after < before for before, after in falls)
    assert all(first[1] == pytest.approx(second[0]) for first, second in pairwise(falls))
    both = invoke("recommend", store.root, "--next", 4, "--flops", 1e12)
    assert both.returncode == 2 and "one of the three" in both.stderr


def test_a_paused_run_is_priced_at_what_is_left_of_it(tmp_path):
    store = write_sweep(tmp_path / "begun", (32, 64), (2,), steps=STEPS, curve=error, scale=0.01)
    paused, other = (next(row for row in store.rows() if (row["P"], row["D"]) == at) for at in ((64, 64), (32, 64)))
    cells = [{name: row[name] for name in CELL_SCHEMA.names} for row in (paused, other)]
    store.write_cells(cells)
    trajectory = store.read_trajectory(paused["run_id"]).drop(columns="run_id").iloc[: STEPS // 4]
    for row in (paused, other):
        store.drop_trajectory(row["run_id"])
        store.drop_row(row["run_id"])
    columns = {name: trajectory[name].to_numpy() for name in trajectory}
    store.write_chunk(paused["run_id"], 0, STEPS // 4 - 1, columns)
    store.write_checkpoint(paused["run_id"], STEPS // 4, b"")
    ran = invoke("recommend", store.root, "--next", 40, "--json")
    assert ran.returncode == 0, ran.stderr
    rows = {(row["P"], row["D"], row["what"]): row for row in json.loads(ran.stdout)}
    begun, whole = rows[64, 64, "in the grid"], rows[32, 64, "in the grid"]
    assert (begun["run_id"], begun["from_step"], begun["steps"]) == (paused["run_id"], STEPS // 4, STEPS)
    assert (whole["run_id"], whole["from_step"]) == ("", 0)
    assert begun["flops"] / begun["P"] == pytest.approx(0.75 * whole["flops"] / whole["P"])
    assert f"resumes from step {STEPS // 4}" in " ".join(invoke("recommend", store.root, "--next", 40).stdout.split())


def test_a_sweep_that_has_finished_no_run_is_predicted_and_priced(tmp_path):
    store = write_sweep(tmp_path / "none", (32, 64), (2,), steps=STEPS, curve=error, scale=0.01)
    store.write_cells([{name: row[name] for name in CELL_SCHEMA.names} for row in store.rows()])
    for row in store.rows():
        store.drop_row(row["run_id"])
        store.write_checkpoint(row["run_id"], STEPS // 2, b"")
    analysis = SweepAnalysis(open_results(store.root))
    assert analysis.planned["flops_per_step"].tolist() == [FLOPS] * 4 and not analysis.planned["finished"].any()
    assert len(analysis.predict()) == 4 and analysis.predict()["measured"].isna().all()
    drawn = invoke("plot_predictions", store.root, "-o", tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    for command in (("report",), ("recommend", "--flops", 1e12), ("plot_scaling",), ("claims",)):
        ran = invoke(command[0], store.root, *command[1:])
        assert ran.returncode == 2 and "holds no" in ran.stderr and len(ran.stderr.splitlines()) == 1, command


def test_cells_are_asked_for_by_arrays_that_fit_and_by_variant(store, tmp_path):
    with pytest.raises(ResultsError, match=r"do not broadcast: P \(3,\), D \(2,\), K \(\)"):
        opened(store.root).predict(P=[8, 16, 32], D=[8, 8], K=2)
    rates = write_sweep(tmp_path / "rates", (32, 64), (2,), steps=300)
    for row in rates.rows():
        other = json.loads(row["spec"])
        other["optimizer"]["learning_rate"] *= 2
        rates.write_run(row | {"run_id": f"other{row['run_id']}", "spec": json.dumps(other)})
        columns = rates.read_trajectory(row["run_id"]).drop(columns="run_id").to_dict("list")
        rates.write_chunk(f"other{row['run_id']}", 0, 299, {name: np.array(each) for name, each in columns.items()})
    with pytest.raises(ResultsError, match=r"several variants; add variant= with one of: .*learning_rate"):
        opened(rates.root).predict(P=32, D=32, K=2)


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """Learning rates: one trained, one that diverged after half of its steps, one not begun; and a setting of the first
    that diverged."""
    store = write_sweep(tmp_path_factory.mktemp("rates") / "rates", (32, 64), (2,), steps=STEPS, curve=error)
    whole = error(32, 32, 2, FLOPS * np.arange(1, STEPS + 1))
    cells = [spec(P, 32, 2, learning_rate=rate, steps=STEPS) for rate in (1e30, 1e-5) for P in (32, 64)]
    cells.append(spec(128, 32, 2, steps=STEPS))
    for cell in cells:
        if cell.optimizer.learning_rate != 1e-5:
            write_run(store, cell, whole[: STEPS // 2], status="diverged", steps=STEPS)
    rows = [{name: row[name] for name in CELL_SCHEMA.names} for row in store.rows()]
    cells = [cell for cell in cells if cell.optimizer.learning_rate == 1e-5]
    described = [{"run_id": run_id(cell), "spec": canonical_json(asdict(cell)), "steps": STEPS} for cell in cells]
    sizes = [{name: getattr(cell, name) for name in ("P", "D", "K", "seed")} for cell in cells]
    store.write_cells(rows + [row | size for row, size in zip(described, sizes, strict=True)])
    return store


def test_nothing_is_predicted_of_a_variant_that_was_not_trained_or_diverged(rates, tmp_path):
    results = opened(rates.root)
    trained, diverged, new = (f"mmcr, optimizer.learning_rate={rate}" for rate in ("0.001", "1e+30", "1e-05"))
    assert set(results.analysis.planned["variant"]) == {trained, diverged, new}
    table = results.analysis.predict()
    assert set(table["variant"]) == {trained} and sorted(table["P"]) == [32, 32, 64, 64]
    for variant, says in (
        (diverged, "^every run of MMCR, learning rate = 1e[+]30 diverged"),
        (new, "^no run of MMCR, learning rate = 1e-05 has been trained"),
        ("zzz", "^there is no variant 'zzz'; variants: mmcr, .*0.001; mmcr, .*1e[+]30; mmcr, .*1e-05$"),
    ):
        with pytest.raises(ResultsError, match=says):
            results.predict(P=32, D=32, K=2, variant=variant)
    ran = invoke("plot_predictions", rates.root, "-o", tmp_path)
    said = " ".join(ran.stdout.split())
    assert "Every run of MMCR, learning rate = 1e+30 diverged, so" in said and "1 setting diverged: nothing" in said
    assert "No run of MMCR, learning rate = 1e-05 has been trained" in said
    following = invoke("recommend", rates.root, "--next", 9)
    assert "No run of MMCR, learning rate = 1e-05 has been trained" in " ".join(following.stdout.split())
    rows = json.loads(invoke("recommend", rates.root, "--next", 99, "--json").stdout)
    assert {row["variant"] for row in rows} == {trained} and (128, 32) not in {(row["P"], row["D"]) for row in rows}


def test_values_of_unfinished_runs_are_named_as_such(tmp_path):
    store = write_sweep(tmp_path / "half", (32, 64), (2,), steps=STEPS, curve=error, scale=0.01)
    store.write_cells([{name: row[name] for name in CELL_SCHEMA.names} for row in store.rows()])
    for row in store.rows()[1:]:
        trajectory = store.read_trajectory(row["run_id"]).drop(columns="run_id").iloc[: STEPS // 2]
        store.drop_trajectory(row["run_id"])
        store.drop_row(row["run_id"])
        store.write_chunk(row["run_id"], 0, STEPS // 2 - 1, {name: trajectory[name].to_numpy() for name in trajectory})
    ran = invoke("plot_predictions", store.root, "-o", tmp_path)
    said = " ".join(ran.stdout.split())
    assert "4 settings at the last step that was trained (3 of them unfinished) are off by" in said
    figure = draw_predicted(SweepAnalysis(open_results(store.root)).left_out(), "percent_error")
    assert figure.axes[0].get_xlabel() == "last measured percent error (fraction)"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "predicted from all others (3 of 4 unfinished)" in labels
