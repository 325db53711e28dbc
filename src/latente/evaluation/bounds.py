r"""Bounds on :math:`\log p(x)`, from draws of the posterior.

A draw :math:`z_i \sim q(z | x)` has the importance weight :math:`w_i = p(x, z_i) / q(z_i | x)`, and
:math:`\mathbb{E}_q[w] = p(x)`. By Jensen's inequality

.. math:: \mathcal{L}_k = \mathbb{E} \Big[ \log \frac{1}{k} \sum_{i=1}^k w_i \Big] \leq \log p(x)

for every :math:`k`. :math:`\mathcal{L}_1` is the ELBO, :math:`\mathcal{L}_k` never falls as :math:`k` grows,
and for large :math:`k` its gap is about :math:`\chi^2 / 2 k`, where :math:`\chi^2` is the variance of
:math:`w / p(x)`. With the exact posterior every weight is :math:`p(x)` itself, and the gap is 0 for every
:math:`k`. How many of the draws count is told by the effective sample size :math:`(\sum w)^2 / \sum w^2`,
between 1 and :math:`k`: near 1, one draw carries the bound, and a larger :math:`k` would still raise it.

The choices made here: the encoder runs once and the decoder :math:`k` times, in pieces that stay in the
cache; networks keep their dtype and log-weights are summed in float64; each call draws from a seeded fork of
the generators, so that the same call gives the same figures and the global generators are left as they were.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..data import Examples
from ..distributions.traits import has_density, is_certain, is_estimated, is_slow
from ..trace import Model, Trace, kl

__all__ = [
    "Curve",
    "Draws",
    "Estimate",
    "Scores",
    "default_draws",
    "draw",
    "elbo_terms",
    "evaluating",
    "importance_weighted",
    "log_weights",
    "score",
    "work",
]

# entries of the widest activation of one pass: on a CPU it stays in the cache
ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 26}
DISTORTION = "distortion"
OF_ELEMENTS = 100  # operations for each number of an example, which is scored in several passes over memory
EXACT = 1e-2  # nats by which log-weights may differ for their bound to be tight to 1e-4


@dataclass(frozen=True)
class Estimate:
    """Holds a mean and its standard error.

    Example:
        >>> Estimate.of(torch.tensor([1.0, 2.0, 3.0]))
        Estimate(mean=2.0, se=0.57...)
    """

    mean: float
    se: float

    @staticmethod
    def of(values: Tensor) -> Estimate:
        """Averages one figure per example, with shape :math:`(N)`."""
        values = values.double()
        se = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
        return Estimate(values.mean().item(), se)

    def __neg__(self) -> Estimate:
        return Estimate(-self.mean, self.se)


@dataclass(frozen=True)
class Draws:
    r"""Holds the bounds of each example from `k` draws of the posterior, in nats and float64.

    Arguments:
        weights: The log-weights, with shape :math:`(k, B)`; None for a point mass, which has no density, and for a diffusion,
            whose rate is estimated by no log density ratio.
        distortion: :math:`-\mathbb{E}_q[\log p(x | z)]`, with shape :math:`(B)`.
        rates: :math:`\mathrm{KL}(q \,\|\, p)` by latent group, each with shape :math:`(B)`; exact where
            it is known. A further factor of the model counts here with its sign turned.
        unweighed: Why there are no weights, where there are none.
    """

    weights: Tensor | None
    distortion: Tensor
    rates: dict[str, Tensor]
    unweighed: str = ""

    @property
    def rate(self) -> Tensor:
        return sum(self.rates.values(), torch.zeros_like(self.distortion))

    @property
    def elbo(self) -> Tensor:
        return -self.distortion - self.rate


@dataclass(frozen=True)
class Curve:
    r"""Holds :math:`\mathcal{L}_k` of each example for growing :math:`k`.

    Arguments:
        k: 1, 10, 100, … and the number of draws :math:`K`.
        bounds: :math:`\mathcal{L}_k`, with shape :math:`(\text{len}(k), B)`.
        ess: The effective sample size of the :math:`K` draws, with shape :math:`(B)`.
    """

    k: tuple[int, ...]
    bounds: Tensor
    ess: Tensor


@dataclass(frozen=True)
class Scores:
    """Holds the bounds of each example in nats, each with shape :math:`(B)`; `bound` is None for a point mass."""

    elbo: Tensor
    bound: Tensor | None
    distortion: Tensor
    rate: Tensor


def device_and_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Returns a model's device and dtype."""
    tensors = chain(model.parameters(), model.buffers())
    first = next((t for t in tensors if t.is_floating_point()), torch.empty(0))
    return first.device, first.dtype


@contextmanager
def evaluating(model: nn.Module, seed: int) -> Iterator[None]:
    """Holds a model in evaluation mode, without gradients, on a seeded fork of the random generators."""
    modes = {module: module.training for module in model.modules()}
    device, _ = device_and_dtype(model)
    forked = {} if device.type == "cpu" else {"device_type": device.type}
    with torch.random.fork_rng([] if device.type == "cpu" else [device], **forked), torch.no_grad():
        torch.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            for module, training in modes.items():
                module.training = training


def to_model(model: nn.Module, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Takes a batch to the device of a model, and `x` to its dtype, unless it is of words."""
    device, dtype = device_and_dtype(model)
    return x.to(device, dtype if x.is_floating_point() else None), None if y is None else y.to(device)


def chunk_size(model: Model, x: Tensor, y: Tensor | None) -> int:
    """Counts the examples of one pass, from the widest tensor that any module makes of one example."""
    widest = [x[0].numel()]

    def look(module: nn.Module, args: object, output: object) -> None:
        if isinstance(output, Tensor):
            widest.append(output.numel())

    hooks = [module.register_forward_hook(look) for module in model.modules()]
    try:
        model(x[:1], None if y is None else y[:1]).likelihood.log_prob(x[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return max(1, ELEMENTS.get(x.device.type, ELEMENTS["cuda"]) // max(widest))


def work(model: Model, x: Tensor, y: Tensor | None) -> float:
    """Counts the floating-point operations of a pass over one example: the products of its layers, and a few for each number."""
    x, y = to_model(model, x, y)
    with evaluating(model, 0), FlopCounterMode(display=False) as counter, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the switch below sets beside
        with torch.backends.mkldnn.flags(enabled=False):  # a fused recurrent layer would count as nothing
            model(x, y).likelihood.log_prob(x)
        return counter.get_total_flops() / len(x) + OF_ELEMENTS * x[0].numel()


def default_draws(model: Model, x: Tensor, y: Tensor | None, most: int = 1000) -> int:
    """Returns the default number of draws per example.

    It is `most`, fewer where the networks are wide, and 10 where there are no weights, where the prior is scored by solving an
    equation, or the posterior is exact: there all weights are equal, and one draw is as good as a thousand.
    """
    with evaluating(model, 0):
        x, y = to_model(model, x, y)
        if any(is_slow(g.p) for g in model(x, y).latents.values()):
            return 10
        weights = draw(model, x, y, 10).weights
        if weights is None or len(weights) == 1 or weights.std(0).max() < EXACT:
            return 10
        return max(10, min(most, 2 * chunk_size(model, x, y)))


def unweighed(trace: Trace) -> str:
    """Returns why a pass has no importance weights; nothing where it has."""
    for g in trace.latents.values():
        if g.q is not None and not has_density(g.q):
            return "the posterior is a point mass: it has no density, so it has no importance weights"
        if is_estimated(g.p):
            return (
                "log p(z) of this prior is estimated draw by draw: the mean of estimates is a bound, that of their exponentials "
                "would be too high"
            )
    return ""


def pieces(whole: int, most: int) -> list[int]:
    """Splits a number into parts of at most `most`.

    Example:
        >>> pieces(10, 4)
        [4, 4, 2]
    """
    return [min(most, whole - start) for start in range(0, whole, most)]


def passes(model: Model, x: Tensor, y: Tensor | None, k: int, most: int) -> Iterator[tuple[Trace, Tensor]]:
    r"""Yields traces of :math:`k` draws per example in all, each with the data it is to score.

    The posterior of a single group is computed once and handed to the decoder. Where a later group depends on
    an earlier one, the whole model walks on repeated data instead. Of points and certain codes, and of no group
    at all, one draw is all.
    """
    first = model(x, y)
    if all(g.q is not None and is_certain(g.q) for g in first.latents.values()):
        k = 1
    for n in pieces(k, max(1, most // len(x))):
        if len(first.latents) == 1:
            ((name, g),) = first.latents.items()
            assert g.q is not None
            yield model(y=y, size=(n, len(x)), given={name: g.q.expand((n, len(x)))}), x
        else:
            repeated = x.repeat(n, *(1 for _ in x.shape[1:]))
            yield model(repeated, None if y is None else y.repeat(n, *(1 for _ in y.shape[1:]))), repeated


def draw(model: Model, x: Tensor, y: Tensor | None, k: int, *, chunk: int | None = None) -> Draws:
    """Draws the posterior of each example `k` times and scores each draw; one draw is enough for a point mass.

    It takes the generators and the mode of the model as they are: call it inside `evaluating`.

    Arguments:
        model: The model.
        x: The data, with shape :math:`(B, *)`.
        y: What the model is conditioned on, with shape :math:`(B, *)`, or None.
        k: The draws per example.
        chunk: The most decodes of one pass; measured from the model's widest activation by default.
    """
    x, y = to_model(model, x, y)
    most = chunk_size(model, x, y) if chunk is None else chunk
    block = max(1, most // min(k, most))
    # Made before the passes: small results kept between their large ones would leave the heap in pieces.
    weights = torch.empty(k, len(x), dtype=torch.float64, device=x.device)
    sums: dict[str, Tensor] = {}
    why = ""
    for start in range(0, len(x), block):
        rows, first = slice(start, start + block), 0
        for trace, data in passes(model, x[rows], None if y is None else y[rows], k, most):
            width = min(block, len(x) - start)
            terms = terms_of(trace, data, width)
            for name, value in terms.items():
                sums.setdefault(name, torch.zeros_like(weights[0]))[rows] += value.sum(0)
            why = unweighed(trace)
            last = first + len(terms[DISTORTION])
            if not why:
                weights[first:last, rows] = log_weight(trace, terms, width)
            first = drawn = last
    means = {name: value / drawn for name, value in sums.items()}
    return Draws(None if why else weights[:drawn], means.pop(DISTORTION), means, why)


def terms_of(trace: Trace, x: Tensor, width: int) -> dict[str, Tensor]:
    r"""Returns the distortion and each rate of one pass in float64, with shape :math:`(n, B)`."""
    distortion = -trace.likelihood.log_prob(x).double().reshape(-1, width)
    rates = {name: kl(g) for name, g in trace.latents.items()} | {n: -f for n, f in trace.factors.items()}
    return {DISTORTION: distortion} | {
        name: rate.double().reshape(-1, width).expand_as(distortion) for name, rate in rates.items()
    }


def log_weight(trace: Trace, terms: dict[str, Tensor], width: int) -> Tensor:
    r"""Returns :math:`\log p(x, z) - \log q(z | x)`, summed in float64, with shape :math:`(n, B)`."""
    weight = -terms[DISTORTION]
    for g in trace.latents.values():
        assert g.q is not None
        weight = weight + (g.p.log_prob(g.z).double() - g.q.log_prob(g.z).double()).reshape(-1, width)
    for name in trace.factors:
        weight = weight - terms[name]
    return weight


def log_weights(
    model: Model, x: Tensor, y: Tensor | None, k: int, *, chunk: int | None = None, seed: int = 0
) -> Tensor:
    r"""Returns :math:`\log p(x, z_i | y) - \log q(z_i | x, y)` in float64, with shape :math:`(k, B)`.

    Arguments:
        model: The model.
        x: The data, with shape :math:`(B, *)`.
        y: What the model is conditioned on, with shape :math:`(B, *)`, or None.
        k: The draws per example.
        chunk: The most decodes of one pass; measured from the model's widest activation by default.
        seed: The seed of the draws.

    Raises:
        ValueError: If the posterior is a point mass.
    """
    with evaluating(model, seed):
        weights = draw(model, x, y, k, chunk=chunk).weights
    if weights is None:
        raise ValueError(
            "a point mass has no density, and denoising leads to none in closed form, so there are no importance weights: "
            "use a posterior with a density, e.g. Diagonal"
        )
    return weights


def elbo_terms(
    model: Model, x: Tensor, y: Tensor | None, draws: int = 1, *, seed: int = 0
) -> tuple[Tensor, dict[str, Tensor]]:
    r"""Returns the distortion, with shape :math:`(B)`, and the rate of each latent group; minus their sum is the ELBO."""
    with evaluating(model, seed):
        terms = draw(model, x, y, draws)
    return terms.distortion, terms.rates


def importance_weighted(weights: Tensor) -> Curve:
    r"""Estimates :math:`\mathcal{L}_k` for :math:`k = 1, 10, 100, \dots, K` from :math:`K` log-weights per example.

    For each :math:`k` the draws are split into :math:`K / k` groups whose bounds are averaged, so all of them
    serve every :math:`k`.

    References:
        | Importance Weighted Autoencoders (Burda et al., 2015)
        | https://arxiv.org/abs/1509.00519

    Arguments:
        weights: The log-weights, with shape :math:`(K, B)`.

    Example:
        >>> curve = importance_weighted(torch.tensor([[0.0], [0.0], [0.0]]))
        >>> curve.k, round(curve.ess.item(), 6)
        ((1, 3), 3.0)
    """
    weights = weights.double()
    total = len(weights)
    ks = tuple(sorted({10**i for i in range(len(str(total)))} | {total}))
    bounds = [
        (weights[: total // k * k].unflatten(0, (-1, k)).logsumexp(1) - math.log(k)).mean(0) for k in ks
    ]
    ess = torch.exp(2 * weights.logsumexp(0) - (2 * weights).logsumexp(0))
    return Curve(ks, torch.stack(bounds), ess)


def score(model: Model, examples: Examples, k: int = 100, seed: int = 0) -> Scores:
    """Scores each example alone: a batch of one, `k` draws, the same seed.

    A score does not depend on the other examples: its draws are its own, and how many of them one pass takes is measured
    from the example itself. Asked for again on the same machine with as many threads, it is the same to the last bit; of
    the example at another place among others, or on another machine, it is the same up to rounding.

    Arguments:
        model: The model.
        examples: The data; what is drawn anew at each look must be `fixed()` first.
        k: The draws of each example.
        seed: The seed, the same for each example.

    Raises:
        ValueError: If the examples are drawn anew at each look.
    """
    if examples.look.is_random:
        raise ValueError("these examples are drawn anew at each look: score examples.fixed() instead")
    found = []
    for i in range(len(examples)):
        with evaluating(model, seed):
            found.append(draw(model, *examples.told(slice(i, i + 1)), k))
    weights = [d.weights for d in found if d.weights is not None]
    return Scores(
        elbo=torch.cat([d.elbo for d in found]),
        bound=importance_weighted(torch.cat(weights, 1)).bounds[-1] if weights else None,
        distortion=torch.cat([d.distortion for d in found]),
        rate=torch.cat([d.rate for d in found]),
    )
