r"""A mixture of many diagonal Normals, scored by two matrix products.

Each of :math:`B` values against each of :math:`K` components of :math:`d` dimensions is :math:`B K d` terms of several
operations each, of as many numbers in memory. But

.. math:: \log \mathcal{N}(z | m_k, \mathrm{diag}(s_k^2)) = -\tfrac{1}{2} \sum_j \frac{z_j^2}{s_{kj}^2}
    + \sum_j z_j \frac{m_{kj}}{s_{kj}^2} - \sum_j \Big[ \frac{m_{kj}^2}{2 s_{kj}^2} + \log s_{kj} + \tfrac{1}{2} \log 2 \pi \Big]

is linear in :math:`(z^2, z)`: one product of (B, 2d) by (2d, K). Its terms are large and cancel where a component is narrow,
so it is taken in float64, which at these sizes costs little.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MixtureSameFamily

from .traits import components_used, register

__all__ = ["NormalMixture"]


class NormalMixture(MixtureSameFamily):
    r"""Scores :math:`\log \sum_k \pi_k \mathcal{N}(z | m_k, \mathrm{diag}(s_k^2))`; it is made as a `MixtureSameFamily` is.

    Example:
        >>> from torch.distributions import Categorical, Independent, Normal
        >>> p = NormalMixture(Categorical(torch.ones(2)), Independent(Normal(torch.zeros(2, 3), torch.ones(2, 3)), 1))
        >>> p.log_prob(torch.zeros(3))
        tensor(-2.7568)
    """

    def log_densities(self, value: Tensor) -> Tensor:
        r"""Returns :math:`\log \pi_k \mathcal{N}(z | m_k, \mathrm{diag}(s_k^2))`, with shape :math:`(*, K)`, of one mixture."""
        precise = value.dtype if value.device.type == "mps" else torch.float64
        normal, z = self.component_distribution.base_dist, value.to(precise)  # type: ignore[attr-defined]
        loc, scale = normal.loc.to(precise), normal.scale.to(precise)
        precision = scale.square().reciprocal()
        weights = torch.cat([-0.5 * precision, precision * loc], -1)
        constants = -(0.5 * precision * loc.square() + scale.log() + 0.5 * math.log(2 * math.pi)).sum(-1)
        constants = constants + self.mixture_distribution.logits.to(precise)
        return torch.cat([z.square(), z], -1) @ weights.mT + constants

    def log_prob(self, x: Tensor) -> Tensor:
        if self.batch_shape:
            return super().log_prob(x)
        return self.log_densities(x).logsumexp(-1).to(x.dtype)

    def used(self, value: Tensor) -> Tensor:
        r"""Counts the components that are in use: the perplexity :math:`\exp H(\bar r)` of their mean shares :math:`\bar r_k`.

        Arguments:
            value: Draws of the aggregated posterior, with shape :math:`(N, d)`.
        """
        shares = self.log_densities(value).softmax(-1).mean(0)
        return torch.special.entr(shares).sum().exp()


register(components_used, lambda d, value: d.used(value), NormalMixture)
