r"""A Normal whose one standard deviation is always the best one.

For a shared variance the maximum of :math:`\log \mathcal{N}(x | \mu, \sigma^2 I)` over :math:`\sigma` is in closed
form: the mean squared error. Put there, the distortion is :math:`\frac{D}{2} (1 + \log 2 \pi \sigma_*^2)` and
nothing has to be tuned. While training, :math:`\sigma_*` is that of the batch; a running mean of it is kept for
held-out data, whose own errors must not choose it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import is_real, parts, register, spread, yes

__all__ = ["OptimalNormal"]


class OptimalNormal(Distribution):
    r"""Scores with :math:`\sigma_*^2 = \mathrm{mean}(x - \mu)^2` while training, with the running variance after.

    References:
        | Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021)
        | https://arxiv.org/abs/2006.13202

    Arguments:
        loc: The mean :math:`\mu`, with shape :math:`(B, *)`.
        variance: The running variance, a scalar tensor; updated in place by `log_prob` where `momentum` is given.
        event_dim: How many of the last dimensions are one event.
        momentum: The weight of this batch in the running variance, a scalar tensor; None to score with the running variance.

    Example:
        >>> x = torch.tensor([[1.0, -1.0]])
        >>> OptimalNormal(torch.zeros(1, 2), torch.tensor(1.0), 1).log_prob(x)
        tensor([-2.8379])
    """

    arg_constraints: ClassVar = {}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor, variance: Tensor, event_dim: int, momentum: Tensor | None = None) -> None:
        self.loc, self.running, self.momentum = loc, variance, momentum
        split = loc.dim() - event_dim
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.running.expand_as(self.loc)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.loc + self.running.sqrt() * torch.randn(
            shape, dtype=self.loc.dtype, device=self.loc.device
        )

    def log_prob(self, value: Tensor) -> Tensor:
        squares = (value - self.loc).square()
        variance = self.running
        if self.momentum is not None:
            variance = squares.detach().mean().clamp_min(torch.finfo(squares.dtype).tiny)
            with torch.no_grad():
                self.running.lerp_(variance, self.momentum)
        density = squares / variance + torch.log(2 * math.pi * variance)
        return -0.5 * density.flatten(density.dim() - len(self.event_shape)).sum(-1)


register(is_real, yes, OptimalNormal)
register(spread, lambda d: d.stddev, OptimalNormal)
register(parts, lambda d: {"loc": d.loc, "variance": d.running}, OptimalNormal)
