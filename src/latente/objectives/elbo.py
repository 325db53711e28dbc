r"""The evidence lower bound, and its tighter relative.

From :math:`\log p(x) = \log \mathbb{E}_q [w]`, with :math:`w = p(x, z) / q(z | x)`, Jensen's inequality gives the
ELBO, whose gap is exactly :math:`\mathrm{KL}(q(z | x) \,\|\, p(z | x))`. It is minimised with its sign turned, and
split in two: the *distortion* :math:`-\mathbb{E}_q[\log p(x | z)]` and the *rate*
:math:`\mathrm{KL}(q(z | x) \,\|\, p(z))`. Both are sums over dimensions, in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..schedules import Clock, Schedule, constant
from ..trace import Latent, Model, Trace, kl
from .base import Objective, Term
from .penalties import Penalty

__all__ = ["ELBO", "IWAE"]


def identity(x: Tensor) -> Tensor:
    return x


class ELBO(Objective):
    r"""Minimises :math:`-\mathbb{E}_q[\log p(x | z)] + \beta_t \sum_g \mathrm{D}(q(z_g | x, z_{<g}), p(z_g | z_{<g}))`.

    References:
        | Auto-Encoding Variational Bayes (Kingma and Welling, 2013)
        | https://arxiv.org/abs/1312.6114
        | beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework (Higgins et al., 2017)
        | https://openreview.net/forum?id=Sy2fzU9gl

    Arguments:
        beta: The weight of the rate :math:`\beta`: a number, or a schedule.
        divergence: The divergence :math:`\mathrm{D}` of a latent group, with shape :math:`(B)`; the exact or
            sampled KL by default.
        corrupt: Corrupts what is encoded; what is scored stays clean.
        penalties: Prices of something else, by name: each is added with its weight, in training and in validation.

    Example:
        >>> from latente import recipes
        >>> plan = recipes.make("vae", shape=(4,), latent=2)
        >>> terms = ELBO(beta=0.5).terms(plan.model, torch.randn(3, 4), None, Clock(0, 1))
        >>> {name: term.weight for name, term in terms.items()}
        {'distortion': 1.0, 'rate/z': 0.5}
    """

    def __init__(
        self,
        beta: float | Schedule = 1.0,
        divergence: Callable[[Latent], Tensor] = kl,
        corrupt: Callable[[Tensor], Tensor] = identity,
        penalties: Mapping[str, Penalty] | None = None,
    ) -> None:
        super().__init__()
        self.beta = beta if isinstance(beta, Schedule) else constant(beta)
        self.divergence, self.corrupt = divergence, corrupt
        self.penalties = dict(penalties or {})

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        encoded = self.corrupt(x)
        if not self.penalties:
            return self.bound(model(encoded, y), x, clock)
        with torch.enable_grad():  # a penalty may differentiate by what is encoded, in validation too
            encoded = encoded.detach().requires_grad_()
            trace = model(encoded, y)
            prices = {name: (price(trace, encoded), price.weight) for name, price in self.penalties.items()}
        penalties = {name: Term(value, weight, held=weight) for name, (value, weight) in prices.items()}
        return self.bound(trace, x, clock) | penalties

    def bound(self, trace: Trace, x: Tensor, clock: Clock) -> dict[str, Term]:
        beta = self.beta(clock)
        distortion = {"distortion": Term(-trace.likelihood.log_prob(x))}
        rates = {f"rate/{name}": Term(self.divergence(g), beta) for name, g in trace.latents.items()}
        return distortion | rates | {name: Term(-factor) for name, factor in trace.factors.items()}

    def weights(self, clock: Clock) -> dict[str, float]:
        return {"beta": self.beta(clock)}


class IWAE(Objective):
    r"""Minimises :math:`-\log \frac{1}{k} \sum_{i=1}^k w_i`, the importance-weighted bound; :math:`k = 1` is the ELBO.

    The distortion and the rate of the same draws are reported beside it.

    References:
        | Importance Weighted Autoencoders (Burda et al., 2015)
        | https://arxiv.org/abs/1509.00519

    Arguments:
        k: The number of draws from the posterior for each example.

    Raises:
        ValueError: If `k` is less than 1; on the first batch, if the posterior has no density.
    """

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k is {k}: the bound takes at least one draw of the posterior")
        self.k = k

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        trace = model(x, y, size=(self.k, len(x)))
        log_likelihood = trace.likelihood.log_prob(x)
        weights = log_likelihood + trace.log_ratio()
        bound = torch.logsumexp(weights, 0) - math.log(self.k)
        monitors = {"distortion": -log_likelihood.detach().mean(0)}
        monitors |= {
            f"rate/{name}": kl(g).detach().expand(trace.size).mean(0) for name, g in trace.latents.items()
        }
        return {"bound": Term(-bound)} | {n: Term(value, 0.0, monitor=True) for n, value in monitors.items()}
