r"""Objectives with a critic: a second player that learns to discriminate codes from reference draws.

The critic sees codes :math:`z \sim q(z)` and reference draws, and learns the log-odds :math:`T(z)` that a point is a reference.
At its optimum :math:`T(z) = \log r(z) - \log q(z)`, with :math:`r` the density of the reference, so the critic is an estimate of
a divergence that has no closed form. Two references make two models:

* draws of the prior, :math:`r = p(z)`: the adversarial autoencoder; the critic stands for the whole rate,
* codes whose dimensions were shuffled over the batch, :math:`r = \prod_j q(z_j)`: FactorVAE; the critic stands for the total
  correlation, beside the rate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..schedules import Clock, Schedule
from ..trace import Latent, Model, Trace
from .base import Batches, Objective, Term, Turns
from .elbo import ELBO
from .matching import Moments, draws_of
from .penalties import Penalty

__all__ = ["Adversarial", "prior_draws", "shuffled"]


def prior_draws(g: Latent) -> Tensor:
    """Draws from the prior: the reference of the adversarial autoencoder."""
    return draws_of(g)


def shuffled(g: Latent) -> Tensor:
    """Shuffles each dimension of the codes over the batch: the reference of FactorVAE."""
    flat = g.z.flatten(1)
    order = torch.rand_like(flat).argsort(0)
    return flat.gather(0, order).view(g.z.shape)


class AdversarialLoss(Penalty):
    """Penalises codes that the critic discriminates from the reference."""

    def __init__(self, weight: float, critic: nn.Module, group: str, ratio: bool) -> None:
        super().__init__(weight, held=0.0)  # the critic of one validation is not that of the next
        self.critic, self.group, self.ratio = critic, group, ratio

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        odds = self.critic(trace.latents[self.group].z).squeeze(-1)
        return -odds if self.ratio else F.softplus(-odds)


class Adversarial(Objective):
    r"""Moves a critic, then the model: :math:`D + \beta R + \gamma \, \mathrm{E} \, \ell(T(z))`.

    With `ratio` the adversarial loss is :math:`\ell = -T`, the estimate of :math:`\mathrm{KL}(q(z) \,\|\, r)`; without it the
    non-saturating :math:`\ell = \log(1 + e^{-T})`, whose gradient does not vanish where the critic is sure. A rate that has no
    weight is judged in validation by the moments of the codes, see :class:`~latente.objectives.matching.Moments`.

    References:
        | Adversarial Autoencoders (Makhzani et al., 2015), https://arxiv.org/abs/1511.05644
        | Disentangling by Factorising (Kim and Mnih, 2018), https://arxiv.org/abs/1802.05983

    Arguments:
        critic: Maps codes, with shape (B, \*), to log-odds, with shape (B, 1).
        weight: The weight :math:`\gamma` of the adversarial loss.
        beta: The weight of the rate: 0 for the adversarial autoencoder.
        reference: Draws from the distribution that codes are matched to, given a latent group.
        ratio: Whether the adversarial loss is the log density ratio.
        group: The latent group.
    """

    def __init__(
        self,
        critic: nn.Module,
        weight: float = 1.0,
        beta: float | Schedule = 0.0,
        reference: Callable[[Latent], Tensor] = prior_draws,
        ratio: bool = False,
        group: str = "z",
    ) -> None:
        super().__init__()
        self.critic, self.reference, self.group = critic, reference, group
        penalties: dict[str, Penalty] = {"adversarial": AdversarialLoss(weight, critic, group, ratio)}
        if beta == 0 and reference is prior_draws:
            penalties["mismatch"] = Moments(group)
        self.elbo = ELBO(beta, penalties=penalties)

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        return super().players(model) | {"critic": list(self.critic.parameters())}

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        return self.elbo.terms(model, x, y, clock)

    def turns(self, model: Model, batches: Batches, clock: Clock) -> Turns:
        x, y = next(batches)
        with torch.no_grad():
            g = model(x, y).latents[self.group]
            reference = self.reference(g)
        odds, others = self.critic(reference).squeeze(-1), self.critic(g.z).squeeze(-1)
        yield "critic", {"critic": Term(F.softplus(-odds) + F.softplus(others))}
        yield "model", self.terms(model, x, y, clock)

    @property
    def core(self) -> Objective:
        return self.elbo

    def weights(self, clock: Clock) -> dict[str, float]:
        return self.elbo.weights(clock)
