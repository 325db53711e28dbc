"""The subject of an evaluation: a model, its data, and the passes that several figures share, each made once, on demand.

All draws come from seeded forks of the generators, so the same subject gives the same figures, in whichever order they are asked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..abilities import Abilities, abilities_of, taken
from ..data import Data, Examples
from ..distributions.traits import Normaliser, can_sample, has_mean, is_diffused, is_mass, normaliser, spread
from ..errors import DataError, TrainingError
from ..models.labels import label_law
from ..trace import Latent, Model, Trace
from .bounds import (
    Draws,
    Estimate,
    chunk_size,
    default_draws,
    draw,
    evaluating,
    importance_weighted,
    to_model,
    work,
)
from .finding import Absent, Split
from .latents import Latents, latents

__all__ = ["DecodedExamples", "Exchange", "Subject"]

CODES = 2000  # examples behind the figures of the codes, where there are as many
DRAWS = 8  # of the posterior for the bound on training data
EXAMPLES = 1000
WORK = 3e12  # floating-point operations: a minute of two cores at 50 GFLOP/s
BATCH = 128
IMPOSSIBLE = 1e-2  # nats above 0 that are no rounding
UNSETTLED = (
    "log Z, which every log p(x) is divided by, has not settled: with twice the effort its estimate still moves by more than its "
    "error, or hardly any draws carry it"
)


@dataclass(frozen=True)
class DecodedExamples:
    """Holds log p(x|z) of each example, its squared error, the codes and sigma they came from, and the law of some of them."""

    log_likelihood: Tensor
    squares: Tensor | None
    codes: dict[str, Latent]
    scale: float | None
    law: Distribution


@dataclass(frozen=True)
class Exchange:
    """Holds examples decoded from their own codes, from each other's and from draws of the prior; and training examples."""

    own: DecodedExamples
    other: DecodedExamples | None
    prior: DecodedExamples | None
    train: DecodedExamples


@dataclass(frozen=True, eq=False)
class Subject:
    """Holds a model, the data to judge it on, and how.

    Arguments:
        model: The model; its mode and the global random generators are left as they were.
        data: The data.
        split: The split to report.
        k: The draws per example of the importance-weighted bound; by default 1,000, fewer where decoding is expensive.
        examples: The number of examples, the same ones whatever the seed; by default all of the split where they cost less than
            a minute of two cores, and 1,000 elsewhere.
        seed: The seed of all draws.
        beta: The weight of the rate at the last step of training, and the one its schedule tends to.
        floor: The nats of the whole rate that cost nothing while training.
        history: The lines of the log of training; none where it is not known.
        asked: Further options, by name, of the figures that have any.
    """

    model: Model
    data: Data
    split: Split = "test"
    k: int | None = None
    examples: int | None = None
    seed: int = 0
    beta: tuple[float, float] = (1.0, 1.0)
    floor: float = 0.0
    history: Sequence[Mapping[str, Any]] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def held(self) -> Examples:
        """The whole split; of a model that reads labels without examples whose label is unknown, or without labels if all are."""
        found: Examples = getattr(self.data, self.split).fixed()
        reads = label_law(self.model) is not None or taken(self.model) == "labels"
        if found.labelled is None or not reads:
            return found
        known = found.known()
        return known if len(known) else replace(found, y=None)

    @cached_property
    def abilities(self) -> Abilities:
        """What the model can do."""
        x, y = to_model(self.model, *self.held.batch(slice(0, 1)))
        try:
            with evaluating(self.model, self.seed):
                return abilities_of(self.model, x, y)
        except RuntimeError as error:
            raise DataError(
                f"the model cannot read the examples of {self.data.benchmark}, of shape {tuple(x.shape[1:])}: "
                f"{str(error).splitlines()[0]}"
            ) from error

    def unmet(self, need: str) -> str:
        """Returns why a need is not met; nothing where it is."""
        if need in ("generates", "decodes", "encodes", "scores", "infers_labels"):
            return self.abilities.no.get(need, "")
        if need == "reads_captions":
            return "" if self.abilities.reads_captions else "the model reads no captions"
        return "" if need in self.data.kind.has else f"an example has no {need}"

    @property
    def size(self) -> int:
        """The number of examples."""
        whole = len(self.held)
        if self.examples is None and self.abilities.scores and whole > EXAMPLES:
            x, y = self.held.batch(slice(0, 1))
            return whole if work(self.model, x, y) * self.draws * whole <= WORK else EXAMPLES
        return min(self.examples or whole, whole)

    @cached_property
    def digest(self) -> str:
        """A name for just these examples: figures of others do not compare."""
        x, y = self.batch
        found = hashlib.sha256(x.cpu().contiguous().numpy().tobytes())
        if y is not None:
            found.update(y.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor | None]:
        """The examples, and what the model is conditioned on."""
        return to_model(self.model, *self.held.subset(self.size).batch(slice(None)))

    @cached_property
    def train_batch(self) -> tuple[Tensor, Tensor | None]:
        """As many training examples; where a label is unknown, the most probable one."""
        some = self.data.train.fixed().subset(self.examples or EXAMPLES)
        x, y = to_model(self.model, *some.batch(slice(None)))
        law = label_law(self.model)
        if law is not None and y is not None:
            with evaluating(self.model, self.seed):
                y = torch.where(y < 0, law(x).probs.argmax(-1), y)
        return x, y

    @cached_property
    def draws(self) -> int:
        """The draws of the importance-weighted bound."""
        if self.k is not None:
            return self.k
        return default_draws(self.model, *self.held.batch(slice(0, 1)))

    @cached_property
    def terms(self) -> Draws:
        """The bounds of the examples, from draws of the posterior."""
        with evaluating(self.model, self.seed):
            found = draw(self.model, *self.batch, self.draws)
        check(found, self.split)
        self.needs_mass(found)
        self.needs_settled()
        return found

    @property
    def by_example(self) -> dict[str, tuple[float, ...]]:
        """The log-likelihoods of the examples one by one: the bound, and the tighter one where there are weights."""
        terms = self.terms
        found = {"bound": terms.elbo}
        if terms.weights is not None:
            found["nll"] = importance_weighted(terms.weights).bounds[-1]
        return {name: tuple(round(value, 4) for value in values.tolist()) for name, values in found.items()}

    def needs_mass(self, found: Draws) -> None:
        """Refuses log probabilities above 0, which no probability mass has: the examples are then none of its values."""
        if is_mass(self.law_of_one) and found.distortion.min() < -IMPOSSIBLE:
            raise Absent(
                f"log p(x|z) of some example is {-found.distortion.min():.2f}, and a probability is at most 1: the data "
                "is not of the values that the likelihood is of"
            )

    @cached_property
    def law_of_one(self) -> Distribution:
        """The likelihood of one example."""
        x, y = self.batch
        with evaluating(self.model, self.seed):
            return self.model(x[:1], None if y is None else y[:1]).likelihood

    def needs_settled(self) -> None:
        """Refuses likelihoods whose normaliser is not known well enough."""
        if not all(known.is_settled for known in self.normalisers):
            raise Absent(UNSETTLED)

    @cached_property
    def normalisers(self) -> list[Normaliser]:
        """The normalisers of the laws that codes are scored by, where they have to be estimated."""
        with evaluating(self.model, self.seed):
            x, y = self.batch
            groups = self.model(x[:1], None if y is None else y[:1]).latents.values()
        return [known for g in groups if (known := normaliser(g.p)) is not None]

    def of_examples(self, values: Tensor) -> Estimate:
        """Averages log-likelihoods of the examples; the error of a normaliser, which all of them share, is part of theirs."""
        found = Estimate.of(values)
        return Estimate(found.mean, math.hypot(found.se, *(known.se for known in self.normalisers)))

    @cached_property
    def train_terms(self) -> Draws:
        """The same of training examples, from fewer draws."""
        with evaluating(self.model, self.seed):
            found = draw(self.model, *self.train_batch, DRAWS)
        check(found, "train")
        self.needs_settled()
        return found

    @cached_property
    def codes(self) -> dict[str, Latents]:
        """The figures of the codes, by latent group."""
        return latents(self.model, *self.held.subset(CODES).batch(slice(None)), seed=self.seed)

    @cached_property
    def exchange(self) -> Exchange:
        """What the decoder makes of the examples' own codes and of others."""
        model, held = self.model, self.batch
        with evaluating(model, self.seed):
            own = decode_examples(model, *held)
            other = prior = None
            if own.codes:
                order = torch.randperm(len(own.log_likelihood), device=own.log_likelihood.device)
                another = torch.empty_like(order)
                another[order] = order.roll(1)
                other = decode_examples(model, *held, codes={n: g.z[another] for n, g in own.codes.items()})
                if all(can_sample(g.p) and not is_diffused(g.p) for g in own.codes.values()):
                    prior = decode_examples(model, *held, codes={})
            return Exchange(own, other, prior, decode_examples(model, *self.train_batch))

    @cached_property
    def walks(self) -> list[Mapping[str, Latent]]:
        """What blocks of the examples meet on the way down."""
        x, y = self.batch
        with evaluating(self.model, self.seed):
            return [
                self.model(x[i : i + BATCH], None if y is None else y[i : i + BATCH]).latents
                for i in range(0, len(x), BATCH)
            ]

    @property
    def law(self) -> Distribution:
        """The likelihood of some examples."""
        return self.exchange.own.law


def check(terms: Draws, split: str) -> None:
    """Refuses bounds that are no numbers."""
    wrong = int((~terms.elbo.isfinite()).sum())
    if wrong:
        raise TrainingError(
            f"the bound of {wrong} of {len(terms.elbo)} {split} examples is not a finite number: training diverged; "
            "use a smaller learning rate or clip the gradient"
        )


def decode_examples(
    model: Model, x: Tensor, y: Tensor | None, codes: dict[str, Tensor] | None = None
) -> DecodedExamples:
    """Passes once over the examples: with codes of their own, or given ones, or (given none) draws of the prior."""
    block = chunk_size(model, x, y)
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
    groups = {
        name: Latent(torch.cat([part[name] for part in drawn]), g.p, g.q) for name, g in trace.latents.items()
    }
    return DecodedExamples(
        torch.cat(scores),
        torch.cat(found) if found else None,
        groups,
        math.sqrt(sum(variances) / len(x)) if variances else None,
        likelihood,
    )


def errors(likelihood: Distribution, x: Tensor) -> Tensor | None:
    """Returns the mean squared error of each example, where the likelihood has a mean."""
    if not has_mean(likelihood):
        return None
    return (x - likelihood.mean).double().square().flatten(1).mean(1)
