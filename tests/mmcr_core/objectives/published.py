"""The published formulas, term by term in float64: loops over images, views and dimensions, nothing of ours.

Each takes z (P, K, D) and the options by name, and is differentiable.
"""

from __future__ import annotations

from itertools import combinations, permutations

import torch


def unit(z):
    return z / z.norm(dim=-1, keepdim=True)


def alignment(z):
    P, K, _ = z.shape
    u = unit(z)
    cosines = [u[p, k] @ u[p, other] for p in range(P) for k, other in combinations(range(K), 2)]
    return -torch.stack(cosines).mean()


def simclr(z, temperature):
    """Chen et al. 2020, eq. 1."""
    P, K, _ = z.shape
    u = unit(z)
    terms = []
    for p in range(P):
        for k, other in permutations(range(K), 2):
            positive = torch.exp(u[p, k] @ u[p, other] / temperature)
            negatives = [torch.exp(u[p, k] @ u[q, v] / temperature) for q in range(P) if q != p for v in range(K)]
            terms.append(-torch.log(positive / (positive + sum(negatives))))
    return torch.stack(terms).mean()


def barlow_twins(z, off_diagonal_weight, scale):
    """Zbontar et al. 2021, algorithm 1, with batch norm's 1e-5."""
    P, K, D = z.shape

    def standard(x):
        return (x - x.mean()) / torch.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)

    losses = []
    for k, other in combinations(range(K), 2):
        loss = 0.0
        for i in range(D):
            for j in range(D):
                correlation = standard(z[:, k, i]) @ standard(z[:, other, j]) / P
                loss = loss + ((1 - correlation) ** 2 if i == j else off_diagonal_weight * correlation**2)
        losses.append(loss)
    return scale * sum(losses) / len(losses)


def vicreg(z, invariance_weight, variance_weight, covariance_weight, target_std, epsilon):
    """Bardes et al. 2022, eq. 1 to 6, scaled as the authors' code is."""
    P, K, D = z.shape
    pairs = list(combinations(range(K), 2))
    invariance = sum(((z[:, k] - z[:, other]) ** 2).mean() for k, other in pairs) / len(pairs)
    variance, covariance = 0.0, 0.0
    for k in range(K):
        centered = [z[:, k, i] - z[:, k, i].mean() for i in range(D)]
        for i in range(D):
            std = torch.sqrt((centered[i] ** 2).sum() / (P - 1) + epsilon)
            variance = variance + torch.clamp(target_std - std, min=0) / (D * K)
            for j in range(D):
                if i != j:
                    covariance = covariance + 2 / K * (centered[i] @ centered[j] / (P - 1)) ** 2 / D
    return invariance_weight * invariance + variance_weight * variance + covariance_weight * covariance


def frossl(z, invariance_weight):
    """Skean et al. 2024, eq. 3 and 6, normalized and scaled as the authors' code is."""
    _, K, D = z.shape
    views = [torch.stack([z[:, k, i] / z[:, k, i].norm() for i in range(D)], dim=1) for k in range(K)]
    mean = sum(views) / K
    loss = 0.0
    for view in views:
        covariance = view.T @ view
        loss = loss + torch.log(((covariance / torch.trace(covariance)) ** 2).sum())
        loss = loss + invariance_weight * D * K * ((view - mean) ** 2).mean()
    return loss


def mcr2(z, eps, expansion_scale, expansion_weight):
    """Yu et al. 2020, section 2, with memberships as matrices and a determinant of D x D."""
    P, K, D = z.shape
    Z = unit(z).reshape(P * K, D).T
    identity = torch.eye(D, dtype=z.dtype)
    expansion = torch.logdet(identity + expansion_scale * D / (P * K * eps) * Z @ Z.T) / 2
    compression = 0.0
    for p in range(P):
        membership = torch.diag((torch.arange(P * K) // K == p).to(z.dtype))
        size = torch.trace(membership)
        rate = torch.logdet(identity + D / (size * eps) * Z @ membership @ Z.T)
        compression = compression + size / (2 * P * K) * rate
    return compression - expansion_weight * expansion
