"""The results of evaluations: figures as rows and tables, findings, and why a figure is absent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from .bounds import Estimate

__all__ = ["Absent", "Figure", "FigureTable", "Finding", "Split", "interval", "nats", "share"]

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Figure:
    """Holds a figure as a row of a table: its name, its value, and a line that says what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Finding:
    """Holds one finding.

    Arguments:
        name: What it is called.
        sure: How sure the figures make it.
        evidence: A sentence with the figures.
        advice: A sentence on what to do.
        change: One change of the run's arguments to try; empty where there is none.
        problem: Whether it is one: a note only says what is the case.
    """

    name: str
    sure: Literal["certain", "likely", "possible"]
    evidence: str
    advice: str
    change: dict[str, Any]
    problem: bool = True


class FigureTable(NamedTuple):
    """Holds a figure as a table of its own: a header, rows, and lines on how they are to be read."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str]


class Absent(Exception):
    """Gives the reason why a figure cannot be had.

    Arguments:
        why: The reason, a sentence without a full stop.
        expected: Whether a reader would look for it; else it is not listed.
    """

    def __init__(self, why: str, expected: bool = True) -> None:
        super().__init__(why)
        self.why, self.expected = why, expected


def interval(value: Estimate) -> str:
    """Writes a mean with its standard error.

    Example:
        >>> interval(Estimate(98.123, 0.456))
        '98.12 ± 0.46'
    """
    return (
        f"{value.mean:.2f} ± {value.se:.2f}" if math.isfinite(value.se) else f"{value.mean:.2f}"
    )  # of one example


def nats(value: Estimate) -> str:
    """Writes a mean with its standard error, in nats."""
    return f"{interval(value)} nats"


def share(value: Estimate) -> str:
    """Writes a share with its standard error in per cent.

    Example:
        >>> share(Estimate(0.0312, 0.0017))
        '3.12 ± 0.17 %'
    """
    return f"{interval(Estimate(100 * value.mean, 100 * value.se))} %"
