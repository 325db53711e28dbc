r"""The importance-weighted bound: :math:`-\log \frac{1}{k} \sum_i w_i`, tighter than the ELBO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..bounds import importance_weighted
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject
from .codes import has_energy

__all__ = ["MeasureNll", "Nll"]


@dataclass(frozen=True)
class Nll:
    """Holds −log p(x) as the importance-weighted bound gives it, in nats per example.

    Arguments:
        k: The draws per example.
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


class MeasureNll(Measurement):
    """Measures −log p(x) by importance weights."""

    name, holds, needs = "nll", Nll, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Nll:
        terms = subject.terms
        if terms.weights is None:
            raise Absent(terms.unweighed)
        curve = importance_weighted(terms.weights)
        points = [subject.of_examples(-values) for values in curve.bounds]
        return Nll(
            k=curve.k[-1],
            mean=points[-1].mean,
            se=points[-1].se,
            curve=tuple((k, point.mean, point.se) for k, point in zip(curve.k, points)),
            ess_mean=curve.ess.mean().item(),
            ess_median=curve.ess.median().item(),
            examples=len(curve.ess),
        )

    def rows(self, value: Nll, e: Evaluation) -> Iterator[Figure]:
        if "codes" not in e:  # the bound is exact
            return
        yield Figure(
            "−log p(x), importance-weighted",
            f"{value.mean:.2f} ± {value.se:.2f} nats",
            f"The same from k = {value.k:,} draws of the posterior for each of {value.examples:,} examples: all weigh alike."
            if has_energy(e)
            else f"A tighter upper bound, from k = {value.k:,} draws of the posterior for each of {value.examples:,} examples: "
            "the figure to compare models by, on one benchmark.",
        )
        yield Figure(
            "by draws k",
            ", ".join(f"{k:,}: {mean:.2f}" for k, mean, _ in value.curve),
            "The same bound from fewer draws. Where it still falls at the end, more draws would lower it.",
        )
        yield Figure(
            "effective draws",
            f"{value.ess_mean:.1f} of {value.k:,}",
            "The effective sample size. Where it is small, the posterior differs from the true one.",
        )
