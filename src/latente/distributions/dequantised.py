r"""Images of few grey levels, scored by a density.

A density of rounded values can be made as high as one likes, so noise takes the rounding back: with :math:`K` levels
:math:`x \in \{0, \frac{1}{K-1}, \dots, 1\}` and :math:`u \sim \mathcal{U}[0, 1)^D`, :math:`v = ((K - 1) x + u) / K` fills the
unit cube. A density :math:`p(v)` gives the image the probability :math:`P(x) = \int p(v) \, dv` over its cell of side
:math:`1 / K`, and by Jensen's inequality

.. math:: \log P(x) \geq \mathbb{E}_u [\log p(v)] - D \log K .

It is the ELBO of a model whose code is :math:`v`, with a uniform posterior. The cube has ends and a flow has none, so the
density is one of :math:`y = \mathrm{logit}(\alpha + (1 - 2 \alpha) v)`, with the derivative of that map:

.. math:: \log p(v) = \log p(y) + \sum_i \log (1 - 2 \alpha) - \log s_i - \log (1 - s_i), \qquad s = \sigma(y) .

The choice made here: in training the noise is drawn at every pass. In evaluation an example's noise is seeded by the example
itself: a score stays the same when it is computed again, whatever is beside it, and the noise of different examples is
independent, as the standard error of their mean takes it to be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import is_bound, is_mass, levels, parts, register, yes

__all__ = ["Dequantised"]


class Dequantised(Distribution):
    r"""Bounds :math:`\log P(x)` of :math:`K` levels by a density, :math:`\mathbb{E}_u[\log p(x + u)]`.

    References:
        | A Note on the Evaluation of Generative Models (Theis et al., 2015)
        | https://arxiv.org/abs/1511.01844
        | Density Estimation Using Real NVP (Dinh et al., 2016)
        | https://arxiv.org/abs/1605.08803

    Arguments:
        density: A density of vectors :math:`y`, with batch shape :math:`(B)`.
        shape: The shape of an image; its numbers are the dimensions of :math:`y`.
        levels: The number of levels :math:`K`.
        draws: Over how many draws of :math:`u`, seeded by the example, the bound is averaged; 0 for one fresh draw.
        alpha: :math:`\alpha`, which keeps the logit off the ends.

    Example:
        >>> from torch.distributions import Independent, Normal
        >>> y = Independent(Normal(torch.zeros(5, 16), torch.ones(5, 16)), 1)
        >>> p = Dequantised(y, (1, 4, 4), levels=2)
        >>> p.sample().unique(), p.log_prob(p.sample()).shape
        (tensor([0., 1.]), torch.Size([5]))
    """

    arg_constraints: ClassVar = {}
    support = constraints.unit_interval
    has_rsample = False

    def __init__(
        self,
        density: Distribution,
        shape: Sequence[int],
        levels: int,
        draws: int = 0,
        alpha: float = 1e-6,
    ) -> None:
        self.density, self.levels, self.draws, self.alpha = density, levels, draws, alpha
        super().__init__(density.batch_shape, torch.Size(shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Dequantised:
        density = self.density.expand(torch.Size(batch_shape))
        return Dequantised(density, self.event_shape, self.levels, self.draws, self.alpha)

    def log_prob(self, value: Tensor) -> Tensor:
        flat = value.flatten(value.dim() - len(self.event_shape))
        batch = torch.broadcast_shapes(self.batch_shape, flat.shape[:-1])
        noise = self.seeded(flat) if self.draws else torch.rand_like(flat).unsqueeze(0)
        scores = [self.given(flat, u) for u in noise]
        return torch.stack(scores).mean(0).expand(batch)

    def seeded(self, flat: Tensor) -> Tensor:
        """Draws the noise of each example, with shape (n, *, D), from a generator that its levels seed."""
        places = torch.arange(flat.shape[-1], device=flat.device)
        levels = (flat * (self.levels - 1)).round().long() + 1
        keys = (levels * (places * 2654435761 % 2147483647 + 1)).sum(-1)  # multiplicative hashing (Knuth)
        drawn = [
            torch.rand(self.draws, len(places), generator=torch.Generator().manual_seed(key), device="cpu")
            for key in keys.flatten().tolist()
        ]
        return torch.stack(drawn, 1).to(flat).view(self.draws, *flat.shape)

    def given(self, flat: Tensor, noise: Tensor) -> Tensor:
        r"""Returns :math:`\log p(v) - D \log K` with given noise, for images with shape (*, D)."""
        v = (flat * (self.levels - 1) + noise) / self.levels
        s = self.alpha + (1 - 2 * self.alpha) * v
        y = torch.logit(s)
        slope = math.log1p(-2 * self.alpha) - math.log(self.levels)  # of s in v, and of v in the level
        return self.density.log_prob(y) + (slope - F.logsigmoid(y) - F.logsigmoid(-y)).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        y = self.density.sample(torch.Size(sample_shape))
        v = (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha)
        level = (v * self.levels).floor().clamp(0, self.levels - 1)
        return (level / (self.levels - 1)).unflatten(-1, self.event_shape)


register(is_mass, yes, Dequantised)
register(is_bound, yes, Dequantised)
register(levels, lambda d: d.levels, Dequantised)
register(parts, lambda d: parts(d.density), Dequantised)
