r"""The two degenerate members of the family: a point mass, and a flat measure.

With a point mass :math:`q(z | x) = \delta(z - f(x))` and a flat "prior" the ELBO is :math:`\log p(x | z = f(x))` alone:
the plain autoencoder is the VAE equation with these two parts. What they cannot do they refuse: a point mass has
no density, and a flat measure cannot be sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import has_density, is_certain, is_real, is_uniform, no, no_draws, parts, register, yes

__all__ = ["Delta", "Flat"]

NO_DRAWS = (
    "a flat prior cannot be sampled: an autoencoder is not a generative model until a prior is fitted "
    "to its codes; fit one: latente train prior --of RUN"
)


class Delta(Distribution):
    r"""Puts all mass on one point, :math:`q(z) = \delta(z - v)`.

    Arguments:
        value: The point :math:`v`, with shape :math:`(B, *)`.
        event_dim: How many of the last dimensions are one event.

    Example:
        >>> q = Delta(torch.zeros(3, 2))
        >>> q.batch_shape, q.event_shape, q.rsample((5,)).shape
        (torch.Size([3]), torch.Size([2]), torch.Size([5, 3, 2]))
    """

    arg_constraints: ClassVar = {}
    support = constraints.real
    has_rsample = True

    def __init__(self, value: Tensor, event_dim: int = 1) -> None:
        self.value = value
        split = value.dim() - event_dim
        super().__init__(value.shape[:split], value.shape[split:], validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Delta:
        return Delta(self.value.expand(*batch_shape, *self.event_shape), len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        return self.value

    @property
    def mode(self) -> Tensor:
        return self.value

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.value)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        raise ValueError(
            "a point mass has no density, so it has no importance-weighted bound and no log-likelihood: "
            "use a posterior with a density, e.g. Diagonal"
        )


class Flat(Distribution):
    r"""Weighs every point of :math:`\mathbb{R}^d` alike, :math:`\log p(z) = 0`: a measure, not a distribution.

    Arguments:
        event_shape: The shape of one event.

    Example:
        >>> Flat((2,)).log_prob(torch.randn(3, 2))
        tensor([0., 0., 0.])
    """

    arg_constraints: ClassVar = {}
    support = constraints.real
    has_rsample = True

    def __init__(self, event_shape: Sequence[int], batch_shape: Sequence[int] = ()) -> None:
        super().__init__(torch.Size(batch_shape), torch.Size(event_shape), validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Flat:
        return Flat(self.event_shape, batch_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        raise ValueError(NO_DRAWS)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_zeros(value.shape[: value.dim() - len(self.event_shape)])


register(has_density, no, Delta)
register(is_certain, yes, Delta)
register(is_uniform, yes, Flat)
register(no_draws, lambda d: NO_DRAWS, Flat)
register(parts, lambda d: {"value": d.value}, Delta)
register(is_real, yes, Delta, Flat)
