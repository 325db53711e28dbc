r"""One evaluation of a classifier: how often it errs on held-out examples, and whether it knows when.

The *error* is the share of examples whose most probable class is not theirs, and the *cross-entropy*
:math:`-\log p(y | x)`, in nats, also counts how sure the classifier was. It is calibrated if of all examples that it gives a
class with probability .8, four fifths are of that class; what is off on average is the expected calibration error,

.. math:: \sum_b \frac{n_b}{N} \, | \mathrm{accuracy}_b - \mathrm{confidence}_b | ,

over 15 bins :math:`b` of equal width of the confidence. Figures of a few labels are honest only with the number of labels beside
them, those that chose the weights among them.

References:
    | On Calibration of Modern Neural Networks (Guo et al., 2017)
    | https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import torch
from pydantic import TypeAdapter
from torch import Tensor

from ..data import Data, Examples
from ..errors import DataError, TrainingError
from ..models import Classifier, Labelling
from .bounds import Estimate, moved, still
from .verdicts import Finding

__all__ = ["Classification", "Confusion", "calibration_error", "classify", "log_probabilities"]

BLOCK = 1024
BINS = 15  # Guo et al. (2017)
SHOWN = 5  # confusions
GUESSING = 2.0  # standard errors
OVERSURE = 0.05  # of the confidence above the accuracy


@dataclass(frozen=True)
class Confusion:
    """Holds how often one class is taken for another.

    Arguments:
        true: The class that the examples are of.
        taken: The class that they are taken for.
        count: How many of them.
        of: How many examples are of the true class.
    """

    true: str
    taken: str
    count: int
    of: int


@dataclass(frozen=True)
class Classification:
    r"""Holds the figures of a classifier.

    Arguments:
        benchmark: The data and how it is read.
        split: The split that was held out.
        examples: The number of examples.
        labels: The number of training examples, whose labels it learnt from.
        chosen_by: The number of validation examples whose labels chose the weights; 0 where a bound without labels did.
        error: The share of examples that are taken for another class.
        cross_entropy: :math:`-\log p(y | x)` in nats.
        train_error: The error on the training examples.
        guess: The error of naming the most frequent class of the training examples always.
        confidence: The mean probability of the class that is named.
        calibration: The expected calibration error.
        confusions: The most frequent mistakes.
        absent: Why a figure is None, by its name.
        findings: What is to be said about it.
        verdict: The same in a sentence.
    """

    benchmark: str
    split: str
    examples: int
    labels: int
    chosen_by: int
    error: Estimate
    cross_entropy: Estimate
    train_error: Estimate
    guess: float
    confidence: float
    calibration: float
    confusions: tuple[Confusion, ...]
    absent: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    verdict: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns what `json.dumps` takes."""
        return adapter().dump_python(self, mode="json")

    @staticmethod
    def of_json(content: dict[str, Any]) -> Classification:
        """Reads what `to_json` gave.

        Raises:
            pydantic.ValidationError: If a figure is missing or of another type.
        """
        return adapter().validate_python(content)


@cache
def adapter() -> TypeAdapter[Classification]:
    return TypeAdapter(Classification)


def classify(
    model: Classifier | Labelling,
    data: Data,
    *,
    split: Literal["train", "validation", "test"] = "test",
    examples: int | None = None,
    seed: int = 0,
) -> Classification:
    """Measures a classifier on held-out examples and judges it.

    Arguments:
        model: The classifier, or a model that infers labels beside what else it does.
        data: The data.
        split: The split to report.
        examples: The number of examples, a fixed subset of the split; all by default.
        seed: The seed of the subset.

    Raises:
        DataError: If the examples have no labels.
        TrainingError: If a probability is not a number.
    """
    held: Examples = getattr(data, split).fixed()
    held = held.subset(examples or len(held), seed)
    seen = data.train.fixed()
    if held.y is None or seen.y is None:
        raise DataError(f"{data.name} has no labels, so nothing tells whether a classifier is right")
    if seen.told is not None:
        told = seen.told.to(seen.y.device)
        seen = replace(seen, x=seen.x[told], y=seen.y[told])
    assert seen.y is not None
    seen_y = seen.y.cpu()
    scores, y = log_probabilities(model, held), held.y.cpu()
    if scores.isnan().any():
        raise TrainingError("a probability is not a number: training diverged; use a smaller learning rate")
    confidence, taken = scores.exp().max(1)
    found = Classification(
        benchmark=data.benchmark,
        split=split,
        examples=len(held),
        labels=len(seen),
        chosen_by=0 if isinstance(model, Labelling) else len(data.validation),
        error=Estimate.of(taken.ne(y).double()),
        cross_entropy=Estimate.of(-scores[torch.arange(len(y)), y]),
        train_error=Estimate.of(log_probabilities(model, seen).argmax(1).ne(seen_y).double()),
        guess=y.ne(seen_y.mode().values).double().mean().item(),
        confidence=confidence.mean().item(),
        calibration=calibration_error(confidence, taken.eq(y)),
        confusions=confusions(y, taken, data.classes),
    )
    return replace(found, findings=findings(found), verdict=verdict(found))


def log_probabilities(model: Classifier | Labelling, examples: Examples) -> Tensor:
    r"""Returns :math:`\log p(y | x)` of each example in float64, with shape :math:`(N, K)`."""
    with still(model, 0):
        batches = (examples.batch(slice(i, i + BLOCK)) for i in range(0, len(examples), BLOCK))
        inputs = (moved(model, x, None)[0] for x, _ in batches)
        found = [model.label(x) if isinstance(model, Labelling) else model(x).likelihood for x in inputs]
        logits = [d.logits for d in found]
    return torch.cat(logits).double().log_softmax(1).cpu()


def calibration_error(confidence: Tensor, right: Tensor) -> float:
    """Returns how far confidence and accuracy are apart, over bins of equal width.

    Arguments:
        confidence: The probability of the class that is named, with shape (N).
        right: Whether it is the true one, with shape (N).

    Example:
        >>> calibration_error(torch.tensor([0.9, 0.9, 0.6]), torch.tensor([True, True, False]))
        0.266...
    """
    gap = right.double() - confidence.double()
    bins = (confidence * BINS).long().clamp_max(BINS - 1)
    return (torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, gap).abs().sum() / len(gap)).item()


def confusions(y: Tensor, taken: Tensor, classes: tuple[str, ...]) -> tuple[Confusion, ...]:
    """Lists the most frequent mistakes, the most frequent first."""
    k = len(classes)
    table = torch.bincount(y * k + taken, minlength=k * k).view(k, k)
    size = table.sum(1)
    wrong = table - table.diagonal().diag()
    order = wrong.flatten().argsort(descending=True, stable=True)[:SHOWN].tolist()
    found = ((*divmod(i, k), int(wrong.flatten()[i])) for i in order)
    return tuple(Confusion(classes[a], classes[b], n, int(size[a])) for a, b, n in found if n)


# ------------------------------------------------------------------------------------------------ what they mean


def share(value: Estimate) -> str:
    """Writes a share with its standard error in per cent.

    Example:
        >>> share(Estimate(0.0312, 0.0017))
        '3.12 ± 0.17 %'
    """
    return f"{100 * value.mean:.2f} ± {100 * value.se:.2f} %"


def guessing(c: Classification) -> Finding | None:
    if c.error.mean + GUESSING * c.error.se < c.guess:
        return None
    return Finding(
        "no better than guessing",
        "certain",
        f"The error is {share(c.error)}, and always naming the most frequent class errs in {100 * c.guess:.2f} %.",
        "Train for longer, or look whether labels and examples belong together.",
        {},
    )


def oversure(c: Classification) -> Finding | None:
    accuracy = 1 - c.error.mean
    if c.confidence - accuracy <= OVERSURE + GUESSING * c.error.se:
        return None
    return Finding(
        "too sure of itself",
        "certain",
        f"It gives the class it names {100 * c.confidence:.1f} % on average, and is right in {100 * accuracy:.1f} %.",
        "Do not take its probabilities at their word. More labels help, and so does stopping earlier.",
        {},
        problem=False,
    )


def findings(c: Classification) -> tuple[Finding, ...]:
    return tuple(found for rule in (guessing, oversure) if (found := rule(c)) is not None)


def verdict(c: Classification) -> str:
    """Says in a sentence what is wrong, or that nothing is and by which figures."""
    for found in findings(c):
        if found.problem:
            return f"{found.name.capitalize()}: {found.evidence} {found.advice}"
    return (
        f"Nothing is wrong: error {share(c.error)} on {c.examples:,} {c.split} examples, learnt from {c.labels:,} labels, "
        f"and the weights chosen by {c.chosen_by:,} more; always naming the most frequent class errs in {100 * c.guess:.2f} %."
    )
