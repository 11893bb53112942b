"""One run: reproducible, the same however it is split, resumable bit for bit, and it learns."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch

from mmcr_core import objectives
from mmcr_core.config.defaults import VIEW_RECIPES
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EncoderSpec, EvaluateSpec, OptimizerSpec
from mmcr_core.data.image_set import DatasetError, Images
from mmcr_core.training import Diverged, Pretraining
from mmcr_core.training.cuda_graphs import Graphs
from tests.mmcr_core.training.fake_cuda import play_gpu
from tests.mmcr_core.training.run_helpers import columns, same, through_bytes

EVERY_OBJECTIVE = [spec for spec in map(objectives.objective_spec, objectives.OBJECTIVES) if not spec.needs_captions]


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
@pytest.mark.parametrize("stop", range(13))
def test_a_run_cut_at_any_step_and_resumed_is_the_run_bit_for_bit(digits_spec, stop):
    spec = digits_spec(P=30, dataset=DatasetSpec("digits", limit=64))  # two batches an epoch: permutations are redrawn
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


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lars"])
def test_two_runs_continue_from_one_state_alike(digits_spec, optimizer):
    spec = digits_spec(optimizer=OptimizerSpec(optimizer))
    begun = Pretraining(spec)
    list(begun.run(until=5))
    state = through_bytes(begun.state_dict())
    ends = []
    for _ in range(2):
        resumed = Pretraining(spec)
        resumed.load_state_dict(state)
        ends.append(columns(resumed.run()))
    assert same(*ends)


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


def test_training_lowers_the_percent_error(digits_spec):
    run = Pretraining(digits_spec(P=64, D=16, budget=BudgetSpec(steps=80), evaluate=EvaluateSpec(4, "knn")))
    error = columns(run.run())["percent_error"]
    assert error[-10:].mean() < 0.7 * error[:10].mean()
    heldout, knn = run.evaluate()
    assert 0 < heldout.low < heldout.value < heldout.high < 0.5
    assert knn.value > 0.8


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
    (heldout,) = Pretraining(digits_spec(P=400, budget=BudgetSpec(steps=1))).evaluate()
    assert heldout.value is None


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


def test_a_longer_budget_begins_as_the_shorter_one_where_warm_up_is_in_steps(digits_spec):
    optimizer = OptimizerSpec(warmup=4)
    short, long = (
        columns(Pretraining(digits_spec(optimizer=optimizer, budget=BudgetSpec(steps=steps))).run())
        for steps in (12, 30)
    )
    assert all(np.array_equal(short[name], long[name][:12]) for name in short)


def test_a_limited_run_counts_its_epochs_in_the_images_it_keeps(digits_spec):
    spec = digits_spec(dataset=DatasetSpec("digits", limit=160), budget=BudgetSpec(epochs=3.0))
    assert Pretraining(spec).steps == 30
    with pytest.raises(DatasetError, match="exceeds the 10 readable"):
        Pretraining(digits_spec(dataset=DatasetSpec("digits", limit=10)))


def test_a_state_holds_nothing_that_belongs_to_one_type_of_device(digits_spec):
    """A GPU's optimizer is capturable, with its learning rate in a tensor: none of that may enter the state."""
    on_cpu, on_gpu = Pretraining(digits_spec()), Pretraining(digits_spec())
    for group in on_gpu.optimizer.param_groups:  # as far as it can be played on a CPU
        group["lr"], group["fused"], group["foreach"] = torch.zeros(()), False, False
    for run in (on_cpu, on_gpu):
        list(run.run(until=3))
    state = through_bytes(on_gpu.state_dict())
    assert set(state["optimizer"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    on_cpu.load_state_dict(state)
    assert on_cpu.optimizer.param_groups[0]["fused"] is True
    assert not isinstance(on_cpu.optimizer.param_groups[0]["lr"], torch.Tensor)
    assert not list(on_cpu.run(until=7))  # it goes on
    assert on_cpu.step == 7


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "objective", [objectives.objective_spec("mmcr", local_weight=0.1), *EVERY_OBJECTIVE], ids=lambda spec: spec.name
)
def test_the_whole_device_step_reads_nothing_back(digits_spec, precision, objective):
    """On meta tensors a value that is read raises: what runs there can be captured."""
    spec = digits_spec(precision=precision, objective=objective)
    run = Pretraining(spec, "meta")
    for _ in range(3):
        run.train_step()
    assert run.step == 3
    with pytest.raises((RuntimeError, NotImplementedError)):
        run.latest_percent_error()


def test_color_views_read_nothing_back(digits_spec):
    pixels = torch.zeros(40, 24, 3, 24, dtype=torch.uint8)
    images = Images(pixels, torch.zeros(40), pixels, torch.zeros(40))
    recipe = dataclasses.replace(VIEW_RECIPES["stl10"], size=16, blur=0.5, solarise=0.2)
    run = Pretraining(digits_spec(dataset=DatasetSpec("stl10"), views=recipe), "meta", images)
    for order in run.source.graph_keys():
        run.source.batch(order)
    run.train_step()


def test_a_run_that_is_let_go_is_gone_at_once_without_a_garbage_collection(digits_spec):
    gc.collect()
    gc.disable()
    try:
        run = Pretraining(digits_spec())
        seen = [weakref.ref(part) for part in (run, run.network, run.source, run.objective, run._buffer)]
        list(run.run(until=6))
        run.evaluate()
        del run
        assert [part() for part in seen] == [None] * 5
    finally:
        gc.enable()


def test_a_diverged_run_is_gone_at_once_too(digits_spec):
    gc.collect()
    gc.disable()
    try:
        run = Pretraining(digits_spec(optimizer=OptimizerSpec(learning_rate=1e30)))
        seen = weakref.ref(run)
        try:
            list(run.run())
        except Diverged:
            del run
        assert seen() is None
    finally:
        gc.enable()


def played_on_a_gpu(monkeypatch, spec):
    """A run whose graphs are played on the CPU: captured work does nothing until it is replayed."""
    gpu = play_gpu(monkeypatch)
    run = Pretraining(spec)
    captured = []
    capture = Graphs.capture

    def capturing(self, key, work, warm_up=False):
        captured.append(key)
        before = {name: value.clone() for name, value in run.network.state_dict().items()}
        capture(self, key, (lambda: None) if key == "step" else work, warm_up)
        assert all(torch.equal(before[name], value) for name, value in run.network.state_dict().items())

    monkeypatch.setattr(Graphs, "capture", capturing)
    return gpu, run, captured


def test_views_of_all_orders_are_captured_before_the_first_step_and_the_step_after_its_warm_up(
    monkeypatch, digits_spec
):
    gpu, run, captured = played_on_a_gpu(monkeypatch, digits_spec())
    run.train_step()
    assert captured == [(0, 1), (1, 0)]
    for _ in range(5):
        run.train_step()
    assert captured == [(0, 1), (1, 0), "step"]
    assert set(gpu.pools) == {gpu.pools[0]}
    run.evaluate()
    assert run._graphs.captured == 0  # their memory is free while the network is measured
    run.train_step()
    assert captured[3:] == [(0, 1), (1, 0)]
    assert gpu.pools[-1] != gpu.pools[0]


@pytest.mark.parametrize(
    ("encoder", "dtype"),
    [(EncoderSpec("convnet"), torch.bfloat16), (EncoderSpec("timm", model="resnet10t"), torch.float32)],
    ids=["ours", "another"],
)
def test_replayed_views_are_rounded_only_where_the_encoder_would_round_them_first(digits_spec, encoder, dtype):
    """An encoder that is not ours may begin with what autocast leaves in float32: it sees an eager step's pixels."""
    recipe = dataclasses.replace(VIEW_RECIPES["digits"], size=32)
    run = Pretraining(digits_spec(precision="bf16", encoder=encoder, views=recipe))
    assert run._views_buffer().dtype == dtype
    assert Pretraining(digits_spec())._views_buffer().dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager views", "compiled views"])
def test_steps_by_way_of_graphs_are_those_without(monkeypatch, digits_spec, precision, compiled):
    """All but the replay itself: the views go through the buffer that graphs write and read, rounded as there."""
    play_gpu(monkeypatch)
    monkeypatch.setattr(Graphs, "capture", lambda self, key, work, warm_up=False: work())
    monkeypatch.setattr(Graphs, "run", lambda self, key, work, warm_up: work())
    spec = digits_spec(precision=precision)
    with_graphs = columns(Pretraining(spec, compiled=compiled).run())
    without = columns(Pretraining(spec, compiled=compiled, graphs=False).run())
    for name, values in without.items():
        assert (with_graphs[name] == values).all(), name


def test_a_run_with_graphs_is_gone_at_once_too(monkeypatch, digits_spec):
    play_gpu(monkeypatch)
    gc.collect()
    gc.disable()
    try:
        run = Pretraining(digits_spec())
        for _ in range(5):
            run.train_step()
        seen = [weakref.ref(part) for part in (run, run.network, run._graphs, run._views)]
        del run
        assert [part() for part in seen] == [None] * 4
    finally:
        gc.enable()
