"""Runs on image-text pairs: every objective trains, is resumed bit for bit, and reads nothing back."""

import dataclasses

import pytest
import torch

from mmcr_core.config.run import OF_PAIRS, BudgetSpec, DatasetSpec, EvaluateSpec
from mmcr_core.evaluation.evaluate import requested_measures
from mmcr_core.objectives import objective_spec
from mmcr_core.training import Pretraining
from mmcr_core.training.flops import flops_per_step
from tests.mmcr_core.training.run_helpers import columns, same, through_bytes

OBJECTIVES = [
    objective_spec("mmcr"),
    objective_spec("mmcr", clip_weight=0.1),
    objective_spec("clip"),
    objective_spec("siglip"),
    objective_spec("byol", predictor_hidden=16),
]
NAMES = ["mmcr", "mmcr and clip", "clip", "siglip", "byol"]


@pytest.mark.usefixtures("_short_chunks")
@pytest.mark.parametrize("objective", OBJECTIVES, ids=NAMES)
def test_a_run_on_pairs_is_resumed_bit_for_bit(pairs_spec, objective):
    pairs = DatasetSpec("glyphs", captions=2 if objective.name == "clip" else 1)
    spec = pairs_spec(objective=objective, K=3, dataset=pairs)
    whole, begun, resumed = (Pretraining(spec) for _ in range(3))
    expected = columns(whole.run())
    before = list(begun.run(until=7))
    resumed.load_state_dict(through_bytes(begun.state_dict()))
    assert same(expected, columns([*before, *resumed.run()]))


@pytest.mark.parametrize("objective", OBJECTIVES[:4], ids=NAMES[:4])
def test_training_on_pairs_lowers_every_loss(pairs_spec, objective):
    run = Pretraining(pairs_spec(objective=objective, P=64, D=16, budget=BudgetSpec(steps=40)))
    loss = columns(run.run())["loss"]
    assert loss[-5:].mean() < loss[:5].mean() - loss[-5:].std()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=NAMES)
def test_the_device_step_on_pairs_reads_nothing_back(pairs_spec, precision, objective):
    run = Pretraining(pairs_spec(precision=precision, objective=objective), "meta")
    for _ in range(2):
        run.train_step()
    assert run.step == 2


def test_what_pairs_are_asked_for_is_what_is_measured(pairs_spec):
    measures = ("knn", "effective_rank", "alignment", "mutual_information", *OF_PAIRS)
    run = Pretraining(pairs_spec(evaluate=EvaluateSpec(2, "none", measures)))
    found = run.evaluate()
    assert {(each.name, each.subject) for each in found} == set(requested_measures(run.spec, trained=False))
    assert all(each.value is not None for each in found)
    assert found == run.evaluate()


def test_a_step_costs_each_view_and_each_caption(pairs_spec):
    one, more, again = (
        flops_per_step(pairs_spec(K=K, dataset=DatasetSpec("glyphs", captions=captions)))
        for K, captions in ((2, 1), (3, 1), (3, 2))
    )
    assert one < again < more  # the text encoder is the smaller one


def test_a_limit_trains_on_so_many_pairs(pairs_spec):
    spec = pairs_spec(dataset=DatasetSpec("glyphs", limit=40))
    run = Pretraining(spec)
    tokens = set()
    for step in range(4):
        run.source.prepare_step(step)
        tokens |= {tuple(row) for row in run.source.extra_inputs[0].tolist()}
    assert run.source.available == 40
    assert 32 <= len(tokens) <= 40


def test_images_and_their_names_stand_in_the_same_rows(pairs_spec):
    """With views that change nothing, the batch is the glyph that its tokens name."""
    from mmcr_core.models.dual_encoder import tokens_of

    spec = pairs_spec()
    plain = dataclasses.replace(spec.views, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), mean=(0.0,), std=(1.0,))
    run = Pretraining(dataclasses.replace(spec, views=plain))
    views = run.source.batch(run.source.prepare_step(3))
    names = tokens_of(spec)([texts[0] for texts in run.images.train_captions])
    said = {tuple(row): place for place, row in enumerate(names.tolist())}
    for view, tokens in zip(views, run.source.extra_inputs[0].tolist(), strict=True):
        glyph = run.images.train[said[tuple(tokens)], :, 0].float() / 255
        torch.testing.assert_close(view[0], glyph, atol=1e-5, rtol=0)
