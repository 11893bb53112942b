"""Recall and modality gap against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcr_core.evaluation.retrieval import modality_gap, recalls


def unit(*shape, seed=0):
    z = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(z, dim=-1)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_recalls_are_those_of_a_plain_loop(seed, captions):
    images = unit(15, 4, seed=seed)
    owner = torch.arange(15).repeat_interleave(captions)
    texts = torch.nn.functional.normalize(images[owner] + 0.7 * unit(len(owner), 4, seed=seed + 1), dim=-1)
    found = {each.name: each.value for each in recalls(images, texts, owner)}
    cosines = (images @ texts.T).numpy()
    for k in (1, 5, 10):
        own = owner.numpy()
        by_image = [i in own[np.argsort(-cosines[i])[:k]] for i in range(15)]
        by_text = [own[t] in np.argsort(-cosines[:, t])[:k] for t in range(len(own))]
        if captions == 1:
            assert found[f"image_to_text_recall_{k}"] == pytest.approx(np.mean(by_image))
        elif k == 1:
            assert found["image_to_text_recall_1"] == pytest.approx(np.mean(by_image))
        assert found[f"text_to_image_recall_{k}"] == pytest.approx(np.mean(by_text))


def test_embeddings_that_are_all_alike_find_nothing():
    same = torch.ones(20, 4, dtype=torch.float64) / 2
    assert {each.value for each in recalls(same, same, torch.arange(20))} == {0.0}


def test_perfect_pairs_are_all_found():
    eye = torch.eye(12, dtype=torch.float64)
    found = recalls(eye, eye, torch.arange(12))
    assert {each.value for each in found} == {1.0}
    assert all(each.low < 1 and each.count == 12 for each in found)


def test_the_gap_is_the_length_between_the_means_and_its_interval_holds_it():
    images, texts = unit(400, 16), unit(400, 16, seed=1)
    texts = torch.nn.functional.normalize(texts + 0.5, dim=1)
    gap = modality_gap(images, texts)
    assert gap.value == pytest.approx(float((images.mean(0) - texts.mean(0)).norm()), rel=1e-12)
    more = modality_gap(unit(40_000, 16, seed=2), torch.nn.functional.normalize(unit(40_000, 16, seed=3) + 0.5, dim=1))
    assert gap.low < more.value < gap.high
