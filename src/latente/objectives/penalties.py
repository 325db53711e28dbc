"""Penalties: prices that are added to a bound, and belong to no probability."""

from __future__ import annotations

import abc

from torch import Tensor

from ..trace import Trace

__all__ = ["Penalty"]


class Penalty(abc.ABC):
    """Prices something of a pass. Abstract: a penalty defines `__call__`.

    Arguments:
        weight: What a unit of it costs, in nats.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    @abc.abstractmethod
    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        """Returns the price of each example before its weight, with shape (B); `x` is what was encoded."""
