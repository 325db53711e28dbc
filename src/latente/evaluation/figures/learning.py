"""How training went, by its log: whether it had ended, whether it got worse again, and which weights were kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["Learning", "MeasureLearning", "curve_of"]

POINTS = 4  # of a curve that shows anything
LATE = 0.75  # of the steps


@dataclass(frozen=True)
class Learning:
    """Holds what the log of training says; losses are those that weights are chosen by, in nats.

    Arguments:
        steps: The steps that were taken.
        epochs: The times that each example was met.
        validations: The validations.
        kept: The step of the weights that are kept.
        best: The loss there.
        last: The loss at the last validation.
        first: The loss at the first one.
        late: How much the loss fell in the last quarter of the steps; None where too few points show it.
        whole: How much it fell in all; None likewise.
        skipped: The share of the steps that were skipped, since a loss or a gradient was not finite or too large.
        bound_step: The step at which −ELBO with β = 1 was least.
        bound_gain: By how much it was lower there than at the weights that are kept.
        lr: The largest learning rate; None where the log has none.
    """

    steps: int
    epochs: float
    validations: int
    kept: int
    best: float
    last: float
    first: float
    late: float | None
    whole: float | None
    skipped: float
    bound_step: int
    bound_gain: float
    lr: float | None = None


class MeasureLearning(Measurement):
    """Reads the log of training."""

    name, holds = "learning", Learning

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Learning:
        history = subject.history
        judged = [
            line
            for line in history
            if line["split"] == "validation" and math.isfinite(line.get("loss", math.nan))
        ]
        if not judged:
            raise Absent("there is no log of its training", expected=False)
        best = min(judged, key=lambda line: line["loss"])
        trained = [line for line in history if line["split"] == "train"]
        steps = max(line["step"] for line in history)
        curve = curve_of(judged, "loss") if len(judged) >= POINTS else curve_of(trained, None)
        late = whole = None
        if len(curve) >= POINTS:
            early = min(loss for step, loss in curve if step <= LATE * steps)
            late, whole = early - curve[-1][1], curve[0][1] - curve[-1][1]
        bounds = [(bound(line), line["step"]) for line in judged]
        least, bound_step = min(bounds)
        return Learning(
            steps=steps,
            epochs=max((line.get("epoch", 0.0) for line in history), default=0.0),
            validations=len(judged),
            kept=best["step"],
            best=best["loss"],
            last=judged[-1]["loss"],
            first=judged[0]["loss"],
            late=late,
            whole=whole,
            skipped=sum(line.get("skipped", 0) for line in trained) / max(1, steps),
            bound_step=bound_step,
            bound_gain=bound(best) - least,
            lr=max((line["lr"] for line in trained if "lr" in line), default=None),
        )

    def rows(self, value: Learning, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "training",
            f"{value.steps:,} steps, {value.epochs:.3g} epochs; the weights of step {value.kept:,}",
            "The weights that are kept are those of the best validation, by the loss that was trained.",
        )


def curve_of(lines: Sequence[Mapping[str, Any]], name: str | None) -> list[tuple[int, float]]:
    """Returns the finite losses by step; without a name those that the terms of training add up to."""
    found = [(line["step"], bound(line) if name is None else line[name]) for line in lines]
    return [(step, loss) for step, loss in found if math.isfinite(loss)]


def bound(line: Mapping[str, Any]) -> float:
    """Adds up distortion and rates; of an objective that has none of them, the loss."""
    terms = [v for n, v in line.items() if n == "distortion" or n.startswith("rate/")]
    return sum(terms) if terms else line.get("loss", math.nan)
