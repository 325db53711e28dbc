r"""Corruptions: the input of a denoising autoencoder in place of the data.

A corruption draws :math:`\tilde x \sim C(\tilde x | x)`. The autoencoder encodes :math:`\tilde x` and is scored on the clean
:math:`x`: it cannot copy, whatever the size of its code, and must learn where data lies to move corrupted points back there
(Vincent et al., 2010). It is the same bound with another input, `ELBO(corrupt=Gaussian(0.3))`.

Each is a callable from a tensor to a tensor of the same shape. It draws from the global generator of random numbers, which the
trainer seeds before each step: every look at an example is corrupted afresh, and a run is still a function of its seed.

References:
    | Stacked Denoising Autoencoders (Vincent et al., 2010)
    | https://www.jmlr.org/papers/v11/vincent10a.html
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gaussian", "Masking", "SaltAndPepper"]


@dataclass(frozen=True)
class Gaussian:
    r"""Adds noise, :math:`\tilde x \sim \mathcal{N}(x, \sigma^2 I)`; values are not clipped.

    Arguments:
        sigma: :math:`\sigma`, in units of the data.

    Raises:
        ValueError: If `sigma` is negative.

    Example:
        >>> Gaussian(0.3)(torch.zeros(10_000)).std().round(decimals=1)
        tensor(0.3000)
    """

    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma >= 0:
            raise ValueError(f"sigma is {self.sigma}: give a standard deviation of 0 or more")

    def __call__(self, x: Tensor) -> Tensor:
        return x + self.sigma * torch.randn_like(x)


@dataclass(frozen=True)
class Masking:
    r"""Sets each value to 0 with a probability: black in an image, the mean in a standardised table.

    Arguments:
        share: The probability :math:`\nu`.

    Raises:
        ValueError: If `share` is no probability.

    Example:
        >>> Masking(0.5)(torch.ones(10_000)).mean().round(decimals=1)
        tensor(0.5000)
    """

    share: float

    def __post_init__(self) -> None:
        check_share(self.share)

    def __call__(self, x: Tensor) -> Tensor:
        return x.masked_fill(torch.rand_like(x) < self.share, 0.0)


@dataclass(frozen=True)
class SaltAndPepper:
    r"""Sets each value to the least or the greatest one with a probability, at the toss of a coin.

    Arguments:
        share: The probability :math:`\nu` of a value to be replaced.
        low: The least value, pepper.
        high: The greatest value, salt.

    Raises:
        ValueError: If `share` is no probability.

    Example:
        >>> SaltAndPepper(1.0)(torch.full((10_000,), 0.5)).unique()
        tensor([0., 1.])
    """

    share: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        check_share(self.share)

    def __call__(self, x: Tensor) -> Tensor:
        toss = torch.rand_like(x)
        peppered = x.masked_fill(toss < self.share / 2, self.low)
        return peppered.masked_fill((toss >= self.share / 2) & (toss < self.share), self.high)


def check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: give the probability of a value to be corrupted, from 0 to 1")
