"""The variances of the data along its principal axes: below βσ² a linear decoder has nothing encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ...data import Examples
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasureVariances", "Variances", "spectrum"]

SHOWN = 10
EXAMPLES = 5000


@dataclass(frozen=True)
class Variances:
    """Holds the variances of the data along its principal axes, the largest first."""

    values: tuple[float, ...]


class MeasureVariances(Measurement):
    """Measures the principal variances of the data, for a Normal likelihood."""

    name, holds, occasion, needs = "variances", Variances, "diagnosis", ("scores", "encodes")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Variances:
        if not found["likelihood"].is_normal:
            raise Absent("the likelihood is not Normal", expected=False)
        return Variances(spectrum(subject.data.train.fixed().subset(EXAMPLES)))

    def rows(self, value: Variances, e: Evaluation) -> Iterator[Figure]:
        scale = e["likelihood"].scale
        against = "" if scale is None else f"; βσ² is {e['beta'].last * scale**2:.3g}"
        yield Figure(
            "principal variances of the data",
            ", ".join(f"{variance:.3g}" for variance in value.values[:SHOWN]) + against,
            "The largest ones. With a linear decoder a direction whose variance is below βσ² is not encoded.",
        )


def spectrum(examples: Examples) -> tuple[float, ...]:
    """Returns the variances of the data along its principal axes, the largest first."""
    x = examples.batch(slice(None))[0].flatten(1).double()
    values = torch.linalg.svdvals(x - x.mean(0)).square() / len(x)
    return tuple(values.tolist())
