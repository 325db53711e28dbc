"""Invertible maps of noise, conditioned by a network or of data itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .. import distributions
from .base import Conditional

__all__ = ["Dequantised", "Flow"]


class Flow(Conditional):
    r"""Reads a mean, a log standard deviation and features, by which an invertible map of noise is conditioned.

    .. math:: z = \mu(x) + \sigma(x) \odot T(\epsilon; h(x)), \qquad \epsilon \sim \mathcal{N}(0, I)

    With masked autoregressive transforms :math:`T` this is the inverse autoregressive flow: a draw takes one pass, and its
    density is known with it. Where :math:`T` starts near the identity, :math:`q` starts near a Normal.

    References:
        | Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
        | https://arxiv.org/abs/1606.04934
        | Neural Spline Flows (Durkan et al., 2019)
        | https://arxiv.org/abs/1906.04032

    Arguments:
        net: A network with :math:`2 d` outputs, and those of the features after them.
        transform: A lazy transform of `zuko` from noise to :math:`u`, called with the features.
        features: The dimension :math:`d`.

    Example:
        >>> from latente.flows import import_zuko
        >>> maf = import_zuko().flows.MAF(3, context=4, transforms=2).transform
        >>> q = Flow(nn.Linear(8, 2 * 3 + 4), maf, 3)(torch.randn(5, 8))
        >>> q.log_prob(q.rsample()).shape
        torch.Size([5])
    """

    def __init__(self, net: nn.Module, transform: nn.Module, features: int) -> None:
        super().__init__(net)
        self.transform, self.features = transform, features

    def forward(self, *context: Tensor | None) -> distributions.Flow:
        loc, log_scale, features = self.read(*context).tensor_split((self.features, 2 * self.features), -1)
        return distributions.Flow(self.transform(features), loc, distributions.scale_of(log_scale))


class Dequantised(Conditional):
    r"""Reads a flow of vectors as a bound of :math:`\log P(x)` for images of :math:`K` levels, or as a density of vectors.

    Arguments:
        net: A lazy transform of `zuko` from data to noise.
        shape: The shape of an example.
        levels: The number of levels :math:`K` of an image; None for vectors, which are as they are.
        draws: The draws of the noise in evaluation, which are an example's own.

    Example:
        >>> from latente.flows import import_zuko
        >>> coupling = import_zuko().flows.MAF(16, passes=2).transform
        >>> p = Dequantised(coupling, (1, 4, 4), levels=2)(torch.empty(5, 0))
        >>> p.log_prob(p.sample()).shape
        torch.Size([5])
    """

    def __init__(
        self, net: nn.Module, shape: Sequence[int], levels: int | None = None, draws: int = 4
    ) -> None:
        super().__init__(net, event_dim=len(shape))
        self.shape, self.levels, self.draws = tuple(shape), levels, draws

    def forward(self, *context: Tensor | None) -> Distribution:
        z, *_ = context
        assert z is not None
        loc = z.new_zeros(*z.shape[:-1], math.prod(self.shape))
        density = distributions.Flow(self.net(None).inv, loc, torch.ones_like(loc))
        if self.levels is None:
            return density
        return distributions.Dequantised(density, self.shape, self.levels, 0 if self.training else self.draws)
