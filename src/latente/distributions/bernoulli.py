r"""Many Bernoulli variables as one event, scored fast.

Half of what a small network's loss costs on a CPU is one logarithm a pixel. But

.. math:: \sum_i \log(1 + e^{l_i}) = \sum_i \max(l_i, 0) - \sum_i \log m_i, \qquad
    m_i = \max(\sigma(l_i), \sigma(-l_i)) \in [\tfrac{1}{2}, 1),

and a sum of logarithms is the logarithm of a product, which no :math:`m_i` of these can make too small when only a few are
multiplied. So 16 pixels share one logarithm, and :math:`\sigma(l)` serves the gradient as well. The result is that of the
textbook formula to rounding, for any log-odds.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent

__all__ = ["BernoulliEvent"]

SHARED = 16  # pixels to one logarithm


class LogPartition(torch.autograd.Function):
    r"""Computes :math:`\sum_i \log(1 + e^{l_i})` over the last dimension."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        probs = logits.sigmoid()
        ctx.save_for_backward(logits, probs)
        larger = torch.maximum(probs, 1 - probs)
        shared = math.gcd(larger.shape[-1], SHARED)
        larger = larger.unflatten(-1, (shared, -1)).prod(-2)
        return logits.relu().sum(-1) - larger.log().sum(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        logits, probs = ctx.saved_tensors
        # under create_graph the derivative must itself depend on the log-odds
        return grads[0].unsqueeze(-1) * (logits.sigmoid() if torch.is_grad_enabled() else probs)


class BernoulliEvent(Independent):
    r"""Scores :math:`\sum_i x_i l_i - \log(1 + e^{l_i})` for log-odds :math:`l`.

    Arguments:
        logits: The log-odds, with shape :math:`(B, *)`.
        event_dim: How many of the last dimensions are one event.

    Example:
        >>> BernoulliEvent(torch.zeros(2, 8), 1).log_prob(torch.ones(2, 8)).exp()
        tensor([0.0039, 0.0039])
    """

    def __init__(self, logits: Tensor, event_dim: int) -> None:
        super().__init__(Bernoulli(logits=logits, validate_args=False), event_dim, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> BernoulliEvent:
        return BernoulliEvent(
            self.base_dist.logits.expand(*batch_shape, *self.event_shape), len(self.event_shape)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        start = -len(self.event_shape)
        logits = self.base_dist.logits.flatten(start)
        return torch.linalg.vecdot(value.flatten(start).to(logits.dtype), logits) - LogPartition.apply(logits)
