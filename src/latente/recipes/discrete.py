"""The recipe of a tokeniser of images: an autoencoder whose codes are whole numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .text_to_image import (
    Channels,
    CodeFeatures,
    Levels,
    QuantiserName,
    TokeniserDepth,
    TokenLikelihood,
    quantiser_of,
)
from .vaes import Binarise, Shape, reading, usual_likelihood

CodesNumber = Annotated[int, Field(ge=2, le=1 << 16, description="vq and vq-ema: vectors of the codebook")]


@recipe(steps=2500, batch=64)
def vq_vae(
    shape: Shape,
    quantiser: QuantiserName = "vq-ema",
    levels: Levels = [8, 6, 5],  # noqa: B006
    codes: CodesNumber = 128,
    code_features: CodeFeatures = 16,
    channels: Channels = [16, 32],  # noqa: B006
    tokeniser_depth: TokeniserDepth = 1,
    likelihood: TokenLikelihood = "auto",
    binarise: Binarise = "auto",
) -> Plan:
    """The VQ-VAE of van den Oord et al. (2017): images as grids of codes; then fit a prior, --kind pixelcnn."""
    from ..models import VQVAE
    from ..models.vq import Uniform
    from ..nn import ConvFromPlanes, ConvToPlanes
    from ..objectives import TokeniserLoss

    if len(shape) != 3:
        raise RunError(f"codes are of images, and these examples have the shape {tuple(shape)}: use vae")
    if likelihood == "auto":
        likelihood = usual_likelihood(shape)
    if binarise == "auto":
        binarise = "dynamic" if likelihood == "bernoulli" else "none"
    rounds = quantiser_of(quantiser, levels, codes, code_features)
    encoder = ConvToPlanes(shape, rounds.features, channels, tokeniser_depth)
    pixels = reading(
        likelihood,
        lambda planes: ConvFromPlanes(rounds.features, (planes, *shape[1:]), channels, tokeniser_depth),
        shape,
    )
    return Plan(
        VQVAE(encoder, rounds, Uniform(rounds.codes, encoder.size), pixels), TokeniserLoss(), binarise
    )
