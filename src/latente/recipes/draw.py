"""The recipes that draw an image step by step on a canvas: of images alone, and of captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About, AboutCaptions
from .captions import CaptionReading
from .catalogue import Plan, recipe
from .options import BinariseChoice, LatentSize
from .parts import grey_levels, usual_likelihood
from .remedies import Annealing

if TYPE_CHECKING:
    from ..conditionals import Conditional
    from ..models import Draw
    from ..nn import Aligned, CaptionEncoder, MeanOfWords, Reader, Writer

Glimpses = Annotated[
    int, Field(ge=1, le=1000, description="number T of glimpses, the steps in which an image is drawn")
]
DrawUnits = Annotated[int, Field(ge=1, le=1 << 14, description="units of each LSTM")]
ReadWindow = Annotated[
    int,
    Field(
        ge=0,
        le=1 << 10,
        description="read attention: N of a window of N × N Gaussian filters; 0 reads the whole image",
    ),
]
WriteWindow = Annotated[
    int,
    Field(
        ge=0,
        le=1 << 10,
        description="write attention: N of a window of N × N Gaussian filters; 0 writes the whole canvas",
    ),
]
CanvasLikelihood = Annotated[
    Literal["auto", "bernoulli", "gaussian-optimal", "gaussian-shared", "logistic"],
    Field(
        description="likelihood p(x|canvas); logistic: discretised logistic over 256 levels; auto: bernoulli for grey images, "
        "gaussian-optimal for others"
    ),
]
Blank = Annotated[
    float | None,
    Field(
        allow_inf_nan=False,
        description="initial log-odds of the blank canvas, which are learned; by default -5 for one channel, else 0",
    ),
]
Alignment = Annotated[
    Literal["attention", "mean", "sentence", "none"],
    Field(
        description="caption conditioning of each step: attention, mean of words, last encoder state (sentence), or none"
    ),
]
AlignUnits = Annotated[
    int, Field(ge=1, le=1 << 12, description="attention: hidden units of the alignment scores")
]


__all__ = ["Alignments", "Canvas", "DrawNetworks", "align_draw", "draw"]


@dataclass(frozen=True)
class DrawNetworks:
    """Holds the number of glimpses, and the attention windows of reading and writing."""

    glimpses: Glimpses = 10
    units: DrawUnits = 256
    read: ReadWindow = 0
    write: WriteWindow = 0


@dataclass(frozen=True)
class Canvas:
    """Holds the initial canvas and the likelihood of images given the final one."""

    likelihood: CanvasLikelihood = "auto"
    binarise: BinariseChoice = "auto"
    blank: Blank = None


@dataclass(frozen=True)
class Alignments:
    """Holds the conditioning of each step on the words of a caption."""

    align: Alignment = "attention"
    align_units: AlignUnits = 48


@recipe(steps=6000, batch=100, clip=5.0)
def draw(
    about: About,
    latent: LatentSize = 100,
    steps: DrawNetworks = DrawNetworks(),
    canvas: Canvas = Canvas(),
    annealing: Annealing = Annealing(),
) -> Plan:
    """DRAW of Gregor et al. (2015): an image is drawn in steps, each of which reads what is still wrong."""
    shape = about.shape
    check_images(shape)
    model = drawer(shape, latent, steps, canvas, hands(shape, steps))
    is_binary = usual_likelihood(canvas.likelihood, shape) == "bernoulli"
    return Plan(model, annealing.elbo(), grey_levels(canvas.binarise, shape, is_binary))


@recipe(reads="captions", steps=20000, batch=64, clip=5.0, evaluate_every=1000, checkpoint_every=1000)
def align_draw(
    about: AboutCaptions,
    latent: LatentSize = 24,
    steps: DrawNetworks = DrawNetworks(glimpses=8, units=192, read=7, write=7),
    alignments: Alignments = Alignments(),
    captions: CaptionReading = CaptionReading(),
    canvas: Canvas = Canvas(binarise="none"),
    annealing: Annealing = Annealing(),
) -> Plan:
    """AlignDRAW of Mansimov et al. (2015): an image is drawn in steps, each of which looks at the words of a caption."""
    from ..nn import Aligned, MeanOfWords

    shape = about.shape
    check_images(shape)
    made = hands(shape, steps)
    embed = None if alignments.align == "none" else captions.encoder(about)
    align: Aligned | MeanOfWords | None = None
    if embed is not None:
        align = MeanOfWords(alignments.align == "sentence")
        if alignments.align == "attention":
            align = Aligned(steps.units, embed.features, alignments.align_units)
    model = drawer(shape, latent, steps, canvas, made, embed, align, learned=True)
    return Plan(model, annealing.elbo(), grey_levels(canvas.binarise, shape, is_binary=False))


def drawer(
    shape: list[int],
    latent: int,
    steps: DrawNetworks,
    canvas: Canvas,
    hands: tuple[Reader, Writer],
    embed: CaptionEncoder | None = None,
    align: Aligned | MeanOfWords | None = None,
    learned: bool = False,
) -> Draw:
    """Makes the model; with `learned` the priors of all steps but the first depend on what was drawn."""
    from torch import nn

    from ..conditionals import Diagonal
    from ..models import Draw
    from ..priors import Standard

    units = steps.units
    return Draw(
        shape,
        steps.glimpses,
        units,
        *hands,
        Diagonal(nn.Linear(units, 2 * latent)),
        Standard(latent),
        Diagonal(nn.Sequential(nn.Linear(units, 2 * latent), nn.Tanh())) if learned else None,
        canvas_of(usual_likelihood(canvas.likelihood, shape), shape),
        latent,
        blank_of(canvas.blank, shape),
        embed,
        align,
    )


def check_images(shape: list[int]) -> None:
    if len(shape) != 3:
        raise RunError(f"a canvas is an image, and these examples have the shape {tuple(shape)}: give images")


def blank_of(blank: float | None, shape: list[int]) -> float:
    if blank is not None:
        return blank
    return -5.0 if shape[0] == 1 else 0.0


def hands(shape: list[int], steps: DrawNetworks) -> tuple[Reader, Writer]:
    from ..nn import Reader, Window, Writer

    units, read, write = steps.units, steps.read, steps.write
    return (
        Reader(shape, Window(units, shape, read) if read else None),
        Writer(units, shape, Window(units, shape, write) if write else None),
    )


def canvas_of(likelihood: str, shape: list[int]) -> Conditional:
    """Reads a canvas of log-odds as a distribution of images."""
    from torch import nn

    from .. import conditionals
    from ..nn import AroundMean

    if likelihood == "bernoulli":
        return conditionals.Bernoulli(nn.Identity(), 3)
    if likelihood == "gaussian-optimal":
        return conditionals.OptimalScale(nn.Sigmoid(), 3)
    if likelihood == "gaussian-shared":
        return conditionals.SharedScale(nn.Sigmoid(), event_dim=3, floor=1 / 255)
    return conditionals.LogisticMixture(AroundMean(shape[0]), shape[0])
