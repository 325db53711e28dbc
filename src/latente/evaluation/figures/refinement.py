r"""The amortisation gap: the gain from refining each posterior by gradient steps.

Refining the posterior of each example by gradient steps, the model fixed, raises the ELBO; the gain is the amortisation gap.

References:
    | Inference Suboptimality in Variational Autoencoders (Cremer et al., 2018), https://arxiv.org/abs/1801.03558
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...data import Examples
from ...objectives import refine
from ...trace import Model, kl
from ..bounds import Estimate, draw, evaluating, importance_weighted, to_model
from ..finding import Absent, Figure, nats
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasureRefinement", "Refinement", "refinable"]

DRAWS = 16  # of each posterior, before and after refining


@dataclass(frozen=True)
class Refinement:
    r"""Holds bound and rates before and after the refinement, in nats.

    Arguments:
        gap: The gain of the ELBO: the amortisation gap.
        rate: The rate of the encoder's posteriors.
        refined: The rate of the refined ones.
        total: :math:`\log p(x) - \mathrm{ELBO}`, with :math:`\log p(x)` by importance weights from the refined posteriors.
        examples: The number of examples.
    """

    gap: Estimate
    rate: Estimate
    refined: Estimate
    total: Estimate
    examples: int


class MeasureRefinement(Measurement):
    """Measures the amortisation gap."""

    name, holds, occasion, needs = "refinement", Refinement, "diagnosis", ("scores", "encodes")
    options = ("refined", "steps")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Refinement:
        some = subject.held.subset(subject.asked["refined"])
        try:
            return refinable(subject.model, some, subject.asked["steps"], subject.seed)
        except ValueError as error:
            raise Absent(str(error)) from None

    def rows(self, value: Refinement, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "amortisation gap",
            f"{nats(value.gap)}, of an inference gap of {value.total.mean:.2f}",
            f"The gain of the bound as the posteriors of {value.examples} examples are refined by gradient "
            "steps.",
        )
        yield Figure(
            "rate, refined",
            f"{value.rate.mean:.2f} to {value.refined.mean:.2f} nats",
            "If it rises with the bound, the encoder omits information that the decoder could use.",
        )


def refinable(model: Model, examples: Examples, steps: int, seed: int) -> Refinement:
    """Refines the posteriors of some examples, and scores them before and after.

    Raises:
        ValueError: If the posterior cannot be refined.
    """
    x, y = to_model(model, *examples.batch(slice(None)))
    fixed = copy.deepcopy(model).requires_grad_(False)
    with evaluating(fixed, seed):
        better = refine(fixed, x, y, steps)
    with evaluating(fixed, seed):
        before = draw(fixed, x, y, DRAWS)
    with evaluating(fixed, seed):
        ((name, q),) = better.items()
        trace = fixed(y=y, size=(DRAWS, len(x)), given={name: q.expand((DRAWS, len(x)))})
        (g,) = trace.latents.values()
        scores = trace.likelihood.log_prob(x).double()
        refined = kl(g).double().expand(DRAWS, len(x))
        weights = scores + g.p.log_prob(g.z).double() - q.log_prob(g.z).double()
    gain = (scores - refined).mean(0) - before.elbo
    evidence = importance_weighted(weights).bounds[-1]
    return Refinement(
        Estimate.of(gain),
        Estimate.of(before.rate),
        Estimate.of(refined.mean(0)),
        Estimate.of(evidence - before.elbo),
        len(x),
    )
