r"""The objective: a generator of turns.

An objective turns a trace into named terms, each a loss per example in nats, and says which parameters move. Plain
training moves them all once per step; an adversarial autoencoder moves its critic and then its model; aggressive
encoder training moves the encoder as often as it needs. One generator expresses all of them:

.. code-block:: python

    def turns(self, model, batches, clock):
        x, y = next(batches)
        loss = yield "critic", {"critic": Term(...)}    # loss() is this turn's loss, if it is called
        yield "model", {"distortion": Term(...), "rate/z": Term(...)}

A turn of nobody, `loss = yield "", {...}`, returns the mean of a figure over all processes. A term is reported
unweighted, whatever its weight in the loss: the ELBO of an annealed run is always the ELBO.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from ..schedules import Clock
from ..trace import Model

__all__ = ["Batches", "Objective", "Term", "Turns"]

Batches: TypeAlias = Iterator[tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Term:
    """Holds one summand of a loss.

    Arguments:
        value: The value of each example in nats, with shape :math:`(B)`: what is reported.
        weight: Its weight in the loss; a scalar tensor where a controller sets it.
        monitor: Whether it is only reported, and part of no loss and no validation figure.
        held: Its weight in the figure by which validation chooses the best weights: the one that its weight in the loss ends
            with, so that what was trained is what is kept.
    """

    value: Tensor
    weight: float | Tensor = 1.0
    monitor: bool = False
    held: float = 1.0


Turns: TypeAlias = Generator[tuple[str, dict[str, Term]], Callable[[], float], None]


class Objective(nn.Module, abc.ABC):
    """Defines a loss, the players that minimise it, and their order. Abstract: an objective defines `terms`."""

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        """Names the groups of parameters that move together; each has an optimiser of its own."""
        return {"model": [p for p in model.parameters() if p.requires_grad]}

    @abc.abstractmethod
    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        """Returns the named terms of one batch."""

    def turns(self, model: Model, batches: Batches, clock: Clock) -> Turns:
        """Yields whose turn it is and the terms of its loss, as often as one step takes."""
        x, y = next(batches)
        yield "model", self.terms(model, x, y, clock)

    @property
    def core(self) -> Objective:
        """The objective that weighs the rate: itself, or what it wraps."""
        return self

    def weights(self, clock: Clock) -> dict[str, float]:
        """Returns the scheduled weights in force, by name, for the log."""
        return {}

    def betas(self, logged: Sequence[float], base: tuple[float, float]) -> tuple[float, float]:
        """Returns the weight of the rate that was last in force, and the one it was to end with; 1 where there is no schedule.

        Arguments:
            logged: The weights that training logged, the last one last.
            base: The same two weights of the run that this one builds on; 1 where there is none.
        """
        return 1.0, 1.0

    def choice(self, figures: Mapping[str, float], held: Mapping[str, float]) -> float | None:
        """Returns the figure by which validation chooses the best weights; None where there is none.

        Arguments:
            figures: The means of the terms over all held-out examples.
            held: The weights of those that count, see :class:`Term`.
        """
        if self.core is not self:
            return self.core.choice(figures, held)
        return sum(weight * figures[name] for name, weight in held.items()) if held else None

    @property
    def floor(self) -> float:
        """The nats of the whole rate that cost nothing."""
        return 0.0
