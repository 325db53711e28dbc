r"""Annealed importance sampling of a Boltzmann machine's :math:`\log Z`.

Between a machine without links, whose :math:`Z_0` is a product over its units, and the one in question lies a line of machines:
their weights are :math:`\beta W`, their hidden biases :math:`\beta b`, and the visible ones stay. A chain starts as an exact
draw at :math:`\beta = 0` and takes one Gibbs step at each :math:`\beta_k` on the way to 1. Its weight is what the unnormalised
probability of its state gains each time that :math:`\beta` moves,

.. math:: \log w = \sum_k F_{\beta_{k - 1}}(v_k) - F_{\beta_k}(v_k), \qquad \mathbb{E}[w] = Z / Z_0 ,

for any number of temperatures, whether the chains keep up or not. But where they do not, the weights scatter, and then
:math:`\log \bar w` is below :math:`\log \mathbb{E}[w]` more often than above: :math:`Z` comes out too low, and the likelihood of
data too high. A mode that no chain met is missing altogether, and the standard error does not know of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Machine", "Partition", "Units", "annealed"]


class Units(Protocol):
    """Are units of one layer, given the field that they stand in."""

    def mean(self, f: Tensor) -> Tensor: ...

    def draw(self, mean: Tensor, generator: torch.Generator) -> Tensor: ...

    def log_partition(self, f: Tensor) -> Tensor: ...


class Machine(Protocol):
    """Has two layers of units and links between them, as a Boltzmann machine that is annealed."""

    @property
    def visible_units(self) -> Units: ...

    @property
    def hidden_units(self) -> Units: ...

    @property
    def visible_bias(self) -> Tensor: ...

    @property
    def hidden_bias(self) -> Tensor: ...

    def hidden_field(self, v: Tensor) -> Tensor: ...

    def visible_field(self, h: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Partition:
    r"""Holds :math:`\log Z` in nats.

    Arguments:
        log_z: A scalar in float64.
        se: The standard error; 0 where it is exact.
    """

    log_z: Tensor
    se: float


@torch.no_grad()
def annealed(rbm: Machine, chains: int = 100, temperatures: int = 1000, seed: int = 0) -> Partition:
    r"""Estimates :math:`\log Z` by annealed importance sampling.

    References:
        | Annealed Importance Sampling (Neal, 1998)
        | https://arxiv.org/abs/physics/9803008
        | On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov and Murray, 2008)
        | https://doi.org/10.1145/1390156.1390266

    Arguments:
        rbm: The machine.
        chains: The number of chains, side by side.
        temperatures: The number of steps of :math:`\beta` from 0 to 1.
        seed: The seed of the chains.
    """
    visible, hidden = rbm.visible_units, rbm.hidden_units
    a, b = rbm.visible_bias, rbm.hidden_bias
    generator = torch.Generator(a.device).manual_seed(seed)
    v = visible.draw(visible.mean(a.expand(chains, -1)), generator)
    log_w = torch.zeros(chains, dtype=torch.float64, device=a.device)
    for low, high in pairwise(torch.linspace(0, 1, temperatures + 1, dtype=torch.float64).tolist()):
        field = rbm.hidden_field(v)
        log_w += hidden.log_partition(high * field) - hidden.log_partition(low * field)
        h = hidden.draw(hidden.mean(high * field), generator)
        v = visible.draw(visible.mean(a.lerp(rbm.visible_field(h), high)), generator)
    log_z0 = visible.log_partition(a.double()) + hidden.log_partition(0 * b.double())
    weights = (log_w - log_w.max()).exp()
    se = (weights.std() / weights.mean() / math.sqrt(chains)).item()
    return Partition(log_z0 + log_w.logsumexp(0) - math.log(chains), se)
