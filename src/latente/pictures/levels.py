"""What each level of a hierarchy encodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Resample, Seed
from .reconstructions import room_in_row

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a hierarchy."""
    return {"n": room_in_row(case)} if case.abilities.decodes and not case.lacks("groups") else None


@picture(
    question="What does each group encode?",
    reading="More and more groups are resampled from the prior, the last ones first: what stays is encoded by the first groups.",
    needs=("pixels", "encodes", "decodes", "groups"),
    command="levels",
    report=asked,
)
def levels(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="number of examples")] = 10,
    resample: Annotated[
        Resample,
        Field(
            description="which latent groups of each example are resampled from the prior: the last or the first"
        ),
    ] = "last",
    seed: Seed = 0,
) -> Shown:
    """Resamples more and more latent groups from the prior: shows what each level encodes.

    The last groups are resampled given those of the example; below the first ones the posterior is free to correct them.

    References:
        | Very Deep VAEs Generalize Autoregressive Models (Child, 2020), https://arxiv.org/abs/2011.10650

    Raises:
        LatenteError: If the model has a single latent group, or the data is not images.
    """
    from .drawing import levels as drawing

    return drawing.levels(model, data, n, seed, resample)
