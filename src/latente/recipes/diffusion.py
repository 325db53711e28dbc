"""The recipe of diffusion models of examples themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .parts import grey_levels

if TYPE_CHECKING:
    from torch import nn

DiffusionWidths = Annotated[
    list[Annotated[int, Field(ge=2, le=1 << 12)]] | None,
    Field(
        min_length=1,
        max_length=6,
        description="U-Net channels at half the image's size, a quarter, …, 32,64 by default; of tables and vectors the width "
        "of each block, 128,128,128 by default",
    ),
]
DiffusionDepth = Annotated[
    int, Field(ge=1, le=64, description="U-Net blocks per resolution, down and up alike")
]
Values = Annotated[
    Literal["auto", "bits", "bytes", "reals"],
    Field(
        description="values of an example: bits (0 and 1), bytes (256 levels), or reals; auto: bits for grey images, bytes for "
        "others, reals for tables and vectors"
    ),
]
BitsBinarise = Annotated[
    Literal["auto", "none", "static", "dynamic"],
    Field(
        description="binarisation of grey levels; dynamic: resampled at every pass; auto: dynamic for bits, else none"
    ),
]
DrawingSteps = Annotated[
    int,
    Field(ge=1, le=10000, description="sampling steps T from noise to a sample, each a pass of the network"),
]

__all__ = ["diffusion"]


@recipe(steps=20000, batch=64, lr=2e-3, ema=0.999, lr_warmup=100, clip=1e4, evaluate_every=1000)
def diffusion(
    about: About,
    hidden: DiffusionWidths = None,
    depth: DiffusionDepth = 1,
    values: Values = "auto",
    binarise: BitsBinarise = "auto",
    drawing_steps: DrawingSteps = 64,
) -> Plan:
    """Variational diffusion of Kingma et al. (2021): noise is taken away step by step, with a bound in nats like any other."""
    from ..models import diffusion as models
    from ..nn import TimedMLP, UNet
    from ..objectives import ELBO

    shape = about.shape
    if values == "auto":
        values = "reals" if len(shape) < 3 else "bits" if shape[0] == 1 else "bytes"
    inputs = [2 * shape[0], *shape[1:]]
    if hidden is None:
        hidden = [32, 64] if len(shape) == 3 else [128, 128, 128]
    if len(shape) == 3:
        net: nn.Module = UNet(inputs, shape[0], hidden, depth)
    else:
        if len(set(hidden)) > 1:
            raise RunError(
                f"hidden is {hidden}, but blocks of vectors have one width: repeat it once per block, as 128,128"
            )
        net = TimedMLP(inputs, shape, hidden[0], len(hidden))
    readings = {"bits": models.Bits(), "bytes": models.Bytes(), "reals": models.Reals()}
    model = models.Diffusion(shape, net, readings[values], drawing_steps)
    return Plan(model, ELBO(), grey_levels(binarise, shape, values == "bits"))
