"""Recipes of densities without a latent code: the figures that a code has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .options import BinariseChoice, Hidden, Kernels, PixelChannels
from .parts import grey_levels, pixel_by_pixel

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution

    from ..conditionals import Conditional

Coupling = Annotated[
    Literal["affine", "spline"],
    Field(description="coupling transform: affine (RealNVP), or rational-quadratic spline (NSF)"),
]
Transforms = Annotated[int, Field(ge=1, le=64, description="number of coupling layers")]
Bins = Annotated[int, Field(ge=2, le=64, description="spline: number of bins")]

__all__ = ["flow", "made", "pixelcnn"]

FLOOR = 1e-3  # of a column's standard deviation
PIXEL_LOGISTICS = 5  # logistics of a pixel
DIMENSIONS = 1 << 14  # of a flow


@recipe(steps=12000)
def made(about: About, hidden: Hidden = [500], binarise: BinariseChoice = "auto") -> Plan:  # noqa: B006
    """The masked autoencoder of Germain et al. (2015): log p(x) of binary images or tables, exactly and in one pass."""
    from torch.distributions import Independent, Normal

    from .. import conditionals
    from ..distributions import scale_of
    from ..nn import MADE

    shape = about.shape
    if len(shape) == 3 and (shape[0] != 1 or binarise == "none"):
        raise RunError(
            f"made reads pixels as black or white, and these have {shape[0]} channels of "
            f"{'many levels' if binarise == 'none' or shape[0] > 1 else 'two'}: use latente train pixelcnn"
        )
    try:
        net = MADE(shape, 1 if len(shape) == 3 else 2, hidden)
    except ValueError as error:
        raise RunError(str(error)) from None
    if len(shape) == 3:
        return alone(pixel_by_pixel(net, 1, is_binary=True), grey_levels(binarise, shape, is_binary=True))
    d = len(shape)

    def numbers(parameters: Tensor) -> Distribution:
        loc, log_scale = parameters.chunk(2, -d)
        return Independent(
            Normal(loc, scale_of(log_scale, FLOOR), validate_args=False), d, validate_args=False
        )

    return alone(conditionals.Autoregressive(net, numbers))


@recipe(steps=1500)
def pixelcnn(
    about: About,
    kernels: Kernels = [7, 5, 5, 5],  # noqa: B006
    channels: PixelChannels = 16,
    binarise: BinariseChoice = "auto",
) -> Plan:
    """The gated PixelCNN of van den Oord et al. (2016), without a code: log p(x) of images, exactly."""
    from .. import conditionals
    from ..nn import PixelCNN

    shape = about.shape
    if len(shape) < 3:
        raise RunError(
            f"pixelcnn reads images, and an example has the shape {tuple(shape)}: use made or flow"
        )
    if shape[1] * shape[2] < 2:
        raise RunError("an image is one pixel, which no other comes before: give it two or more")
    levels = grey_levels(binarise, shape, shape[0] == 1)
    is_binary = levels != "none"
    outputs = shape[0] if is_binary else conditionals.LogisticMixture.size(shape[0], PIXEL_LOGISTICS)
    try:
        net = PixelCNN(shape, outputs, kernels=kernels, channels=channels)
    except ValueError as error:
        raise RunError(str(error)) from None
    return alone(pixel_by_pixel(net, shape[0], is_binary), levels)


@recipe(steps=4000)
def flow(
    about: About,
    coupling: Coupling = "affine",
    transforms: Transforms = 6,
    hidden: Hidden = [128],  # noqa: B006
    bins: Bins = 8,
    binarise: BinariseChoice = "auto",
) -> Plan:
    """A coupling flow (zuko): the density of tables, and of images with noise between their levels, a bound of log p(x)."""
    import torch

    from .. import conditionals
    from ..flows import import_zuko

    shape = about.shape
    d = math.prod(shape)
    if d > DIMENSIONS:
        raise RunError(f"an example has {d} numbers, and a flow takes at most {DIMENSIONS}: use pixelcnn")
    zuko = import_zuko()
    if coupling == "affine":
        parts = {"univariate": zuko.transforms.MonotonicAffineTransform, "shapes": ((), ())}
    else:
        parts = {
            "univariate": zuko.transforms.MonotonicRQSTransform,
            "shapes": [(bins,), (bins,), (bins - 1,)],
        }
    with torch.device("cpu"):  # where its masks have their numbers, also where only shapes are asked for
        checks = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij")).sum(0).flatten() % 2
        ranks = checks.argsort(stable=True).argsort()
        steps = [
            zuko.flows.MaskedAutoregressiveTransform(
                d, order=ranks if i % 2 == 0 else d - 1 - ranks, passes=2, hidden_features=hidden, **parts
            )
            for i in range(transforms)
        ]
    net = zuko.lazy.LazyComposedTransform(*steps)
    if len(shape) < 3:
        return alone(conditionals.Dequantised(net, shape))
    grey = grey_levels(binarise, shape, shape[0] == 1)
    return alone(conditionals.Dequantised(net, shape, 256 if grey == "none" else 2), grey)


def alone(likelihood: Conditional, binarise: Literal["none", "static", "dynamic"] = "none") -> Plan:
    """Plans a likelihood that is the whole model: its ELBO is log p(x)."""
    from .. import models, objectives

    return Plan(models.DecoderOnly(likelihood), objectives.ELBO(), binarise)
