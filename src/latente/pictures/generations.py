"""Images of captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .entry import picture
from .options import Choice, Guidance, Positional, Seed, TopK, TopP

if TYPE_CHECKING:
    from ..runs import Run
    from .shown import Shown


@picture(
    question="What does it draw for a caption?",
    reading="A row per caption; a column shares its noise, so that the effect of a changed word shows.",
    of="run",
    needs=("reads_captions",),
    what="images of captions",
    command="generate",
    file="generated",
)
def generations(
    run: Run,
    *,
    captions: Annotated[
        Sequence[str],
        Field(description='captions; "a {red,blue} bus" stands for two'),
        Positional("CAPTION…"),
    ],
    n: Annotated[int, Field(ge=1, description="images per caption")] = 8,
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: Choice = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
) -> Shown:
    """Draws images of captions; those in one column share their noise, so that the effect of a changed word shows.

    Raises:
        LatenteError: If the model reads no captions, or an option is not right.
    """
    from .drawing import captioned

    how = {"guidance": guidance, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    return captioned.generations(run, captions, n, seed, how)
