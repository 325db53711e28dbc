"""The weight of the rate while the model was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..finding import Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject
from .codes import has_energy

__all__ = ["Beta", "MeasureBeta"]


@dataclass(frozen=True)
class Beta:
    """Holds the weight of the rate in training.

    Arguments:
        last: The β in force at the last step.
        limit: The one its schedule tends to.
        floor: The free nats of the whole rate.
    """

    last: float
    limit: float
    floor: float = 0.0


class MeasureBeta(Measurement):
    """Names the weight of the rate in training."""

    name, holds, needs = "beta", Beta, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Beta:
        return Beta(*subject.beta, subject.floor)

    def rows(self, value: Beta, e: Evaluation) -> Iterator[Figure]:
        if "codes" not in e or has_energy(e):  # trained on no bound
            return
        tends = "" if value.last == value.limit else f" (tends to {value.limit:.3g})"
        yield Figure(
            "β",
            f"{value.last:.3g}{tends}",
            "The weight of the KL in training. All figures above are for β = 1.",
        )
