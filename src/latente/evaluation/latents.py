r"""The use that a model makes of its latent variables.

Averaged over the data, a posterior gives the *aggregate* posterior :math:`q(z) = \frac{1}{N} \sum_n q(z |
x_n)`, and the rate splits in two:

.. math:: R = \mathbb{E}_x \, \mathrm{KL}(q(z | x) \,\|\, p(z)) = I_q(x; z) + \mathrm{KL}(q(z) \,\|\, p(z)) .

The first part is the information of a code about its example. The second is a mismatch, and pays for nothing: where it
is large, the prior puts mass where no code lies, and the decoder is asked there for what it never learnt.
These are the holes in the prior that make samples worse than reconstructions.

*Units.* A dimension is active if the posterior's mean moves with the data, :math:`\mathrm{Var}_x(\mathbb{E}_q
z_j) > 0.01` (Burda et al., 2015); on a sphere the variance is taken in units of the uniform prior's, :math:`1 / m`. Where a group
stands below others, its posterior mean also moves with their draws, which is no information on the example: the expectation is
over them, too. The variance of that expectation is the covariance, over examples, of the means of two walks with draws of their
own; it counts where it is above 0.01 by two standard errors, and the dimension pays for it, :math:`\mathrm{KL}_j > 0.01`.

*Information.* With one draw :math:`z_i` an example and :math:`\bar q(z_i)` the average of :math:`q(z_i |
x_j)` over the :math:`N` examples, :math:`\log q(z_i | x_i) - \log \bar q(z_i)` bounds :math:`I_q` from below
where :math:`j = i` is part of the average, and from above where it is left out (Poole et al., 2019). The
lower bound cannot pass :math:`\log N`: near it the estimate is called saturated, and means "at least".

*Mismatch.* :math:`R - I_q` is an interval, useless once saturated. Two other figures then remain: the KL
between Normals with the moments of :math:`q(z)` and of :math:`p(z)`, and a classifier two-sample test
(Lopez-Paz and Oquab, 2016): a small network learns to tell codes from prior samples, and its area under the
ROC curve on held-out ones is ½ where the two agree.

References:
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
    | ELBO surgery (Hoffman and Johnson, 2016), http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
    | On Variational Bounds of Mutual Information (Poole et al., 2019), https://arxiv.org/abs/1905.06922
    | Revisiting Classifier Two-Sample Tests (Lopez-Paz and Oquab, 2016), https://arxiv.org/abs/1610.06545
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions.traits import (
    Normaliser,
    can_sample,
    double,
    family,
    has_mean,
    has_variance,
    is_diffused,
    is_normal,
    is_point,
    is_slow,
    is_uniform,
    normaliser,
    number_of_names,
    of_names,
    on_spheres,
)
from ..divergences import by_dimension, moment_kl
from ..trace import Latent, Model, kl
from .bounds import Estimate, chunk_size, evaluating, to_model

__all__ = ["InformationBounds", "Latents", "information", "latents", "two_sample"]

ACTIVE = 1e-2  # Var_x(E_q z_j) of an active unit: Burda et al. (2015)
NEGLIGIBLE = 0.01  # nats: the epsilon of (epsilon, delta)-collapse, Lucas et al. (2019)
SATURATED = 0.9  # of log N
WALKS = 4  # past each example, where a group stands below others
SURE = 2.0  # standard errors
CELLS = 1 << 22  # entries of one piece of the N × N × d densities


@dataclass(frozen=True)
class InformationBounds:
    r"""Holds the sandwich of :math:`I_q(x; z)` in nats.

    Arguments:
        lower: The bound with each example among the others.
        upper: The bound with each example left out.
        ceiling: :math:`\log N`, which `lower` cannot pass.
        saturated: Whether `lower` is so near the ceiling that it is a lower bound alone.
    """

    lower: Estimate
    upper: Estimate
    ceiling: float
    saturated: bool

    def within(self, rate: float) -> InformationBounds:
        """Returns the bounds below the rate, which no code has more information than."""
        low, high = (Estimate(min(bound.mean, rate), bound.se) for bound in (self.lower, self.upper))
        return InformationBounds(low, high, self.ceiling, self.saturated)


@dataclass(frozen=True)
class Codebook:
    r"""Holds how discrete codes are used over held-out examples.

    Arguments:
        codes: The number of codes :math:`K`.
        used: How many of them occur.
        perplexity: :math:`\exp H` of how often: how many codes there might as well be, all equally frequent.
    """

    codes: int
    used: int
    perplexity: float


@dataclass(frozen=True)
class Latents:
    r"""Holds the figures of one latent group; what makes no sense for its families is None.

    Arguments:
        posterior: The family of :math:`q`, to be read.
        prior: The family of :math:`p`, to be read.
        posterior_is_point: Whether :math:`q` is a point, which has no density.
        prior_is_flat: Whether :math:`p` is flat, so that nothing can be drawn from it.
        prior_is_uniform: Whether :math:`p` holds all codes for equally likely.
        on_spheres: Whether codes lie on spheres.
        dimensions: The number of latent dimensions.
        examples: The number of held-out examples :math:`N`.
        rate: :math:`R = \mathrm{KL}(q \,\|\, p)` in nats; None for a flat prior.
        kl: :math:`\mathrm{KL}(q_j \,\|\, p_j)` by dimension, where both are independent over dimensions.
        negligible: The share of examples with :math:`\mathrm{KL}_j < 0.01` nats, by dimension.
        activity: :math:`\mathrm{Var}_x(\mathbb{E}_q z_j)` by dimension, where the posterior knows its mean; of a group below
            others what is sure of it, their draws averaged out.
        active: The number of dimensions with more than 0.01 of it.
        variance: The mean variance of the posterior, by dimension.
        information: :math:`I_q(x; z)`, for the first group of a model with a density.
        mismatch: :math:`\mathrm{KL}(q(z) \,\|\, p(z)) = R - I_q` as an interval, for a prior that does not
            depend on `y`.
        moments: The KL between Normals with the moments of :math:`q(z)` and :math:`p(z)`.
        auc: How well a classifier tells codes from prior samples: ½ is not at all, 1 is always.
        normaliser: :math:`\log Z` of an energy-based prior, and how sure it is.
        codebook: How discrete codes are used.
    """

    posterior: str
    prior: str
    posterior_is_point: bool
    prior_is_flat: bool
    prior_is_uniform: bool
    on_spheres: bool
    dimensions: int
    examples: int
    rate: Estimate | None
    kl: tuple[float, ...] | None
    negligible: tuple[float, ...] | None
    activity: tuple[float, ...] | None
    active: int | None
    variance: tuple[float, ...] | None
    information: InformationBounds | None
    mismatch: tuple[float, float] | None
    moments: float | None
    auc: Estimate | None
    normaliser: Normaliser | None = None
    codebook: Codebook | None = None


def information(z: Tensor, posteriors: Sequence[Distribution]) -> InformationBounds:
    r"""Bounds :math:`I_q(x; z)` on both sides, in float64.

    Arguments:
        z: One draw of each posterior, with shape :math:`(N, *)`.
        posteriors: :math:`q(z | x_n)` in blocks whose batch shapes sum to :math:`(N)`.

    Example:
        >>> from torch.distributions import Normal
        >>> apart = Normal(100.0 * torch.arange(50.0), 1.0)
        >>> found = information(apart.sample(), [apart])
        >>> round(found.lower.mean - math.log(50), 6), found.saturated
        (0.0, True)
    """
    n, posteriors = len(z), [double(q) for q in posteriors]
    own, lower, upper = [], [], []
    rows = max(1, CELLS // max(1, z.numel()))
    for start in range(0, n, rows):
        some = z[start : start + rows].double().unsqueeze(1)
        table = torch.cat([q.log_prob(some).double() for q in posteriors], 1)
        diagonal = torch.arange(len(some)), torch.arange(start, start + len(some))
        own.append(table[diagonal])
        lower.append(table.logsumexp(1) - math.log(n))
        table[diagonal] = -math.inf
        upper.append(table.logsumexp(1) - math.log(n - 1))
    within = torch.cat(own)
    low, high = Estimate.of(within - torch.cat(lower)), Estimate.of(within - torch.cat(upper))
    low = Estimate(max(0.0, low.mean), low.se)  # where they cross, or are below 0, it is by chance
    high = Estimate(max(low.mean, high.mean), high.se)
    return InformationBounds(low, high, math.log(n), low.mean > SATURATED * math.log(n))


def auc(positive: Tensor, negative: Tensor) -> Estimate:
    r"""Returns the area under the ROC curve, with the standard error of DeLong et al. (1988).

    It is :math:`P(s^+ > s^-) + \frac{1}{2} P(s^+ = s^-)` over all pairs of a positive and a negative score.

    Example:
        >>> auc(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 2.5])).mean
        0.666...
    """

    def placed(a: Tensor, b: Tensor) -> Tensor:
        b = b.sort().values
        return (torch.searchsorted(b, a) + torch.searchsorted(b, a, right=True)).double() / (2 * len(b))

    won, lost = placed(positive, negative), placed(negative, positive)
    return Estimate(won.mean().item(), (won.var() / len(won) + lost.var() / len(lost)).sqrt().item())


def two_sample(codes: Tensor, samples: Tensor, *, epochs: int = 40) -> Estimate:
    """Trains a classifier of codes against prior samples on every other row, and returns the AUC on the rest.

    It draws from the global generator: seed it, or call it inside `evaluating`.

    Arguments:
        codes: Draws of :math:`q(z)`, one per example, with shape :math:`(N, d)`.
        samples: Draws of :math:`p(z)`, with shape :math:`(N, d)`.
        epochs: The passes over the rows to learn from.
    """
    rows = torch.cat([codes[::2], samples[::2]]).float()
    mean, scale = rows.mean(0), rows.std(0).clamp_min(1e-6)
    labels = torch.cat([torch.ones(len(codes[::2])), torch.zeros(len(samples[::2]))]).to(rows.device)
    with torch.enable_grad():
        net = nn.Sequential(
            nn.Linear(rows.shape[1], 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)
        ).to(rows.device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
        rows = (rows - mean) / scale
        for _ in range(epochs):
            for some in torch.randperm(len(rows), device=rows.device).split(128):
                loss = nn.functional.binary_cross_entropy_with_logits(
                    net(rows[some]).squeeze(1), labels[some]
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    with torch.no_grad():
        return auc(*(net((held.float() - mean) / scale).squeeze(1) for held in (codes[1::2], samples[1::2])))


def joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Joins blocks, if none is missing, in float64."""
    found = [part.double() for part in parts if part is not None]
    return torch.cat(found) if len(found) == len(parts) else None


def as_floats(values: Tensor | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values.tolist())


def latents(model: Model, x: Tensor, y: Tensor | None = None, *, seed: int = 0) -> dict[str, Latents]:
    """Measures each latent group over held-out examples, in the order of the walk.

    Arguments:
        model: The model.
        x: The data, with shape (N, *); 2000 examples or more where there are as many.
        y: What the model is conditioned on, with shape (N, *), or None.
        seed: The seed of the draws and of the classifier.
    """
    with evaluating(model, seed):
        x, y = to_model(model, x, y)
        block = chunk_size(model, x, y)

        def walked() -> list[Mapping[str, Latent]]:
            parts = range(0, len(x), block)
            return [model(x[i : i + block], None if y is None else y[i : i + block]).latents for i in parts]

        walks = walked()
        again = [means_of(walked()) for _ in range(WALKS - 1)] if len(walks[0]) > 1 else []
        return {
            name: group([walk[name] for walk in walks], [means.get(name) for means in again] if i else None)
            for i, (name, g) in enumerate(walks[0].items())
            if not is_diffused(g.p)  # the example itself under a little noise, and no code of it
        }


def means_of(walks: Sequence[Mapping[str, Latent]]) -> dict[str, Tensor | None]:
    """Returns the posterior means of each group, with shape (N, d); None where its family has none."""
    return {name: joined([mean_of(walk[name].q) for walk in walks]) for name in walks[0]}


def mean_of(q: Distribution | None) -> Tensor | None:
    return None if q is None or not has_mean(q) else q.mean.flatten(1)


def surely_moved(means: Tensor, again: Sequence[Tensor]) -> Tensor:
    r"""Returns :math:`\mathrm{Var}_x(\mathbb{E} z_j)` of a group below others, less two standard errors, by dimension.

    Arguments:
        means: The posterior means of one walk, with shape :math:`(N, d)`.
        again: Those of walks with other draws of the groups above.
    """
    n = len(means)
    centred = torch.stack([m - m.mean(0) for m in (means, *again)])
    pairs = (centred.sum(0).square() - centred.square().sum(0)) / (len(centred) * (len(centred) - 1))
    return (pairs.sum(0) / (n - 1) - SURE * pairs.std(0) / math.sqrt(n)).clamp_min(0.0)


def group(blocks: Sequence[Latent], again: Sequence[Tensor | None] | None) -> Latents:
    """Measures one group, met in blocks of examples.

    Arguments:
        blocks: What a walk met.
        again: The posterior means that other walks met, of a group below others; None for the first one.
    """
    posteriors = [g.q for g in blocks if g.q is not None]
    z = torch.cat([g.z for g in blocks]).detach()
    if of_names(posteriors[0]):
        return of_codes(blocks, z)
    codes, n, p, q = z.flatten(1), len(z), blocks[0].p, posteriors[0]
    is_pointed, is_flat = is_point(q), not can_sample(p)
    rate = None if is_flat else joined([kl(g) for g in blocks])
    kls = None if is_pointed or is_flat else joined([by_dimension(g) for g in blocks])
    if kls is not None and kls.shape[1] != codes.shape[1]:  # of spheres, not of dimensions
        kls = None
    means = joined([mean_of(d) for d in posteriors])
    variances = joined([d.variance.flatten(1) if has_variance(d) else None for d in posteriors])
    unit = p.variance.mean() if on_spheres(p) and is_uniform(p) else 1.0
    activity = None
    if means is not None and n > 1:
        others = [m for m in again or () if m is not None]
        activity = (surely_moved(means, others) if others else means.var(0)) / unit
        if others and kls is not None:
            activity = activity * (kls.mean(0) > NEGLIGIBLE)
    has_pairs = again is None and not is_pointed and not is_slow(q)
    informed = information(z, posteriors) if has_pairs and n > 1 else None
    if informed is not None and rate is not None:
        informed = informed.within(rate.mean().item())
    mismatch = None
    if informed is not None and rate is not None and p.batch_shape.numel() == 1:
        low, high = (rate.mean().item() - bound.mean for bound in (informed.upper, informed.lower))
        mismatch = max(0.0, low), max(0.0, high)
    samples = None
    if not is_flat:
        samples = torch.cat([g.p.expand(g.z.shape[:1]).sample().flatten(1) for g in blocks])
    is_alike = is_normal(p) and p.batch_shape.numel() == 1
    return Latents(
        posterior=family(q),
        prior=family(p),
        posterior_is_point=is_pointed,
        prior_is_flat=is_flat,
        prior_is_uniform=is_uniform(p),
        on_spheres=on_spheres(p),
        dimensions=codes.shape[1],
        examples=n,
        rate=None if rate is None else Estimate.of(rate),
        kl=as_floats(None if kls is None else kls.mean(0)),
        negligible=as_floats(None if kls is None else (kls < NEGLIGIBLE).double().mean(0)),
        activity=as_floats(activity),
        active=None if activity is None else int((activity > ACTIVE).sum()),
        variance=as_floats(None if variances is None or is_pointed else variances.mean(0)),
        information=informed,
        mismatch=mismatch,
        moments=None if samples is None or n < 2 else moment_kl(codes, p if is_alike else samples),
        auc=None if samples is None or n < 8 else two_sample(codes, samples),
        normaliser=normaliser(p),
    )


def of_codes(blocks: Sequence[Latent], z: Tensor) -> Latents:
    """Measures a group of discrete codes: which of them occur. They are names, so they have no moments."""
    p = blocks[0].p
    many = number_of_names(p)
    assert many is not None and blocks[0].q is not None
    counts = torch.bincount(z.flatten(), minlength=many).double()
    perplexity = torch.special.entr(counts / counts.sum()).sum().exp().item()
    return Latents(
        posterior=family(blocks[0].q),
        prior=family(p),
        posterior_is_point=False,
        prior_is_flat=False,
        prior_is_uniform=is_uniform(p),
        on_spheres=False,
        dimensions=z[0].numel(),
        examples=len(z),
        rate=Estimate.of(torch.cat([kl(g) for g in blocks])),
        kl=None,
        negligible=None,
        activity=None,
        active=None,
        variance=None,
        information=None,
        mismatch=None,
        moments=None,
        auc=None,
        codebook=Codebook(many, int((counts > 0).sum()), perplexity),
    )
