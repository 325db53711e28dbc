"""Pictures of drawings, which are drawings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, always, picture
from .options import DrawingsFile, Many, PointTemperature, Rescale, Rows, Seed, Spread, Steps

if TYPE_CHECKING:
    from ..data import Data
    from ..trace import Model
    from .shown import Shown


LIVELY, CALM = (
    0.4,
    0.1,
)  # temperatures of points: of samples, and where a picture is to show what a code means
Examples = Annotated[int, Field(ge=1, description="number of examples")]


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model with a code."""
    return {} if case.abilities.decodes else None


@picture(
    needs=("generates",),
    report=always,
    moves=True,
    examples=False,
)
def samples(
    model: Model,
    data: Data,
    *,
    n: Many = 40,
    seed: Seed = 0,
    temperature: Spread = 1.0,
    point_temperature: PointTemperature = LIVELY,
) -> Shown:
    r"""Draws codes :math:`z \sim p(z)` and drawings from :math:`p(x | z)`."""
    from .drawing import sketches

    return sketches.samples(model, data, n, seed, temperature, point_temperature)


@picture(
    question="How does it complete a drawing?",
    reading="A held-out drawing, half of it, and several endings sampled from the model.",
    what="completions",
    command="complete",
    report=always,
    moves=True,
)
def completions(
    model: Model,
    data: Data,
    *,
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    endings: Annotated[int, Field(ge=1, description="endings per drawing")] = 7,
    n: Annotated[int, Field(ge=1, description="most drawings to complete")] = 5,
    keep: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="share of points to keep; by default half of test drawings, all of your own",
        ),
    ] = None,
    seed: Seed = 0,
    point_temperature: PointTemperature = LIVELY,
) -> Shown:
    """Completes unfinished drawings, your own or held-out ones, several times each.

    A model with a code draws it from the prior for each ending.

    Raises:
        LatenteError: If an option is not right.
    """
    from .drawing import sketches

    return sketches.completions(model, data, drawings, rescale, n, endings, keep, seed, point_temperature)


@picture(
    question="What does temperature do?",
    reading="A low temperature gives typical drawings with smooth lines; τ = 1 is the model's own distribution.",
    what="temperatures",
    command="temperatures",
    report=always,
    moves=True,
)
def temperatures(model: Model, data: Data, *, rows: Rows = 4, steps: Steps = 10, seed: Seed = 0) -> Shown:
    """Draws the same codes at temperatures from 0.1 to 1.

    Of a decoder alone each row is a set of draws.
    """
    from .drawing import sketches

    return sketches.temperatures(model, data, rows, steps, seed)


@picture(needs=("encodes", "decodes"), report=asked, moves=True)
def reconstructions(
    model: Model,
    data: Data,
    *,
    n: Examples = 8,
    seed: Seed = 0,
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    point_temperature: PointTemperature = LIVELY,
) -> Shown:
    r"""Shows drawings, low-temperature samples of the decoder at their mean codes, and samples at :math:`z \sim q(z | x)`."""
    from .drawing import sketches

    return sketches.reconstructions(model, data, n, seed, drawings, rescale, point_temperature)


@picture(needs=("encodes", "decodes", "numbers"), report=asked, moves=True)
def interpolations(
    model: Model,
    data: Data,
    *,
    rows: Rows = 6,
    steps: Steps = 10,
    seed: Seed = 0,
    corners: Annotated[bool, Field(description="fill the square between four drawings")] = False,
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    point_temperature: PointTemperature = CALM,
) -> Shown:
    """Interpolates between the codes of two drawings, on arcs; or between those of four, in a square.

    Raises:
        LatenteError: If numbers do not fit.
    """
    from .drawing import sketches

    return sketches.interpolations(
        model, data, rows, steps, seed, corners, drawings, rescale, point_temperature
    )


@picture(
    question="Do analogies hold between codes?",
    reading="The difference of the second and third code is added to the first: a + b − c.",
    needs=("encodes", "decodes", "numbers"),
    what="analogies",
    command="analogy",
    file="analogies",
    moves=True,
)
def analogy(
    model: Model,
    data: Data,
    *,
    drawings: DrawingsFile = None,
    rescale: Rescale = False,
    rows: Annotated[int, Field(ge=1, description="number of analogies")] = 4,
    seed: Seed = 0,
    point_temperature: PointTemperature = CALM,
) -> Shown:
    r"""Draws a + b − c of the codes of three drawings: the analogy of c to b, applied to a.

    Raises:
        LatenteError: If the model has no code, or the drawings are no threes.
    """
    from .drawing import sketches

    return sketches.analogy(model, data, drawings, rescale, rows, seed, point_temperature)


PICTURES = (samples, completions, temperatures, reconstructions, interpolations, analogy)
