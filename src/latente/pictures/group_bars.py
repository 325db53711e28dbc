"""The latent groups of a hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .entry import Case, picture

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a hierarchy."""
    return {} if case.abilities.decodes and not case.lacks("groups") else None


@picture(
    question="Which latent groups are used?",
    reading="Each bar is one latent group, in the order in which they are drawn: those near 0 are not used.",
    of="evaluation",
    report=asked,
)
def group_bars(evaluation: Evaluation) -> Shown:
    """Draws the KL of each latent group in nats, in the order of the walk.

    Raises:
        LatenteError: If there are less than two groups.
    """
    from .drawing import charts

    return charts.group_bars(evaluation)
