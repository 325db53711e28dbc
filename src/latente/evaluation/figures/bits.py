r"""Bits per dimension: :math:`-\log_2 p(x)` as a code length for each pixel or column, of probability masses alone.

A density of rounded values can be made as high as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...distributions.traits import no_bits
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["BitsPerDimension", "MeasureBits"]


@dataclass(frozen=True)
class BitsPerDimension:
    """Holds −log₂ p(x) per dimension, by the tightest bound there is."""

    per_dim: float


class MeasureBits(Measurement):
    """Measures bits per dimension."""

    name, holds, needs = "bits_per_dim", BitsPerDimension, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> BitsPerDimension:
        x, nll = subject.batch[0], found.get("nll")
        if why := no_bits(subject.law, x):
            raise Absent(why)
        nats = -subject.terms.elbo.mean().item() if nll is None else nll.mean
        return BitsPerDimension(nats / (x[0].numel() * math.log(2)))

    def rows(self, value: BitsPerDimension, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "bits per dimension",
            f"{value.per_dim:.4f}",
            "The same as a code length for each pixel or column.",
        )
