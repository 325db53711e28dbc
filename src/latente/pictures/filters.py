"""The weights between pixels and units."""

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
    """Puts it in the report of a model of images whose code is made of units."""
    wanted = case.abilities.decodes and case.has_units and not case.lacks("pixels")
    return {"n": min(48, case.room)} if wanted else None


@picture(
    question="What features do its units detect?",
    reading="Each image is one unit's weights. Strokes and parts are features of the data; grain is what is not learnt yet.",
    needs=("pixels", "encodes"),
    command="filters",
    report=asked,
)
def filters(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="maximum number of units to show")] = 48,
    shared: Annotated[bool, Field(description="one colour scale for all units")] = False,
    seed: Seed = 0,
) -> Shown:
    """Shows the weights between pixels and units as images, the largest first.

    Where one layer leads from the code to the pixels, its weights are shown below: those of the same units in the same places,
    if the encoder is one layer as well. Each unit has a colour scale of its own by default, since a weak unit has a shape too.

    References:
        | Extracting and Composing Robust Features with Denoising Autoencoders (Vincent et al., 2008)
        | https://doi.org/10.1145/1390156.1390294

    Raises:
        LatenteError: If the data is not images, or no dense layer reads the pixels.
    """
    from .drawing import weights

    return weights.filters(model, data, n, shared, seed)
