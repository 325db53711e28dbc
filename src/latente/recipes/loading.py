"""Options by which data is loaded: groups that a recipe takes like any other, and that loading asks first."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

__all__ = ["CaptionOptions", "DrawingOptions", "LoadingOptions"]

DrawingLength = Annotated[
    int,
    Field(ge=2, le=4096, description="longest drawing in points; longer ones are simplified until they fit"),
]
BadDrawings = Annotated[
    Literal["drop", "refuse"],
    Field(
        description="drawings of no line or no size, with gaps, or too long: drop them, or refuse the data"
    ),
]
Tokens = Annotated[
    Literal["word", "char", "bpe"],
    Field(description="tokens of captions: words, characters, or subwords (byte-level BPE)"),
]
Side = Annotated[
    int | None,
    Field(
        ge=4,
        le=1 << 10,
        description="pixels per side: images of a folder with captions are cropped to squares and resized to this",
    ),
]


class LoadingOptions(abc.ABC):
    """Marks a group of options by which data is loaded. Abstract: a group defines `loading`."""

    @abc.abstractmethod
    def loading(self) -> dict[str, Any]:
        """Returns keywords of :func:`~latente.data.load`."""


@dataclass(frozen=True)
class DrawingOptions(LoadingOptions):
    """Holds how drawings are loaded."""

    longest: DrawingLength = 250
    bad: BadDrawings = "drop"

    def loading(self) -> dict[str, Any]:
        return {"longest": self.longest, "bad": self.bad}


@dataclass(frozen=True)
class CaptionOptions(LoadingOptions):
    """Holds how images with captions are loaded."""

    tokens: Tokens = "word"
    side: Side = None

    def loading(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "side": self.side}
