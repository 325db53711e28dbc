"""The canvas of DRAW, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from .entry import Case, picture
from .options import Positional, Seed

if TYPE_CHECKING:
    from ..runs import Run
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a model that draws step by step, with a held-out caption where it reads one."""
    if case.lacks("steps"):
        return None
    if case.lacks("reads_captions"):
        return {"n": 3}
    held = case.data.test.fixed().subset(1, case.seed).y
    return {"n": 3, "caption": case.data.learned.vocabulary.decode(held)[0]}


@picture(
    question="How does it draw?",
    reading="The canvas after every step. With a caption, the shades below are the attention of each step to each word.",
    of="run",
    needs=("steps",),
    command="canvas",
    file="canvas",
    report=asked,
    moves=True,
)
def canvases(
    run: Run,
    *,
    caption: Annotated[
        str | None, Field(description="caption, for a model that reads captions"), Positional("[CAPTION]")
    ] = None,
    n: Annotated[int | None, Field(ge=1, description="number of images; 4, or 16 for an animation")] = None,
    seed: Seed = 0,
) -> Shown:
    """Shows the canvas after every step of DRAW, and each step's attention to each word; .gif makes an animation.

    Raises:
        LatenteError: If the model does not draw step by step, or a caption is missing, or there is one too many.
    """
    from .drawing import captioned

    return captioned.canvases(run, caption, n, seed)
