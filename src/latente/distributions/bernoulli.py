r"""Many Bernoulli variables as one event, scored fast.

Half of what a small network's loss costs on a CPU is one logarithm per pixel. But

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

from .precision import dot

__all__ = ["BernoulliEvent"]

PIXELS_TO_A_LOG = 16  # pixels to one logarithm


class LogMass(torch.autograd.Function):
    r"""Computes :math:`\sum_i x_i l_i - \log(1 + e^{l_i})` over the last dimension; :math:`x` may lack leading ones."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        probs = logits.sigmoid()
        larger = torch.maximum(probs, 1 - probs)
        larger = larger.unflatten(-1, (math.gcd(larger.shape[-1], PIXELS_TO_A_LOG), -1)).prod(-2)
        ctx.save_for_backward(logits, x, x - probs)
        return dot(x, logits) - logits.relu().sum(-1) + larger.log().sum(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None]:
        logits, x, residual = ctx.saved_tensors
        grad = grads[0].unsqueeze(-1)
        if torch.is_grad_enabled():  # under create_graph the derivative must itself depend on the log-odds
            residual = x - logits.sigmoid()
        by_x = (grad * logits).sum_to_size(x.shape) if ctx.needs_input_grad[1] else None
        return (grad * residual).sum_to_size(logits.shape), by_x


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
        return LogMass.apply(logits, value.flatten(start).to(logits.dtype))
