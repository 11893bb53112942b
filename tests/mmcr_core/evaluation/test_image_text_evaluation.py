"""What is measured of dual encoders on held-out pairs, and on another labeled set."""

import pytest
import torch

from mmcr_core.config.run import DatasetSpec, EvaluateSpec, ZeroShotSpec
from mmcr_core.data.image_set import DatasetError
from mmcr_core.data.registry import load
from mmcr_core.evaluation.evaluate import evaluate
from mmcr_core.evaluation.image_text_evaluation import embed_images, embed_texts
from mmcr_core.models.dual_encoder import build_pair_network
from mmcr_core.objectives.base import normalized


def measured(spec, **options):
    network = build_pair_network(spec)
    return {each.name: each for each in evaluate(network, spec, load(spec.dataset, "cpu", 32), **options)}, network


def test_the_heldout_error_is_that_of_centroids_of_views_and_captions(pairs_spec):
    spec = pairs_spec(K=3, evaluate=EvaluateSpec(4, "none"))
    found, _ = measured(spec)
    error = found["heldout_percent_error"]
    assert (error.count, error.low < error.value < error.high) == (4, True)
    assert 0 < error.value < 1


def test_zero_shot_looks_at_the_plain_images_of_another_set(pairs_spec, tmp_path):
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    (tmp_path / "words").write_text("\n".join(words))
    (tmp_path / "texts").write_text("digit {}\nthe number {}\n")
    looked = ZeroShotSpec(DatasetSpec("digits"), str(tmp_path / "words"), str(tmp_path / "texts"))
    spec = pairs_spec(evaluate=EvaluateSpec(0, "none", ("zero_shot",), zero_shot=looked))
    found, network = measured(spec)
    digits = load(DatasetSpec("digits"))
    network.eval()
    with torch.no_grad():
        images = embed_images(network, spec, digits.heldout)
        texts = torch.stack(
            [embed_texts(network, spec, [f"digit {word}", f"the number {word}"]).mean(dim=0) for word in words]
        )
    hits = (images @ normalized(texts[None])[0].T).argmax(dim=1) == digits.heldout_labels
    top1 = found["zero_shot_top1"]
    assert top1.value == pytest.approx(float(hits.double().mean()), abs=0.01)
    assert (top1.subject, top1.count) == ("digits", 360)


def test_classes_that_are_fewer_than_labels_are_told(pairs_spec, tmp_path):
    (tmp_path / "words").write_text("zero\none\n")  # past the check of a grid
    looked = ZeroShotSpec(DatasetSpec("digits"), str(tmp_path / "words"))
    spec = pairs_spec(evaluate=EvaluateSpec(0, "none", ("zero_shot",), zero_shot=looked))
    with pytest.raises(DatasetError, match="names 2 classes, and dataset 'digits' has the label 9; name one class for"):
        measured(spec)


def test_a_network_that_has_diverged_has_no_measures(pairs_spec):
    spec = pairs_spec(evaluate=EvaluateSpec(0, "none", ("zero_shot", "retrieval", "modality_gap")))
    network = build_pair_network(spec)
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    found = evaluate(network, spec, load(spec.dataset, "cpu", 32))
    assert len(found) == 9
    assert {each.value for each in found} == {None}


def test_gains_are_over_the_untrained_towers(pairs_spec):
    spec = pairs_spec(evaluate=EvaluateSpec(0, "knn", ("knn",)))
    found, _ = measured(spec)  # of the untrained network itself
    assert found["knn_gain"].value == 0
    assert found["knn_accuracy"].value > 0.2
