r"""The von Mises–Fisher distribution, right for dimensions from 2 to thousands and concentrations from 0 to 1e5 and more.

.. math:: q(z) = C_m(\kappa) \, e^{\kappa \mu^\top z}, \qquad
    C_m(\kappa) = \frac{\kappa^{\nu}}{(2 \pi)^{m/2} I_{\nu}(\kappa)}, \qquad \nu = \frac{m}{2} - 1

Its normaliser is a Bessel function that overflows, and underflows where it is scaled against that; its mean resultant length
:math:`A = \mathbb{E}[\mu^\top z]` is a ratio of two of them. Neither is needed. Against the uniform density

.. math:: \Phi(\kappa) = \log \mathbb{E}_\text{uniform} [e^{\kappa \mu^\top z}]
    = \log \big[ \Gamma(\nu + 1) (2 / \kappa)^\nu I_\nu(\kappa) \big], \qquad \Phi' = A = \frac{I_{\nu + 1}}{I_\nu}

is of the size of :math:`\kappa A`, and what is wanted are :math:`\Phi` and :math:`\rho = A / \kappa`. For orders
:math:`\nu \geq 10` Debye's expansion, with :math:`s = \sqrt{\nu^2 + \kappa^2}` and polynomials :math:`u_k`, gives

.. math:: \Phi_\nu = \frac{\kappa^2}{\nu + s} - \nu \log \Big( 1 + \frac{\kappa^2}{2 \nu (\nu + s)} \Big)
    - \frac{1}{2} \log \frac{s}{\nu} + \log \frac{\sum_k u_k(\nu / s) \, \nu^{-k}}{\sum_k u_k(1) \, \nu^{-k}}

where nothing cancels, and a like form for :math:`\rho`. Smaller orders are reached downwards, where every term is positive:

.. math:: \Phi_{\nu - 1} = \Phi_\nu + \log \Big( 1 + \frac{\kappa^2 \rho_{\nu + 1}}{2 \nu} \Big), \qquad
    \rho_\nu = \frac{1}{2 \nu + \kappa^2 \rho_{\nu + 1}}, \qquad A_\nu' = \rho_\nu^2 (2 \nu - \kappa^2 A_{\nu + 1}') .

*Angles.* The proposal of Ulrich and Wood is, in half angles, no more than
:math:`\tan \frac{\theta}{2} = \sqrt{b} \, \tan \frac{\tau}{2}` with :math:`\tau` the angle of a uniform direction and

.. math:: b = \frac{m - 1}{2 \kappa + \sqrt{4 \kappa^2 + (m - 1)^2}}, \qquad x = \frac{1 - b}{1 + b},

accepted with probability :math:`\exp \{ (m - 1) [ s / (1 + s) - \log(1 + s) ] \}`, :math:`s = x \cos \tau`: again without a
cancellation at any :math:`\kappa`. It accepts more than 0.65 of its proposals in every dimension and at every concentration, so a
loop until all are accepted, which asks the device after each round, is not needed: a fixed number of proposals is made at once
and the first accepted one taken. The number is such that none is accepted less often than the resolution of the dtype
(once in :math:`10^7` draws of float32, once in :math:`10^{15}` of float64).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .sphere import Zonal, log_area

__all__ = ["VonMisesFisher"]

LEAST_ORDER = 10  # the order from which on Debye's expansion is used
TERMS = 8  # of it
ACCEPTED = (
    0.65  # of all proposals, at the least; the infimum is sqrt(e / 2 pi), for m = 2 and large concentrations
)


class VonMisesFisher(Zonal):
    r"""Draws directions with density :math:`C_m(\kappa) \, e^{\kappa \mu^\top z}`.

    References:
        | Hyperspherical Variational Auto-Encoders (Davidson et al., 2018), https://arxiv.org/abs/1804.00891
        | Simulation of the von Mises Fisher Distribution (Wood, 1994), https://doi.org/10.1080/03610919408813161
        | Implicit Reparameterization Gradients (Figurnov et al., 2018), https://arxiv.org/abs/1805.08498
        | NIST Digital Library of Mathematical Functions, 10.41, https://dlmf.nist.gov/10.41

    Arguments:
        loc: The direction :math:`\mu`, with shape :math:`(B, m)` and norm 1.
        concentration: :math:`\kappa > 0`, with a shape that broadcasts with :math:`(B)`.
        validate_args: Whether to check the values of both, which waits for the device.

    Raises:
        ValueError: If :math:`m` is less than 2, or a checked value is out of range.

    Example:
        >>> q = VonMisesFisher(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([10.0]))
        >>> q.mean, q.entropy()
        (tensor([[0.0000, 0.0000, 0.9000]]), tensor([0.5353]))
    """

    @staticmethod
    def tilt(theta: Tensor) -> Tensor:
        return theta.cos()

    @staticmethod
    def cumulants(concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        return Cumulants.apply(concentration, m)

    def cosine(self) -> tuple[Tensor, Tensor]:
        concentration, _, mean = self.known
        return mean, 1 - mean.square() - (self.m - 1) * mean / concentration

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        concentration, cumulant, _ = self.known
        peak = self.shaped(concentration - cumulant - log_area(self.m))
        return peak - self.concentration * (value - self.loc).square().sum(-1) / 2

    @staticmethod
    def angles(concentration: Tensor, m: int) -> Tensor:
        if m == 3:  # the cosine has a quantile function
            share = torch.rand_like(concentration) * torch.expm1(-2 * concentration)
            return 2 * (-torch.log1p(share) / (2 * concentration)).clamp(0, 1).sqrt().asin()
        times = math.ceil(math.log(torch.finfo(concentration.dtype).eps) / math.log(1 - ACCEPTED))
        uniform = torch.rand(
            (3, times, *concentration.shape), dtype=concentration.dtype, device=concentration.device
        )
        # the cosine of the angle of a uniform direction, by Ulrich's formula
        radius = 1.0 if m == 2 else (-torch.expm1(2 / (m - 2) * uniform[0].log())).sqrt()
        cos = radius * (2 * math.pi * uniform[1]).cos()
        b = (m - 1) / (2 * concentration + (4 * concentration.square() + (m - 1) ** 2).sqrt())
        s = (1 - b) / (1 + b) * cos
        accepted = (m - 1) * (s / (1 + s) - s.log1p()) >= uniform[2].log()
        cos = cos.gather(0, accepted.to(torch.uint8).argmax(0, keepdim=True)).squeeze(0)
        return 2 * torch.atan2((b * (1 - cos)).sqrt(), (1 + cos).sqrt())


class Cumulants(torch.autograd.Function):
    r"""Computes :math:`\Phi` and :math:`A`, with :math:`A` and :math:`A'` for derivatives."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        cumulant, ratio, slope = cumulants(concentration, m)
        mean = concentration * ratio
        ctx.save_for_backward(concentration, mean, slope)
        ctx.m = m
        return cumulant, mean

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        concentration, mean, slope = ctx.saved_tensors
        if (
            torch.is_grad_enabled()
        ):  # under create_graph the derivative must itself depend on the concentration
            slope = 1 - mean.square() - (ctx.m - 1) * mean / concentration
        return grads[0] * mean + grads[1] * slope, None


def cumulants(concentration: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns :math:`\Phi`, :math:`\rho = A / \kappa` and :math:`A'`, for float64."""
    square = concentration.square()
    steps = max(0, math.ceil(LEAST_ORDER - (m / 2 - 1)))
    n = m / 2 - 1 + steps
    s = torch.stack([square + n**2, square + (n + 1) ** 2]).sqrt()
    series, series_above = debye(s, 1 - square / s.square())
    s, above = s
    shift = square / (n + s)
    phi = shift - n * torch.log1p(shift / (2 * n)) - 0.5 * torch.log(s / n) + torch.log(series / limit(n))
    rise = (2 * n + 1) / (s + above)
    ratio = torch.exp(rise + n * torch.log1p(-(1 + rise) / (n + 1 + above)))
    ratio = ratio * (s / above).sqrt() * (series_above / series) / (n + 1 + above)
    slope = 1 - square * ratio.square() - (2 * n + 1) * ratio
    for _ in range(steps):
        phi = phi + torch.log1p(square * ratio / (2 * n))
        ratio = 1 / (2 * n + square * ratio)
        slope = ratio.square() * (2 * n - square * slope)
        n -= 1
    return phi, ratio, slope


@lru_cache
def polynomials(terms: int) -> list[list[float]]:
    r"""Lists the coefficients of :math:`Q_k`, where :math:`u_k(p) = p^k Q_k(p^2)`.

    .. math:: u_{k+1}(p) = \tfrac{1}{2} p^2 (1 - p^2) u_k'(p) + \tfrac{1}{8} \int_0^p (1 - 5 t^2) u_k(t) \, dt

    Example:
        >>> [24 * c for c in polynomials(1)[0]]
        [3.0, -5.0]
    """
    found = [[1.0]]
    for k in range(terms):
        rising = [c * ((k + 2 * j) / 2 + 1 / (8 * (k + 2 * j + 1))) for j, c in enumerate(found[-1])]
        falling = [c * ((k + 2 * j) / 2 + 5 / (8 * (k + 2 * j + 3))) for j, c in enumerate(found[-1])]
        found.append([a - b for a, b in zip([*rising, 0.0], [0.0, *falling])])
    return found[1:]


@lru_cache
def debye_coefficients(device: torch.device | None = None) -> Tensor:
    """Tabulates the coefficients, a column for each polynomial; kept, since sending them would wait for the device."""
    rows = [row + [0.0] * (TERMS + 1 - len(row)) for row in polynomials(TERMS)]
    return torch.tensor(rows, dtype=torch.float64, device=device).T.contiguous()


def debye(s: Tensor, p: Tensor) -> Tensor:
    r"""Returns :math:`\sum_k u_k(\nu / s) \, \nu^{-k} = \sum_k Q_k(p) \, s^{-k}`, with :math:`p = \nu^2 / s^2`."""
    first, *others = debye_coefficients(s.device).split([1, TERMS])
    scales, powers = torch.stack([1 / s, p]).unsqueeze(-1).expand(2, *s.shape, TERMS).cumprod(-1)
    return 1 + ((first + powers @ others[0]) * scales).sum(-1)


def limit(order: float) -> float:
    r"""Returns :math:`\sum_k u_k(1) \, \nu^{-k}`, what `debye` tends to for small concentrations."""
    return 1 + sum(sum(row) / order ** (k + 1) for k, row in enumerate(polynomials(TERMS)))
