"""Pictures of tables and vectors, in the user's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Label, Seed, Temperature

if TYPE_CHECKING:
    from torch import Tensor

    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def reading_of_samples(case: Case) -> str:
    """Returns how samples are read."""
    if case.abilities.decodes:
        return "Codes are drawn from the prior, and rows from their likelihood: the orange should lie where the blue does."
    return "Each is sampled autoregressively, through the flow, or by denoising: there is no latent code."


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model with a code."""
    return {} if case.abilities.decodes else None


def of_samples(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model that generates, or could."""
    return {} if case.abilities.decodes or case.abilities.generates else None


def drawn(
    model: Model,
    data: Data,
    n: int = 500,
    seed: int = 0,
    label: int | str | None = None,
    temperature: float | Sequence[float] = 1.0,
) -> tuple[Tensor, Mapping[str, Any]]:
    """Draws rows from the likelihood, in the user's units, with their labels where the model takes such."""
    from .drawing import views

    return views.drawn_rows(model, data, n, seed, label, temperature)


@picture(reading=reading_of_samples, needs=("generates",), report=of_samples, drawn=drawn)
def samples(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, le=10**8, description="number of samples")] = 500,
    seed: Seed = 0,
    label: Label = None,
    temperature: Temperature = 1.0,
) -> Shown:
    """Draws samples beside held-out rows, two columns at a time."""
    from .drawing import views

    return views.samples_of_columns(model, data, n, seed, label, temperature)


@picture(
    reading="Held-out rows encoded and decoded: values that the code retains lie on the line.",
    needs=("encodes", "decodes"),
    report=asked,
)
def reconstructions(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="number of examples")] = 500,
    seed: Seed = 0,
) -> Shown:
    """Shows true against reconstructed values by column."""
    from .drawing import views

    return views.reconstructions_of_columns(model, data, n, seed)


PICTURES = (samples, reconstructions)
