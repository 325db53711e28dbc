r"""The core: one pass through a latent-variable model, recorded group by group.

A deep latent-variable model says how the data came to be: a latent :math:`z` is drawn from a prior, and the
data from a likelihood whose parameters a network computes from it,

.. math:: p_\theta(x, z) = p_\theta(x | z) \, p_\theta(z), \qquad p_\theta(x) = \int p_\theta(x, z) \, dz .

The integral has no closed form, nor has the posterior :math:`p_\theta(z | x) = p_\theta(x, z) / p_\theta(x)`. A second
network therefore names an approximate posterior :math:`q_\phi(z | x)`, and Jensen's inequality gives the bound

.. math:: \log p_\theta(x) \geq \mathbb{E}_{q_\phi(z | x)} [\log p_\theta(x | z)]
    - \mathrm{KL}(q_\phi(z | x) \,\|\, p_\theta(z)) .

Everything an objective, an evaluation or a picture needs of one pass are these three distributions and the
value of :math:`z`. So a :class:`Model` is a single *walk* down its latent groups that names each group to a
:class:`Trace` and returns the likelihood. The one walk serves training, sampling, reconstruction, decoding of
chosen latents and refinement of :math:`q`; nothing is written twice.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

__all__ = ["Latent", "Model", "Trace", "kl", "mean", "rsample"]

NOTHING: Mapping[str, Tensor | Distribution] = MappingProxyType({})


def rsample(d: Distribution) -> Tensor:
    """Draws one value, with a gradient where the distribution has one."""
    return d.rsample() if d.has_rsample else d.sample()


def mean(d: Distribution) -> Tensor:
    """Takes the mean in place of a draw: `model(x, choose=mean)` is the deterministic pass."""
    return d.mean


@dataclass(frozen=True)
class Latent:
    r"""Holds one latent group of one pass.

    Arguments:
        z: The value :math:`z`, with shape :math:`(B, *)`.
        p: The prior :math:`p(z | \text{what came before})`.
        q: The posterior :math:`q(z | x, \text{what came before})`; None where no :math:`x` was given.
    """

    z: Tensor
    p: Distribution
    q: Distribution | None = None


class Trace:
    r"""Records one pass through a model.

    Arguments:
        size: The batch shape :math:`(B)`, or :math:`(k, B)` for `k` draws per example.
        given: Latents that are not drawn: a tensor replaces the value, a distribution replaces the posterior.
        choose: Takes a value from a distribution; `rsample` by default.

    Attributes:
        latents: The groups by name, in the order of the walk.
        factors: Further log-potentials in nats, each with shape :math:`(B)`, e.g. a codebook's.
        likelihood: :math:`p(x | z, y)`.
    """

    likelihood: Distribution

    def __init__(
        self,
        size: Sequence[int],
        given: Mapping[str, Tensor | Distribution] = NOTHING,
        choose: Callable[[Distribution], Tensor] = rsample,
    ) -> None:
        self.size = torch.Size(size)
        self.given, self.choose = given, choose
        self.latents: dict[str, Latent] = {}
        self.factors: dict[str, Tensor] = {}

    def latent(self, name: str, p: Distribution, q: Distribution | None = None) -> Tensor:
        """Records a latent group and returns its value, with shape :math:`(B, *)`.

        Raises:
            ValueError: If two groups of one walk have the same name.
        """
        if name in self.latents:
            raise ValueError(
                f"two latent groups are named {name!r}: each group of a walk needs a name of its own"
            )
        value = self.given.get(name)
        if isinstance(value, Distribution):
            q, value = value, None
        if value is None:
            d = p if q is None else q
            value = self.choose(d if d.batch_shape == self.size else d.expand(self.size))
        self.latents[name] = Latent(value, p, q)
        return value

    def log_weight(self, x: Tensor) -> Tensor:
        r"""Returns :math:`\log p(x | z) + \sum_g \log p(z_g) - \log q(z_g)`, with shape :math:`(B)`.

        Its mean over draws from :math:`q` is the ELBO; the log of the mean of its exponential is the
        importance-weighted bound.
        """
        return self.likelihood.log_prob(x) + self.log_ratio()

    def log_ratio(self) -> Tensor:
        r"""Returns :math:`\sum_g \log p(z_g) - \log q(z_g)` and the factors: the weight without its likelihood."""
        ratio: Tensor | float = 0.0
        for name, g in self.latents.items():
            if g.q is None:
                raise ValueError(f"latent group {name!r} has no posterior: call the model with x")
            ratio = ratio + g.p.log_prob(g.z) - g.q.log_prob(g.z)
        for factor in self.factors.values():
            ratio = ratio + factor
        return torch.as_tensor(ratio)


class Model(nn.Module, abc.ABC):
    """Walks down its latent groups once. Abstract: a model defines `walk` and nothing else.

    Example:
        >>> from torch.distributions import Independent, Normal
        >>> class Linear(Model):
        ...     def walk(self, trace, x, y):
        ...         unit = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
        ...         q = None if x is None else Independent(Normal(x[..., :2], 0.1), 1)
        ...         z = trace.latent("z", p=unit, q=q)
        ...         return Independent(Normal(z.repeat_interleave(2, -1), 1.0), 1)
        >>> trace = Linear()(size=5)
        >>> trace.likelihood.sample().shape
        torch.Size([5, 4])
        >>> Linear()(torch.randn(3, 4)).latents["z"].q.batch_shape
        torch.Size([3])
    """

    made_by: Mapping[str, object] | None = None  # the recipe and its arguments, where a recipe made it

    def forward(
        self,
        x: Tensor | None = None,
        y: Tensor | None = None,
        *,
        size: int | Sequence[int] | None = None,
        given: Mapping[str, Tensor | Distribution] = NOTHING,
        choose: Callable[[Distribution], Tensor] = rsample,
    ) -> Trace:
        r"""Walks once and returns what it met.

        Arguments:
            x: The data, with shape :math:`(B, *)`; None to generate.
            y: The condition of the model, with shape :math:`(B, *)`.
            size: The batch shape; read off `x`, else off `y`, where it is not given. With :math:`(k, B)` each latent is
                drawn `k` times for each of the :math:`B` examples: the networks run on :math:`x` once, on :math:`z` `k` times.
            given: Latents by name that are not drawn: values, or posteriors to draw from.
            choose: Takes a value from each distribution, e.g. `rsample`, `mean`, or a colder draw.

        Raises:
            ValueError: If nothing gives the batch size, or `given` names a group the model does not have.
        """
        if size is None:
            leader = x if x is not None else y
            if leader is None:
                raise ValueError(
                    "the number of examples to generate is missing: give x, y or size, e.g. model(size=64)"
                )
            size = leader.shape[:1]
        trace = Trace((size,) if isinstance(size, int) else size, given, choose)
        if x is not None and trace.size[-1:] != x.shape[:1]:
            raise ValueError(
                f"size is {tuple(trace.size)} for {len(x)} examples: leave it out, or end it with {len(x)}"
            )
        trace.likelihood = self.walk(trace, x, y)
        if unknown := given.keys() - trace.latents.keys():
            raise ValueError(f"no latent group is named {sorted(unknown)}; there are {sorted(trace.latents)}")
        return trace

    @abc.abstractmethod
    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        r"""Names each latent group to `trace`, in order, and returns :math:`p(x | z, y)`."""


def kl(g: Latent) -> Tensor:
    r"""Returns :math:`\mathrm{KL}(q \,\|\, p)` in nats, with shape :math:`(B)`.

    Exact where a rule is registered for the pair of families, else the one-sample estimate
    :math:`\log q(z) - \log p(z)`.

    Example:
        >>> from torch.distributions import Normal
        >>> kl(Latent(torch.tensor(0.3), p=Normal(0.0, 1.0), q=Normal(1.0, 1.0)))
        tensor(0.5000)
    """
    if g.q is None:
        raise ValueError("this latent group has no posterior: call the model with x")
    try:
        return kl_divergence(g.q, g.p)
    except NotImplementedError:
        return g.q.log_prob(g.z) - g.p.log_prob(g.z)
