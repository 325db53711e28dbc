"""The bound on training data: how far it is above the held-out one is the generalisation gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..bounds import Estimate
from ..finding import Figure, nats
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject
from .bound import score_of

__all__ = ["MeasureTraining", "TrainingBound"]


@dataclass(frozen=True)
class TrainingBound:
    """Holds the bound on as many training examples, in nats."""

    elbo: Estimate


class MeasureTraining(Measurement):
    """Measures the bound on training data."""

    name, holds, needs = "training", TrainingBound, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> TrainingBound:
        return TrainingBound(Estimate.of(subject.train_terms.elbo))

    def rows(self, value: TrainingBound, e: Evaluation) -> Iterator[Figure]:
        gap = value.elbo.mean - e["bound"].elbo.mean
        yield Figure(
            f"−{score_of(e)} on training data",
            nats(-value.elbo),
            f"The generalisation gap is {gap:.2f} nats. Far above 0, the model has memorised the training set.",
        )
