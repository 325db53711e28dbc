"""Codes in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Seed

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in every report of a model that encodes."""
    return {} if case.abilities.decodes or case.abilities.infers_labels else None


def reading(case: Case) -> str:
    """Says how the codes are read."""
    if case.abilities.infers_labels and not case.abilities.generates:
        return "Each dot is the code of a held-out example, from which its class is predicted: classes apart are separable."
    return "Each dot is the code of a held-out example. The model has not seen the labels unless it is conditional."


@picture(
    question="Where do the examples lie?",
    reading=reading,
    needs=("encodes", "numbers"),
    what="pictures of codes",
    command="scatter",
    report=asked,
)
def scatter(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=3, description="maximum number of examples to draw")] = 2000,
    seed: Seed = 0,
) -> Shown:
    """Shows the codes of held-out examples in two dimensions, coloured by label.

    They are the posterior means, or their first two principal components.

    Raises:
        LatenteError: If the model has no code, or there are fewer than three held-out examples.
    """
    from .drawing import charts

    return charts.scatter(model, data, n, seed)
