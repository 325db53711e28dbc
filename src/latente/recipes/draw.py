"""The recipes that draw an image step by step on a canvas: of images alone, and of captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .captions import CaptionFeatures, CaptionLength, Encoder, Side, Tokens, Vocabulary, captions_of
from .catalogue import Plan, recipe
from .remedies import Beta, FreeBits, FreeNats, Remedies, Warmup
from .vaes import Binarise, Latent, Shape, usual_likelihood

if TYPE_CHECKING:
    from torch import nn

    from ..conditionals import Conditional
    from ..nn import Reader, Writer

Glimpses = Annotated[int, Field(ge=1, le=1000, description="steps T in which an image is drawn")]
Units = Annotated[int, Field(ge=1, le=1 << 14, description="units of each LSTM")]
Read = Annotated[
    int, Field(ge=0, le=1 << 10, description="filters a side of the window that is read; 0 to read it all")
]
Write = Annotated[
    int,
    Field(ge=0, le=1 << 10, description="filters a side of the window that is written; 0 to write it all"),
]
CanvasLikelihood = Annotated[
    Literal["auto", "bernoulli", "gaussian-optimal", "gaussian-shared", "logistic"],
    Field(
        description="p(x|canvas); auto: bernoulli for grey images, gaussian-optimal for others; logistic: of 256 levels, rounded"
    ),
]
Blank = Annotated[
    float | None,
    Field(
        allow_inf_nan=False,
        description="log-odds of the blank canvas, before they are learned; by default -5 for one channel, else 0",
    ),
]
Align = Annotated[
    Literal["attention", "mean", "sentence", "none"],
    Field(
        description="what a step hears of a caption: words it chooses anew, their mean, the encoder's last state, or nothing"
    ),
]
AlignUnits = Annotated[int, Field(ge=1, le=1 << 12, description="attention: units that weigh words")]


@recipe(steps=6000, batch=100, clip=5.0)
def draw(
    shape: Shape,
    glimpses: Glimpses = 10,
    latent: Latent = 100,
    units: Units = 256,
    read: Read = 0,
    write: Write = 0,
    likelihood: CanvasLikelihood = "auto",
    binarise: Binarise = "auto",
    blank: Blank = None,
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    free_nats: FreeNats = 0.0,
    free_bits: FreeBits = 0.0,
) -> Plan:
    """DRAW of Gregor et al. (2015): an image is drawn in steps, each of which reads what is still wrong."""
    from ..models import Draw
    from ..priors import Standard

    check_images(shape)
    read_as = usual_likelihood(shape) if likelihood == "auto" else likelihood
    reader, writer = hands(shape, units, read, write)
    model = Draw(
        shape,
        glimpses,
        units,
        reader,
        writer,
        posterior_of(units, latent),
        Standard(latent),
        None,
        canvas_of(read_as, shape),
        latent,
        blank_of(blank, shape),
    )
    remedies = Remedies(beta, warmup, free_nats=free_nats, free_bits=free_bits)
    remedies.check()
    if binarise == "auto":
        binarise = "dynamic" if read_as == "bernoulli" else "none"
    return Plan(model, remedies.elbo(), binarise)


@recipe(steps=20000, batch=64, clip=5.0, evaluate_every=1000, checkpoint_every=1000)
def align_draw(
    shape: Shape,
    vocabulary: Vocabulary,
    caption_length: CaptionLength = 64,
    glimpses: Glimpses = 8,
    latent: Latent = 24,
    units: Units = 192,
    read: Read = 7,
    write: Write = 7,
    align: Align = "attention",
    align_units: AlignUnits = 48,
    caption_encoder: Encoder = "bilstm",
    caption_features: CaptionFeatures = 96,
    likelihood: CanvasLikelihood = "auto",
    binarise: Binarise = "none",
    blank: Blank = None,
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    free_nats: FreeNats = 0.0,
    free_bits: FreeBits = 0.0,
    tokens: Tokens = "word",
    side: Side = None,
) -> Plan:
    """AlignDRAW of Mansimov et al. (2015): an image is drawn in steps, each of which looks at the words of a caption."""
    from torch import nn

    from ..conditionals import Diagonal
    from ..models import Draw
    from ..nn import Aligned, MeanOfWords
    from ..priors import Standard

    check_images(shape)
    read_as = usual_likelihood(shape) if likelihood == "auto" else likelihood
    reader, writer = hands(shape, units, read, write)
    embed = (
        None
        if align == "none"
        else captions_of(caption_encoder, vocabulary, caption_features, caption_length)
    )
    hear: Aligned | MeanOfWords | None = None
    if embed is not None:
        hear = MeanOfWords(align == "sentence")
        if align == "attention":
            hear = Aligned(units, embed.features, align_units)
    model = Draw(
        shape,
        glimpses,
        units,
        reader,
        writer,
        posterior_of(units, latent),
        Standard(latent),
        Diagonal(nn.Sequential(nn.Linear(units, 2 * latent), nn.Tanh())),
        canvas_of(read_as, shape),
        latent,
        blank_of(blank, shape),
        embed,
        hear,
    )
    remedies = Remedies(beta, warmup, free_nats=free_nats, free_bits=free_bits)
    remedies.check()
    return Plan(model, remedies.elbo(), "none" if binarise == "auto" else binarise)


def check_images(shape: list[int]) -> None:
    if len(shape) != 3:
        raise RunError(f"a canvas is an image, and these examples have the shape {tuple(shape)}: give images")


def blank_of(blank: float | None, shape: list[int]) -> float:
    if blank is not None:
        return blank
    return -5.0 if shape[0] == 1 else 0.0


def hands(shape: list[int], units: int, read: int, write: int) -> tuple[Reader, Writer]:
    from ..nn import Reader, Window, Writer

    return (
        Reader(shape, Window(units, shape, read) if read else None),
        Writer(units, shape, Window(units, shape, write) if write else None),
    )


def posterior_of(units: int, latent: int) -> nn.Module:
    from torch import nn

    from ..conditionals import Diagonal

    return Diagonal(nn.Linear(units, 2 * latent))


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
