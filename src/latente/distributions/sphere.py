r"""Directions: distributions on the sphere :math:`S^{m-1} = \{z \in \mathbb{R}^m : |z| = 1\}`.

A Normal prior pulls every code to the origin; on a sphere there is no centre to be pulled to, and a uniform prior exists.
The posteriors here are *zonal*: they have a direction :math:`\mu`, a concentration :math:`\kappa`, and a density that depends
on nothing but the angle :math:`\theta` between :math:`z` and :math:`\mu`,

.. math:: q(z) = \frac{1}{S_m} \, e^{\kappa g(\theta) - \Phi(\kappa)}, \qquad \cos \theta = \mu^\top z, \qquad
    S_m = \frac{2 \pi^{m/2}}{\Gamma(m/2)},

with a tilt :math:`g` that makes the family: :math:`\cos \theta` is von Mises–Fisher, :math:`\log \frac{1 + \cos \theta}{2}` is
power spherical. It is an exponential family in :math:`\kappa`: :math:`\Phi' = \mathbb{E}[g]`, and
:math:`\mathrm{KL}(q \,\|\, \text{uniform}) = \kappa \Phi' - \Phi`.

*A draw* is an angle, from the density :math:`e^{\kappa g(\theta)} \sin^{m-2} \theta`, and a direction uniform around :math:`\mu`.
The sphere :math:`S^{m-2}` of those is drawn around the first axis and turned by the reflection that exchanges
:math:`e_1` and :math:`\mu`, or by the one that exchanges :math:`-e_1` and :math:`\mu` and a change of sign, whichever
pair is further apart: so nothing is divided by a small number, and :math:`\mu = \pm e_1` are points like any other.

*The gradient* with respect to :math:`\mu` goes through the reflection. The one with respect to :math:`\kappa` cannot go through
a rejection sampler, whose accepted proposals depend on :math:`\kappa`; to leave that part out gives a biased
gradient. The angle that has :math:`F_\kappa(\theta) = u` for a fixed :math:`u` moves by

.. math:: \frac{d \theta}{d \kappa} = -\frac{\partial F_\kappa / \partial \kappa}{\partial F_\kappa / \partial \theta}
    = -\int_0^\theta (g(t) - \Phi') \, e^{\kappa (g(t) - g(\theta))} \Big( \frac{\sin t}{\sin \theta} \Big)^{m-2} dt
    = \int_\theta^\pi \dots \, dt

(implicit reparameterisation). The integrand is smooth, and has one sign on the side of :math:`\Phi' = g` where :math:`\theta`
is: 20 Gauss–Legendre nodes over the part of it that is not negligible leave a relative error below 1e-7 (von Mises–Fisher;
for power spherical, whose tilt has a pole at the antipode, 1e-5, and 1e-3 on the circle where it is almost uniform).

All figures of one number per example are computed in float64, whatever the dtype of the directions.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Independent, constraints
from torch.distributions.utils import lazy_property

from .precision import dot
from .traits import double, is_uniform, on_spheres, parts, register, yes

__all__ = ["Spheres", "UniformSphere", "Zonal", "between", "onto", "zonal_of"]

QUADRATURE_NODES = 20  # of the quadrature
SPANNED_SDS = 6.5  # standard deviations, at the least, that it spans
EDGE = 1e-9  # radians: angles this near to 0 or pi count as there
NUDGE = 1e-15  # a draw of exactly 0, about one in 2^24, has no direction


class OnSphere(constraints.Constraint):
    """Holds where a vector has norm 1."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (value.norm(dim=-1) - 1).abs() < 1e-4


on_sphere = OnSphere()


def log_area(m: int) -> float:
    r"""Returns :math:`\log S_m`, the area of the sphere in :math:`\mathbb{R}^m`."""
    return math.log(2) + m / 2 * math.log(math.pi) - math.lgamma(m / 2)


def directions(shape: Sequence[int], like: Tensor) -> Tensor:
    """Draws unit vectors uniformly, one in each last dimension of the shape."""
    g = torch.randn(shape, dtype=like.dtype, device=like.device).add_(NUDGE)
    return g.div_(torch.linalg.vector_norm(g, dim=-1, keepdim=True))


class UniformSphere(Distribution):
    r"""Draws directions uniformly, :math:`p(z) = 1 / S_m`.

    Arguments:
        center: Zeros, with shape :math:`(B, m)`.

    Raises:
        ValueError: If :math:`m` is less than 2.

    Example:
        >>> p = UniformSphere(torch.zeros(3))
        >>> p.sample((5,)).norm(dim=-1).allclose(torch.ones(5))
        True
        >>> round((1 / p.log_prob(p.sample()).exp() / math.pi).item(), 4)
        4.0
    """

    arg_constraints: ClassVar = {}
    support = on_sphere
    has_rsample = True

    def __init__(self, center: Tensor) -> None:
        self.center = center
        super().__init__(center.shape[:-1], event_of(center), validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> UniformSphere:
        return UniformSphere(self.center.expand(*batch_shape, -1))

    @property
    def mean(self) -> Tensor:
        return self.center

    @property
    def variance(self) -> Tensor:
        return torch.full_like(self.center, 1 / self.center.shape[-1])

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return directions(self._extended_shape(torch.Size(sample_shape)), self.center)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_full(
            torch.broadcast_shapes(value.shape[:-1], self.batch_shape), -log_area(self.center.shape[-1])
        )

    def entropy(self) -> Tensor:
        return self.center.new_full(self.batch_shape, log_area(self.center.shape[-1]))


class Zonal(Distribution, abc.ABC):
    r"""Draws directions by their angle to one. Abstract: a family defines its tilt, its cumulants and its angles.

    Arguments:
        loc: The direction :math:`\mu`, with shape :math:`(B, m)` and norm 1.
        concentration: :math:`\kappa > 0`, with a shape that broadcasts with :math:`(B)`.
        validate_args: Whether to check the values of both, which waits for the device.

    Raises:
        ValueError: If :math:`m` is less than 2, or a checked value is out of range.
    """

    arg_constraints: ClassVar = {"loc": on_sphere, "concentration": constraints.positive}
    support = on_sphere
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = loc, concentration
        batch = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        super().__init__(batch, event_of(loc), validate_args)

    @staticmethod
    @abc.abstractmethod
    def tilt(theta: Tensor) -> Tensor:
        r"""Returns :math:`g(\theta)`, which falls with the angle."""

    @staticmethod
    @abc.abstractmethod
    def cumulants(concentration: Tensor, m: int) -> tuple[Tensor, Tensor]:
        r"""Returns :math:`\Phi` and :math:`\Phi' = \mathbb{E}[g]`, both with gradients, for float64."""

    @staticmethod
    @abc.abstractmethod
    def angles(concentration: Tensor, m: int) -> Tensor:
        r"""Draws :math:`\theta`, without a gradient, with the shape of the concentration."""

    @abc.abstractmethod
    def cosine(self) -> tuple[Tensor, Tensor]:
        r"""Returns mean and variance of :math:`\cos \theta`, in float64."""

    @property
    def m(self) -> int:
        return self.loc.shape[-1]

    @lazy_property
    def known(self) -> tuple[Tensor, Tensor, Tensor]:
        r"""Computes :math:`\kappa, \Phi, \Phi'` once, in float64."""
        concentration = self.concentration.double()
        return concentration, *self.cumulants(concentration, self.m)

    def shaped(self, values: Tensor) -> Tensor:
        return values.to(self.concentration.dtype).expand(self.batch_shape)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Zonal:
        return type(self)(self.loc.expand(*batch_shape, -1), self.concentration, validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.loc.expand(self._extended_shape())

    @property
    def mean(self) -> Tensor:
        return self.cosine()[0].to(self.loc.dtype).unsqueeze(-1) * self.loc

    @property
    def variance(self) -> Tensor:
        mean, along = (moment.unsqueeze(-1) for moment in self.cosine())
        squares = self.loc.double().square()
        across = (1 - mean.square() - along) / (self.m - 1)
        return (along * squares + across * (1 - squares)).clamp_min(0).to(self.loc.dtype)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        concentration = self.concentration.expand(shape[:-1])
        with torch.no_grad():
            theta = self.angles(concentration, self.m)
        if concentration.requires_grad:
            theta = Moved.apply(self.known[0], self.known[2], theta, self.m, self.tilt)
        across = directions((*shape[:-1], self.m - 1), self.loc)
        return turned(self.loc, theta.to(self.loc.dtype), across)

    def kl_to_uniform(self) -> Tensor:
        concentration, cumulant, mean = self.known
        return self.shaped((concentration * mean - cumulant).clamp_min(0))

    def entropy(self) -> Tensor:
        return log_area(self.m) - self.kl_to_uniform()


class Moved(torch.autograd.Function):
    r"""Gives drawn angles their derivative :math:`d \theta / d \kappa`, by the implicit function theorem."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, mean: Tensor, theta: Tensor, m: int, tilt: Any) -> Tensor:
        theta = theta.clone()
        ctx.save_for_backward(concentration, mean, theta)
        ctx.m, ctx.tilt = m, tilt
        return theta

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        concentration, mean, theta = ctx.saved_tensors
        grad = grads[0] * speed(concentration, mean, theta.double(), ctx.m, ctx.tilt)
        return grad.sum_to_size(concentration.shape), None, None, None, None


def speed(concentration: Tensor, mean: Tensor, theta: Tensor, m: int, tilt: Any) -> Tensor:
    r"""Returns :math:`d \theta / d \kappa` at angles whose quantile is held.

    Arguments:
        concentration: :math:`\kappa`, which broadcasts with the angles.
        mean: :math:`\mathbb{E}[g]`, of the same shape.
        theta: The angles, in float64.
        m: The dimension :math:`m`.
        tilt: The function :math:`g`.
    """
    theta = theta.clamp(EDGE, math.pi - EDGE)
    here = tilt(theta)
    side = torch.where(here > mean, -theta, math.pi - theta)
    # the curvature of the log-density is at least this where its mass is, in both families
    curvature = (concentration * theta.cos().clamp_min(0) / 2 + m - 2).detach()
    span = side.sign() * torch.minimum(side.abs(), SPANNED_SDS * curvature.rsqrt())
    nodes, weights = quadrature(QUADRATURE_NODES, theta.device)
    t = theta.unsqueeze(-1) + span.unsqueeze(-1) * nodes
    there = tilt(t)
    exponent = concentration.unsqueeze(-1) * (there - here.unsqueeze(-1))
    if m > 2:
        exponent = exponent + (m - 2) * (t.sin() / theta.sin().unsqueeze(-1)).log()
    return span * (((there - mean.unsqueeze(-1)) * exponent.exp() * weights).sum(-1))


@lru_cache
def quadrature(nodes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns nodes and weights of Gauss–Legendre on [0, 1]; kept, since sending them would wait for the device."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return torch.tensor((x + 1) / 2, device=device), torch.tensor(w / 2, device=device)


def turned(loc: Tensor, theta: Tensor, across: Tensor) -> Tensor:
    r"""Returns the point at an angle :math:`\theta` from :math:`\mu`, in a direction given around the first axis.

    Arguments:
        loc: :math:`\mu`, with shape :math:`(B, m)`.
        theta: The angles, with shape :math:`(*, B)`.
        across: Directions on :math:`S^{m-2}`, with shape :math:`(*, B, m - 1)`.
    """
    cos, sin = theta.cos().unsqueeze(-1), theta.sin().unsqueeze(-1)
    first, rest = loc[..., :1], loc[..., 1:]
    along = sin * dot(across, rest).unsqueeze(-1)
    head = cos * first - along * torch.where(first < 0, -1.0, 1.0)
    return torch.cat([head, (cos - along / (1 + first.abs())) * rest + sin * across], -1)


class Spheres(Independent):
    r"""Joins independent directions on several spheres to one vector, :math:`z = (z_1, \dots, z_g) \in \mathbb{R}^{g m}`.

    One sphere has one concentration for the whole code; a product of small spheres has one for each part.

    References:
        | Increasing Expressivity of a Hyperspherical VAE (Davidson et al., 2019)
        | https://arxiv.org/abs/1910.02912

    Arguments:
        base: The directions, with batch shape :math:`(B, g)` and event shape :math:`(m)`.

    Example:
        >>> p = Spheres(UniformSphere(torch.zeros(4, 3)))
        >>> p.sample((5,)).shape
        torch.Size([5, 12])
    """

    def __init__(self, base: UniformSphere | Zonal) -> None:
        super().__init__(base, 1, validate_args=False)
        self.parts = torch.Size([base.batch_shape[-1], *base.event_shape])
        self._event_shape = torch.Size([self.parts.numel()])

    def expand(self, batch_shape: Any, _instance: Any = None) -> Spheres:
        return Spheres(self.base_dist.expand((*batch_shape, self.parts[0])))

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean.flatten(-2)

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode.flatten(-2)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance.flatten(-2)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.sample(sample_shape).flatten(-2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value.unflatten(-1, self.parts))


def event_of(loc: Tensor) -> torch.Size:
    if loc.dim() < 1 or loc.shape[-1] < 2:
        raise ValueError(
            f"a direction of shape {tuple(loc.shape)} lies on no sphere: give at least 2 dimensions"
        )
    return loc.shape[-1:]


def spheres_of(p: Distribution) -> tuple[int, ...] | None:
    """Returns the number of spheres that values lie on and the dimensions around each; None where they lie on none."""
    if isinstance(p, Spheres):
        return tuple(p.parts)
    return (1, p.event_shape[-1]) if on_spheres(p) else None


def zonal_of(d: Distribution | None) -> Zonal | None:
    """Returns the directions on several spheres one by one, with batch shape (B, g); None of a law that has none."""
    each = d.base_dist if isinstance(d, Spheres) else None
    return each if isinstance(each, Zonal) else None


def onto(p: Distribution, z: Tensor) -> Tensor:
    """Brings points to where a prior has its mass: on spheres they are divided by their norm, else left as they are.

    Example:
        >>> onto(UniformSphere(torch.zeros(2)), torch.tensor([3.0, 4.0]))
        tensor([0.6000, 0.8000])
    """
    shape = spheres_of(p)
    return z if shape is None else F.normalize(z.unflatten(-1, shape), dim=-1).flatten(-2)


def between(p: Distribution, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    r"""Joins codes by a straight line, or, where a prior has its mass on spheres, by the shortest arc on each.

    Arguments:
        p: The prior.
        a: The codes at :math:`t = 0`.
        b: The codes at :math:`t = 1`.
        t: Where between them, broadcast with them.

    Example:
        >>> p = Spheres(UniformSphere(torch.zeros(1, 2)))
        >>> between(p, torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([1 / 3]))
        tensor([0.8660, 0.5000])
    """
    shape = spheres_of(p)
    if shape is None:
        return a + t * (b - a)
    a, b = (end.unflatten(-1, shape) for end in (a, b))
    cosine = dot(a, b).unsqueeze(-1)
    across = b - cosine * a
    angle = t.unsqueeze(-1) * torch.atan2(torch.linalg.vector_norm(across, dim=-1, keepdim=True), cosine)
    return (angle.cos() * a + angle.sin() * F.normalize(across, dim=-1)).flatten(-2)


register(on_spheres, yes, UniformSphere, Zonal)
register(is_uniform, yes, UniformSphere)
register(parts, lambda d: {"center": d.center}, UniformSphere)
register(double, lambda d: d, Spheres)
