"""How sparse a code is."""

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
    """Puts it in the report of a model whose code is made of units."""
    return {} if case.abilities.decodes and case.has_units else None


@picture(
    question="How many units are active per example?",
    reading="A sparse code has few active units per example, and no unit that is never active.",
    needs=("encodes", "numbers"),
    command="activations",
    report=asked,
)
def activations(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="maximum number of examples to measure")] = 2000,
    seed: Seed = 0,
) -> Shown:
    """Shows how many latent units are active per example, and how many never are.

    Of a code that is not a point the posterior's mean is taken.

    Raises:
        LatenteError: If the model has no code, or it is nothing but zeros.
    """
    from .drawing import insides

    return insides.activations(model, data, n, seed)
