"""The interface of a figure: its measurement, its meaning, and its findings.

A measurement is one file of :mod:`latente.evaluation.figures`. Who evaluates, prints or reports walks over their list and knows
none by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar, Literal

from .finding import Figure, FigureTable, Finding
from .record import Evaluation
from .subject import Subject

__all__ = ["Measurement", "Occasion", "measurements"]

Occasion = Literal["evaluation", "diagnosis", "samples"]


def measurements() -> Mapping[str, Measurement]:
    """Returns all measurements by name, in their order. They lie above this file, so they are looked up."""
    found: Mapping[str, Measurement] = import_module("latente.evaluation.figures").FIGURES
    return found


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
        """Words the figures by which nothing is wrong; None where others do."""
        return ""

    def table(self, value: Any) -> FigureTable | None:
        """Writes the figure as a table of its own, where rows would be too few."""
        return None
