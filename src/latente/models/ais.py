r"""Annealed importance sampling of a Boltzmann machine's :math:`\log Z`.

Between a machine without links, whose :math:`Z_0` is a product over its units, and the one in question lies a line of machines:
their weights are :math:`\beta W`, their hidden biases :math:`\beta b`, and their visible ones
:math:`(1 - \beta) a_0 + \beta a`, where :math:`a_0` makes each unit as frequent as it is in the data. A chain starts as an exact
draw at :math:`\beta = 0` and takes one Gibbs step at each :math:`\beta_k` on the way to 1. Its weight is what the unnormalised
probability of its state gains each time that :math:`\beta` moves,

.. math:: \log w = \sum_k F_{\beta_{k - 1}}(v_k) - F_{\beta_k}(v_k), \qquad \mathbb{E}[w] = Z / Z_0 ,

for any number of temperatures, whether the chains keep up or not. But where they do not, the weights scatter, and then
:math:`\log \bar w` is below :math:`\log \mathbb{E}[w]` far more often than above: :math:`Z` comes out too low, and the
likelihood of data too high. On a machine of 500 units a thousand temperatures are 5 nats short, and the standard error of such
weights does not know of it. So the temperatures are doubled until neither the figure moves nor few chains carry it; where that
does not happen within a bound, the estimate says so, and is refused as a likelihood. A mode that no chain met is missing
altogether, and nothing here can know of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Machine", "Partition", "Units", "annealed", "settled"]

CHAINS = 100
SCHEDULE = ((0.5, 1 / 29), (0.9, 9 / 29), (1.0, 1.0))  # beta, and the share of the temperatures up to it
FIRST, MOST = 2000, 64_000  # temperatures
ERRORS = 2.0  # by which two estimates may differ
FEW = 0.1  # of the chains


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

    @property
    def base_rates(self) -> Tensor: ...

    def hidden_field(self, v: Tensor) -> Tensor: ...

    def visible_field(self, h: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Partition:
    r"""Holds :math:`\log Z` in nats.

    Arguments:
        log_z: A scalar in float64.
        se: The standard error; 0 where it is exact.
        ess: The effective number of chains, :math:`(\sum w)^2 / \sum w^2`; infinite where it is exact.
        temperatures: The number of temperatures; 0 where it is exact.
        is_settled: Whether half as many temperatures gave the same within two standard errors, by no few chains.
    """

    log_z: Tensor
    se: float = 0.0
    ess: float = math.inf
    temperatures: int = 0
    is_settled: bool = True


def settled(
    rbm: Machine, chains: int = CHAINS, first: int = FIRST, most: int = MOST, seed: int = 0
) -> Partition:
    r"""Estimates :math:`\log Z` with ever more temperatures, until it stays.

    It stays once doubling them moves it by less than two standard errors and its effective number of chains is a tenth of them
    or more. If it does not within `most`, the last estimate is returned, marked.

    Arguments:
        rbm: The machine.
        chains: The number of chains, side by side.
        first: The temperatures to begin with.
        most: The most temperatures.
        seed: The seed of the chains.
    """
    base, before = rbm.base_rates, annealed(rbm, chains, first, seed)
    if (
        before.ess < FEW * chains
    ):  # a machine that has hardly learnt is nearer to its own biases than to the data
        other = annealed(rbm, chains, first, seed, rbm.visible_bias)
        if other.ess > before.ess:
            base, before = rbm.visible_bias, other
    while True:
        found = annealed(rbm, chains, 2 * before.temperatures, seed + 1, base)
        moved = abs((found.log_z - before.log_z).item())
        stays = moved < ERRORS * math.hypot(found.se, before.se)
        if stays and found.ess >= FEW * chains:
            return found
        if 2 * found.temperatures > most:
            return replace(found, is_settled=False)
        before, seed = found, seed + 1


@torch.no_grad()
def annealed(
    rbm: Machine,
    chains: int = CHAINS,
    temperatures: int = 10_000,
    seed: int = 0,
    base: Tensor | None = None,
) -> Partition:
    r"""Estimates :math:`\log Z` by annealed importance sampling.

    References:
        | Annealed Importance Sampling (Neal, 1998)
        | https://arxiv.org/abs/physics/9803008
        | On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov and Murray, 2008)
        | https://doi.org/10.1145/1390156.1390266

    Arguments:
        rbm: The machine.
        chains: The number of chains, side by side.
        temperatures: The number of steps of :math:`\beta` from 0 to 1: a 29th of them up to a half, and 20 above 0.9, as
            Salakhutdinov and Murray have them.
        seed: The seed of the chains.
        base: The visible fields at :math:`\beta = 0`; by default the machine's base rates.
    """
    visible, hidden = rbm.visible_units, rbm.hidden_units
    base, b = rbm.base_rates if base is None else base, rbm.hidden_bias
    offset = rbm.visible_bias - base
    generator = torch.Generator(base.device).manual_seed(seed)
    v = visible.draw(visible.mean(base.expand(chains, -1)), generator)
    log_w = torch.zeros(chains, dtype=torch.float64, device=base.device)
    for low, high in pairwise(betas(temperatures)):
        field = rbm.hidden_field(v)
        log_w += hidden.log_partition(high * field) - hidden.log_partition(low * field)
        log_w += (high - low) * (v @ offset)
        h = hidden.draw(hidden.mean(high * field), generator)
        v = visible.draw(visible.mean(base.lerp(rbm.visible_field(h), high)), generator)
    log_z0 = visible.log_partition(base.double()) + hidden.log_partition(0 * b.double())
    weights = (log_w - log_w.max()).exp()
    se = (weights.std() / weights.mean() / math.sqrt(chains)).item()
    ess = (weights.sum().square() / weights.square().sum()).item()
    return Partition(log_z0 + log_w.logsumexp(0) - math.log(chains), se, ess, temperatures)


def betas(temperatures: int) -> list[float]:
    """Returns the values of beta, from 0 to 1, dense near 1.

    Example:
        >>> found = betas(29)
        >>> found[:3], found[9], len(found)
        ([0.0, 0.5, 0.55], 0.9, 30)
    """
    found, place, reached = [0.0], 0, 0.0
    for beta, share in SCHEDULE:
        until = max(place + 1, round(share * temperatures))
        n = until - place
        found += [round(reached + (beta - reached) * (i + 1) / n, 12) for i in range(n)]
        place, reached = until, beta
    return found
