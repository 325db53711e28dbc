r"""The standard Normal, for which the Kullback–Leibler divergence is shortest: it is on the path of every step.

.. math:: \mathrm{KL}(\mathcal{N}(\mu, \mathrm{diag}(\sigma^2)) \,\|\, \mathcal{N}(0, I))
    = \sum_j \tfrac{1}{2} (\mu_j^2 + \sigma_j^2 - 1) - \log \sigma_j
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributions import Independent, Normal
from torch.distributions.kl import _kl_independent_independent, register_kl

__all__ = ["StandardNormal"]


class StandardNormal(Independent):
    r"""Draws from :math:`\mathcal{N}(0, I)`.

    Arguments:
        loc: Zeros, with shape :math:`(B, *)`.
        scale: Ones of the same shape.
        event_dim: How many of the last dimensions are one event.
    """

    def __init__(self, loc: Tensor, scale: Tensor, event_dim: int = 1) -> None:
        super().__init__(Normal(loc, scale, validate_args=False), event_dim, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> StandardNormal:
        shape = (*batch_shape, *self.event_shape)
        return StandardNormal(
            self.base_dist.loc.expand(shape), self.base_dist.scale.expand(shape), len(self.event_shape)
        )


@register_kl(Independent, StandardNormal)
def _independent_standard(q: Independent, p: StandardNormal) -> Tensor:
    normal, dims = q.base_dist, len(p.event_shape)
    if not isinstance(normal, Normal) or q.reinterpreted_batch_ndims != dims:
        return _kl_independent_independent(q, p)
    by_dimension = 0.5 * (normal.loc.square() + normal.scale.square() - 1) - normal.scale.log()
    return by_dimension.sum(tuple(range(-dims, 0)))
