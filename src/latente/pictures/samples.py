"""Samples of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .entry import Case, picture
from .options import Label, Many, Seed, Temperature

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts as many in a report as there is room for."""
    if not case.abilities.decodes and not case.abilities.generates:
        return None
    return {"n": min(8, max(3, int(case.room**0.5))) ** 2}


def reading(case: Case) -> str:
    """Returns how samples are read."""
    if case.abilities.decodes:
        return "Codes are drawn from the prior and decoded. If they are worse than the reconstructions, the prior has holes."
    return "Each is sampled autoregressively, through the flow, or by denoising: there is no latent code."


@picture(
    question="What does it generate?",
    reading=reading,
    needs=("pixels", "generates"),
    command="sample",
    report=asked,
    examples=False,
)
def samples(
    model: Model,
    data: Data,
    *,
    n: Many = 64,
    seed: Seed = 0,
    label: Label = None,
    temperature: Temperature = 1.0,
) -> Shown:
    r"""Draws samples from the prior and decodes them; sentences are printed, or written to a .txt file.

    Of an image the mean of :math:`p(x | z)` is shown, :math:`z \sim p(z)`; an autoregressive likelihood has no mean, and this and
    all other pictures show draws. A conditional model gets one row per class.

    Raises:
        LatenteError: If the prior cannot be sampled, or an option is not right.
    """
    from .drawing import views

    return views.samples(model, data, n, seed, label, temperature)
