"""The drop in log p(x|z) with shuffled codes: near 0 the decoder ignores the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..bounds import Estimate
from ..finding import Absent, Figure, nats
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasureShuffle", "Shuffle"]


@dataclass(frozen=True)
class Shuffle:
    """Holds the drop in log p(x|z) where the code is another's, in nats.

    Arguments:
        other: With the code of another example.
        prior: With a draw of the prior; None for a flat one.
    """

    other: Estimate
    prior: Estimate | None


class MeasureShuffle(Measurement):
    """Measures the drop in log p(x|z) with shuffled codes."""

    name, holds, needs = "shuffle", Shuffle, ("scores", "encodes")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Shuffle:
        own, other, prior = subject.exchange.own, subject.exchange.other, subject.exchange.prior
        if other is None:
            raise Absent("the model has no latent code", expected=False)
        return Shuffle(
            Estimate.of(own.log_likelihood - other.log_likelihood),
            None if prior is None else Estimate.of(own.log_likelihood - prior.log_likelihood),
        )

    def rows(self, value: Shuffle, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "drop with shuffled codes",
            nats(value.other),
            "The drop in log p(x|z) with the code of another example. Near 0 the decoder ignores the code.",
        )
