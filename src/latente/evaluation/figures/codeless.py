r"""The codeless baseline: the model's own decoder, trained a little longer on codes that were drawn from the prior.

Such codes hold nothing of the example, so what remains is the best :math:`p(x)` of the decoder without a code.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...data import Examples
from ...models.labels import label_law
from ...trace import Model
from ..bounds import Estimate, draw, evaluating, importance_weighted, to_model
from ..finding import Absent, Figure, nats
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject
from .codes import has_flat_prior

__all__ = ["Codeless", "MeasureCodeless", "without_code"]

DRAWS = 16
BATCH = 128


@dataclass(frozen=True)
class Codeless:
    """Holds the decoder without a code, in nats.

    Arguments:
        nll: −log p(x) of the decoder without a code.
        saved: The gain from the code against it, paired by example.
    """

    nll: Estimate
    saved: Estimate


class MeasureCodeless(Measurement):
    """Measures −log p(x) of the decoder without a code, and the gain from the code."""

    name, holds, occasion, needs = "codeless", Codeless, "diagnosis", ("scores", "encodes")
    options = ("baseline_steps",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Codeless:
        if has_flat_prior(found):
            raise Absent("the prior is flat, so no code can be drawn without the example")
        some = subject.held.subset(subject.size)
        steps, train = subject.asked["baseline_steps"], subject.data.train
        if (
            train.labelled is not None and label_law(subject.model) is not None
        ):  # the model draws the labels, too
            train, some = replace(train, y=None), replace(some, y=None)
        return Codeless(*without_code(subject.model, train, some, steps, subject.seed))

    def rows(self, value: Codeless, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "−log p(x) without a code",
            nats(value.nll),
            "Of the decoder, trained further on codes drawn from the prior.",
        )
        yield Figure(
            "gain from the code",
            nats(value.saved),
            "The drop in −log p(x) from that baseline, paired by example.",
        )


def without_code(
    model: Model, train: Examples, held: Examples, steps: int, seed: int
) -> tuple[Estimate, Estimate]:
    """Trains a copy of the decoder on codes of the prior: −log p(x) of held-out examples, and what the code saves."""
    copied = copy.deepcopy(model)
    with evaluating(model, seed), torch.enable_grad():  # for its fork of the random generators
        copied.train().requires_grad_()
        optimizer = torch.optim.Adam(copied.parameters(), 1e-3)
        for step in range(steps):
            rows = torch.randint(len(train), (min(BATCH, len(train)),))
            x, y = to_model(copied, *train.batch(rows))
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * (1 - step / steps)
            trace = copied(y=y, size=len(x))
            loss = -trace.likelihood.log_prob(x).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    x, y = to_model(model, *held.batch(slice(None)))
    parts = range(0, len(x), BATCH)
    with evaluating(copied, seed):
        conditions = [None if y is None else y[i : i + BATCH] for i in parts]
        blind = torch.cat(
            [
                copied(y=c, size=len(x[i : i + BATCH])).likelihood.log_prob(x[i : i + BATCH]).double()
                for i, c in zip(parts, conditions)
            ]
        )
    with evaluating(model, seed):
        own = draw(model, x, y, DRAWS)
    best = own.elbo if own.weights is None else importance_weighted(own.weights).bounds[-1]
    return Estimate.of(-blind), Estimate.of(best - blind)
