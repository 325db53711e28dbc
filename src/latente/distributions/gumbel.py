r"""Groups of categories as latents: exact as a distribution, relaxed only where a gradient is needed.

A group of :math:`K` categories with probabilities :math:`\pi` is drawn as a one-hot vector by the Gumbel trick,
:math:`\arg\max_k (\log \pi_k + g_k)` with :math:`g_k = -\log(-\log u_k)`. No gradient passes an argmax, but one does a softmax:

.. math:: z_k = \frac{\exp((\log \pi_k + g_k) / \tau)}{\sum_j \exp((\log \pi_j + g_j) / \tau)}

tends to that one-hot vector as the temperature :math:`\tau` falls. What is relaxed here is the draw alone, and only in training.
The divergence is that of the categories, :math:`\sum_k \pi_k \log (\pi_k / p_k)`, exact and at most :math:`\log K` per group over
a uniform prior; and without a temperature draws are one-hot and :math:`\log q(z)` is a probability, so that bounds on held-out
data are bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.kl import register_kl

from .precision import dot
from .traits import is_mass, masses, parts, register, yes

__all__ = ["Categories"]


class Categories(Distribution):
    r"""Draws one of :math:`K` categories in each of :math:`G` groups, as :math:`G` one-hot vectors in a row.

    References:
        | Categorical Reparameterization with Gumbel-Softmax (Jang, Gu and Poole, 2017), https://arxiv.org/abs/1611.01144
        | The Concrete Distribution (Maddison, Mnih and Teh, 2017), https://arxiv.org/abs/1611.00712

    Arguments:
        logits: The log-odds, with shape :math:`(B, G, K)`.
        temperature: :math:`\tau` of relaxed draws, which have a gradient; None for hard draws, which have none.
        straight: Whether relaxed draws are rounded to one-hot vectors, with the gradient of what was rounded.

    Example:
        >>> q = Categories(torch.zeros(5, 3, 4))
        >>> q.event_shape, q.sample().sum(-1), q.log_prob(q.sample()).exp() * 4**3
        (torch.Size([12]), tensor([3., 3., 3., 3., 3.]), tensor([1., 1., 1., 1., 1.]))
    """

    arg_constraints: ClassVar = {}
    support = constraints.simplex

    def __init__(self, logits: Tensor, temperature: float | None = None, straight: bool = False) -> None:
        self.logits, self.temperature, self.straight = logits.log_softmax(-1), temperature, straight
        event = torch.Size((logits.shape[-2] * logits.shape[-1],))
        super().__init__(logits.shape[:-2], event, validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.temperature is not None

    def expand(self, batch_shape: Any, _instance: Any = None) -> Categories:
        logits = self.logits.expand(*batch_shape, *self.logits.shape[-2:])
        return Categories(logits, self.temperature, self.straight)

    @property
    def mean(self) -> Tensor:
        return self.logits.exp().flatten(-2)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def perturbed(self, sample_shape: Sequence[int]) -> Tensor:
        waiting = self.logits.new_empty(*sample_shape, *self.logits.shape).exponential_()
        return self.logits - waiting.log()

    def one_hot(self, values: Tensor) -> Tensor:
        return F.one_hot(values.argmax(-1), self.logits.shape[-1]).to(values.dtype)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with torch.no_grad():
            return self.one_hot(self.perturbed(sample_shape)).flatten(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        if self.temperature is None:
            raise NotImplementedError("one-hot draws have no gradient: give a temperature, or use sample()")
        z = (self.perturbed(sample_shape) / self.temperature).softmax(-1)
        if self.straight:
            z = self.one_hot(z) - z.detach() + z
        return z.flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        logits = self.logits.flatten(-2).to(value.dtype)
        return dot(value, logits.clamp_min(torch.finfo(value.dtype).min))

    def by_group(self, p: Categories) -> Tensor:
        r"""Returns :math:`\mathrm{KL}(q \,\|\, p)` of each group, with shape :math:`(B, G)`."""
        least = torch.finfo(self.logits.dtype).min  # an impossible category counts nothing, and has no 0 · ∞
        q, other = self.logits.clamp_min(least), p.logits.clamp_min(least)
        return (q.exp() * (q - other)).sum(-1)

    def entropy(self) -> Tensor:
        return torch.special.entr(self.logits.exp()).sum((-2, -1))


@register_kl(Categories, Categories)
def _categories(q: Categories, p: Categories) -> Tensor:
    return q.by_group(p).sum(-1)


register(is_mass, yes, Categories)
register(masses, lambda d: d.logits.exp(), Categories)
register(parts, lambda d: {"logits": d.logits}, Categories)
