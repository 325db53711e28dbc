r"""Classification: the likelihood of a label, :math:`-\log p(y | x)`."""

from __future__ import annotations

from torch import Tensor

from ..schedules import Clock
from ..trace import Model
from .base import Objective, Term

__all__ = ["CrossEntropy"]


class CrossEntropy(Objective):
    r"""Minimises :math:`-\log p(y | x)`, and reports the share of labels that are not the most probable one.

    Raises:
        ValueError: If the examples have no labels.

    Example:
        >>> import torch
        >>> from latente.conditionals import Point
        >>> from latente.models.classifier import Classes, Classifier
        >>> model = Classifier(Point(torch.nn.Flatten()), Classes(torch.nn.Flatten()))  # its code is its log-odds
        >>> terms = CrossEntropy().terms(model, torch.tensor([[0.0, 9.0]]), torch.tensor([0]), Clock(0, 1))
        >>> [round(term.value.item(), 2) for term in terms.values()]
        [9.0, 1.0]
    """

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        if y is None:
            raise ValueError("a classifier learns from labels, and y is None: give labels")
        p = model(x).likelihood
        nats = -p.log_prob(y)
        wrong = p.mode.ne(y).to(nats.dtype)
        return {"cross-entropy": Term(nats), "error": Term(wrong, 0.0, monitor=True)}
