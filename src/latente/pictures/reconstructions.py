"""Reconstructions of held-out examples."""

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
    """Puts as many in a report as there is room for, where there is a code."""
    return {"n": room_in_row(case)} if case.abilities.decodes else None


def room_in_row(case: Case) -> int:
    """Returns the examples that a row of a report has room for."""
    return min(10, max(5, case.room // 4))


@picture(
    question="What does it give back?",
    reading="Held-out examples encoded and decoded: what is lost between the first two rows is not in the code.",
    needs=("pixels", "encodes", "decodes"),
    command="reconstruct",
    report=asked,
)
def reconstructions(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="number of examples")] = 10,
    seed: Seed = 0,
) -> Shown:
    r"""Shows held-out examples, their mean reconstructions and sampled ones.

    The mean is that of :math:`p(x | z)` at the posterior's mean; a sample is :math:`x' \sim p(x | z)`, :math:`z \sim q(z | x)`.
    Where the likelihood has a standard deviation for each pixel, a fourth row shows it.

    Raises:
        LatenteError: If the model has no code, or the images have neither one channel nor three.
    """
    from .drawing import views

    return views.reconstructions(model, data, n, seed)
