r"""The power spherical distribution: a zonal family whose every figure is elementary.

.. math:: q(z) = \frac{1}{Z} (1 + \mu^\top z)^\kappa, \qquad \tfrac{1}{2} (1 + \mu^\top z) \sim \mathrm{Beta}(\alpha, \beta),
    \qquad \alpha = \tfrac{m - 1}{2} + \kappa, \quad \beta = \tfrac{m - 1}{2}

It needs neither a Bessel function nor rejection: in half angles :math:`\tan^2 \frac{\theta}{2}` is a ratio of two Gamma
variables, and with the tilt :math:`g = \log \frac{1 + \cos \theta}{2}`

.. math:: \Phi = \log \frac{\Gamma(\alpha) \, \Gamma(2 \beta)}{\Gamma(\beta) \, \Gamma(\alpha + \beta)}, \qquad
    \Phi' = \psi(\alpha) - \psi(\alpha + \beta) .

A concentration means less here than in a von Mises–Fisher distribution: near :math:`\mu` the two agree where
:math:`\kappa_\text{power} = 2 \kappa_\text{vMF}`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Dirichlet

from .sphere import Zonal, log_area

__all__ = ["PowerSpherical"]


class PowerSpherical(Zonal):
    r"""Draws directions with density :math:`(1 + \mu^\top z)^\kappa / Z`.

    References:
        | The Power Spherical distribution (De Cao and Aziz, 2020)
        | https://arxiv.org/abs/2006.04437

    Arguments:
        loc: The direction :math:`\mu`, with shape :math:`(B, m)` and norm 1.
        concentration: :math:`\kappa > 0`, with a shape that broadcasts with :math:`(B)`.
        validate_args: Whether to check the values of both, which waits for the device.

    Raises:
        ValueError: If :math:`m` is less than 2, or a checked value is out of range.

    Example:
        >>> q = PowerSpherical(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([10.0]))
        >>> q.mean, q.entropy()
        (tensor([[0.0000, 0.0000, 0.8333]]), tensor([1.0422]))
    """

    @staticmethod
    def tilt(theta: Tensor) -> Tensor:
        return 2 * (theta / 2).cos().log()

    @staticmethod
    def cumulants(concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        beta = (m - 1) / 2
        alpha = beta + concentration
        fixed = math.lgamma(2 * beta) - math.lgamma(beta)
        cumulant = torch.lgamma(alpha) - torch.lgamma(alpha + beta) + fixed
        return cumulant, torch.digamma(alpha) - torch.digamma(alpha + beta)

    def cosine(self) -> tuple[Tensor, Tensor]:
        concentration, n = self.known[0], self.m - 1
        total = concentration + n
        return concentration / total, n * (2 * concentration + n) / (total.square() * (total + 1))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        away = (value - self.loc).square().sum(-1) / 4  # (1 - cos) / 2, and 1 at the antipode
        tilt = torch.log1p(-away.clamp_max(1 - torch.finfo(away.dtype).eps))
        return self.concentration * tilt - self.shaped(self.known[1] + log_area(self.m))

    @staticmethod
    def angles(concentration: Tensor, m: int) -> Tensor:
        beta = torch.full_like(concentration, (m - 1) / 2)
        shares = Dirichlet(torch.stack([concentration + beta, beta], -1), validate_args=False).sample()
        return 2 * torch.atan2(shares[..., 1].sqrt(), shares[..., 0].sqrt())
