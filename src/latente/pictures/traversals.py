"""One latent dimension after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .entry import Case, picture
from .options import Label, Rows, Seed, Steps

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts as many rows in a report as there is room for, where there is a code."""
    return {"rows": min(6, max(2, case.room // 12))} if case.abilities.decodes else None


@picture(
    question="What does each dimension encode?",
    reading="One latent dimension moves, the others stay. A row in which nothing changes is a dimension that is not used there.",
    needs=("pixels", "encodes", "decodes", "numbers"),
    command="traverse",
    report=asked,
)
def traversals(
    model: Model, data: Data, *, rows: Rows = 8, steps: Steps = 11, seed: Seed = 0, label: Label = None
) -> Shown:
    """Moves one latent dimension at a time, the most active first.

    It goes from -3 to 3 standard deviations around the mean of the prior; of the codes, where the prior has none or they are
    points. A unit that is either off or on goes from 0 to 1.

    Raises:
        LatenteError: If the data is not images, or has no such class, or the model has no code with values between.
    """
    from .drawing import images

    return images.traversals(model, data, rows, steps, seed, label)
