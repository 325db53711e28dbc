"""The recipe of drawings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .catalogue import Plan, recipe
from .vaes import Shape

CellName = Literal["lstm", "layer-norm", "hyper"]
Longest = Annotated[
    int, Field(ge=2, le=4096, description="points of a drawing; longer ones are simplified until they fit")
]
Bad = Annotated[
    Literal["drop", "refuse"],
    Field(
        description="what to do with drawings of no line or no size, with gaps, or too long: leave them out, or stop"
    ),
]
Code = Annotated[
    int,
    Field(ge=0, le=1 << 14, description="dimensions of z; 0 for the decoder alone, which completes drawings"),
]
DecoderCell = Annotated[CellName, Field(description="cell of the decoder")]
EncoderCell = Annotated[CellName, Field(description="cell of the encoder's two directions")]
Units = Annotated[int, Field(ge=1, le=1 << 14, description="units of the decoder")]
EncoderUnits = Annotated[int, Field(ge=1, le=1 << 14, description="units of each direction of the encoder")]
Components = Annotated[int, Field(ge=1, le=1000, description="Normals in the mixture of where the pen goes")]
Dropout = Annotated[
    float, Field(ge=0, lt=1, description="share of each cell's candidate memory that is dropped in training")
]
KlWeight = Annotated[
    float,
    Field(ge=0, le=1e3, description="weight of the rate a dimension of z against the loss a point: w_KL"),
]
KlStart = Annotated[float, Field(ge=0, le=1e3, description="that weight at the first step")]
KlDecay = Annotated[
    float | None,
    Field(
        gt=0,
        lt=1,
        description="what is left after a step of its distance to the full weight, R; by default a hundredth is left after three "
        "quarters of the run",
    ),
]
KlFloor = Annotated[
    float, Field(ge=0, le=1e3, description="nats of the rate a dimension that cost nothing: KL_min")
]
Stretch = Annotated[
    float, Field(ge=0, lt=1, description="largest share by which drawings are stretched in training")
]
PointDropout = Annotated[
    float, Field(ge=0, lt=1, description="share of the points within strokes that are left out in training")
]
Padded = Annotated[
    bool,
    Field(
        description="charge the pen for every row after a drawing's end too, as the paper does; slower by the share of padding"
    ),
]
Start = Annotated[
    Literal["pen", "zeros"], Field(description="what the decoder reads first: a pen that is down, or nothing")
]


@recipe(steps=2400, batch=100, clip_value=1.0)
def sketch_rnn(
    shape: Shape,
    longest: Longest = 250,
    bad: Bad = "drop",
    latent: Code = 128,
    cell: DecoderCell = "layer-norm",
    encoder_cell: EncoderCell = "layer-norm",
    hidden: Units = 512,
    encoder_hidden: EncoderUnits = 256,
    components: Components = 20,
    dropout: Dropout = 0.1,
    kl_weight: KlWeight = 0.5,
    kl_start: KlStart = 0.01,
    kl_decay: KlDecay = None,
    kl_floor: KlFloor = 0.2,
    stretch: Stretch = 0.15,
    point_dropout: PointDropout = 0.1,
    padded: Padded = False,
    start: Start = "pen",
) -> Plan:
    """Sketch-rnn of Ha and Eck (2017): a recurrent network reads a drawing into z, another draws it, stroke by stroke."""
    from ..conditionals import Diagonal, Drawings
    from ..data.augmentation import StretchAndDrop
    from ..models import VAE, DecoderOnly
    from ..nn import StrokeDecoder, StrokeEncoder
    from ..objectives import SketchLoss
    from ..priors import Standard
    from ..schedules import constant, saturating
    from ..trace import Model

    rows = shape[0]
    points = max(1, rows - 1)
    likelihood = Drawings(StrokeDecoder(latent, cell, hidden, components, dropout, start), rows)
    model: Model = DecoderOnly(likelihood)
    beta = constant()
    if latent:
        encoder = StrokeEncoder(latent, encoder_cell, encoder_hidden, dropout)
        model = VAE(Diagonal(encoder), Standard(latent), likelihood)
        nats = points / latent  # of a drawing, against the paper's of a point and of a dimension
        pace = (0.01, 0.75) if kl_decay is None else (kl_decay, 1)
        beta = saturating(*pace, start=kl_start * nats, end=kl_weight * nats)
    return Plan(
        model,
        SketchLoss(points, beta, kl_floor * latent, padded),
        augment=StretchAndDrop(stretch, point_dropout) if stretch or point_dropout else None,
    )
