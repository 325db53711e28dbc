r"""One evaluation: every held-out figure that applies to a model and its data, over passes that they share, and what they mean.

All log-likelihoods are in nats and sums over the dimensions of an example; each mean has its standard error over examples. The
benchmark's name goes with the figures, since those of two binarisations do not compare. Which figures there are is the list of
:mod:`latente.evaluation.figures`; here stands only how one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..data import Data
from ..errors import LatenteError
from ..trace import Model
from .finding import Absent, Split
from .measurement import Measurement, Occasion, measurements
from .record import Evaluation
from .subject import Subject
from .verdicts import judged

__all__ = ["evaluate_model", "listed", "measured"]


def evaluate_model(
    model: Model,
    data: Data,
    *,
    split: Split = "test",
    k: int | None = None,
    examples: int | None = None,
    seed: int = 0,
    beta: tuple[float, float] = (1.0, 1.0),
    floor: float = 0.0,
    history: Sequence[Mapping[str, Any]] = (),
) -> Evaluation:
    """Measures a model on held-out data and judges it; the same call gives the same figures.

    Arguments:
        model: The model; its mode and the global random generators are left as they were.
        data: The data.
        split: The split to report.
        k: The draws per example of the importance-weighted bound; by default 1,000, and fewer where decoding is expensive.
        examples: The number of examples, the same ones for every run; by default all of the split where they cost less than a
            minute of two cores, and 1,000 elsewhere.
        seed: The seed of all draws.
        beta: The weight of the rate at the last step of training, and the one its schedule tends to.
        floor: The nats of the whole rate that cost nothing while training.
        history: The lines of the log of training.

    Raises:
        LatenteError: If no figure applies to the model.
        TrainingError: If the bound of some example is not a number.
    """
    subject = Subject(model, data, split, k, examples, seed, beta, floor, history)
    found = measured(subject, "evaluation", Evaluation(data.benchmark, split, subject.size, {}))
    if not found.figures:
        why = subject.abilities.no.get("scores", "no figure applies")
        raise LatenteError(f"there is no bound to report: {why}")
    known = replace(found, held=subject.digest, by_example=subject.by_example) if "bound" in found else found
    return judged(known)


def measured(subject: Subject, occasion: Occasion, before: Evaluation) -> Evaluation:
    """Measures the figures of an occasion, after those that were measured before."""
    e = before
    for entry in listed(occasion):
        try:
            if unmet := next(filter(None, map(subject.unmet, entry.needs)), ""):
                raise Absent(unmet, expected=False)
            e = e.having(**{entry.name: entry.compute(subject, e)})
        except Absent as absent:
            why = {entry.name: absent.why}
            if absent.expected:
                e = replace(e, absent={**e.absent, **why})
            else:
                e = replace(e, inapplicable={**e.inapplicable, **why})
    return e


def listed(occasion: Occasion) -> Iterable[Measurement]:
    """Lists the measurements of an occasion."""
    return (entry for entry in measurements().values() if entry.occasion == occasion)
