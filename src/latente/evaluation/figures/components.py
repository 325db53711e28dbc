"""How many components of a VampPrior the codes use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...distributions.traits import components_used
from ...trace import Latent
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["Components", "MeasureComponents", "components_in"]


@dataclass(frozen=True)
class Components:
    """Holds the components of a mixture in use: the perplexity of their mean shares among codes."""

    used: float


class MeasureComponents(Measurement):
    """Measures how many components of the prior the codes use."""

    name, holds, occasion, needs = "components", Components, "diagnosis", ("scores", "encodes")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Components:
        used = components_in(subject.walks)
        if used is None:
            raise Absent("the prior has no components to count", expected=False)
        return Components(used)

    def rows(self, value: Components, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "components of the prior in use",
            f"{value.used:.1f}",
            "The perplexity of their mean shares among codes.",
        )


def components_in(walks: Sequence[Mapping[str, Latent]]) -> float | None:
    """Counts the components that the codes of the last group with such a prior use; None without one."""
    found = None
    for name, g in walks[0].items():
        used = components_used(g.p, torch.cat([walk[name].z for walk in walks]))
        found = found if used is None else used.item()
    return found
