r"""Classification by Bayes' rule: any class-conditional model of examples is a classifier.

.. math:: p(y | x) = \frac{p(y) \, p(x | y)}{\sum_{y'} p(y') \, p(x | y')}

The likelihood :math:`p(x | y)` of each class is bounded by :math:`k` importance-weighted draws of :math:`q(z | x, y)`. Since it
is a bound, the probabilities are estimates; for growing :math:`k` they tend to those of the model. What separates classes is
a difference of such bounds, and a model of images spends most of its nats on what all classes share.

References:
    | Importance Weighted Autoencoders (Burda et al., 2015)
    | https://arxiv.org/abs/1509.00519
    | Are Generative Classifiers More Robust to Adversarial Attacks? (Li et al., 2019), where deep ones are compared
    | https://arxiv.org/abs/1802.06552
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..trace import Model
from .bounds import evaluating, log_weights, to_model

__all__ = ["classify_by_bayes", "log_joint"]


def log_joint(
    model: Model, x: Tensor, classes: int, draws: int = 30, *, prior: Tensor | None = None, seed: int = 0
) -> Tensor:
    r"""Returns the bound of :math:`\log p(x, y)` for each class in float64, with shape :math:`(B, K)`.

    Arguments:
        model: A model that takes labels.
        x: The data, with shape :math:`(B, *)`.
        classes: The number of classes :math:`K`.
        draws: The draws of :math:`q(z | x, y)` for each example and class.
        prior: :math:`p(y)`, with shape :math:`(K)`; by default the model's own where it has one, else uniform.
        seed: The seed of the draws, the same for each class, so that what noise they share cancels out.

    Raises:
        ValueError: If a number is less than 1, `prior` does not go with the classes, or the posterior is a point mass.
    """
    if classes < 1 or draws < 1:
        raise ValueError(f"classes is {classes} and draws {draws}: each is 1 or more")
    if prior is not None and prior.shape != (classes,):
        raise ValueError(
            f"prior has the shape {tuple(prior.shape)}: give one probability for each of {classes}"
        )
    bounds = []
    for k in range(classes):
        y = torch.full((len(x),), k, dtype=torch.long, device=x.device)
        weights = log_weights(model, x, y, draws, seed=seed)
        bounds.append(weights.logsumexp(0) - math.log(len(weights)))
    joint = torch.stack(bounds, 1)
    own = log_prior(model, x, classes)
    if prior is None:
        return joint if own is not None else joint - math.log(classes)
    return joint + prior.to(joint).log() - (0.0 if own is None else own)


def log_prior(model: Model, x: Tensor, classes: int) -> Tensor | None:
    r"""Returns :math:`\log p(y)` in float64, with shape :math:`(K)`, which a joint model names as a factor; None of others."""
    one = to_model(model, x[:1], None)[0]
    with evaluating(model, 0):
        y = torch.arange(classes, device=one.device)
        factors = model(one.expand(classes, *one.shape[1:]), y).factors
    return sum(factors.values()).double() if factors else None


def classify_by_bayes(
    model: Model, x: Tensor, classes: int, draws: int = 30, *, prior: Tensor | None = None, seed: int = 0
) -> Tensor:
    r"""Returns :math:`\log p(y | x)` by Bayes' rule in float64, with shape :math:`(B, K)`: see `log_joint` for the arguments.

    Example:
        >>> from latente import recipes
        >>> model = recipes.make("conditional-vae", shape=(6,), classes=3, latent=2).model
        >>> p = classify_by_bayes(model, torch.randn(5, 6), 3).exp()
        >>> p.shape, p.sum(1).allclose(torch.ones_like(p[:, 0]))
        (torch.Size([5, 3]), True)
    """
    return log_joint(model, x, classes, draws, prior=prior, seed=seed).log_softmax(1)
