"""What every picture gives back, so that nobody who saves or shows one asks what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Layout", "Shown"]

Layout = Literal["chart", "grid", "scroll", "lines"]


class Shown(Protocol):
    """Is what a picture gives back: numbers with a title, to be saved as a file or put in a page."""

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        ...

    @property
    def note(self) -> str:
        """The benchmark, and how it was made."""
        ...

    @property
    def values(self) -> Mapping[str, np.ndarray]:
        """The numbers that are shown, by name."""
        ...

    @property
    def layout(self) -> Layout:
        """How it stands in a page: a chart over its width, a grid no larger than it is, one to be scrolled, or lines of text."""
        ...

    @property
    def text(self) -> str:
        """What a terminal shows in its place; empty where that is a file."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """Sentences to be said beside it, e.g. which words were not understood."""
        ...

    def save(self, path: Path | str, *, animate: bool = False) -> Path:
        """Writes it whole or not at all; the ending of the name says as what.

        Arguments:
            path: The file; folders are made.
            animate: Whether it moves; a .gif always does.

        Raises:
            LatenteError: If the name ends otherwise, it does not move, or the file cannot be written.
        """
        ...

    def html(self, prefix: str = "p") -> str:
        """Returns what stands in a page: an `<svg>`, a table or an image.

        Arguments:
            prefix: What its ids start with: they must differ from those of the page's other pictures.
        """
        ...
