"""The dimensions of the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .entry import Case, picture

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model with a code."""
    return {} if case.abilities.decodes else None


@picture(
    question="Which dimensions are used?",
    reading="Bars are a dimension's share of the rate, dots the variance of its posterior mean over examples. Dimensions that "
    "do not raise the bound are inactive.",
    of="evaluation",
    report=asked,
)
def kl_bars(evaluation: Evaluation) -> Shown:
    r"""Draws the KL of each latent dimension in nats, sorted, and :math:`\mathrm{Var}_x(\mathbb{E}_q z_j)`, its activity.

    Raises:
        LatenteError: If no latent group has figures by dimension.
    """
    from .drawing import charts

    return charts.kl_bars(evaluation)
