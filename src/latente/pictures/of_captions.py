"""Pictures of captioned images, where the model reads captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .entry import always, picture
from .options import Many, Seed

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


@picture(
    reading="Images of held-out captions, beside the image that each caption was written of.",
    only=("reads_captions",),
    needs=("pixels", "generates"),
    report=always,
)
def samples(
    model: Model,
    data: Data,
    *,
    n: Many = 36,
    seed: Seed = 0,
    rows: Annotated[int, Field(ge=1, description="number of captions")] = 6,
) -> Shown:
    """Draws images of a few held-out captions, beside the image that each was written of."""
    from .drawing import captioned

    return captioned.samples(model, data, n, seed, rows)


PICTURES = (samples,)
