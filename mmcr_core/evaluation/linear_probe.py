"""Multinomial logistic regression on frozen features, all strengths of regularization at once, on any device.

The strength is chosen on a split of the training images, never on those that are asked about. All fits, a strength and
a fold each, are columns of one weight matrix, so that a step of all of them is two matrix products with the features.
In the coordinates in which the bound of Böhning 1992 ("Multinomial logistic regression algorithm") on the Hessian is
the identity, where every fit is about as easy as the others, L-BFGS needs some tens of steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# C as scikit-learn counts it: mean cross-entropy + ||W||^2 / (2 N C) for N images, biases free; the strongest first.
INVERSE_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
FOLDS = 5  # a fifth of the training images judges a strength
FEW = 1000  # below so many, every fifth does in its turn
ROUGHLY = 1e-3  # largest entry of the gradient, in those coordinates: enough to tell strengths a decade apart
CLOSELY = {torch.float64: 1e-5, torch.float32: 1e-4}
STEPS = 200


def linear_predictions(bank: Tensor, bank_labels: Tensor, queries: Tensor) -> Tensor:
    """Labels (M,) that logistic regression on `bank` (N, F) with `bank_labels` (N,) gives `queries` (M, F).

    Features are standardised by the bank's mean and deviation. One of INVERSE_STRENGTHS is chosen by the cross-entropy
    of each fifth image of a class (of a bank below FEW images: of each fifth in its turn), fitted to the others, the
    stronger one where two are alike; with it the whole bank is fitted. float64 on a CPU, float32 on a GPU. Nothing is
    drawn at random.
    """
    dtype = torch.float64 if bank.device.type == "cpu" else torch.float32
    bank, queries = bank.to(dtype), queries.to(dtype)
    mean, deviation = bank.mean(dim=0), bank.std(dim=0, correction=0)
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    bank, queries = (bank - mean) / deviation, (queries - mean) / deviation
    names, classes = bank_labels.unique(return_inverse=True)
    fold = place_in_class(classes) % FOLDS
    held = torch.stack([fold == k for k in range(FOLDS if len(bank) < FEW else 1)])  # (folds, N)
    strengths = 1 / (len(bank) * torch.tensor(INVERSE_STRENGTHS, dtype=dtype, device=bank.device))
    folds = len(held)
    weights, biases = fit(bank, classes, strengths.repeat_interleave(folds), (~held).repeat(len(strengths), 1), ROUGHLY)
    logits = bank @ weights + biases[:, None]  # (B, N, C)
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), classes.expand(len(logits), -1), reduction="none")
    of_strength = (losses.view(len(strengths), folds, -1) * held).sum(dim=(1, 2))
    chosen = strengths[of_strength.argmin()].reshape(1)
    whole = torch.ones(1, len(bank), dtype=torch.bool, device=bank.device)
    weights, biases = fit(bank, classes, chosen, whole, CLOSELY[dtype])
    found: Tensor = names[(queries @ weights[0] + biases[0]).argmax(dim=1)]
    return found


def fit(bank: Tensor, classes: Tensor, strengths: Tensor, used: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Weights (B, F, C) and biases (B, C) of B fits to standardised `bank` (N, F) with `classes` (N,) in 0..C-1, fit b
    of strength `strengths[b]` to the images that `used[b]` (B, N) names, until no entry of the gradient exceeds
    `tolerance`."""
    fits, (images, features), count = len(strengths), bank.shape, int(classes.max()) + 1
    spectrum, directions = torch.linalg.eigh(bank.T @ bank / images)
    rotated = bank @ directions
    scale = (spectrum.clamp(min=0)[None, :, None] / 2 + strengths[:, None, None]).rsqrt()  # (B, F, 1)
    share = (used / used.sum(dim=1, keepdim=True).clamp(min=1)).T.to(bank.dtype)  # (N, B): of the mean
    target = classes[:, None, None].expand(-1, fits, 1)
    minus_one = bank.new_full((1, 1, 1), -1.0).expand(images, fits, 1)
    flat = torch.zeros(fits * (features + 1) * count, dtype=bank.dtype, device=bank.device)

    def parts() -> tuple[Tensor, Tensor]:
        both = flat.view(fits, features + 1, count)
        return scale * both[:, :-1], 2**0.5 * both[:, -1]

    def loss_with_gradient() -> Tensor:
        """By hand, in half the time that autograd takes."""
        weights, biases = parts()
        columns = weights.permute(1, 0, 2).reshape(features, fits * count)  # one product for all fits
        logs = ((rotated @ columns).view(images, fits, count) + biases).log_softmax(dim=2)
        penalty: Tensor = (strengths / 2 * weights.square().sum(dim=(1, 2))).sum()
        value: Tensor = penalty - (logs.gather(2, target)[:, :, 0] * share).sum()
        slope = logs.exp_().scatter_add_(2, target, minus_one).mul_(share[:, :, None])
        of_weights = (rotated.T @ slope.view(images, -1)).view(features, fits, count).permute(1, 0, 2)
        of_weights = scale * (of_weights + strengths[:, None, None] * weights)
        flat.grad = torch.cat([of_weights, 2**0.5 * slope.sum(dim=0)[:, None]], dim=1).reshape(-1)
        return value

    optimizer = torch.optim.LBFGS(
        [flat],
        max_iter=STEPS,
        history_size=20,
        tolerance_grad=tolerance,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    optimizer.step(loss_with_gradient)
    weights, biases = parts()
    return directions @ weights, biases


def place_in_class(classes: Tensor) -> Tensor:
    """(N,) of 0, 1, ... -> (N,): how many images of the same class stand before each."""
    seen = nn.functional.one_hot(classes).cumsum(dim=0)
    return seen.gather(1, classes[:, None])[:, 0] - 1
