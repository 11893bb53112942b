"""One run: reproducible, the same however it is split, resumable bit for bit, and it learns."""

import dataclasses
import io
import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from mmcr_core.images.datasets import DatasetError
from mmcr_core.spec import BudgetSpec, EvaluateSpec, OptimizerSpec
from mmcr_core.training import Diverged, Pretraining, pretraining
from mmcr_core.training.schedule import learning_rate


@pytest.fixture
def _short_chunks(monkeypatch):
    monkeypatch.setattr(pretraining, "CHUNK_STEPS", 5)


def columns(chunks):
    chunks = list(chunks)
    return {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in chunks[0].columns}


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def through_bytes(state):
    stream = io.BytesIO()
    torch.save(state, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=True)


def test_a_run_follows_from_its_seed_alone(digits_spec):
    first = columns(Pretraining(digits_spec()).run())
    torch.manual_seed(123)
    np.random.default_rng(5)
    assert same(first, columns(Pretraining(digits_spec()).run()))
    assert not same(first, columns(Pretraining(digits_spec(seed=1)).run()))


@pytest.mark.usefixtures("_short_chunks")
@pytest.mark.parametrize("stops", [[1, 2, 3, 12], [5, 10], [4, 9, 11], [7]])
def test_splitting_a_run_changes_neither_its_numbers_nor_its_chunks(digits_spec, stops):
    whole = list(Pretraining(digits_spec()).run())
    run = Pretraining(digits_spec())
    split = [chunk for stop in [*stops, None] for chunk in run.run(until=stop)]
    assert [(c.step_first, c.step_last) for c in split] == [(0, 4), (5, 9), (10, 11)]
    assert same(columns(whole), columns(split))


@pytest.mark.usefixtures("_short_chunks")
@pytest.mark.parametrize("stop", [0, 1, 5, 8, 11])
def test_a_resumed_run_is_the_run_bit_for_bit(digits_spec, stop):
    spec = digits_spec(P=600)  # two batches an epoch: permutations are redrawn on the way
    whole = Pretraining(spec)
    expected = columns(whole.run())
    begun = Pretraining(spec)
    before = list(begun.run(until=stop))
    resumed = Pretraining(spec)
    resumed.load_state_dict(through_bytes(begun.state_dict()))
    assert same(expected, columns([*before, *resumed.run()]))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert whole.evaluate() == resumed.evaluate()


def test_columns_count_images_and_flops(digits_spec):
    run = Pretraining(digits_spec())
    table = columns(run.run())
    assert table["step"].tolist() == list(range(12))
    assert table["images"].tolist() == [16 * (i + 1) for i in range(12)]
    np.testing.assert_array_equal(table["flops"], run.flops_per_step * np.arange(1, 13))
    np.testing.assert_allclose(table["percent_error"], 1 - table["reconstruction"] * table["uniformity"], atol=1e-6)
    np.testing.assert_allclose(table["loss"], -table["nuclear_norm"])


@pytest.mark.parametrize(
    ("budget", "steps"),
    [(BudgetSpec(epochs=2.0), 2 * (1437 // 16)), (BudgetSpec(images=100), 6), (BudgetSpec(steps=3), 3)],
)
def test_each_budget_becomes_steps(digits_spec, budget, steps):
    assert Pretraining(digits_spec(budget=budget)).steps == steps


def test_an_epoch_shows_each_image_once_and_drops_the_last_batch(digits_spec):
    run = Pretraining(digits_spec(P=500))
    seen = []
    for run.step in range(2):
        seen += run._next_batch().tolist()
    assert len(set(seen)) == 1000


def test_training_lowers_the_percent_error(digits_spec):
    run = Pretraining(digits_spec(P=64, D=16, budget=BudgetSpec(steps=80), evaluate=EvaluateSpec(4, "knn")))
    error = columns(run.run())["percent_error"]
    assert error[-10:].mean() < 0.7 * error[:10].mean()
    result = run.evaluate()
    assert 0 < result["heldout_percent_error"] < 0.5
    assert result["heldout_percent_error_std"] > 0
    assert result["probe_accuracy"] > 0.8


def test_bf16_follows_fp32_closely(digits_spec):
    spec = digits_spec(P=64, D=16, budget=BudgetSpec(steps=40))
    full, half = (
        columns(Pretraining(dataclasses.replace(spec, precision=precision)).run())["percent_error"]
        for precision in ("fp32", "bf16")
    )
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(half, full, atol=0.03)


def test_evaluation_changes_nothing_in_the_run(digits_spec):
    plain = columns(Pretraining(digits_spec()).run())
    run = Pretraining(digits_spec())
    list(run.run(until=6))
    first, again = run.evaluate(), run.evaluate()
    assert first == again
    assert run.network.training
    assert same(plain, columns([*run.run()]))


def test_heldout_error_is_none_where_the_heldout_set_is_smaller_than_p(digits_spec):
    assert Pretraining(digits_spec(P=400, budget=BudgetSpec(steps=1))).evaluate()["heldout_percent_error"] is None


@pytest.mark.usefixtures("_short_chunks")
def test_divergence_is_reported_with_the_finite_steps_before_it(digits_spec):
    run = Pretraining(digits_spec())
    seen = list(run.run(until=7))
    with torch.no_grad():
        next(run.network.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged) as raised:
        for chunk in run.run():
            seen.append(chunk)
    assert raised.value.step == 7
    assert [(chunk.step_first, chunk.step_last) for chunk in seen] == [(0, 4), (5, 6)]
    assert all(np.isfinite(chunk.columns["percent_error"]).all() for chunk in seen)


def test_a_huge_learning_rate_diverges_instead_of_crashing(digits_spec):
    with pytest.raises(Diverged):
        list(Pretraining(digits_spec(optimizer=OptimizerSpec(learning_rate=1e30))).run())


def test_a_set_with_fewer_images_than_p_is_refused(digits_spec):
    with pytest.raises(DatasetError, match="exceeds the 1437 readable"):
        Pretraining(digits_spec(P=1438))


def test_schedules_warm_up_and_end_where_they_should():
    spec = OptimizerSpec(learning_rate=0.1, warmup=0.1)
    rates = [learning_rate(spec, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) / 11 for i in range(10)])
    assert set(rates[10:]) == {0.1}
    cosine = [learning_rate(dataclasses.replace(spec, schedule="cosine"), step, 100) for step in range(100)]
    assert cosine[10] == 0.1
    assert cosine[55] == pytest.approx(0.05)
    assert 0 < cosine[99] < 1e-3
    assert all(a >= b for a, b in pairwise(cosine[10:]))


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "mmcr_core.pretrain", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_cell_runs_from_the_command_line():
    ran = command("--P", "16", "--D", "8", "--K", "2", "--dataset", "digits", "--steps", "20", "--device", "cpu")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert 0 < result["percent_error"] < 1
    assert result["steps"] == 20
    assert result["probe_accuracy"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--P", "2000", "--dataset", "digits", "--steps", "2"], "exceeds the 1437 readable"),
        (["--P", "16", "--dataset", "stl10", "--root", "/nowhere", "--steps", "2"], "curl -L"),
        (["--P", "16", "--dataset", "parquet", "--steps", "2"], "path: is missing"),
        (["--P", "16", "--dataset", "digits"], "--epochs --steps --images"),
    ],
)
def test_bad_input_to_the_command_is_one_line_and_exit_code_2(arguments, says):
    ran = command("--D", "8", "--K", "2", *arguments)
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
