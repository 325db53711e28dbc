r"""Two distributions of diffusion models: the end of denoising, and levels read through noise.

A denoiser carries noise :math:`z_1 \sim \mathcal{N}(0, I)` down to a :math:`z_0` that is hardly noisy any more. The distribution
:math:`p(z_0)` that it arrives at can be drawn from, and has no tractable density; but its divergence from the data under a
little noise, :math:`q(z_0 | x) = \mathcal{N}(\alpha_0 x, \sigma_0^2)`, has a bound with an unbiased estimate. So
:class:`Diffused` gives a draw and that estimate, and a group :math:`z_0` with this prior has a rate like any other.

A level :math:`v_k` that was observed under noise is read back by Bayes' rule,
:math:`p(v_k | z) \propto \mathcal{N}(z; v_k, s^2)`. Only levels a few :math:`s` away count, so that :class:`NoisyLevels` sums
over those alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, constraints
from torch.distributions.kl import register_kl

from .traits import (
    has_density,
    has_mean,
    is_diffused,
    is_estimated,
    is_mass,
    is_real,
    levels,
    no,
    parts,
    register,
    yes,
)

__all__ = ["Diffused", "NoisyLevels"]

LEVEL_SDS = 7.0  # standard deviations beyond which a level has less than 1e-10 of the mass of the nearest


class Diffused(Distribution):
    r"""Draws the end of denoising, and bounds its divergence from data under noise.

    References:
        | Variational Diffusion Models (Kingma et al., 2021)
        | https://arxiv.org/abs/2107.00630

    Arguments:
        walk: Draws :math:`z_0`, given a batch shape.
        bound: Estimates a bound of :math:`\mathrm{KL}(q(z_0 | x) \,\|\, p(z_0))` in nats, given :math:`q`.
        batch_shape: The shape of a batch.
        event_shape: The shape of one event.
        q: The posterior of the pass, where there is an :math:`x`.
        rate: The estimate for it, with the shape of the batch.
    """

    arg_constraints: ClassVar = {}
    support = constraints.real
    has_rsample = False

    def __init__(
        self,
        walk: Callable[[torch.Size], Tensor],
        bound: Callable[[Distribution], Tensor],
        batch_shape: Sequence[int],
        event_shape: Sequence[int],
        q: Distribution | None = None,
        rate: Tensor | None = None,
    ) -> None:
        self.walk, self.bound, self.q, self.rate = walk, bound, q, rate
        super().__init__(torch.Size(batch_shape), torch.Size(event_shape), validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Diffused:
        return Diffused(self.walk, self.bound, batch_shape, self.event_shape)

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError("the end of denoising has no tractable mean: draw it")

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with torch.no_grad():
            return self.walk(torch.Size(sample_shape) + self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        r"""Returns :math:`\log q(z_0 | x)` less the estimate: a log-weight's mean is then the bound. It is no density.

        Raises:
            NotImplementedError: If there is no :math:`x`.
        """
        if self.q is None or self.rate is None:
            raise NotImplementedError("the end of denoising has no tractable density: call the model with x")
        return self.q.log_prob(value) - self.rate


@register_kl(Independent, Diffused)
def _diffused(q: Independent, p: Diffused) -> Tensor:
    return p.rate if p.q is q and p.rate is not None else p.bound(q)


class NoisyLevels(Distribution):
    r"""Reads levels :math:`0, \frac{1}{K-1}, \dots, 1` through noise, :math:`p(v_k | z) \propto \mathcal{N}(z; v_k, s^2)`.

    Arguments:
        loc: The observation, :math:`z`, with shape :math:`(B, *)`.
        scale: The standard deviation :math:`s` of the noise.
        levels: The number of levels :math:`K`.
        event_dim: How many of the last dimensions are one event.

    Example:
        >>> p = NoisyLevels(torch.tensor([[0.1, 0.9]]), 0.2, levels=3, event_dim=1)
        >>> masses = [p.log_prob(torch.tensor([[a, b]])).exp() for a in (0, 0.5, 1) for b in (0, 0.5, 1)]
        >>> round(sum(masses).item(), 5)
        1.0
    """

    arg_constraints: ClassVar = {}
    support = constraints.unit_interval
    has_rsample = False

    def __init__(self, loc: Tensor, scale: float, levels: int = 256, event_dim: int = 3) -> None:
        self.loc, self.scale, self.levels = loc, scale, levels
        split = loc.dim() - event_dim
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    def nearby(self) -> tuple[Tensor, Tensor]:
        """Returns the levels that count and their log-probabilities, each with a last dimension of them."""
        last = self.levels - 1
        reach = min(last, math.ceil(LEVEL_SDS * self.scale * last) + 1)
        offsets = torch.arange(-reach, reach + 1, device=self.loc.device)
        near = (self.loc * last).round().clamp(0, last).unsqueeze(-1) + offsets
        values = near / last
        scores = -0.5 * ((self.loc.unsqueeze(-1) - values) / self.scale).square()
        return values, scores.masked_fill((near < 0) | (near > last), -torch.inf).log_softmax(-1)

    @property
    def mean(self) -> Tensor:
        values, scores = self.nearby()
        return (scores.exp() * values).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        values, scores = self.nearby()
        index = torch.distributions.Categorical(logits=scores, validate_args=False).sample(
            torch.Size(sample_shape)
        )
        return values.expand(*sample_shape, *values.shape).gather(-1, index.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        values, scores = self.nearby()
        nearest = values[..., values.shape[-1] // 2]  # the middle one is a level, whatever is beside it
        normaliser = scores[..., values.shape[-1] // 2] + 0.5 * ((self.loc - nearest) / self.scale).square()
        logs = normaliser - 0.5 * ((value - self.loc) / self.scale).square()
        return logs.flatten(logs.dim() - len(self.event_shape)).sum(-1)


register(is_diffused, yes, Diffused)
register(is_estimated, yes, Diffused)
register(is_real, yes, Diffused)
register(has_density, no, Diffused)
register(has_mean, no, Diffused)
register(is_mass, yes, NoisyLevels)
register(levels, lambda d: d.levels, NoisyLevels)
register(parts, lambda d: {"loc": d.loc}, NoisyLevels)
