"""Validation: the mean of each of an objective's terms over all held-out examples, and the loss that they make."""

from __future__ import annotations

import torch

from ..data.examples import Examples
from ..objectives import Objective
from ..schedules import Clock
from ..settings import Settings
from ..trace import Model
from . import machine
from .stream import chunks

__all__ = ["validate"]


@torch.no_grad()
def validate(
    model: Model, objective: Objective, examples: Examples, clock: Clock, settings: Settings, on: torch.device
) -> tuple[dict[str, float], float | None]:
    """Returns the mean of each term in nats, and the loss; None if no term counts.

    Every process scores all examples: they agree without a message, and a sharded model needs them all anyway.

    Arguments:
        model: The model, in evaluation mode.
        objective: The objective that gives the terms.
        examples: The held-out examples; the same ones, in the same order, each time.
        clock: How far training is.
        settings: The seed and the precision.
        on: The device of the model.
    """
    figures: dict[str, float] = {}
    held: dict[str, float] = {}
    for chunk, rows in enumerate(chunks(examples)):
        machine.seed(machine.mixed_seed(settings.seed, 2, chunk), on)
        x, y = examples.batch(rows)
        with machine.autocast(on, settings.precision):
            terms = objective.terms(model, x, y, clock)
        for name, term in terms.items():
            value = term.value.double().sum().item() / len(examples)
            figures[name] = figures.get(name, 0.0) + value
            if term.held and not term.monitor:
                held[name] = term.held
    return figures, objective.choice(figures, held)
