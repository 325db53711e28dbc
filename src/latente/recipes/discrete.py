"""The recipe of a tokeniser of images: an autoencoder whose codes are whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .options import BinariseChoice
from .parts import grey_levels, reading, usual_likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models import VQVAE
    from ..nn import Quantiser

QuantiserName = Annotated[
    Literal["fsq", "vq", "vq-ema"],
    Field(
        description="quantiser: fsq, finite scalar quantisation to --levels; vq, a codebook of --codes vectors trained by "
        "gradient; vq-ema, by exponential moving averages"
    ),
]
QuantiserLevels = Annotated[
    list[Annotated[int, Field(ge=2, le=256)]],
    Field(
        min_length=1,
        max_length=16,
        description="fsq: levels L of each dimension; their product is the codebook size",
    ),
]
CodesNumber = Annotated[int, Field(ge=2, le=1 << 16, description="vq, vq-ema: codebook size K")]
CodeFeatures = Annotated[
    int, Field(ge=1, le=1 << 12, description="vq, vq-ema: dimensions D of a codebook vector")
]
StageChannels = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 12)]],
    Field(
        min_length=1,
        max_length=6,
        description="channels of the tokeniser's stages, each at half the resolution of the one before",
    ),
]
TokeniserDepth = Annotated[int, Field(ge=0, le=16, description="residual blocks of each stage")]
TokenLikelihood = Annotated[
    Literal["auto", "bernoulli", "gaussian-optimal", "gaussian-shared", "logistic-mixture"],
    Field(description="likelihood p(x|z); auto: bernoulli for grey images, gaussian-optimal for others"),
]

__all__ = ["Tokeniser", "vq_vae"]


@dataclass(frozen=True)
class Tokeniser:
    """Holds the autoencoder that turns images into grids of codes, and back."""

    quantiser: QuantiserName = "fsq"
    levels: QuantiserLevels = field(default_factory=lambda: [8, 6, 5])
    codes: CodesNumber = 256
    code_features: CodeFeatures = 16
    channels: StageChannels = field(default_factory=lambda: [32, 64])
    tokeniser_depth: TokeniserDepth = 1
    likelihood: TokenLikelihood = "auto"

    def model(self, shape: Sequence[int]) -> VQVAE:
        """Makes the autoencoder, with a uniform prior over codes."""
        from ..models import VQVAE
        from ..models.vq import Uniform
        from ..nn import ConvFromPlanes, ConvToPlanes

        rounds = self.rounds()
        depth, channels = self.tokeniser_depth, self.channels
        encoder = ConvToPlanes(shape, rounds.features, channels, depth)
        pixels = reading(
            usual_likelihood(self.likelihood, shape),
            lambda planes: ConvFromPlanes(rounds.features, (planes, *shape[1:]), channels, depth),
            shape,
        )
        return VQVAE(encoder, rounds, Uniform(rounds.codes, encoder.size), pixels)

    def rounds(self) -> Quantiser:
        from ..nn import FSQ, VQ

        if self.quantiser == "fsq":
            return FSQ(self.levels)
        return VQ(self.codes, self.code_features, decay=0.99 if self.quantiser == "vq-ema" else None)


@recipe(steps=2500, batch=64)
def vq_vae(
    about: About,
    tokeniser: Tokeniser = Tokeniser("vq-ema", codes=128, channels=[16, 32]),
    binarise: BinariseChoice = "auto",
) -> Plan:
    """The VQ-VAE of van den Oord et al. (2017): images as grids of codes; then fit a prior, --kind pixelcnn."""
    from ..objectives import TokeniserLoss

    shape = about.shape
    if len(shape) != 3:
        raise RunError(f"codes are of images, and these examples have the shape {tuple(shape)}: use vae")
    is_binary = usual_likelihood(tokeniser.likelihood, shape) == "bernoulli"
    return Plan(tokeniser.model(shape), TokeniserLoss(), grey_levels(binarise, shape, is_binary))
