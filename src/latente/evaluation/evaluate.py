r"""One evaluation: every held-out figure of a model, and what they mean.

All log-likelihoods are in nats and sums over the dimensions of an example; each mean has its standard error
over examples. The bound is always the one with :math:`\beta = 1`, whatever the model was trained on: a cure
that costs likelihood is then visible. The benchmark's name goes with the figures, since those of two
binarisations do not compare. Bits a dimension are given for probability masses alone: a density of rounded
values can be made as high as one likes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.distributions import Distribution

from ..data import Data, Examples
from ..distributions.strokes import as_strokes, lengths_of
from ..distributions.traits import (
    family,
    has_mean,
    is_autoregressive,
    is_bound,
    is_diffused,
    is_normal,
    levels,
    no_bits,
    shown,
    spread,
)
from ..errors import LatenteError, TrainingError
from ..models import Diffusion, Labelling
from ..trace import Model, Trace, rsample
from .bounds import Draws, Estimate, at_once, draw, importance_weighted, moved, still
from .classification import Classification, classify
from .codecs import lossless_bits
from .latents import Latents, latents
from .similarity import REACH, psnr, ssim
from .verdicts import Finding, findings, verdict

__all__ = [
    "Beta",
    "Evaluation",
    "Likelihood",
    "Nll",
    "Perplexity",
    "Points",
    "Restored",
    "Shuffle",
    "evaluate",
]

CODES = 2000  # examples behind the figures of the codes, where there are as many
DRAWS = 8  # of the posterior for the bound on training data


@dataclass(frozen=True)
class Nll:
    """Holds −log p(x) as the importance-weighted bound gives it, in nats an example.

    Arguments:
        k: The draws an example.
        mean: The mean over examples.
        se: Its standard error.
        curve: The bound for growing k: (k, mean, standard error).
        ess_mean: The mean effective sample size of the k draws.
        ess_median: The median of it.
        examples: The number of examples.
    """

    k: int
    mean: float
    se: float
    curve: tuple[tuple[int, float, float], ...]
    ess_mean: float
    ess_median: float
    examples: int


@dataclass(frozen=True)
class Shuffle:
    """Holds what log p(x|z) loses when the code is another's, in nats.

    Arguments:
        other: With the code of another example.
        prior: With a draw of the prior; None for a flat one.
    """

    other: Estimate
    prior: Estimate | None


@dataclass(frozen=True)
class Likelihood:
    """Holds the likelihood's family and how far it is off.

    Arguments:
        family: The name of the family, to be read.
        is_normal: Whether it is a Normal with a sigma of its own, set or learnt.
        is_bound: Whether its log p is itself a bound.
        scale: The root mean square of sigma, where it has one.
        residual: The root mean squared error of its mean on held-out data.
        train_residual: The same on training data.
        autoregressive: Whether it predicts each pixel, word or point from those before it.
    """

    family: str
    is_normal: bool
    is_bound: bool
    scale: float | None
    residual: float | None
    train_residual: float | None
    autoregressive: bool = False


@dataclass(frozen=True)
class Perplexity:
    """Holds the exponential of the nats a word, over all words of the examples; the end of a sentence counts as one.

    Arguments:
        elbo: By the ELBO.
        nll: By the importance-weighted bound.
        words: The mean number of words of a sentence.
    """

    elbo: float
    nll: float | None
    words: float


@dataclass(frozen=True)
class Points:
    """Holds the figures of drawings: those of sketch-rnn's paper, and nats a point, which compare between data sets.

    Arguments:
        reconstruction: L_R, the distortion over the points of the longest drawing; what follows the end of one is certain.
        padded: L_R with the pen of all rows that pad a drawing to the longest one; a model that was not trained on them has
            never seen such a row.
        kl: L_KL, the rate over the dimensions of the code; 0 without one.
        longest: The points of the longest drawing.
        elbo: Nats a point by the bound, the end of a drawing counted as one.
        nll: The same by the importance-weighted bound.
        points: The mean number of points of a drawing, the end counted.
    """

    reconstruction: float
    padded: float
    kl: float
    longest: int
    elbo: float
    nll: float | None
    points: float


@dataclass(frozen=True)
class Restored:
    """Holds how alike examples and their reconstructions are, the means of the likelihood cut to [0, 1], the range of the data.

    Arguments:
        psnr: The peak signal-to-noise ratio from the posterior's mean, in decibels.
        psnr_draw: The same from one draw of the posterior.
        ssim: The structural similarity from the posterior's mean; None of images smaller than its window.
        ssim_draw: The same from one draw.
    """

    psnr: Estimate
    psnr_draw: Estimate
    ssim: Estimate | None
    ssim_draw: Estimate | None


@dataclass(frozen=True)
class Beta:
    """Holds the β in force at the last step, and the one its schedule tends to."""

    last: float
    limit: float


@dataclass(frozen=True)
class Evaluation:
    """Holds all figures of one evaluation; what a model does not have is None, and `absent` says why.

    Arguments:
        benchmark: The data and how it is read.
        split: The split that was held out.
        examples: The number of examples.
        elbo: The bound, β = 1; of a point mass log p(x, z), which is none.
        distortion: −E_q log p(x|z).
        rate: KL(q ‖ p), over all groups; of a point mass −log p(z), a density.
        rates: The same by group.
        nll: The importance-weighted bound.
        bits_per_dim: −log₂ p(x) a dimension, by the tightest bound there is.
        train_elbo: The bound on as many training examples.
        latents: The figures of the codes by group.
        shuffle: What another code costs.
        likelihood: The likelihood.
        beta: The weight of the rate while training.
        absent: Why a figure is None, by its name.
        perplexity: Of sentences.
        points: Of drawings.
        floor: The nats of the whole rate that cost nothing while training.
        labels: The figures of q(y|x), of a model of labels too, whose bounds are those of log p(x, y).
        restored: How alike images and their reconstructions are.
        codecs: The bits a dimension of the same images as files, where the likelihood is of discrete levels.
        findings: What is to be said about it.
        verdict: The same in a sentence.
    """

    benchmark: str
    split: str
    examples: int
    elbo: Estimate
    distortion: Estimate
    rate: Estimate
    rates: dict[str, Estimate]
    nll: Nll | None
    bits_per_dim: float | None
    train_elbo: Estimate
    latents: dict[str, Latents]
    shuffle: Shuffle
    likelihood: Likelihood
    beta: Beta
    absent: dict[str, str] = field(default_factory=dict)
    perplexity: Perplexity | None = None
    points: Points | None = None
    floor: float = 0.0
    labels: Classification | None = None
    restored: Restored | None = None
    codecs: dict[str, float] | None = None
    findings: tuple[Finding, ...] = ()
    verdict: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns what `json.dumps` takes."""
        return adapter().dump_python(self, mode="json")

    @staticmethod
    def of_json(content: dict[str, Any]) -> Evaluation:
        """Reads what `to_json` gave.

        Raises:
            pydantic.ValidationError: If a figure is missing or of another type.
        """
        return adapter().validate_python(content)


@cache
def adapter() -> TypeAdapter[Evaluation]:
    return TypeAdapter(Evaluation)


def evaluate(
    model: Model,
    data: Data,
    *,
    split: Literal["train", "validation", "test"] = "test",
    beta: tuple[float, float] = (1.0, 1.0),
    floor: float = 0.0,
    k: int = 1000,
    examples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measures a model on held-out data and judges it; the same call gives the same figures.

    Arguments:
        model: The model; its mode and the global random generators are left as they were.
        data: The data.
        split: The split to report.
        beta: The weight of the rate at the last step of training, and the one its schedule tends to.
        floor: The nats of the whole rate that cost nothing while training.
        k: The draws an example of the importance-weighted bound.
        examples: The number of examples, a fixed subset of the split.
        seed: The seed of the subset and of all draws.

    Raises:
        TrainingError: If the bound of some example is not a number.
    """
    held: Examples = getattr(data, split).fixed()
    x, y = moved(model, *held.subset(examples, seed).batch(slice(None)))
    seen = moved(model, *data.train.fixed().subset(examples, seed).batch(slice(None)))
    if isinstance(model, Labelling) and seen[1] is not None:
        with still(model, seed):
            seen = seen[0], model.filled(seen[0], seen[1])
    with still(model, seed):
        terms = draw(model, x, y, k)
    with still(model, seed):
        known = draw(model, *seen, DRAWS)
    check(terms, split)
    check(known, "train")
    codes = latents(model, *held.subset(CODES, seed).batch(slice(None)), seed=seed)
    with still(model, seed):
        is_flat = isinstance(model, Diffusion) or any(group.prior_is_flat for group in codes.values())
        shuffle, likelihood, law = use_of_codes(model, (x, y), seen, is_flat)
    nll, absent = bound(terms)
    bits, why = bits_per_dim(-terms.elbo.mean().item() if nll is None else nll.mean, law, x)
    alike, lacking = restored(model, x, y, seed) if "pixels" in data.kind.has else (None, {})
    found = Evaluation(
        benchmark=data.benchmark,
        split=split,
        examples=len(x),
        elbo=Estimate.of(terms.elbo),
        distortion=Estimate.of(terms.distortion),
        rate=Estimate.of(terms.rate),
        rates={name: Estimate.of(rate) for name, rate in terms.rates.items()},
        nll=nll,
        bits_per_dim=bits,
        train_elbo=Estimate.of(known.elbo),
        latents=codes,
        shuffle=shuffle,
        likelihood=likelihood,
        beta=Beta(*beta),
        absent=absent | why | lacking,
        perplexity=perplexity(x, terms, nll) if "words" in data.kind.has else None,
        floor=floor,
        labels=classify(model, data, split=split, seed=seed) if isinstance(model, Labelling) else None,
        points=points(model, x, terms, nll, seed) if "strokes" in data.kind.has else None,
        restored=alike,
        codecs=as_files(x) if "pixels" in data.kind.has and levels(law) is not None else None,
    )
    return replace(found, findings=findings(found), verdict=verdict(found))


def check(terms: Draws, split: str) -> None:
    """Refuses bounds that are no numbers."""
    wrong = int((~terms.elbo.isfinite()).sum())
    if wrong:
        raise TrainingError(
            f"the bound of {wrong} of {len(terms.elbo)} {split} examples is not a finite number: training diverged; "
            "use a smaller learning rate or clip the gradient"
        )


def bound(terms: Draws) -> tuple[Nll | None, dict[str, str]]:
    """Summarises the importance-weighted bound."""
    if terms.weights is None:
        return None, {"nll": terms.unweighed}
    curve = importance_weighted(terms.weights)
    points = [Estimate.of(-values) for values in curve.bounds]
    return Nll(
        k=curve.k[-1],
        mean=points[-1].mean,
        se=points[-1].se,
        curve=tuple((k, point.mean, point.se) for k, point in zip(curve.k, points)),
        ess_mean=curve.ess.mean().item(),
        ess_median=curve.ess.median().item(),
        examples=len(curve.ess),
    ), {}


def perplexity(x: Tensor, terms: Draws, nll: Nll | None) -> Perplexity:
    """Spreads the bounds over the words of sentences."""
    words = (x > 0).sum(1).double().mean().item()
    return Perplexity(
        math.exp(-terms.elbo.mean().item() / words),
        None if nll is None else math.exp(nll.mean / words),
        words,
    )


def points(model: Model, x: Tensor, terms: Draws, nll: Nll | None, seed: int) -> Points:
    """Spreads the bounds over the points of drawings, and charges the pen for padding as sketch-rnn's paper does."""
    padding = torch.zeros(())
    with still(model, seed):
        block = at_once(model, x, None)
        for rows in x.split(block):
            trace = model(rows)
            likelihood = as_strokes(trace.likelihood)
            pens = likelihood.costs(rows, padded=True)[1] - likelihood.costs(rows)[1]
            padding = padding + pens.sum().cpu()
    longest = x.shape[1] - 1
    length = lengths_of(x).double().mean().item() + 1
    dimensions = sum(g.z[0].numel() for g in trace.latents.values())
    return Points(
        reconstruction=terms.distortion.mean().item() / longest,
        padded=(terms.distortion.mean().item() + padding.item() / len(x)) / longest,
        kl=terms.rate.mean().item() / max(1, dimensions),
        longest=longest,
        elbo=-terms.elbo.mean().item() / length,
        nll=None if nll is None else nll.mean / length,
        points=length,
    )


def restored(model: Model, x: Tensor, y: Tensor | None, seed: int) -> tuple[Restored | None, dict[str, str]]:
    """Compares images with the means of the likelihood, from the posterior's mean and from one draw of it."""
    figures: list[Estimate | None] = []
    with still(model, seed):
        block = at_once(model, x, y)
    large = min(x.shape[-2:]) > 2 * REACH
    for choose in (shown, rsample):
        ratios, similarities = [], []
        with still(model, seed):
            for i in range(0, len(x), block):
                rows = x[i : i + block]
                trace = model(rows, None if y is None else y[i : i + block], choose=choose)
                if not trace.latents:
                    return None, {"restored": "the model has no code, so it gives nothing back"}
                if any(is_diffused(g.p) for g in trace.latents.values()):
                    return None, {
                        "restored": "the code of a diffusion is the image itself under a little noise"
                    }
                if not has_mean(trace.likelihood):
                    return None, {
                        "restored": "the likelihood has no mean to compare with: it is drawn pixel by pixel"
                    }
                means = trace.likelihood.mean.clamp(0, 1)
                ratios.append(psnr(rows, means))
                if large:
                    similarities.append(ssim(rows, means))
        figures += [Estimate.of(torch.cat(ratios)), Estimate.of(torch.cat(similarities)) if large else None]
    why = (
        {}
        if large
        else {
            "ssim": f"images of {x.shape[-2]} x {x.shape[-1]} pixels are smaller than its window of 11 x 11"
        }
    )
    ratio, similarity, ratio_draw, similarity_draw = figures
    assert ratio is not None and ratio_draw is not None
    return Restored(ratio, ratio_draw, similarity, similarity_draw), why


def as_files(x: Tensor) -> dict[str, float] | None:
    """Returns the bits a dimension of images as files; None where codecs or Pillow do not take them."""
    try:
        return lossless_bits(x)
    except LatenteError:
        return None


@dataclass(frozen=True)
class Decoded:
    """Holds log p(x|z) of each example, its squared error, the codes and sigma they came from, and the law of some of them."""

    log_likelihood: Tensor
    squares: Tensor | None
    codes: dict[str, Tensor]
    scale: float | None
    law: Distribution


def decode(model: Model, x: Tensor, y: Tensor | None, codes: dict[str, Tensor] | None = None) -> Decoded:
    """Passes once over the examples: with codes of their own, or given ones, or (given none) draws of the prior."""
    block = at_once(model, x, y)
    scores, squares, drawn, variances = [], [], [], []
    trace: Trace
    for i in range(0, len(x), block):
        rows = slice(i, i + block)
        data, context = x[rows], None if y is None else y[rows]
        if codes is None:
            trace = model(data, context)
        else:
            trace = model(y=context, size=len(data), given={name: z[rows] for name, z in codes.items()})
        likelihood = trace.likelihood
        scores.append(likelihood.log_prob(data).double())
        drawn.append({name: g.z for name, g in trace.latents.items()})
        squares.append(errors(likelihood, data))
        sigma = spread(likelihood)
        if sigma is not None:
            variances.append(sigma.double().square().mean().item() * len(data))
    found = [part for part in squares if part is not None]
    return Decoded(
        torch.cat(scores),
        torch.cat(found) if found else None,
        {name: torch.cat([part[name] for part in drawn]) for name in drawn[0]},
        math.sqrt(sum(variances) / len(x)) if variances else None,
        likelihood,
    )


def errors(likelihood: Distribution, x: Tensor) -> Tensor | None:
    """Returns the mean squared error of each example, where the likelihood knows its mean."""
    if not has_mean(likelihood):
        return None
    return (x - likelihood.mean).double().square().flatten(1).mean(1)


def root(squares: Tensor | None) -> float | None:
    return None if squares is None else math.sqrt(squares.mean().item())


def use_of_codes(
    model: Model, held: tuple[Tensor, Tensor | None], seen: tuple[Tensor, Tensor | None], is_flat: bool
) -> tuple[Shuffle, Likelihood, Distribution]:
    """Measures what other codes cost on held-out data, and how far reconstructions are off on both; returns a law as well."""
    own = decode(model, *held)
    order = torch.randperm(len(own.log_likelihood), device=own.log_likelihood.device)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    swapped = decode(model, *held, codes={name: z[other] for name, z in own.codes.items()})
    prior = None if is_flat else decode(model, *held, codes={})
    shuffle = Shuffle(
        Estimate.of(own.log_likelihood - swapped.log_likelihood),
        None if prior is None else Estimate.of(own.log_likelihood - prior.log_likelihood),
    )
    law = own.law
    likelihood = Likelihood(
        family=family(law),
        is_normal=is_normal(law),
        is_bound=is_bound(law),
        scale=own.scale,
        residual=root(own.squares),
        train_residual=root(decode(model, *seen).squares),
        autoregressive=is_autoregressive(law),
    )
    return shuffle, likelihood, law


def bits_per_dim(nats: float, law: Distribution, x: Tensor) -> tuple[float | None, dict[str, str]]:
    """Turns nats an example into bits a dimension, for probability masses alone."""
    why = no_bits(law, x)
    return (None, {"bits_per_dim": why}) if why else (nats / (x[0].numel() * math.log(2)), {})
