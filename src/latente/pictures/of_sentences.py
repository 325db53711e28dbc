"""Pictures of sentences, which are sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, always, picture
from .options import Many, Rows, Seed, Spread, Steps, TwoSentences

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model with a code."""
    return {} if case.abilities.decodes else None


@picture(needs=("generates",), report=always, examples=False)
def samples(
    model: Model,
    data: Data,
    *,
    n: Many = 20,
    seed: Seed = 0,
    temperature: Spread = 1.0,
    word_temperature: Annotated[
        float, Field(ge=0, description="temperature of each word: 0 takes the likeliest, 1 is the model's")
    ] = 1.0,
) -> Shown:
    r"""Draws codes :math:`z \sim p(z)` and sentences :math:`x \sim p(x | z)`."""
    from .drawing import sentences

    return sentences.samples(model, data, n, seed, temperature, word_temperature)


@picture(
    needs=("encodes", "decodes"),
    reading="Held-out sentences, the likeliest words at their codes, and a sample: differences of the first two are not in the "
    "code.",
    report=asked,
)
def reconstructions(
    model: Model,
    data: Data,
    *,
    n: Annotated[int, Field(ge=1, description="number of examples")] = 10,
    seed: Seed = 0,
) -> Shown:
    """Shows held-out sentences, the likeliest words at their codes, and sampled ones."""
    from .drawing import sentences

    return sentences.reconstructions(model, data, n, seed)


@picture(needs=("encodes", "decodes", "numbers"), report=asked)
def interpolations(
    model: Model, data: Data, *, rows: Rows = 6, steps: Steps = 7, seed: Seed = 0, between: TwoSentences = ()
) -> Shown:
    r"""Writes the likeliest words on straight lines between the codes of two sentences, :math:`(1 - t) \, z_a + t \, z_b`.

    References:
        | Generating Sentences from a Continuous Space (Bowman et al., 2015)
        | https://arxiv.org/abs/1511.06349

    Raises:
        LatenteError: If `between` are not two sentences with words.
    """
    from .drawing import sentences

    return sentences.interpolations(model, data, rows, steps, seed, between)


PICTURES = (samples, reconstructions, interpolations)
