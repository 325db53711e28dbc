"""A grid through the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Label, Seed

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts as large a grid in a report as there is room for, where there is a code."""
    return {"n": min(20, max(4, int(case.room**0.5)))} if case.abilities.decodes else None


@picture(
    question="What does a grid over the prior look like?",
    reading="A grid through the prior in which each cell has the same mass: neighbours should differ little.",
    needs=("pixels", "encodes", "decodes", "generates", "numbers"),
    what="manifolds",
    command="manifold",
    report=asked,
    examples=False,
)
def manifold(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=2, le=100, description="examples per side")] = 20,
    seed: Seed = 0,
    label: Label = None,
) -> Shown:
    """Decodes a grid of the prior's quantiles in two dimensions, as Kingma and Welling did.

    The quantiles are 1/2n, 3/2n, … With more than two dimensions the two most active ones move and the others stay at the prior's
    mean; of one dimension there is one row.

    Raises:
        LatenteError: If the data is not images, the prior has no inverse CDF by dimension, or the model does not take the label.
    """
    from .drawing import images

    return images.manifold(model, data, n, seed, label)
