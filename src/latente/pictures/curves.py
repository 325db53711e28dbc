"""Curves of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entry import Case, always, picture

if TYPE_CHECKING:
    from ..runs import Run
    from .shown import Shown


def reading(case: Case) -> str:
    """Returns how the curves of a model are read."""
    can = case.abilities
    if can.infers_labels and not can.generates:
        return "If the cross-entropy of validation rises while that of training falls, the classifier becomes overconfident."
    if not case.lacks("chains"):
        return (
            "The contrast is not a loss: it is the free-energy gap between data and the model's own samples. The "
            "pseudo-likelihood is what the weights were chosen by."
        )
    if can.decodes:
        return (
            "The rate is the cost of the codes, the distortion the reconstruction error. If validation rises while training "
            "falls, it overfits."
        )
    if can.groups:
        return "The distortion is the loss at the last noise level, the rate the cost of denoising. There is no code."
    return "The distortion is −log p(x): there is no code. If validation rises while training falls, it overfits."


@picture(question="How did training go?", reading=reading, of="run", report=always)
def curves(run: Run) -> Shown:
    """Draws the figures of training and validation by step, β where it changes, and the best step.

    The figures are distortion and rate, unless it is 0 throughout, and whatever else the objective is made of.

    Raises:
        LatenteError: If the log of the run holds no figures yet.
    """
    from .drawing import charts

    return charts.curves(run.metrics(), run.data.benchmark)
