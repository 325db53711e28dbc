r"""Schedules: the value of a weight such as :math:`\beta` at each moment of a run.

A schedule is a pure function of the :class:`Clock`, so a resumed run needs no memory of it. Lengths are given as a
number of steps, or as a share of the whole run where they are floats. `limit` is the weight that a schedule is to end
with; a run that stopped before it reached the limit was trained on another bound than the one it reports, and
the verdict says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Clock", "Schedule", "constant", "cosine", "cyclical", "linear", "logistic", "saturating"]


@dataclass(frozen=True)
class Clock:
    """Holds the time of a run.

    Arguments:
        step: The steps taken so far, from 0.
        steps: The steps of the whole run.
    """

    step: int
    steps: int

    def part(self, length: int | float) -> float:
        """Returns how much of `length` has passed, from 0; a float is a share of the run, an int a number of steps."""
        whole = length * self.steps if isinstance(length, float) else length
        return self.step / whole if whole > 0 else math.inf


@dataclass(frozen=True)
class Schedule:
    """Gives a weight for every moment; `limit` is what it ends with."""

    at: Callable[[Clock], float]
    limit: float

    def __call__(self, clock: Clock) -> float:
        return self.at(clock)


def constant(value: float = 1.0) -> Schedule:
    """Keeps one weight."""
    return Schedule(lambda clock: value, value)


def linear(length: int | float = 0.25, *, start: float = 0.0, end: float = 1.0) -> Schedule:
    """Rises from `start` to `end` in a straight line over `length`, then stays.

    Example:
        >>> beta = linear(100)
        >>> [beta(Clock(step, 1000)) for step in (0, 50, 100, 900)]
        [0.0, 0.5, 1.0, 1.0]
    """
    return Schedule(lambda clock: start + (end - start) * min(1.0, clock.part(length)), end)


def cosine(length: int | float = 0.25, *, start: float = 0.0, end: float = 1.0) -> Schedule:
    """Rises from `start` to `end` along half a cosine over `length`, then stays."""

    def at(clock: Clock) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * min(1.0, clock.part(length)))) / 2

    return Schedule(at, end)


def saturating(decay: float, length: int | float = 1, *, start: float = 0.0, end: float = 1.0) -> Schedule:
    r"""Rises from `start` towards `end`: what is missing is multiplied by `decay` over each `length`, a step by default.

    References:
        | A Neural Representation of Sketch Drawings (Ha and Eck, 2017)
        | https://arxiv.org/abs/1704.03477

    Example:
        >>> beta = saturating(0.5)
        >>> [beta(Clock(step, 100)) for step in range(4)]
        [0.0, 0.5, 0.75, 0.875]
    """
    return Schedule(lambda clock: end + (start - end) * decay ** clock.part(length), end)


def logistic(middle: int | float = 0.125, *, steepness: float = 10.0, end: float = 1.0) -> Schedule:
    r"""Rises as :math:`\mathrm{end} \cdot \sigma(s (t / t_0 - 1))`, half-way at `middle`.

    References:
        | Generating Sentences from a Continuous Space (Bowman et al., 2015)
        | https://arxiv.org/abs/1511.06349
    """

    def at(clock: Clock) -> float:
        return end / (1 + math.exp(-min(700.0, max(-700.0, steepness * (clock.part(middle) - 1)))))

    return Schedule(at, end)


def cyclical(cycles: int = 4, *, ramp: float = 0.5, end: float = 1.0) -> Schedule:
    """Rises `cycles` times from 0 to `end`, over the first `ramp` of each cycle, and stays there for the rest of it.

    References:
        | Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing (Fu et al., 2019)
        | https://arxiv.org/abs/1903.10145

    Example:
        >>> beta = cyclical(cycles=2)
        >>> [beta(Clock(step, 100)) for step in (0, 20, 40, 60, 99)]
        [0.0, 0.8, 1.0, 0.4, 1.0]
    """
    if cycles < 1 or not 0 < ramp <= 1:
        raise ValueError(f"cycles is {cycles} and ramp {ramp}: give at least one cycle, and a ramp in (0, 1]")

    def at(clock: Clock) -> float:
        place = clock.step * cycles % clock.steps / clock.steps if clock.step < clock.steps else 1.0
        return end * min(1.0, place / ramp)

    return Schedule(at, end)
