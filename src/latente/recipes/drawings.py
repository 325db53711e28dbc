"""The recipe of drawings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from .about import About
from .catalogue import Plan, recipe

if TYPE_CHECKING:
    from ..schedules import Schedule

CellName = Literal["lstm", "layer-norm", "hyper"]
DrawingCode = Annotated[
    int,
    Field(
        ge=0,
        le=1 << 14,
        description="dimensions of z; 0 for the decoder alone (unconditional), which completes drawings",
    ),
]
DecoderCell = Annotated[CellName, Field(description="cell of the decoder")]
EncoderCell = Annotated[CellName, Field(description="cell of the encoder's two directions")]
DecoderUnits = Annotated[int, Field(ge=1, le=1 << 14, description="units of the decoder")]
EncoderUnits = Annotated[int, Field(ge=1, le=1 << 14, description="units of each direction of the encoder")]
PenMixture = Annotated[
    int, Field(ge=1, le=1000, description="components M of the mixture density of pen offsets")
]
CellDropout = Annotated[
    float, Field(ge=0, lt=1, description="recurrent dropout: dropout rate of each cell's candidate memory")
]
KlWeight = Annotated[
    float,
    Field(
        ge=0, le=1e3, description="KL weight w_KL: of the KL per dimension of z against the loss per point"
    ),
]
KlStart = Annotated[float, Field(ge=0, le=1e3, description="KL weight at the first step, η_min w_KL")]
KlDecay = Annotated[
    float | None,
    Field(
        gt=0,
        lt=1,
        description="decay rate R of the KL annealing schedule; by default a hundredth is left after three quarters of the run",
    ),
]
KlFloor = Annotated[float, Field(ge=0, le=1e3, description="KL floor KL_min: free nats per dimension of z")]
Stretch = Annotated[
    float, Field(ge=0, lt=1, description="augmentation: largest relative scaling of drawings in training")
]
PointDropout = Annotated[
    float, Field(ge=0, lt=1, description="augmentation: share of points within strokes dropped in training")
]
Padded = Annotated[
    bool,
    Field(
        description="pen loss on the padding after a drawing's end too, as in the paper; slower by the share of padding"
    ),
]
Start = Annotated[
    Literal["pen", "zeros"], Field(description="first input of the decoder: a pen that is down, or zeros")
]


__all__ = ["Cells", "KlAnnealing", "StrokeNoise", "sketch_rnn"]


@dataclass(frozen=True)
class Cells:
    """Holds the recurrent networks that read and draw."""

    cell: DecoderCell = "layer-norm"
    encoder_cell: EncoderCell = "layer-norm"
    hidden: DecoderUnits = 512
    encoder_hidden: EncoderUnits = 256
    components: PenMixture = 20
    dropout: CellDropout = 0.1
    start: Start = "pen"


@dataclass(frozen=True)
class KlAnnealing:
    """Holds KL annealing in the paper's units: KL per dimension of z, against the loss per point."""

    kl_weight: KlWeight = 0.5
    kl_start: KlStart = 0.01
    kl_decay: KlDecay = None
    kl_floor: KlFloor = 0.2

    def beta(self, nats: float) -> Schedule:
        """Makes the schedule; `nats` turns the paper's units into nats per drawing."""
        from ..schedules import saturating

        pace = (0.01, 0.75) if self.kl_decay is None else (self.kl_decay, 1)
        return saturating(*pace, start=self.kl_start * nats, end=self.kl_weight * nats)


@dataclass(frozen=True)
class StrokeNoise:
    """Holds the augmentation of drawings."""

    stretch: Stretch = 0.15
    point_dropout: PointDropout = 0.1


@recipe(reads="drawings", calls={"free_nats": "kl_floor"}, steps=2400, batch=100, clip_value=1.0)
def sketch_rnn(
    about: About,
    latent: DrawingCode = 128,
    cells: Cells = Cells(),
    annealing: KlAnnealing = KlAnnealing(),
    noise: StrokeNoise = StrokeNoise(),
    padded: Padded = False,
) -> Plan:
    """Sketch-rnn of Ha and Eck (2017): a recurrent network reads a drawing into z, another draws it, stroke by stroke."""
    from ..conditionals import Diagonal, Drawings
    from ..data.augmentation import StretchAndDrop
    from ..models import VAE, DecoderOnly
    from ..nn import StrokeDecoder, StrokeEncoder
    from ..objectives import SketchLoss
    from ..priors import Standard
    from ..schedules import constant
    from ..trace import Model

    rows = about.shape[0]
    points = max(1, rows - 1)
    pen = StrokeDecoder(latent, cells.cell, cells.hidden, cells.components, cells.dropout, cells.start)
    likelihood = Drawings(pen, rows)
    model: Model = DecoderOnly(likelihood)
    beta = constant()
    if latent:
        encoder = StrokeEncoder(latent, cells.encoder_cell, cells.encoder_hidden, cells.dropout)
        model = VAE(Diagonal(encoder), Standard(latent), likelihood)
        beta = annealing.beta(points / latent)
    augment = None
    if noise.stretch or noise.point_dropout:
        augment = StretchAndDrop(noise.stretch, noise.point_dropout)
    loss = SketchLoss(points, beta, annealing.kl_floor * latent, padded)
    return Plan(model, loss, augment=augment)
