r"""The restricted Boltzmann machine: an energy in place of a decoder.

Two layers of units, :math:`v` for the data and :math:`h` hidden, are linked to each other and never within themselves:

.. math:: p(v, h) = \frac{1}{Z} e^{-E(v, h)}, \qquad
    E(v, h) = E_0(v) + E_0(h) - a^\top v - b^\top h - v^\top W h .

So, given one layer, the units of the other are independent, each of them moved by a *field* alone, :math:`f = b + W^\top v`
or :math:`f = a + W h`:

.. math:: p(s | f) = e^{s f - E_0(s) - A(f)}, \qquad A(f) = \log \sum_s e^{s f - E_0(s)} .

For a bit :math:`E_0 = 0` and :math:`A` is the softplus; for a Gaussian unit of variance 1, :math:`E_0(s) = s^2 / 2` and
:math:`A(f) = f^2 / 2 + \tfrac{1}{2} \log 2 \pi`. Either layer can be summed out, which leaves a *free energy* of the other one:

.. math:: p(v) = \frac{1}{Z} e^{-F(v)}, \qquad F(v) = E_0(v) - a^\top v - \sum_j A(b_j + (W^\top v)_j) .

Read as a latent-variable model it has the prior :math:`p(h) \propto e^{-F(h)}`, the likelihood :math:`p(v | h)`, and what no
autoencoder has: the *exact* posterior :math:`p(h | v)`. Hence :math:`\log p(v | h) + \log p(h) - \log p(h | v) = \log p(v)` for
every :math:`h`, and the ELBO is the log-likelihood itself. The difficulty is the prior. It is sampled by Gibbs chains, and
:math:`Z` is a sum over all states: exact where the smaller layer has few enough bits to list them, estimated otherwise.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, Independent, Normal, constraints
from torch.utils.checkpoint import checkpoint

from ..distributions import BernoulliEvent
from ..distributions.precision import dot, exactly
from ..distributions.traits import OF_VALUES, Normaliser, normaliser, passed_on, register
from ..trace import Model, Trace
from .ais import Partition, settled
from .looks import Chains, chains, shared_weights

__all__ = ["RBM", "BernoulliUnits", "GaussianUnits", "HiddenMarginal", "Units"]

LISTED = 20  # bits of a layer whose states are listed one by one
UNITS_TO_A_LOG = 16  # units to one logarithm
LISTED_AT_ONCE = 1 << 20  # of one piece of that list: on a CPU it stays in the cache
CHAINS = 128  # that run side by side for draws from the prior
APART = 20  # of a chain's length, what lies between two draws of one chain
SUMMED_SDS = 8  # standard deviations: the end of the line on which a Gaussian unit is summed


class Units(abc.ABC):
    r"""Defines the law of the units of a layer: :math:`p(s | f) = e^{s f - E_0(s) - A(f)}`, given the field. Abstract."""

    @abc.abstractmethod
    def energy(self, s: Tensor) -> Tensor:
        r"""Returns :math:`\sum_i E_0(s_i)` over the last dimension."""

    @abc.abstractmethod
    def log_partition(self, f: Tensor) -> Tensor:
        r"""Returns :math:`\sum_i A(f_i)` over the last dimension."""

    @abc.abstractmethod
    def mean(self, f: Tensor) -> Tensor:
        r"""Returns :math:`A'(f)`, the mean of each unit."""

    @abc.abstractmethod
    def field(self, mean: Tensor, n: int) -> Tensor:
        r"""Returns the field under which units have the mean that :math:`n` examples had: the inverse of `mean`."""

    @abc.abstractmethod
    def draw(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """Draws each unit, given its mean."""

    @abc.abstractmethod
    def states(self, mean: Tensor) -> Tensor:
        r"""Returns the states over which :math:`\sum_s` runs, in a new last dimension: those with mass around a mean."""

    @abc.abstractmethod
    def distribution(self, f: Tensor, event_dim: int) -> Distribution:
        """Returns the units as a distribution, the last dimensions one event."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class BernoulliUnits(Units):
    r"""Takes the states 0 and 1: :math:`p(s = 1) = \sigma(f)`. Grey values in [0, 1] stand for the expectation of a bit."""

    def energy(self, s: Tensor) -> Tensor:
        return s.new_zeros(s.shape[:-1])

    def log_partition(self, f: Tensor) -> Tensor:
        # log(1 + e^f) = max(f, 0) - log σ(|f|), and a few factors share a logarithm: none is below a half
        size = f.abs()
        larger = size.sigmoid().unflatten(-1, (math.gcd(f.shape[-1], UNITS_TO_A_LOG), -1)).prod(-2)
        return 0.5 * (f.sum(-1) + size.sum(-1)) - larger.log().sum(-1)

    def mean(self, f: Tensor) -> Tensor:
        return f.sigmoid()

    def field(self, mean: Tensor, n: int) -> Tensor:
        return ((mean * n + 0.5) / (n + 1)).logit()  # finite, also for a bit that was never on

    def draw(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        # 16 random bits a unit, and 8 more for all of them: each number alone is uniform, to 24 bits
        words = torch.empty((mean.numel() + 3) // 4, dtype=torch.int64, device=mean.device)
        bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[: mean.numel()]
        below = torch.randint(256, (), generator=generator, device=mean.device) / 256
        return bits.view(mean.shape).to(mean.dtype).add_(below).sub_(mean, alpha=2**16).lt_(-(2**15))

    def states(self, mean: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(mean), torch.ones_like(mean)], -1)

    def distribution(self, f: Tensor, event_dim: int) -> BernoulliEvent:
        return BernoulliEvent(f, event_dim)


class GaussianUnits(Units):
    r"""Takes real states of variance 1: :math:`p(s) = \mathcal{N}(f, 1)`; data should have been standardised."""

    def energy(self, s: Tensor) -> Tensor:
        return 0.5 * dot(s, s)

    def log_partition(self, f: Tensor) -> Tensor:
        return 0.5 * (dot(f, f) + f.shape[-1] * math.log(2 * math.pi))

    def mean(self, f: Tensor) -> Tensor:
        return f

    def field(self, mean: Tensor, n: int) -> Tensor:
        return mean

    def draw(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        return torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device).add_(mean)

    def states(self, mean: Tensor) -> Tensor:
        # of a function as wide as a Normal of variance 1 a sum in steps of 1 is the integral to 5e-9
        return mean.unsqueeze(-1) + torch.arange(
            -SUMMED_SDS, SUMMED_SDS + 1, dtype=mean.dtype, device=mean.device
        )

    def distribution(self, f: Tensor, event_dim: int) -> Independent:
        return Independent(Normal(f, torch.ones_like(f), validate_args=False), event_dim, validate_args=False)


class HiddenMarginal(Distribution):
    r"""Weighs hidden states by :math:`p(h) = e^{-F(h)} / Z`: an RBM's prior, whose draws are the ends of Gibbs chains.

    Up to 128 draws have a chain each. More of them follow one another in the same chains, a twentieth of a chain's length apart.

    Arguments:
        rbm: The machine.
        batch_shape: The batch shape.
    """

    arg_constraints: ClassVar = {}
    support = constraints.real
    has_rsample = False

    def __init__(self, rbm: RBM, batch_shape: Sequence[int] = ()) -> None:
        self.rbm = rbm
        super().__init__(torch.Size(batch_shape), rbm.hidden_bias.shape, validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> HiddenMarginal:
        return HiddenMarginal(self.rbm, batch_shape)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        n, units = shape[:-1].numel(), self.rbm.hidden_units
        chains = self.rbm.chains(min(n, CHAINS), max(1, self.rbm.steps // APART))
        v = torch.cat(list(islice(chains, -(-n // CHAINS))))[:n]
        return units.draw(units.mean(self.rbm.hidden_field(v))).view(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        weight = -self.rbm.hidden_free_energy(value)
        return (weight.double() - self.rbm.log_partition()).to(weight.dtype)


def units_of(p: HiddenMarginal) -> Distribution:
    """Returns the law of hidden units that nothing acts upon: its values are those of the marginal."""
    bias = p.rbm.hidden_bias.detach()
    return p.rbm.hidden_units.distribution(torch.zeros_like(bias), bias.dim())


def log_z(p: HiddenMarginal) -> Normaliser:
    found = p.rbm.partition()
    return Normaliser(
        found.log_z.item(), found.se, found.ess if found.se else None, found.temperatures, found.is_settled
    )


register(normaliser, log_z, HiddenMarginal)
passed_on(HiddenMarginal, units_of, OF_VALUES)


class RBM(Model):
    r"""Links visible and hidden units by :math:`E(v, h) = E_0(v) + E_0(h) - a^\top v - b^\top h - v^\top W h`.

    Its one latent group is :math:`h`, with the exact posterior. Train it by `ContrastiveDivergence`; an RBM small enough
    for :math:`Z` to be exact can be trained by `ELBO`, which is its log-likelihood.

    References:
        | Training Products of Experts by Minimizing Contrastive Divergence (Hinton, 2002)
        | https://doi.org/10.1162/089976602760128018
        | A Practical Guide to Training Restricted Boltzmann Machines (Hinton, 2010)
        | https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf

    Arguments:
        visible: The shape of an example.
        hidden: The number of hidden units.
        visible_units: The law of the visible units.
        hidden_units: The law of the hidden units.
        steps: The Gibbs steps of a fresh chain until it is used as a draw from the model.

    Attributes:
        weight: :math:`W`, with shape :math:`(D, H)`.
        visible_bias: :math:`a`, with shape :math:`(D)`.
        hidden_bias: :math:`b`, with shape :math:`(H)`.
        base: The visible fields that give each unit its frequency in the data, where annealing starts; 0 before `meet`.

    Raises:
        ValueError: If both layers are Gaussian: such an energy has no normaliser for some weights.

    Example:
        >>> rbm = RBM(visible=(1, 4, 4), hidden=8)
        >>> x = torch.ones(3, 1, 4, 4)
        >>> trace = rbm(x)
        >>> trace.log_weight(x).allclose(-rbm.free_energy(x.flatten(1)) - rbm.log_partition().float())
        True
    """

    base: Tensor

    def __init__(
        self,
        visible: Sequence[int],
        hidden: int,
        visible_units: Units = BernoulliUnits(),  # noqa: B008
        hidden_units: Units = BernoulliUnits(),  # noqa: B008
        steps: int = 1000,
    ) -> None:
        super().__init__()
        if isinstance(visible_units, GaussianUnits) and isinstance(hidden_units, GaussianUnits):
            raise ValueError(
                "both layers are Gaussian: their energy has no normaliser once a singular value of W reaches 1; "
                "let one of them be BernoulliUnits()"
            )
        self.shape, self.steps = torch.Size(visible), steps
        self.visible_units, self.hidden_units = visible_units, hidden_units
        size = self.shape.numel()
        self.weight = nn.Parameter(0.01 * torch.randn(size, hidden))
        self.visible_bias = nn.Parameter(torch.zeros(size))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.register_buffer("base", torch.zeros(size))
        self.found: tuple[list[Tensor], Partition] | None = None

    def extra_repr(self) -> str:
        return f"{tuple(self.shape)}, {len(self.hidden_bias)}, {self.visible_units}, {self.hidden_units}"

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        h = trace.latent("h", p=HiddenMarginal(self), q=None if x is None else self.hidden(x.flatten(1)))
        return self.visible(h)

    # ------------------------------------------------------------------------------------------- given a layer

    def hidden_field(self, v: Tensor) -> Tensor:
        r"""Returns :math:`b + W^\top v`, with shape :math:`(*, H)`, for :math:`v` with shape :math:`(*, D)`."""
        with exactly(v):
            return F.linear(v.to(self.weight.dtype), self.weight.T, self.hidden_bias)

    def visible_field(self, h: Tensor) -> Tensor:
        r"""Returns :math:`a + W h`, with shape :math:`(*, D)`, for :math:`h` with shape :math:`(*, H)`."""
        with exactly(h):
            return F.linear(h.to(self.weight.dtype), self.weight, self.visible_bias)

    def hidden(self, v: Tensor) -> Distribution:
        r"""Returns :math:`p(h | v)`, the exact posterior, for :math:`v` with shape :math:`(*, D)`."""
        return self.hidden_units.distribution(self.hidden_field(v), 1)

    def visible(self, h: Tensor) -> Distribution:
        r"""Returns :math:`p(v | h)`, over examples in their own shape."""
        field = self.visible_field(h)
        return self.visible_units.distribution(field.unflatten(-1, self.shape), len(self.shape))

    def free_energy(self, v: Tensor) -> Tensor:
        r"""Returns :math:`F(v) = E_0(v) - a^\top v - \sum_j A(f_j)`, with shape :math:`(*)`."""
        return self.energy_of(v, self.hidden_field(v))

    def energy_of(self, v: Tensor, field: Tensor) -> Tensor:
        """Returns the free energy of v whose hidden field is known."""
        return (
            self.visible_units.energy(v) - dot(v, self.visible_bias) - self.hidden_units.log_partition(field)
        )

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        r"""Returns :math:`F(h) = E_0(h) - b^\top h - \sum_i A(f_i)`, with shape :math:`(*)`."""
        energy = self.hidden_units.energy(h) - dot(h, self.hidden_bias)
        return energy - self.visible_units.log_partition(self.visible_field(h))

    # -------------------------------------------------------------------------------------------------- chains

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int = 1, generator: Generator | None = None) -> Tensor:
        """Takes steps from v to h to v, with shape :math:`(*, D)`, and returns the last sample."""
        for _ in range(steps):
            h = self.hidden_units.draw(self.hidden_units.mean(self.hidden_field(v)), generator)
            v = self.visible_units.draw(self.visible_units.mean(self.visible_field(h)), generator)
        return v

    @torch.no_grad()
    def chains(self, n: int, every: int = 1, generator: Generator | None = None) -> Iterator[Tensor]:
        """Runs fresh chains for ever.

        Yields samples with shape :math:`(n, D)`: the first after `steps` steps of the machine, the others `every` steps apart.
        """
        units = self.visible_units
        v = units.draw(units.mean(self.visible_bias.expand(n, -1)), generator)
        v = self.gibbs(v, self.steps, generator)
        while True:
            yield v
            v = self.gibbs(v, every, generator)

    # --------------------------------------------------------------------------------------------------- log Z

    @property
    def base_rates(self) -> Tensor:
        """The visible fields of the machine without links where annealing starts: those of the data, if it was met."""
        return self.base if self.base.any() else self.visible_bias.detach()

    @torch.no_grad()
    def meet(self, mean: Tensor, n: int) -> None:
        """Learns how frequent each visible unit is in n examples of data, which is no part of its weights."""
        self.base.copy_(self.visible_units.field(mean.flatten(), n))

    def log_partition(self) -> Tensor:
        r"""Returns :math:`\log Z` in nats and float64, with a gradient where it is exact.

        Raises:
            ValueError: If a gradient is asked for, and :math:`Z` can only be estimated.
        """
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return self.partition().log_z
        if not self.is_listable():
            raise ValueError(
                f"log Z of {len(self.visible_bias)} and {len(self.hidden_bias)} units is estimated, and the estimate has no "
                "gradient: train by ContrastiveDivergence, and score inside torch.no_grad()"
            )
        return self.listed()

    @torch.no_grad()
    def partition(self) -> Partition:
        r"""Returns :math:`\log Z` with its standard error: exact where states can be listed, else by annealing until it stays.

        It is found once, and again when the weights have changed; the global generators are left as they were.
        """
        weights = list(self.parameters())
        if self.found is None or not all(map(same, self.found[0], weights)):
            partition = Partition(self.listed()) if self.is_listable() else settled(self)
            self.found = [p.detach().clone() for p in weights], partition
        return self.found[1]

    def bits(self) -> tuple[Tensor, Tensor, Tensor, Units] | None:
        """Returns the bias of the smaller layer of bits, its weights to the other layer, and that one's bias and units."""
        sides = [
            (self.hidden_bias, self.weight, self.visible_bias, self.visible_units),
            (self.visible_bias, self.weight.T, self.hidden_bias, self.hidden_units),
        ]
        own = (self.hidden_units, self.visible_units)
        binary = [side for side, units in zip(sides, own) if isinstance(units, BernoulliUnits)]
        return min(binary, key=lambda side: len(side[0]), default=None)

    def is_listable(self) -> bool:
        """Returns whether the smaller layer has few enough bits for its states to be listed."""
        bits = self.bits()
        return bits is not None and len(bits[0]) <= LISTED

    def listed(self) -> Tensor:
        r"""Returns :math:`\log Z = \log \sum_s e^{-F(s)}` over all states of the smaller layer, in float64."""
        bits = self.bits()
        assert bits is not None
        own, weight, other = (t.double() for t in bits[:3])
        place = torch.arange(len(own), device=own.device)

        def piece(numbers: Tensor) -> Tensor:
            s = (numbers.unsqueeze(1) >> place & 1).double()
            return (s @ own + bits[3].log_partition(F.linear(s, weight, other))).logsumexp(0)

        pieces = torch.arange(1 << len(own), device=own.device).split(max(1, LISTED_AT_ONCE // len(other)))
        found = [checkpoint(piece, numbers, use_reentrant=False) for numbers in pieces]
        return torch.stack(found).logsumexp(0)


def same(a: Tensor, b: Tensor) -> bool:
    return a.device == b.device and a.dtype == b.dtype and a.equal(b)


@chains.register
def chains_of(rbm: RBM) -> Chains:
    """Starts chains of noise at the visible units without a field, and shows the mean of :math:`p(v | h)` after so many steps."""

    def noise(v: Tensor) -> Tensor:
        return rbm.visible_units.draw(rbm.visible_units.mean(torch.zeros_like(v)))

    def visited(v: Tensor, steps: Sequence[int]) -> Iterator[Tensor]:
        for last, k in pairwise((0, *steps)):
            v = rbm.gibbs(v, k - last - 1)
            h = rbm.hidden_units.draw(rbm.hidden_units.mean(rbm.hidden_field(v)))
            means = rbm.visible_units.mean(rbm.visible_field(h))
            yield means
            v = rbm.visible_units.draw(means)

    return Chains(noise, visited)


shared_weights.register(RBM, lambda rbm: rbm.weight.T)
