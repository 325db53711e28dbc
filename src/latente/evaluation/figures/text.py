"""The perplexity of sentences: the bounds spread over their words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..finding import Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasurePerplexity", "Perplexity"]


@dataclass(frozen=True)
class Perplexity:
    """Holds the exponential of the nats per word, over all words of the examples; the end of a sentence counts as one.

    Arguments:
        elbo: By the ELBO.
        nll: By the importance-weighted bound.
        words: The mean number of words of a sentence.
    """

    elbo: float
    nll: float | None
    words: float


class MeasurePerplexity(Measurement):
    """Measures the perplexity of sentences."""

    name, holds, needs = "perplexity", Perplexity, ("words", "scores")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Perplexity:
        words = (subject.batch[0] > 0).sum(1).double().mean().item()
        nll = found.get("nll")
        return Perplexity(
            math.exp(-subject.terms.elbo.mean().item() / words),
            None if nll is None else math.exp(nll.mean / words),
            words,
        )

    def rows(self, value: Perplexity, e: Evaluation) -> Iterator[Figure]:
        weighted = "" if value.nll is None else f", {value.nll:.2f} importance-weighted"
        yield Figure(
            "perplexity",
            f"{value.elbo:.2f} by the ELBO{weighted}",
            f"The exponential of the nats per word, {value.words:.2f} words per sentence, the end of a sentence counted as one: "
            "the number of words, were they all equally likely.",
        )
