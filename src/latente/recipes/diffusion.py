"""The recipe of diffusion models of examples themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .vaes import Shape

if TYPE_CHECKING:
    from torch import nn

Hidden = Annotated[
    list[Annotated[int, Field(ge=2, le=1 << 12)]] | None,
    Field(
        min_length=1,
        max_length=6,
        description="channels at half the image's size, a quarter, …, 32,64 by default; of tables and vectors the width of "
        "each block, 128,128,128 by default",
    ),
]
Depth = Annotated[int, Field(ge=1, le=64, description="blocks at each size, down and up alike")]
Levels = Annotated[
    Literal["auto", "bits", "bytes", "reals"],
    Field(
        description="values of an example: 0 and 1, 256 levels, or any number; auto: bits for grey images, bytes for others, "
        "reals for tables and vectors"
    ),
]
Binarise = Annotated[
    Literal["auto", "none", "static", "dynamic"],
    Field(description="how grey levels are read; auto: dynamic for bits, else none"),
]
DrawingSteps = Annotated[
    int, Field(ge=1, le=10000, description="steps from noise to a sample, each a pass of the network")
]


@recipe(steps=20000, batch=64, lr=2e-3, ema=0.999, lr_warmup=100, clip=1e4, evaluate_every=1000)
def diffusion(
    shape: Shape,
    hidden: Hidden = None,
    depth: Depth = 1,
    values: Levels = "auto",
    binarise: Binarise = "auto",
    drawing_steps: DrawingSteps = 64,
) -> Plan:
    """Variational diffusion of Kingma et al. (2021): noise is taken away step by step, with a bound in nats like any other."""
    from ..models import diffusion as models
    from ..nn import TimedMLP, UNet
    from ..objectives import ELBO

    if values == "auto":
        values = "reals" if len(shape) < 3 else "bits" if shape[0] == 1 else "bytes"
    if binarise == "auto":
        binarise = "dynamic" if values == "bits" and len(shape) == 3 else "none"
    inputs = [2 * shape[0], *shape[1:]]
    if hidden is None:
        hidden = [32, 64] if len(shape) == 3 else [128, 128, 128]
    if len(shape) == 3:
        net: nn.Module = UNet(inputs, shape[0], hidden, depth)
    else:
        if len(set(hidden)) > 1:
            raise RunError(
                f"hidden is {hidden}, but blocks of vectors have one width: repeat it once a block, as 128,128"
            )
        net = TimedMLP(inputs, shape, hidden[0], len(hidden))
    readings = {"bits": models.Bits(), "bytes": models.Bytes(), "reals": models.Reals()}
    return Plan(models.Diffusion(shape, net, readings[values], drawing_steps), ELBO(), binarise)
