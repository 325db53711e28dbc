"""Options that several pictures have: their types, their ranges and their lines of help.

A picture's own signature lists its options and their defaults. An option is typed as one word, or as numbers with commas between
where its type holds a list; :class:`Repeated` and :class:`Positional` say where it is typed otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

__all__ = [
    "Beside",
    "Choice",
    "DrawingsFile",
    "Guidance",
    "Label",
    "Many",
    "Options",
    "PointTemperature",
    "Positional",
    "Repeated",
    "Resample",
    "Rescale",
    "Rows",
    "Seed",
    "Spread",
    "Steps",
    "Temperature",
    "TopK",
    "TopP",
    "TwoSentences",
]


@dataclass(frozen=True)
class Repeated:
    """Marks an option that is typed once for each of its values."""

    metavar: str | None = None


@dataclass(frozen=True)
class Positional:
    """Marks an option that is typed without its name, behind the run."""

    metavar: str


Options = dict[str, Any]
Many = Annotated[int, Field(ge=1, le=10_000, description="number of samples")]
Rows = Annotated[int, Field(ge=1, description="number of rows")]
Steps = Annotated[int, Field(ge=2, description="steps of a row, both ends included")]
Seed = Annotated[int, Field(description="random seed")]
Label = Annotated[int | str | None, Field(description="class, by name or number, for conditional models")]
Spread = Annotated[float, Field(description="factor on the prior's spread; below 1 is nearer its mean")]
Temperature = Annotated[
    float | list[float],
    Field(
        description="factor on the prior's spread; below 1 is nearer its mean; as 1,1,0.7 one per latent group"
    ),
]
PointTemperature = Annotated[
    float,
    Field(
        ge=0,
        le=100,
        description="temperature of each point of a drawing: 0 takes the likeliest, 1 is the model's",
    ),
]
DrawingsFile = Annotated[Any, Field(description="file or data set of drawings, in place of test drawings")]
Rescale = Annotated[bool, Field(description="rescale them to the training drawings' stroke size")]
Guidance = Annotated[
    float | None,
    Field(
        ge=0,
        description="classifier-free guidance scale; 1 is off; 2 by default for models trained with caption dropout",
    ),
]
Choice = Annotated[
    float, Field(ge=0, description="sampling temperature: 1 is the model's own, 0 the likeliest")
]
TopK = Annotated[int, Field(ge=0, description="number of likeliest codes to sample from; 0 for all")]
TopP = Annotated[
    float, Field(gt=0, le=1, description="probability mass of the likeliest codes to sample from")
]
TwoSentences = Annotated[Sequence[str], Field(description="your own sentence; give two"), Repeated()]
Beside = Annotated[
    Sequence[Path], Field(description="a run on the same data to compare with"), Repeated("RUN")
]
Resample = Literal["last", "first"]
