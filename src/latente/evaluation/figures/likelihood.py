"""The likelihood's family, and the residuals of its means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...distributions.traits import family, is_autoregressive, is_bound, is_normal, is_real
from ..finding import Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["LikelihoodFit", "MeasureLikelihood"]

FEW, COUNTED = 50, 2000  # examples
MOST = 0.5


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
        spiked: Under a density of tables, the share of the columns in which one value is that of most rows, or there are but two.
        bits: Whether all of those have but two.
    """

    family: str
    is_normal: bool
    is_bound: bool
    scale: float | None
    residual: float | None
    train_residual: float | None
    autoregressive: bool = False
    spiked: float | None = None
    bits: bool = False


class MeasureLikelihood(Measurement):
    """Measures the root mean squared error of reconstructions, and the likelihood's sigma."""

    name, holds, needs = "likelihood", LikelihoodFit, ("scores",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> LikelihoodFit:
        own, law = subject.exchange.own, subject.law
        spiked, bits = (
            repeated(subject) if is_real(law) and "pixels" not in subject.data.kind.has else (None, False)
        )
        return LikelihoodFit(
            family=family(law),
            is_normal=is_normal(law),
            is_bound=is_bound(law),
            scale=own.scale,
            residual=root(own.squares),
            train_residual=root(subject.exchange.train.squares),
            autoregressive=is_autoregressive(law),
            spiked=spiked,
            bits=bits,
        )

    def rows(self, value: LikelihoodFit, e: Evaluation) -> Iterator[Figure]:
        if value.residual is not None and "codes" in e:
            yield Figure(
                "root mean squared error",
                f"{value.residual:.4g}",
                f"Of reconstructions; the likelihood is {value.family}.",
            )


def repeated(subject: Subject) -> tuple[float | None, bool]:
    """Returns the share of the columns with a value that most rows have, or of two alone, and whether it is of the latter."""
    train = subject.data.train
    if train.lengths is not None or len(train) < FEW:
        return None, False
    x = train.fixed().subset(COUNTED).batch(slice(None))[0].flatten(1)
    two = torch.tensor([len(column.unique()) <= 2 for column in x.T])
    most = (x == x.mode(0).values).double().mean(0) > MOST
    return (two | most).double().mean().item(), bool(two.double().mean() > MOST)


def root(squares: Tensor | None) -> float | None:
    return None if squares is None else math.sqrt(squares.mean().item())
