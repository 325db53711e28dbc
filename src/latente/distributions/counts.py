r"""Counts of words, or of anything else that is drawn from one urn: the multinomial of a document.

A document of :math:`n` words in a vocabulary of :math:`V` is the vector of its counts. The words themselves, in their order, have
the probability :math:`\prod_v p_v^{x_v}`, whose logarithm is what is scored here. The number of orders that give the same counts
has no parameter, and is left out, as in the literature of topic models: so a perplexity per word can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .precision import dot
from .traits import Domain, domain, is_mass, no_bits, parts, register, yes

__all__ = ["WordCounts"]


class WordCounts(Distribution):
    r"""Scores :math:`\sum_v x_v \log p_v`: the words of a document one by one, by a softmax over the vocabulary.

    References:
        | Neural Variational Inference for Text Processing (Miao et al., 2016)
        | https://arxiv.org/abs/1511.06038

    Arguments:
        logits: The log-odds of the words, with shape :math:`(B, V)`.
        total: The number of words of a document that is drawn.

    Example:
        >>> p = WordCounts(torch.zeros(1, 4))
        >>> round(p.log_prob(torch.tensor([[2.0, 0.0, 1.0, 0.0]])).exp().item() * 4**3, 4)
        1.0
    """

    arg_constraints: ClassVar = {}
    support = constraints.nonnegative_integer
    has_rsample = False

    def __init__(self, logits: Tensor, total: int = 100) -> None:
        self.logits, self.total = logits.log_softmax(-1), total
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> WordCounts:
        return WordCounts(self.logits.expand(*batch_shape, *self.event_shape), self.total)

    @property
    def mean(self) -> Tensor:
        return self.total * self.logits.exp()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with torch.no_grad():
            return torch.distributions.Multinomial(
                self.total, logits=self.logits, validate_args=False
            ).sample(torch.Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return dot(value.to(self.logits.dtype), self.logits)


register(is_mass, yes, WordCounts)
register(no_bits, lambda d, x: "documents differ in length: see the perplexity", WordCounts)
register(parts, lambda d: {"logits": d.logits}, WordCounts)
register(domain, lambda d: Domain("counts 0, 1, 2, …", lambda x: (x < 0) | (x != x.round())), WordCounts)
