r"""The continuous Bernoulli as one event, normalised for any log-odds.

A Bernoulli likelihood of grey values is not a density: over :math:`[0, 1]` it does not integrate to one. The density

.. math:: p(x) = \frac{e^{l x}}{\int_0^1 e^{l t} \, dt}, \qquad
    \log \int_0^1 e^{l t} \, dt = \frac{l}{2} + \log \frac{\sinh(l / 2)}{l / 2}

is. In terms of the probability :math:`\sigma(l)`, as `torch.distributions` has it, float32 runs out of digits beyond
:math:`|l| \approx 15`, where the density no longer integrates to one; in terms of :math:`l` it never does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import parts, register

__all__ = ["ContinuousBernoulli"]

SMALL = 0.05  # below it a series is exact to rounding


class ContinuousBernoulli(Distribution):
    r"""Scores grey values with :math:`p(x) \propto e^{l x}` on :math:`[0, 1]`, independently by position.

    References:
        | The continuous Bernoulli: fixing a pervasive error in variational autoencoders (Loaiza-Ganem and Cunningham, 2019)
        | https://arxiv.org/abs/1907.06845

    Arguments:
        logits: The log-odds :math:`l`, with shape :math:`(B, *)`.
        event_dim: How many of the last dimensions are one event.

    Example:
        >>> p = ContinuousBernoulli(torch.tensor([[50.0]]), 1)
        >>> x = torch.linspace(0, 1, 100001)[:, None, None]
        >>> round(torch.trapezoid(p.log_prob(x).exp(), dx=1e-5, dim=0).item(), 3)
        1.0
    """

    arg_constraints: ClassVar = {}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor, event_dim: int) -> None:
        self.logits = logits
        split = logits.dim() - event_dim
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    def log_normaliser(self) -> Tensor:
        size = self.logits.abs()
        safe = size.clamp_min(SMALL)
        exact = safe / 2 + torch.log(-torch.expm1(-safe) / safe)
        return self.logits / 2 + torch.where(size < SMALL, size.square() / 24 - size**4 / 2880, exact)

    def log_prob(self, value: Tensor) -> Tensor:
        density = value * self.logits - self.log_normaliser()
        return density.flatten(density.dim() - len(self.event_shape)).sum(-1) if self.event_shape else density

    @property
    def mean(self) -> Tensor:
        is_small = self.logits.abs() < SMALL
        safe = torch.where(is_small, torch.ones_like(self.logits), self.logits)
        exact = -1 / torch.expm1(-safe) - 1 / safe
        return torch.where(is_small, 0.5 + self.logits / 12 - self.logits**3 / 720, exact)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        u = torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device)
        size = self.logits.abs()
        is_small = size < math.sqrt(torch.finfo(u.dtype).eps)
        safe = torch.where(is_small, torch.ones_like(size), size)
        # the quantile of u for -|l|, mirrored where l is positive; near 0 its first two terms
        x = torch.log1p(u * torch.expm1(-safe)) / -safe
        x = torch.where(self.logits > 0, 1 - x, x)
        return torch.where(is_small, u + self.logits * u * (1 - u) / 2, x).clamp(0, 1)


register(parts, lambda d: {"logits": d.logits}, ContinuousBernoulli)
