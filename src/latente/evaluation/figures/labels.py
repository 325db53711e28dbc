r"""The figures of q(y|x): how often a classifier errs on held-out examples, and whether it is calibrated.

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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...abilities import abilities_of
from ...data import Data, Examples
from ...errors import DataError, TrainingError
from ...models.labels import label_law
from ...trace import Model
from ..bounds import Estimate, evaluating, to_model
from ..finding import Figure, Finding, Split, nats, share
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = [
    "Classification",
    "Confusion",
    "MeasureLabels",
    "calibration_error",
    "classify",
    "confusion_table",
    "confusions",
    "error_of",
    "log_probabilities",
]

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
        examples: The number of held-out examples.
        labels: The number of training examples, whose labels it learnt from.
        chosen_by: The number of validation examples whose labels chose the weights; 0 where a bound without labels did.
        error: The share of examples that are taken for another class.
        cross_entropy: :math:`-\log p(y | x)` in nats.
        train_error: The error on the training examples.
        guess: The error of naming the most frequent class of the training examples always.
        confidence: The mean probability of the class that is named.
        calibration: The expected calibration error.
        confusions: The most frequent ones: the predicted for the true class.
    """

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


class MeasureLabels(Measurement):
    """Measures how often q(y|x) errs, and its calibration."""

    name, holds, needs = "labels", Classification, ("infers_labels",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Classification:
        examples = None if subject.abilities.scores else subject.examples
        return classify(
            subject.model, subject.data, split=subject.split, examples=examples, seed=subject.seed
        )

    def rows(self, value: Classification, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "error",
            share(value.error),
            f"Misclassified examples. The most frequent class alone errs in {100 * value.guess:.2f} %.",
        )
        yield Figure("cross-entropy", nats(value.cross_entropy), "−log p(y|x): the confidence counts, too.")
        yield Figure(
            "labels",
            f"{value.labels:,} + {value.chosen_by:,}",
            "Labels of training, and those of validation, which chose the weights."
            if value.chosen_by
            else "Labels of training, and those that chose the weights: a bound without labels did.",
        )
        yield Figure("error on training data", share(value.train_error), "Of the labelled training examples.")
        yield Figure(
            "calibration error",
            f"{100 * value.calibration:.2f} %",
            f"Mean distance of confidence and accuracy. The mean confidence is {100 * value.confidence:.2f} %.",
        )
        if value.confusions:
            yield Figure(
                "confusions",
                "; ".join(f"{m.true} for {m.taken}: {m.count} of {m.of:,}" for m in value.confusions),
                "The most frequent ones: the predicted for the true class.",
            )

    def findings(self, value: Classification, e: Evaluation) -> Iterator[Finding]:
        error = value.error
        if error.mean + GUESSING * error.se >= value.guess:
            yield Finding(
                "no better than the most frequent class",
                "certain",
                f"The error is {share(error)}, and the most frequent class alone errs in {100 * value.guess:.2f} %.",
                "Train for longer, or check that labels and examples belong together.",
                {},
            )
        accuracy = 1 - error.mean
        if value.confidence - accuracy > OVERSURE + GUESSING * error.se:
            yield Finding(
                "overconfident",
                "certain",
                f"The mean confidence is {100 * value.confidence:.1f} %, and the accuracy {100 * accuracy:.1f} %.",
                "Its probabilities are not calibrated. More labels help, and so does stopping earlier.",
                {},
                problem=False,
            )

    def praise(self, value: Classification, e: Evaluation) -> str:
        if "bound" in e:
            return ""
        return (
            f"error {share(value.error)} on {value.examples:,} {e.split} examples, learnt from {value.labels:,} labels, "
            f"and the weights chosen by {value.chosen_by:,} more; the most frequent class alone errs in "
            f"{100 * value.guess:.2f} %."
        )


def classify(
    model: Model,
    data: Data,
    *,
    split: Split = "test",
    examples: int | None = None,
    seed: int = 0,
) -> Classification:
    """Measures a classifier on held-out examples.

    Arguments:
        model: A classifier, or a model that infers labels beside what else it does.
        data: The data.
        split: The split to report.
        examples: The number of examples, a fixed subset of the split; all by default.
        seed: The seed of the subset.

    Raises:
        DataError: If the examples have no labels.
        TrainingError: If a probability is not a number.
    """
    held: Examples = getattr(data, split).fixed().known()
    held = held.subset(examples or len(held), seed)
    seen = data.train.fixed().known()
    if held.y is None or seen.y is None or not len(held):
        raise DataError(f"{data.name} has no labels to evaluate a classifier with")
    seen_y = seen.y.cpu()
    scores, y = log_probabilities(model, held), held.y.cpu()
    if scores.isnan().any():
        raise TrainingError("a probability is not a number: training diverged; use a smaller learning rate")
    confidence, taken = scores.exp().max(1)
    return Classification(
        examples=len(held),
        labels=len(seen),
        chosen_by=0 if is_chosen_by_bound(model, held) else len(data.validation),
        error=error_of(y, taken),
        cross_entropy=Estimate.of(-scores[torch.arange(len(y)), y]),
        train_error=error_of(seen_y, log_probabilities(model, seen).argmax(1)),
        guess=y.ne(seen_y.mode().values).double().mean().item(),
        confidence=confidence.mean().item(),
        calibration=calibration_error(confidence, taken.eq(y)),
        confusions=confusions(y, taken, data.classes),
    )


def is_chosen_by_bound(model: Model, examples: Examples) -> bool:
    """Returns whether validation judged the weights by a bound, which reads no labels."""
    with evaluating(model, 0):
        return abilities_of(model, *to_model(model, *examples.batch(slice(0, 1)))).scores


def log_probabilities(model: Model, examples: Examples) -> Tensor:
    r"""Returns :math:`\log p(y | x)` of each example in float64, with shape :math:`(N, K)`.

    Raises:
        ValueError: If the model infers no labels.
    """
    law = label_law(model)
    if law is None:
        raise ValueError(f"a {type(model).__name__} infers no labels: give a model with a classifier")
    with evaluating(model, 0):
        batches = (examples.batch(slice(i, i + BLOCK)) for i in range(0, len(examples), BLOCK))
        logits = [law(to_model(model, x, None)[0]).logits for x, _ in batches]
    return torch.cat(logits).double().log_softmax(1).cpu()


def error_of(y: Tensor, taken: Tensor) -> Estimate:
    """Returns the share of misclassified examples."""
    return Estimate.of(taken.ne(y).double())


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


def confusion_table(y: Tensor, taken: Tensor, classes: int) -> Tensor:
    """Counts how many of each class, a row, are taken for each, a column.

    Example:
        >>> confusion_table(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return torch.bincount(y * classes + taken, minlength=classes * classes).view(classes, classes)


def confusions(y: Tensor, taken: Tensor, classes: tuple[str, ...]) -> tuple[Confusion, ...]:
    """Lists the most frequent mistakes, the most frequent first."""
    k = len(classes)
    table = confusion_table(y, taken, k)
    size = table.sum(1)
    wrong = table - table.diagonal().diag()
    order = wrong.flatten().argsort(descending=True, stable=True)[:SHOWN].tolist()
    found = ((*divmod(i, k), int(wrong.flatten()[i])) for i in order)
    return tuple(Confusion(classes[a], classes[b], n, int(size[a])) for a, b, n in found if n)
