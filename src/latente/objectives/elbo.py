r"""The evidence lower bound, and its tighter relative.

From :math:`\log p(x) = \log \mathbb{E}_q [w]`, with :math:`w = p(x, z) / q(z | x)`, Jensen's inequality gives the
ELBO, whose gap is exactly :math:`\mathrm{KL}(q(z | x) \,\|\, p(z | x))`. It is minimised with its sign turned, and
split in two: the *distortion* :math:`-\mathbb{E}_q[\log p(x | z)]` and the *rate*
:math:`\mathrm{KL}(q(z | x) \,\|\, p(z))`. Both are sums over dimensions, in nats.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..divergences import FreeBits
from ..schedules import Clock, Schedule, constant
from ..trace import Latent, Model, Trace, kl
from .base import Objective, Term
from .controllers import Controller
from .corruption import corruption
from .penalties import Penalty

__all__ = ["ELBO", "IWAE"]

LEAST_NATS = 0.1  # nats added to every group, so that none has a weight of 0


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
        beta: The weight of the rate :math:`\beta`: a number, a schedule, or a controller.
        divergence: The divergence :math:`\mathrm{D}` of a latent group, with shape :math:`(B)`; the exact or
            sampled KL by default.
        corrupt: Corrupts what is encoded; what is scored stays clean.
        penalties: Further losses, by name: each is added with its weight, in training and in validation.
        balance: Whether, while :math:`\beta_t < 1`, a group's weight is proportional to its rate, so that groups of little
            information may gain more (KL balancing, Vahdat and Kautz, 2020, https://arxiv.org/abs/2007.03898).
        free_nats: The nats of the whole rate, over all groups, that cost nothing: :math:`\max(\lambda, \sum_g R_g)` is charged.
            What is reported stays the rate.

    Example:
        >>> from latente import recipes
        >>> plan = recipes.make("vae", shape=(4,), latent=2)
        >>> terms = ELBO(beta=0.5).terms(plan.model, torch.randn(3, 4), None, Clock(0, 1))
        >>> {name: term.weight for name, term in terms.items()}
        {'distortion': 1.0, 'rate/z': 0.5}
    """

    def __init__(
        self,
        beta: float | Schedule | Controller = 1.0,
        divergence: Callable[[Latent], Tensor] = kl,
        corrupt: Callable[[Tensor], Tensor] = identity,
        penalties: Mapping[str, Penalty] | None = None,
        balance: bool = False,
        free_nats: float = 0.0,
    ) -> None:
        super().__init__()
        self.balance, self.free_nats = balance, free_nats
        self.beta = constant(beta) if isinstance(beta, float | int) else beta
        self.divergence, self.corrupt = divergence, corrupt
        self.penalties = dict(penalties or {})

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        encoded = self.corrupt(x)
        if not self.penalties:
            return self.bound(model(encoded, y), x, clock, model.training)
        with torch.enable_grad():  # a penalty may differentiate by what is encoded, in validation too
            encoded = encoded.detach().requires_grad_(encoded.is_floating_point())
            trace = model(encoded, y)
            penalties = self.penalised(trace, encoded, model.training)
        return self.bound(trace, x, clock, model.training) | penalties

    def penalised(self, trace: Trace, x: Tensor, learn: bool) -> dict[str, Term]:
        """Returns the terms of the penalties, to learn from or to judge by; `x` is what was encoded."""
        return {
            name: Term(penalty(trace, x), penalty.weight, held=penalty.held)
            for name, penalty in self.penalties.items()
            if penalty.weight or not learn
        }

    def bound(self, trace: Trace, x: Tensor, clock: Clock, learn: bool) -> dict[str, Term]:
        """Returns the terms of a pass; a controller learns from them where `learn` is true."""
        distortion = -trace.likelihood.log_prob(x)
        rates = {f"rate/{name}": self.divergence(g) for name, g in trace.latents.items()}
        unpaid = distortion.new_zeros(())
        if self.free_nats:
            total = sum((rate.mean() for rate in rates.values()), distortion.new_zeros(())).detach()
            unpaid = (self.free_nats - total).clamp_min(0.0)
            rates = {name: torch.where(unpaid > 0, rate.detach(), rate) for name, rate in rates.items()}
        beta: float | Tensor
        if isinstance(self.beta, Schedule):
            beta = self.beta(clock)
        else:
            total = sum((rate.mean() for rate in rates.values()), distortion.new_zeros(()))
            beta = self.beta(distortion.mean(), total, clock, learn)
        limit = self.beta.limit if isinstance(self.beta, Schedule) else 1.0
        weighed = {
            name: Term(rate, weight, held=limit)
            for (name, rate), weight in zip(rates.items(), self.by_group(list(rates.values()), beta))
        }
        if isinstance(self.divergence, FreeBits) and not learn:
            weighed |= {
                f"free/{name}": Term(self.divergence.unpaid(g), 0.0, held=limit)
                for name, g in trace.latents.items()
            }
        if self.free_nats and not learn:
            weighed["free/code"] = Term(unpaid.expand_as(distortion), 0.0, held=limit)
        factors = {name: Term(-factor) for name, factor in trace.factors.items()}
        return {"distortion": Term(distortion)} | weighed | factors

    def by_group(self, rates: list[Tensor], beta: float | Tensor) -> list[float | Tensor]:
        """Returns the weight of each group's rate; their mean is beta."""
        if not self.balance or not isinstance(beta, float | int) or beta >= 1:
            return [beta] * len(rates)
        means = torch.stack([rate.mean() for rate in rates]).detach()
        return list(beta * (means + LEAST_NATS) / (means.mean() + LEAST_NATS))

    def choice(self, figures: Mapping[str, float], held: Mapping[str, float]) -> float | None:
        if isinstance(self.beta, Schedule):
            return super().choice(figures, held)
        rate = sum(value for name, value in figures.items() if name.startswith(("rate/", "free/")))
        others = {n: w for n, w in held.items() if not n.startswith(("rate/", "free/", "distortion"))}
        return self.beta.cost(figures["distortion"], rate) + (super().choice(figures, others) or 0.0)

    def weights(self, clock: Clock) -> dict[str, float]:
        return {"beta": self.beta(clock) if isinstance(self.beta, Schedule) else self.beta.beta.item()}

    def betas(self, logged: Sequence[float], base: tuple[float, float]) -> tuple[float, float]:
        if not isinstance(self.beta, Schedule):
            return (logged[-1], logged[-1]) if logged else (1.0, 1.0)
        return (logged[-1] if logged else self.beta(Clock(0, 1))), self.beta.limit

    @property
    def floor(self) -> float:
        return self.free_nats


@corruption.register
def corruption_of(objective: ELBO) -> Callable[[Tensor], Tensor] | None:
    return None if objective.corrupt is identity else objective.corrupt


class IWAE(Objective):
    r"""Minimises :math:`-\log \frac{1}{k} \sum_{i=1}^k w_i`, the importance-weighted bound; :math:`k = 1` is the ELBO.

    The distortion and the rate of the same draws are reported beside it. As `k` grows the plain gradient of the encoder drowns in
    its noise (Rainforth et al., 2018). Two estimators leave out the score of :math:`q`, whose mean is zero or is known:

    * *sticking the landing*: :math:`\sum_i \tilde w_i \, \partial \log w_i / \partial z_i \cdot \partial z_i / \partial \phi`,
      with :math:`\tilde w_i = w_i / \sum_j w_j`; the mean of the gradient is exact for :math:`k = 1` only,
    * *doubly reparameterised*: the same with :math:`\tilde w_i^2`; exact for every :math:`k`.

    References:
        | Importance Weighted Autoencoders (Burda et al., 2015)
        | https://arxiv.org/abs/1509.00519
        | Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference (Roeder et al., 2017)
        | https://arxiv.org/abs/1703.09194
        | Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (Tucker et al., 2018)
        | https://arxiv.org/abs/1810.04152

    Arguments:
        k: The number of draws from the posterior for each example.
        power: The power of :math:`\tilde w` in the encoder's gradient: 1 sticks the landing, 2 is doubly reparameterised;
            None is the plain gradient.

    Raises:
        ValueError: If `k` is less than 1; on the first batch, if the posterior has no density, or `power` is given for a
            model of several latent groups, where a later posterior also depends on the draw of an earlier one.
    """

    def __init__(self, k: int = 5, power: int | None = None) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k is {k}: the bound takes at least one draw of the posterior")
        self.k, self.power, self.is_still = k, power, False

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        trace = model(x, y, size=(self.k, len(x)))
        log_likelihood = trace.likelihood.log_prob(x)
        weights = log_likelihood + (trace.log_ratio() if self.power is None else self.without_score(trace))
        bound = torch.logsumexp(weights, 0) - math.log(self.k)
        if self.power == 2:
            share = weights.detach().softmax(0)
            for g in trace.latents.values():
                if g.z.requires_grad:
                    g.z.register_hook(
                        lambda gradient: gradient * share.view(*share.shape, *(1,) * (gradient.dim() - 2))
                    )
        monitors = {"distortion": -log_likelihood.detach().mean(0)}
        monitors |= {
            f"rate/{name}": kl(g).detach().expand(trace.size).mean(0) for name, g in trace.latents.items()
        }
        return {"bound": Term(-bound)} | {n: Term(value, 0.0, monitor=True) for n, value in monitors.items()}

    def without_score(self, trace: Trace) -> Tensor:
        """Returns the log ratio with a posterior whose own parameters do not move."""
        if len(trace.latents) != 1:
            raise ValueError(
                f"this estimator takes one latent group, and the model has {', '.join(trace.latents)}: leave `power` out"
            )
        (g,) = trace.latents.values()
        if g.q is None:
            raise ValueError("the latent group has no posterior: call the model with x")
        still = detached(g.q)
        if not self.is_still:
            if still.log_prob(g.z.detach()).requires_grad:
                raise ValueError(
                    f"this estimator takes a posterior whose parameters are tensors, and {type(g.q).__name__} is made by a "
                    "network inside: leave `power` out"
                )
            self.is_still = True
        return g.p.log_prob(g.z) - still.log_prob(g.z)


def detached(d: Distribution) -> Distribution:
    """Copies a distribution, its parameters without gradient."""
    copied = copy.copy(d)
    for name, value in vars(d).items():
        if isinstance(value, Tensor):
            copied.__dict__[name] = value.detach()
        elif isinstance(value, Distribution):
            copied.__dict__[name] = detached(value)
    return copied
