"""The record of an evaluation: a mapping from figures' names to their values, and what they mean together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter

from ..notebook import table
from .finding import Finding, Split

__all__ = ["Evaluation"]


@dataclass(frozen=True)
class Evaluation(Mapping[str, Any]):
    """Maps the names of figures to their values, e.g. `evaluation["bound"].elbo`; what a model does not have is not in it.

    Arguments:
        benchmark: The data and how it is read; figures of two benchmarks do not compare.
        split: The split that was held out.
        examples: The number of examples.
        figures: The values, in the order in which they are read.
        absent: Why a figure that a reader would look for is missing, by its name.
        inapplicable: Why others do not apply to such a model, or to such data.
        findings: What is wrong, causes before symptoms, and notes.
        verdict: The same in a sentence.
        held: A name for just the examples that were held out; figures of others do not compare.
        by_example: The log-likelihoods of these examples one by one, by the figure that they are averaged to.
    """

    benchmark: str
    split: Split
    examples: int
    figures: Mapping[str, Any]
    absent: Mapping[str, str] = field(default_factory=dict)
    inapplicable: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    verdict: str = ""
    held: str = ""
    by_example: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.figures[name]

    def _repr_html_(self) -> str:
        from .measurement import measurements

        known = measurements()
        rows = [
            (row.name, row.value) for name, value in self.items() for row in known[name].rows(value, self)
        ]
        return table(f"{self.benchmark}, {self.examples:,} {self.split} examples", rows, self.verdict)

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def having(self, **figures: Any) -> Evaluation:
        """Returns the same with other figures; None takes one away."""
        merged = {**self.figures, **figures}
        return replace(self, figures={n: v for n, v in merged.items() if v is not None})

    def to_json(self) -> dict[str, Any]:
        """Returns what `json.dumps` takes."""
        figures = {n: adapter(holds(n)).dump_python(v, mode="json") for n, v in self.figures.items()}
        return {
            "benchmark": self.benchmark,
            "split": self.split,
            "examples": self.examples,
            "figures": figures,
            "absent": dict(self.absent),
            "inapplicable": dict(self.inapplicable),
            "findings": adapter(tuple[Finding, ...]).dump_python(self.findings, mode="json"),
            "verdict": self.verdict,
            "held": self.held,
            "by_example": {name: list(values) for name, values in self.by_example.items()},
        }

    @staticmethod
    def of_json(content: Mapping[str, Any]) -> Evaluation:
        """Reads what `to_json` gave.

        Raises:
            ValueError: If something is missing, of another type, or a figure is unknown.
        """
        try:
            figures = {n: adapter(holds(n)).validate_python(value) for n, value in content["figures"].items()}
            found = {**content, "figures": figures}
            found["by_example"] = adapter(dict[str, tuple[float, ...]]).validate_python(content["by_example"])
            found["findings"] = adapter(tuple[Finding, ...]).validate_python(content["findings"])
            return Evaluation(**found)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"what was measured cannot be read: {error}") from None


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def holds(name: str) -> Any:
    """Returns the class of a figure's values. Figures lie above their record, so they are looked up."""
    return import_module("latente.evaluation.figures").FIGURES[name].holds
