"""Files of a folder beside what a model sees of them."""

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
    question="What does the model see?",
    reading="Files of the folder, and the input that the model gets of them: what is cropped away is not modelled.",
    of="run",
    needs=("files",),
    what="previews",
    report=asked,
)
def preview(run: Run) -> Shown:
    """Shows files of a folder beside what a model sees of them.

    Raises:
        LatenteError: If the data of the run is no folder of images, or none can be read.
    """
    draw = run.data.kind.preview_of(run.record["data"])
    shown: Shown = draw()
    return shown
