r"""A density that a velocity field carries over from the standard Normal.

A field :math:`v(u, t)` moves each draw :math:`u_0 \sim \mathcal{N}(0, I)` along :math:`\dot u = v(u, t)` from :math:`t = 0` to
:math:`t = 1`. Where it ends is the sample, and on the way the density changes by the divergence of the field:

.. math:: \log p(u_1) = \log \mathcal{N}(u_0 \,|\, 0, I) - \int_0^1 \sum_j \frac{\partial v_j}{\partial u_j}(u_t, t) \, dt .

So a field that was fitted without any likelihood, by flow matching, still has one. Two choices are made here.

* *One solver both ways.* The integral is taken at the nodes of a Gauss–Legendre rule, and the path goes from node to node by one
  Runge–Kutta step of fourth order. Drawing takes the same steps forwards that scoring takes backwards. With 10 nodes that is 44
  evaluations of the field and 10 of its divergence, each of which costs :math:`d` times as much. Heun's method in 50 steps
  asks for 100 of each, and is less accurate for a smooth field.
* *The divergence is exact* up to 64 dimensions, as the trace of the Jacobian, of which one pass backwards gives each row. Above
  that it is Hutchinson's estimate :math:`\mathbb{E}_e [e^\top J e]` over 16 vectors of random signs :math:`e`, unbiased for
  :math:`\log p`.

Schedulers of diffusion libraries are left alone: they draw, and none of them scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import is_estimated, is_real, is_slow, register, yes

__all__ = ["ProbabilityFlow", "divergence"]

Velocity: TypeAlias = Callable[[Tensor, Tensor], Tensor]

FLOW_NODES = 10
EXACT_DIVERGENCE = 64  # dimensions up to which the divergence is exact
SIGNS = 16  # vectors of Hutchinson's estimate
JACOBIAN_CELLS = 1 << 16  # rows times dimensions times axes of one piece


@cache
def rule(nodes: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the nodes of the Gauss–Legendre rule on [0, 1] and their weights."""
    t, w = np.polynomial.legendre.leggauss(nodes)
    return tuple(0.5 + 0.5 * t), tuple(0.5 * w)


def divergence(velocity: Velocity, u: Tensor, t: Tensor) -> Tensor:
    r"""Returns :math:`\sum_j \partial v_j / \partial u_j`, with shape (N), of values with shape (N, d).

    Example:
        >>> divergence(lambda u, t: t * u**2, torch.tensor([[1.0, 2.0]]), torch.tensor(0.5))
        tensor([3.])
    """
    d = u.shape[-1]
    back = torch.func.vjp(lambda u: velocity(u, t), u)[1]

    def along(e: Tensor) -> Tensor:
        return back(e.expand_as(u))[0]

    if d <= EXACT_DIVERGENCE:
        rows = torch.vmap(along)(torch.eye(d, dtype=u.dtype, device=u.device))
        return rows.diagonal(dim1=0, dim2=2).sum(-1)
    signs = torch.randint(2, (SIGNS, *u.shape), device=u.device).to(u.dtype) * 2 - 1
    return (torch.vmap(along)(signs) * signs).sum(-1).mean(0)


class ProbabilityFlow(Distribution):
    r"""Draws from :math:`\mathcal{N}(0, I)` and follows a velocity field from :math:`t = 0` to :math:`t = 1`.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2023), https://arxiv.org/abs/2210.02747
        | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), whose ODE it is
        | https://arxiv.org/abs/2011.13456
        | FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models (Grathwohl et al., 2019)
        | https://arxiv.org/abs/1810.01367

    Arguments:
        velocity: The field :math:`v(u, t)`, called with values of shape (N, d) and a time without dimensions.
        zero: Zeros with shape (d), which give device and dtype of draws.
        nodes: The nodes of the rule; one Runge–Kutta step leads from each to the next.

    Example:
        >>> p = ProbabilityFlow(lambda u, t: u * math.log(2), torch.zeros(2))  # which doubles what it is given
        >>> p.log_prob(torch.zeros(2)), -math.log(2 * math.pi) - 2 * math.log(2)
        (tensor(-3.2242), -3.2241...)
    """

    arg_constraints: ClassVar = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self, velocity: Velocity, zero: Tensor, nodes: int = FLOW_NODES, batch_shape: Sequence[int] = ()
    ) -> None:
        self.velocity, self.zero, self.nodes = velocity, zero, nodes
        self.scored: tuple[Tensor, Tensor] | None = (
            None  # the rate and the weights of a pass score the same values
        )
        super().__init__(torch.Size(batch_shape), zero.shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> ProbabilityFlow:
        return ProbabilityFlow(self.velocity, self.zero, self.nodes, batch_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = torch.randn(shape, dtype=self.zero.dtype, device=self.zero.device)
        stops = (0.0, *rule(self.nodes)[0], 1.0)
        with torch.no_grad():
            rows = noise.reshape(-1, *self.event_shape).split(self.block(1))
            return torch.cat([self.path(u, stops)[-1] for u in rows]).view(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        if self.scored is not None and torch.equal(self.scored[0], value):
            return self.scored[1]
        batch = torch.broadcast_shapes(self.batch_shape, value.shape[:-1])
        rows = value.expand(*batch, *self.event_shape).reshape(-1, *self.event_shape)
        axes = min(self.event_shape.numel(), EXACT_DIVERGENCE)
        found = torch.cat([self.score(u) for u in rows.split(self.block(axes))]).view(batch)
        if not found.requires_grad:
            self.scored = value, found
        return found

    @property
    def is_exact(self) -> bool:
        """Whether the divergence is, and so the log-density but for the rule; else it is estimated without bias."""
        return self.event_shape.numel() <= EXACT_DIVERGENCE

    def block(self, axes: int) -> int:
        return max(1, JACOBIAN_CELLS // (axes * max(16, self.event_shape.numel())))

    def score(self, u: Tensor) -> Tensor:
        nodes, weights = rule(self.nodes)
        *met, start = self.path(u, (1.0, *nodes[::-1], 0.0))
        spent = sum(
            w * divergence(self.velocity, u, u.new_tensor(t))
            for u, t, w in zip(met, nodes[::-1], weights[::-1])
        )
        return -0.5 * (start.square() + math.log(2 * math.pi)).sum(-1) - spent

    def path(self, u: Tensor, stops: Sequence[float]) -> list[Tensor]:
        """Follows the field from the first of the stops; returns where it is at each of the others."""
        met = []
        for t, end in pairwise(stops):
            h, (at, between, to) = end - t, u.new_tensor([t, (t + end) / 2, end])
            a = self.velocity(u, at)
            b = self.velocity(u + h / 2 * a, between)
            c = self.velocity(u + h / 2 * b, between)
            e = self.velocity(u + h * c, to)
            u = u + h / 6 * (a + 2 * b + 2 * c + e)
            met.append(u)
        return met


register(is_real, yes, ProbabilityFlow)
register(is_slow, yes, ProbabilityFlow)
register(is_estimated, lambda d: not d.is_exact, ProbabilityFlow)
