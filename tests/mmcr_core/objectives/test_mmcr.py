"""The MMCR objective and the measures that every objective is given."""

import math

import numpy as np
import pytest
import torch

from mmcr_core.config.run import SpecError
from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.objectives import make_objective
from mmcr_core.objectives.base import METRICS, centroids, measure, normalized
from mmcr_core.theory import decompose, percent_error


def embeddings(P, K, D, seed=0):
    return 3 * torch.randn(P, K, D, generator=torch.Generator().manual_seed(seed))


def mmcr(z, **options):
    return make_objective("mmcr", dims=z.shape[-1], **options).loss(z)


def metrics_of(z):
    return measure(centroids(normalized(z)))


def test_the_value_is_minus_the_nuclear_norm_of_the_centroids_of_normalized_embeddings():
    z = embeddings(12, 3, 7)
    M = (z / z.norm(dim=-1, keepdim=True)).mean(1)
    assert mmcr(z).item() == pytest.approx(-np.linalg.norm(M.numpy(), "nuc"), rel=1e-5)


@pytest.mark.parametrize(("P", "K", "D"), [(12, 3, 7), (7, 2, 12), (9, 1, 9)])
def test_metrics_agree_with_theory(P, K, D):
    z = embeddings(P, K, D)
    M = torch.nn.functional.normalize(z, dim=-1).mean(1)
    metrics = metrics_of(z)
    assert set(metrics) == set(METRICS)
    r, u = decompose(M.numpy())
    assert metrics["reconstruction"].item() == pytest.approx(r, rel=1e-5)
    assert metrics["uniformity"].item() == pytest.approx(u, rel=1e-5)
    error = percent_error(metrics["nuclear_norm"].item(), P, D)
    assert metrics["percent_error"].item() == pytest.approx(error, abs=1e-6)
    assert 1 - r * u == pytest.approx(error, abs=1e-6)


def test_equal_views_in_an_orthogonal_frame_have_no_error():
    z = torch.eye(6)[:, None, :].expand(6, 4, 6) * 2.5
    assert metrics_of(z)["percent_error"].item() == pytest.approx(0, abs=1e-6)


def test_independent_views_at_the_start_show_the_level_of_no_invariance():
    K = 4
    error = metrics_of(embeddings(256, K, 256))["percent_error"].item()
    assert error == pytest.approx(1 - 8 / (3 * math.pi) / math.sqrt(K), abs=0.01)


def test_the_local_term_is_lambda_times_the_mean_nuclear_norm_of_each_images_views():
    z = embeddings(5, 3, 8)
    plain, local = mmcr(z), mmcr(z, local_weight=0.3)
    unit = torch.nn.functional.normalize(z, dim=-1).numpy()
    expected = 0.3 / 5 * sum(np.linalg.norm(views, "nuc") for views in unit)
    assert (local - plain).item() == pytest.approx(expected, rel=1e-4)


def test_gradients_flow_to_the_embeddings_and_not_to_the_metrics():
    z = embeddings(6, 2, 5).requires_grad_()
    mmcr(z, local_weight=0.1).backward()
    assert torch.isfinite(z.grad).all() and z.grad.abs().sum() > 0
    assert not any(metric.requires_grad for metric in metrics_of(z).values())


def test_the_norm_that_the_loss_leaves_is_that_of_the_metrics():
    z = embeddings(6, 2, 5)
    objective = make_objective("mmcr", dims=5)
    objective.loss(z)
    assert objective.nuclear_norm.item() == pytest.approx(metrics_of(z)["nuclear_norm"].item(), rel=1e-6)


def test_half_embeddings_are_taken_in_float32():
    z = embeddings(16, 2, 16)
    assert mmcr(z.bfloat16()).dtype == torch.float32


def test_the_wrong_names_and_options_are_refused():
    with pytest.raises(SpecError, match="use one of alignment"):
        make_objective("mcr", dims=3)
    with pytest.raises(SpecError, match="0 or more"):
        make_objective("mmcr", dims=3, local_weight=-1.0)
    assert nuclear_norm(torch.eye(3)).item() == pytest.approx(3)
