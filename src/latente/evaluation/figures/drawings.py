"""The figures of drawings: those of sketch-rnn's paper, and nats per point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ...distributions.strokes import as_strokes, lengths_of
from ..bounds import chunk_size, evaluating
from ..finding import Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasurePoints", "PointFigures"]


@dataclass(frozen=True)
class PointFigures:
    """Holds the figures of drawings: those of sketch-rnn's paper, and nats per point, which compare between data sets.

    Arguments:
        reconstruction: L_R, the distortion over the points of the longest drawing; what follows the end of one is certain.
        padded: L_R with the pen of all rows that pad a drawing to the longest one; a model that was not trained on them has
            never seen such a row.
        kl: L_KL, the rate over the dimensions of the code; 0 without one.
        longest: The points of the longest drawing.
        elbo: Nats a point by the bound, the end of a drawing counted as one.
        nll: The same by the importance-weighted bound.
        points: The mean number of points of a drawing, the end counted.
    """

    reconstruction: float
    padded: float
    kl: float
    longest: int
    elbo: float
    nll: float | None
    points: float


class MeasurePoints(Measurement):
    """Measures nats per point of drawings, and L_R and L_KL of sketch-rnn."""

    name, holds, needs = "points", PointFigures, ("strokes", "scores")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> PointFigures:
        """Spreads the bounds over the points, and charges the pen for padding as sketch-rnn's paper does."""
        x, terms, nll = subject.batch[0], subject.terms, found.get("nll")
        padding, dimensions = charged(subject)
        longest = x.shape[1] - 1
        length = lengths_of(x).double().mean().item() + 1
        return PointFigures(
            reconstruction=terms.distortion.mean().item() / longest,
            padded=(terms.distortion.mean().item() + padding / len(x)) / longest,
            kl=terms.rate.mean().item() / max(1, dimensions),
            longest=longest,
            elbo=-terms.elbo.mean().item() / length,
            nll=None if nll is None else nll.mean / length,
            points=length,
        )

    def rows(self, value: PointFigures, e: Evaluation) -> Iterator[Figure]:
        weighted = "" if value.nll is None or "codes" not in e else f", {value.nll:.3f} importance-weighted"
        yield Figure(
            "nats per point",
            f"{value.elbo:.3f}{weighted}",
            f"−log p(x) over {value.points:.1f} points of a drawing, its end counted as one: a density, which may be negative, "
            "in units of the moves' standard deviation.",
        )
        yield Figure(
            "L_R and L_KL of sketch-rnn",
            f"{value.reconstruction:.3f} and {value.kl:.3f}",
            f"As Ha and Eck (2017) report them: L_R is the distortion over the {value.longest} points of the longest drawing, "
            "L_KL the rate over the dimensions of the code. What follows the end of a drawing is certain; where the pen of all "
            f"rows that pad it is charged too, L_R is {value.padded:.3f}, and means something for a model that was trained on "
            "them.",
        )


def charged(subject: Subject) -> tuple[float, int]:
    """Returns what the pen costs in the rows that pad drawings, and the dimensions of the code."""
    model, x = subject.model, subject.batch[0]
    padding = torch.zeros(())
    with evaluating(model, subject.seed):
        for rows in x.split(chunk_size(model, x, None)):
            trace = model(rows)
            likelihood = as_strokes(trace.likelihood)
            pens = likelihood.costs(rows, padded=True)[1] - likelihood.costs(rows)[1]
            padding = padding + pens.sum().cpu()
    return padding.item(), sum(g.z[0].numel() for g in trace.latents.values())
