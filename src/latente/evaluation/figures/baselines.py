r"""What is likely without any model to speak of: baselines fitted to the same training examples, on the same held-out ones.

*Independent*: each pixel, column or word by itself: its frequency, or its mean and variance; of real pixels the mean image, with
one variance for all of them. *Gaussian*: all columns together, with the covariance of the training data, its correlations shrunk
by what is best for rows that were left out. *pPCA*: the linear model of as many dimensions as the code has (Tipping and Bishop,
1999), which is the best that a linear decoder can do.

A model that these are as good as has learnt nothing that was worth it. The difference is paired by example: it is far surer than
the two figures are.

References:
    | Probabilistic Principal Component Analysis (Tipping and Bishop, 1999), https://doi.org/10.1111/1467-9868.00196
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...distributions.traits import is_binary, is_real, levels, number_of_names
from ..bounds import Estimate, importance_weighted
from ..finding import Absent, Figure, nats
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject
from .codes import has_points

__all__ = ["Baselines", "MeasureBaselines", "gaussian", "independent", "ppca"]

FEW = 20  # examples
TRAINED = 5000  # examples that a baseline is fitted to
WIDEST = 4000  # columns of which there is a covariance
SHARES = (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5)  # of each correlation that is taken away
LEAST = 1e-6  # of the mean variance, which each column has at least


@dataclass(frozen=True)
class Baselines:
    """Holds −log p(x) of the baselines in nats per example.

    Arguments:
        independent: Of numbers or words that know nothing of each other.
        others: Of the others, by name.
        best: The name of the best one.
        gain: By how much log p(x) of the model is higher than that of the best one, paired by example.
        over_independent: The same over independent numbers.
        learnt: The same on training examples, over independent numbers: what there was to learn.
    """

    independent: Estimate
    others: dict[str, Estimate]
    best: str
    gain: Estimate
    over_independent: Estimate
    learnt: Estimate


class MeasureBaselines(Measurement):
    """Measures the likelihood of baselines on the same examples."""

    name, holds, needs = "baselines", Baselines, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Baselines:
        if has_points(found):
            raise Absent("the score of a point mass is no likelihood", expected=False)
        if len(subject.data.train) < FEW:
            raise Absent(f"there are fewer than {FEW} examples to fit a baseline to", expected=False)
        train = subject.data.train.fixed().subset(TRAINED).batch(slice(None))[0]
        held, seen = subject.batch[0].cpu(), subject.train_batch[0].cpu()
        laws = fitted(subject, train)
        terms = subject.terms
        own = terms.elbo if terms.weights is None else importance_weighted(terms.weights).bounds[-1]
        scores = {name: law(held).double() for name, law in laws.items()}
        best = max(scores, key=lambda name: scores[name].mean().item())
        own = own.cpu()
        return Baselines(
            independent=Estimate.of(-scores["independent"]),
            others={name: Estimate.of(-value) for name, value in scores.items() if name != "independent"},
            best=best,
            gain=subject.of_examples(own - scores[best]),
            over_independent=subject.of_examples(own - scores["independent"]),
            learnt=subject.of_examples(subject.train_terms.elbo.cpu() - laws["independent"](seen).double()),
        )

    def rows(self, value: Baselines, e: Evaluation) -> Iterator[Figure]:
        for name, found in {"independent": value.independent, **value.others}.items():
            yield Figure(f"−log p(x), {WORDS[name]}", nats(found), MEANINGS[name])
        yield Figure(
            "gain over the best of them",
            nats(value.gain),
            "The rise in log p(x), paired by example. Where it is not above 0, the model is of no use as a likelihood.",
        )


WORDS = {"independent": "independent numbers", "gaussian": "one Gaussian", "ppca": "pPCA"}
MEANINGS = {
    "independent": "Of a baseline for which no number of an example knows of the others.",
    "gaussian": "Of a baseline: a Normal with the mean and the covariance of the training data.",
    "ppca": "Of a baseline: the best linear decoder with as many dimensions, in closed form.",
}


def fitted(subject: Subject, train: Tensor) -> dict[str, Any]:
    """Fits the baselines that are of the same kind as the likelihood: masses where it is one, densities where it is one.

    Raises:
        Absent: If there is none.
    """
    law, many = subject.law_of_one, levels(subject.law_of_one)
    if many is not None:
        return {"independent": by_levels(train, many)}
    if is_binary(law):
        return {"independent": by_bits(train)}
    if number_of_names(law) is not None or "words" in subject.data.kind.has:
        return {"independent": by_words(train)}
    if not is_real(law) or subject.data.train.lengths is not None:
        raise Absent("there is no baseline for such examples", expected=False)
    has_columns = "pixels" not in subject.data.kind.has
    laws: dict[str, Any] = {"independent": independent(train, has_columns)}
    if train[0].numel() <= WIDEST:
        if has_columns:
            laws["gaussian"] = gaussian(train)
        groups = subject.codes if subject.abilities.encodes else {}
        dimensions = sum(g.dimensions for g in groups.values())
        if 0 < dimensions < train[0].numel():
            laws["ppca"] = ppca(train, dimensions)
    return laws


def by_bits(train: Tensor) -> Any:
    x = train.flatten(1).double()
    p = (x.sum(0) + 0.5) / (len(x) + 1)
    return lambda held: (
        held.flatten(1).double() * p.log() + (1 - held.flatten(1).double()) * (1 - p).log()
    ).sum(1)


def by_levels(train: Tensor, many: int) -> Any:
    """Counts the levels of each number, each once more over all of them together."""
    x = (train.flatten(1) * (many - 1)).round().long()
    counts = torch.zeros(x.shape[1], many, dtype=torch.float64)
    counts.scatter_add_(1, x.T, torch.ones(x.T.shape, dtype=torch.float64))
    logs = (counts + 1 / many).log() - math.log(len(x) + 1)
    return lambda held: logs.gather(1, (held.flatten(1) * (many - 1)).round().long().T).sum(0)


def by_words(train: Tensor) -> Any:
    """Counts words, wherever they stand; a sentence is scored up to its end."""
    words = train[train > 0].long()
    counts = torch.bincount(words).double()
    unseen = math.log(0.5 / (counts.sum() + 1))
    logs = torch.where(counts > 0, counts.log() - (counts.sum() + 1).log(), torch.tensor(unseen))

    def score(held: Tensor) -> Tensor:
        known = held.long().clamp_max(len(logs) - 1)
        found = torch.where(held.long() < len(logs), logs[known], torch.tensor(unseen, dtype=logs.dtype))
        return (found * (held > 0)).sum(1)

    return score


def variances_of(x: Tensor) -> Tensor:
    found = x.var(0)
    return found.clamp_min(LEAST * found.mean())


def independent(train: Tensor, own: bool) -> Any:
    """Fits a Normal to each number, with a variance of its own or one for all."""
    x = train.flatten(1).double()
    mean, variance = x.mean(0), variances_of(x)
    variance = variance if own else variance.mean().expand_as(variance)

    def score(held: Tensor) -> Tensor:
        z = (held.flatten(1).double() - mean).square() / variance
        return -0.5 * (z + variance.log() + math.log(2 * math.pi)).sum(1)

    return score


def gaussian(train: Tensor) -> Any:
    """Fits one Normal to all numbers, its correlations shrunk by the share that is best on a fifth of the rows."""
    x = train.flatten(1).double()
    kept, held = x[len(x) // 5 :], x[: len(x) // 5]
    share = (
        max(SHARES, key=lambda share: normal(kept, share)(held).mean().item()) if len(held) else SHARES[-1]
    )
    return normal(x, share)


def normal(x: Tensor, share: float) -> Any:
    """Fits a Normal with the mean and the covariance of rows, a share of each correlation taken away."""
    mean, variance = x.mean(0), variances_of(x)
    unit = (x - mean) / variance.sqrt()
    correlation = (1 - share) * unit.T @ unit / len(x)
    factor, failed = torch.linalg.cholesky_ex(correlation.fill_diagonal_(1.0))
    log_det = 2 * factor.diagonal().log().sum() + variance.log().sum()

    def score(held: Tensor) -> Tensor:
        if failed:
            return held.new_full((len(held),), -math.inf, dtype=torch.float64)
        z = ((held.flatten(1).double() - mean) / variance.sqrt()).T
        z = torch.linalg.solve_triangular(factor, z, upper=False).square().sum(0)
        return -0.5 * (z + log_det + x.shape[1] * math.log(2 * math.pi))

    return score


def ppca(train: Tensor, dimensions: int) -> Any:
    r"""Fits :math:`\mathcal{N}(\mu, W W^\top + \sigma^2 I)` by its closed form."""
    x = train.flatten(1).double()
    mean, d = x.mean(0), x.shape[1]
    _, values, axes = torch.linalg.svd((x - mean) / math.sqrt(len(x)), full_matrices=False)
    spectrum = values.square()
    k = min(dimensions, len(spectrum) - 1)
    noise = (spectrum[k:].sum() / (d - k)).clamp_min(LEAST * spectrum.sum() / d)
    kept, axes = spectrum[:k].clamp_min(noise), axes[:k]
    log_det = kept.log().sum() + (d - k) * noise.log()

    def score(held: Tensor) -> Tensor:
        centred = held.flatten(1).double() - mean
        along = (centred @ axes.T).square()
        rest = centred.square().sum(1) - along.sum(1)
        return -0.5 * ((along / kept).sum(1) + rest / noise + log_det + d * math.log(2 * math.pi))

    return score
