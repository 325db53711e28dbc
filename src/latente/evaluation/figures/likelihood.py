"""The likelihood's family, and the residuals of its means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...distributions.traits import family, is_autoregressive, is_bound, is_normal
from ..finding import Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["LikelihoodFit", "MeasureLikelihood"]


@dataclass(frozen=True)
class LikelihoodFit:
    """Holds the likelihood's family and its residuals.

    Arguments:
        family: The name of the family, to be read.
        is_normal: Whether it is a Normal with a sigma of its own, set or learnt.
        is_bound: Whether its log p is itself a bound.
        scale: The root mean square of sigma, where it has one.
        residual: The root mean squared error of its mean on held-out data.
        train_residual: The same on training data.
        autoregressive: Whether it predicts each pixel, word or point from those before it.
    """

    family: str
    is_normal: bool
    is_bound: bool
    scale: float | None
    residual: float | None
    train_residual: float | None
    autoregressive: bool = False


class MeasureLikelihood(Measurement):
    """Measures the root mean squared error of reconstructions, and the likelihood's sigma."""

    name, holds, needs = "likelihood", LikelihoodFit, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> LikelihoodFit:
        own, law = subject.exchange.own, subject.law
        return LikelihoodFit(
            family=family(law),
            is_normal=is_normal(law),
            is_bound=is_bound(law),
            scale=own.scale,
            residual=root(own.squares),
            train_residual=root(subject.exchange.train.squares),
            autoregressive=is_autoregressive(law),
        )

    def rows(self, value: LikelihoodFit, e: Evaluation) -> Iterator[Figure]:
        if value.residual is not None and "codes" in e:
            yield Figure(
                "root mean squared error",
                f"{value.residual:.4g}",
                f"Of reconstructions; the likelihood is {value.family}.",
            )


def root(squares: Tensor | None) -> float | None:
    return None if squares is None else math.sqrt(squares.mean().item())
