"""Files of a folder beside the model's input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .entry import Case, picture

if TYPE_CHECKING:
    from ..runs import Run
    from .shown import Shown


def asked(case: Case) -> Mapping[str, Any] | None:
    """Puts it in the report of a run on a folder of images."""
    return None if case.lacks("files") else {}


@picture(
    question="What is the input of the model?",
    reading="Files of the folder, and the model's input made of them: cropped margins are not modelled.",
    of="run",
    needs=("files",),
    what="previews",
    report=asked,
)
def preview(run: Run) -> Shown:
    """Shows files of a folder beside the model's input.

    Raises:
        LatenteError: If the data of the run is no folder of images, or none can be read.
    """
    draw = run.data.kind.preview_of(run.record["data"])
    shown: Shown = draw()
    return shown
