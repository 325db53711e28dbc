"""The answers of the data, apart from the choices of a user; and the run that another one builds on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import Field

__all__ = ["About", "AboutCaptions", "AboutText", "Answers", "Base"]

Shape = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(min_length=1, max_length=3, description="shape of an example: (C, H, W), or (D,)"),
]
ClassesNumber = Annotated[int, Field(ge=0, le=1 << 20, description="number of classes of the labels")]
WordsKnown = Annotated[int, Field(ge=1, le=1 << 22, description="vocabulary size of the data")]
CaptionWords = Annotated[int, Field(ge=2, le=1 << 22, description="vocabulary size of the captions")]
CaptionLength = Annotated[
    int, Field(ge=1, le=1 << 20, description="length in tokens of the longest caption of the data")
]


class Answers(Protocol):
    """Is a frozen dataclass of the facts of the data that a recipe needs: the annotation of its first parameter."""

    @property
    def shape(self) -> list[int]: ...


@dataclass(frozen=True)
class About:
    """Holds the shape of an example, and how many classes the labels have."""

    shape: Shape
    classes: ClassesNumber = 0


@dataclass(frozen=True)
class AboutText:
    """Holds the longest sentence as a shape, and how many words the data has."""

    shape: Shape
    vocabulary: WordsKnown


@dataclass(frozen=True)
class AboutCaptions:
    """Holds the shape of an image, how many words captions are made of, and how long the longest one is."""

    shape: Shape
    vocabulary: CaptionWords
    caption_length: CaptionLength = 64


@dataclass(frozen=True)
class Base:
    """Holds what made the model of the run that another one builds on.

    Arguments:
        recipe: The name of its recipe.
        about: The answers of its data.
        arguments: The options that were chosen.
        base: The base of that run in turn.
    """

    recipe: str
    about: Mapping[str, Any]
    arguments: Mapping[str, Any]
    base: Mapping[str, Any] | None = None

    def made_by(self) -> dict[str, Any]:
        """Returns it as JSON holds it."""
        made = {"recipe": self.recipe, "about": dict(self.about), "arguments": dict(self.arguments)}
        return made if self.base is None else {**made, "base": dict(self.base)}
