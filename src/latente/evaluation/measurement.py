"""What a figure is to those who list figures: how it is measured, what it means, and what it shows to be wrong.

A measurement is one file of :mod:`latente.evaluation.figures`. Who evaluates, prints or reports walks over their list and knows
none by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from .bounds import Estimate

if TYPE_CHECKING:
    from .record import Evaluation
    from .subject import Subject

__all__ = ["Absent", "Figure", "Finding", "Measurement", "Occasion", "Table", "interval", "nats", "share"]

Occasion = Literal["evaluation", "diagnosis", "samples"]


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


class Table(NamedTuple):
    """Holds a figure as a table of its own: a header, rows, and lines on how they are to be read."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str]


class Absent(Exception):
    """Says why a figure cannot be had.

    Arguments:
        why: The reason, a sentence without a full stop.
        expected: Whether a reader would look for it; else nobody is told but who asks.
    """

    def __init__(self, why: str, expected: bool = True) -> None:
        super().__init__(why)
        self.why, self.expected = why, expected


class Measurement(ABC):
    """Measures one figure. Abstract: a measurement defines `compute` and `rows`; its subclasses are final.

    `name` is what the figure is called in an evaluation, `holds` the frozen dataclass of its values, `occasion` the command that
    asks for it, and `needs` the abilities of the model, :class:`~latente.abilities.Abilities`, and what examples of the data
    have.
    """

    name: ClassVar[str]
    holds: ClassVar[type]
    occasion: ClassVar[Occasion] = "evaluation"
    needs: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()  # that `compute` reads from what was asked, beside n and seed

    @property
    def summary(self) -> str:
        """What it measures, in a line."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    @abstractmethod
    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Any:
        """Measures the figure.

        Arguments:
            subject: The model and its data, with the passes that several figures read.
            found: The figures that stand before it in the list.

        Raises:
            Absent: If it cannot be had of this model.
        """

    @abstractmethod
    def rows(self, value: Any, e: Evaluation) -> Iterable[Figure]:
        """Writes the figure as rows, each with what it means."""

    def findings(self, value: Any, e: Evaluation) -> Iterable[Finding]:
        """Lists what the figure alone shows to be wrong."""
        return ()

    def praise(self, value: Any, e: Evaluation) -> str:
        """Says by which figures nothing is wrong; nothing where others say so."""
        return ""

    def table(self, value: Any) -> Table | None:
        """Writes the figure as a table of its own, where rows would be too few."""
        return None


def interval(value: Estimate) -> str:
    """Writes a mean with its standard error.

    Example:
        >>> interval(Estimate(98.123, 0.456))
        '98.12 ± 0.46'
    """
    return f"{value.mean:.2f} ± {value.se:.2f}"


def nats(value: Estimate) -> str:
    """Writes a mean with its standard error, in nats."""
    return f"{interval(value)} nats"


def share(value: Estimate) -> str:
    """Writes a share with its standard error in per cent.

    Example:
        >>> share(Estimate(0.0312, 0.0017))
        '3.12 ± 0.17 %'
    """
    return f"{100 * value.mean:.2f} ± {100 * value.se:.2f} %"
