r"""Contrastive divergence: learning a likelihood whose normaliser is out of reach.

The gradient of an energy-based model :math:`p(v) = e^{-F(v)} / Z` has two phases,

.. math:: -\nabla \log p(x) = \nabla F(x) - \mathbb{E}_{v \sim p} \, \nabla F(v) :

data becomes more likely, and the model's own samples less. The second, *negative* phase is an average over the model itself.
Hinton starts a Gibbs chain at the data and takes it after :math:`k` steps, long before it has reached the model; the bias of that
is small enough for good features, and falls with :math:`k`. Tieleman lets chains go on from one step of training to the next:
weights that move slowly enough keep them close to the model, and the likelihood is the better for it.

Either way the gradient is that of a *contrast* :math:`F(x) - F(v_k)`, in which :math:`v_k` is held fixed. It is the
free-energy gap between data and negative (fantasy) samples: no loss that falls, and no judge of a model; that is the
pseudo-likelihood,
the probability of one unit given all others, in which :math:`Z` cancels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable

from ..distributions.precision import dot
from ..models.boltzmann import RBM
from ..schedules import Clock
from ..trace import Model
from .base import Objective, Term

__all__ = ["ContrastiveDivergence", "pseudo_likelihood"]

UNITS = 8  # of each example, whose conditionals stand for those of all


class ContrastiveDivergence(Objective):
    r"""Minimises :math:`F(x) - F(v_k)` for an `RBM`, with :math:`v_k` the end of a Gibbs chain of :math:`k` steps.

    Validation chooses the best weights by the pseudo-likelihood, :math:`-\sum_i \log p(x_i | x_{\setminus i})`, estimated from a
    few :math:`i` of each example. Chains that start at the data also report the squared error of their first reconstruction.

    References:
        | Training Products of Experts by Minimizing Contrastive Divergence (Hinton, 2002)
        | https://doi.org/10.1162/089976602760128018
        | Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (Tieleman, 2008)
        | https://doi.org/10.1145/1390156.1390290

    Arguments:
        k: The Gibbs steps.
        chains: The number of persistent chains; None to start a chain at each example.
        decay: The weight decay: the weight of half the squared norm of :math:`W`.
        sampled: Whether the visible units at the end of a chain are drawn. Their means are no draws of the model, but have less
            noise: Hinton's choice, and by far the better one for data that are means themselves, as the codes of a stack are.

    Raises:
        ValueError: If `k` or `chains` is less than 1; on the first batch, if the model is not an RBM.

    Example:
        >>> terms = ContrastiveDivergence(k=2).terms(RBM((6,), 4), torch.rand(3, 6), None, Clock(0, 1))
        >>> {name: term.value.shape for name, term in terms.items()}
        {'reconstruction': torch.Size([3]), 'contrast': torch.Size([3])}
    """

    means: Tensor | None

    def __init__(
        self, k: int = 1, chains: int | None = None, decay: float = 0.0, sampled: bool = True
    ) -> None:
        super().__init__()
        if k < 1 or (chains is not None and chains < 1):
            raise ValueError(
                f"k is {k} and chains is {chains}: take a Gibbs step or more, and a chain or more, or None"
            )
        self.k, self.chains, self.decay, self.sampled = k, chains, decay, sampled
        self.register_buffer("means", None)  # of the hidden units, where the persistent chains are
        self.latest: tuple[int, Tensor] | None = None

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        self.begin(machine(model))
        return super().players(model)

    def begin(self, rbm: RBM) -> None:
        """Makes room for the persistent chains, so that a checkpoint can be read into it."""
        if self.chains is not None and self.means is None:
            self.means = torch.zeros_like(rbm.hidden_bias).repeat(self.chains, 1)

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        rbm = machine(model)
        with torch.no_grad():
            v = x.flatten(1)
            both, fields, terms = self.phases(rbm, v, clock)
            means = rbm.hidden_units.mean(fields)
            known = rbm.energy_of(both, fields)
        if self.means is not None and model.training:
            self.means.copy_(means[len(v) :])
        energies = FreeEnergy.apply(known, both, means, rbm.weight, rbm.visible_bias, rbm.hidden_bias)
        positive, negative = energies[: len(v)], energies[len(v) :]
        terms["contrast"] = Term(positive - (negative if self.chains is None else negative.mean()), held=0.0)
        if self.decay:
            terms["decay"] = Term(0.5 * rbm.weight.square().sum().expand(len(v)), self.decay, held=0.0)
        if not model.training:
            terms["pseudo"] = Term(-pseudo_likelihood(rbm, v, fields[: len(v)]), 0.0)
        return terms

    def phases(self, rbm: RBM, v: Tensor, clock: Clock) -> tuple[Tensor, Tensor, dict[str, Term]]:
        """Returns the data and below it the ends of the chains, the hidden fields of both, and the terms to report.

        Persistent chains move once per step, by random numbers of their own: so the micro-batches of a step share them, and
        several processes have the same ones without a message.
        """
        visible, hidden = rbm.visible_units, rbm.hidden_units
        if self.chains is None:
            field = rbm.hidden_field(v)
            restored = visible.mean(rbm.visible_field(hidden.draw(hidden.mean(field))))
            error = v - restored
            terms = {"reconstruction": Term(dot(error, error), 0.0, monitor=True)}
            negative = self.end(rbm, restored)
            return torch.cat([v, negative]), torch.cat([field, rbm.hidden_field(negative)]), terms
        self.begin(rbm)
        assert self.means is not None
        if self.latest is None or self.latest[0] != clock.step:
            own = torch.Generator(v.device).manual_seed(clock.step)
            first = visible.mean(rbm.visible_field(hidden.draw(self.means, own)))
            self.latest = clock.step, self.end(rbm, first, own)
        both = torch.cat([v, self.latest[1]])
        return both, rbm.hidden_field(both), {}

    def end(self, rbm: RBM, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns the visible units at the end of chains, given the means of their first ones."""
        visible, hidden = rbm.visible_units, rbm.hidden_units
        for _ in range(self.k - 1):
            h = hidden.draw(hidden.mean(rbm.hidden_field(visible.draw(mean, generator))), generator)
            mean = visible.mean(rbm.visible_field(h))
        return visible.draw(mean, generator) if self.sampled else mean


class FreeEnergy(torch.autograd.Function):
    r"""Gives known free energies their gradient by :math:`W, a, b`: it is :math:`-v \bar h^\top, -v, -\bar h`."""

    @staticmethod
    def forward(ctx: Any, known: Tensor, v: Tensor, means: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(v, means)
        return known.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        v, means = ctx.saved_tensors
        scaled = means * -grad.unsqueeze(1)
        return None, None, None, v.T @ scaled, -grad @ v, scaled.sum(0)


@torch.no_grad()
def pseudo_likelihood(rbm: RBM, v: Tensor, field: Tensor) -> Tensor:
    r"""Estimates :math:`\sum_i \log p(v_i | v_{\setminus i})` from a few :math:`i` of each example, with shape :math:`(B)`.

    Arguments:
        rbm: The machine.
        v: The visible units, with shape :math:`(B, D)`.
        field: The fields of the hidden units, with shape :math:`(B, H)`.
    """
    visible, hidden = rbm.visible_units, rbm.hidden_units
    means, before = hidden.mean(field), hidden.log_partition(field).unsqueeze(1)
    total = torch.zeros_like(v[:, 0])
    for _ in range(UNITS):
        i = torch.randint(v.shape[1], (len(v), 1), device=v.device)
        own, bias, weight = v.gather(1, i).unsqueeze(1), rbm.visible_bias[i], rbm.weight[i]
        s = visible.states(bias + (weight * means.unsqueeze(1)).sum(-1)).transpose(1, 2)  # (B, states, 1)
        gain = visible.energy(own) - visible.energy(s) + (s - own).squeeze(-1) * bias
        gain += hidden.log_partition(field.unsqueeze(1) + (s - own) * weight) - before
        total -= gain.logsumexp(1)
    return v.shape[1] / UNITS * total


def machine(model: Model) -> RBM:
    if not isinstance(model, RBM):
        raise ValueError(
            f"contrastive divergence trains an RBM, and this is a {type(model).__name__}: use ELBO"
        )
    return model
