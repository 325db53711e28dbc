"""The recipes of text to image with a code of one group: a conditional VAE, and codes that a transformer writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .captions import CaptionFeatures, CaptionLength, Encoder, Flip, Side, Tokens, Vocabulary, captions_of
from .catalogue import Plan, make, reads, recipe
from .remedies import Beta, FreeBits, FreeNats, Remedies, Warmup
from .two_stage import Of
from .vaes import (
    Hidden,
    Latent,
    Likelihood,
    Network,
    Scale,
    Shape,
    encoding,
    likelihood_of,
    prior_of,
    reading,
    usual_likelihood,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ..data.examples import Examples
    from ..nn import Quantiser
    from ..settings import Settings

QuantiserName = Annotated[
    Literal["fsq", "vq", "vq-ema"],
    Field(
        description="how numbers become codes: rounded to --levels, or to the nearest of --codes vectors that move by gradient, "
        "or as averages"
    ),
]
Levels = Annotated[
    list[Annotated[int, Field(ge=2, le=256)]],
    Field(
        min_length=1,
        max_length=16,
        description="fsq: levels of each number; their product is the number of codes",
    ),
]
CodesNumber = Annotated[int, Field(ge=2, le=1 << 16, description="vq: vectors of the codebook")]
CodeFeatures = Annotated[int, Field(ge=1, le=1 << 12, description="vq: features of a vector")]
Channels = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 12)]],
    Field(
        min_length=1,
        max_length=6,
        description="channels of the stages of the tokeniser, each of half the size of the one before",
    ),
]
TokeniserDepth = Annotated[int, Field(ge=0, le=16, description="residual blocks of each stage")]
TokeniserSteps = Annotated[
    int, Field(ge=1, description="steps for which the tokeniser is trained, before the transformer is")
]
Features = Annotated[int, Field(ge=2, le=1 << 13, description="features of the transformer")]
Depth = Annotated[int, Field(ge=1, le=128, description="blocks of the transformer")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="share of features dropped in the transformer")]
Silence = Annotated[
    float,
    Field(ge=0, lt=1, description="share of captions not read in training, so that --guidance can be used"),
]
TokenLikelihood = Annotated[
    Literal["auto", "bernoulli", "gaussian-optimal", "gaussian-shared", "logistic-mixture"],
    Field(description="p(x|z); auto: bernoulli for grey images, gaussian-optimal for others"),
]


@recipe(steps=5000, batch=64, lr=1e-3, clip=1.0, lr_warmup=200, evaluate_every=500)
def text_to_image(
    shape: Shape,
    vocabulary: Vocabulary,
    caption_length: CaptionLength = 64,
    quantiser: QuantiserName = "fsq",
    levels: Levels = [8, 6, 5],  # noqa: B006
    codes: CodesNumber = 256,
    code_features: CodeFeatures = 16,
    channels: Channels = [32, 64],  # noqa: B006
    tokeniser_depth: TokeniserDepth = 1,
    tokeniser_steps: TokeniserSteps = 2500,
    features: Features = 96,
    depth: Depth = 4,
    dropout: Dropout = 0.0,
    silence: Silence = 0.1,
    caption_encoder: Encoder = "transformer",
    caption_features: CaptionFeatures = 96,
    likelihood: TokenLikelihood = "auto",
    flip: Flip = False,
    tokens: Tokens = "word",
    side: Side = None,
) -> Plan:
    """Text to image: a VQ-VAE turns images into codes, and a transformer writes codes for a caption; the one to try first."""
    from ..data.augmentation import Flip as Flipping
    from ..models import VQVAE
    from ..models.vq import Uniform, Written
    from ..nn import CodeWriter, ConvFromPlanes, ConvToPlanes
    from ..objectives import FitCodes

    if len(shape) != 3:
        raise RunError(f"captions are of images, and these examples have the shape {tuple(shape)}")

    rounds = quantiser_of(quantiser, levels, codes, code_features)
    encoder = ConvToPlanes(shape, rounds.features, channels, tokeniser_depth)
    pixels = reading(
        usual_likelihood(shape) if likelihood == "auto" else likelihood,
        lambda planes: ConvFromPlanes(rounds.features, (planes, *shape[1:]), channels, tokeniser_depth),
        shape,
    )
    tokeniser = VQVAE(encoder, rounds, Uniform(rounds.codes, encoder.size), pixels)
    embed = captions_of(caption_encoder, vocabulary, caption_features, caption_length)
    writer = CodeWriter(
        rounds.codes, encoder.size[0] * encoder.size[1], embed.features, features, depth, dropout
    )
    model = VQVAE(encoder, rounds, Written(writer, encoder.size), pixels, embed, silence)
    tokeniser.requires_grad_(False)
    augment = Flipping() if flip else None

    def fit(examples: Examples, folder: Path | None, settings: Settings, progress: bool) -> None:
        from ..training import train_tokeniser

        some = replace(examples, augment=augment)
        train_tokeniser(tokeniser, some, tokeniser_steps, settings, folder, progress)

    return Plan(model, FitCodes(), pretrain=fit, augment=augment)


def quantiser_of(kind: str, levels: list[int], codes: int, features: int) -> Quantiser:
    from ..nn import FSQ, VQ

    if kind == "fsq":
        return FSQ(levels)
    return VQ(codes, features, decay=0.99 if kind == "vq-ema" else None)


@recipe(steps=6000, batch=64)
def caption_vae(
    shape: Shape,
    vocabulary: Vocabulary,
    caption_length: CaptionLength = 64,
    latent: Latent = 32,
    hidden: Hidden = [32, 64, 128],  # noqa: B006
    network: Network = "conv",
    caption_encoder: Encoder = "bilstm",
    caption_features: CaptionFeatures = 96,
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    free_nats: FreeNats = 0.0,
    free_bits: FreeBits = 0.0,
    flip: Flip = False,
    tokens: Tokens = "word",
    side: Side = None,
) -> Plan:
    """A conditional VAE of captioned images, the baseline of Mansimov et al. (2015): one code, whose prior reads the caption."""
    from ..conditionals import Diagonal
    from ..data.augmentation import Flip as Flipping
    from ..models import VAE
    from ..nn import Pooled

    if likelihood == "auto":
        likelihood = usual_likelihood(shape)
    embed = Pooled(captions_of(caption_encoder, vocabulary, caption_features, caption_length))
    context = caption_features
    model = VAE(
        Diagonal(encoding(network, shape, 2 * latent, hidden, context, 0.0)),
        prior_of("normal", latent, context),
        likelihood_of(likelihood, network, shape, latent, hidden, context, scale, 0.0),
        embed,
    )
    remedies = Remedies(beta, warmup, free_nats=free_nats, free_bits=free_bits)
    remedies.check()
    return Plan(model, remedies.elbo(), augment=Flipping() if flip else None)


RefinerChannels = Annotated[int, Field(ge=1, le=1 << 12, description="channels of the refiner")]
Adversary = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="what the critic's doubt costs, in pixels of distance; 0 for no critic's say",
    ),
]


NEVER = 100_000  # steps between validations: the last weights are kept, since no distance tells how sharp they are


@recipe(steps=1500, batch=64, lr=5e-4, momentum=0.5, evaluate_every=NEVER)
def refiner(
    shape: Shape,
    of: Of,
    vocabulary: Vocabulary,
    caption_length: CaptionLength = 64,
    channels: RefinerChannels = 16,
    adversary: Adversary = 3.0,
    caption_encoder: Encoder = "bilstm",
    caption_features: CaptionFeatures = 32,
) -> Plan:
    """A second stage that sharpens what a run of captioned images draws, against a critic; the run stays as it is."""
    from torch import nn

    from .. import conditionals
    from ..models.refined import LogOdds, Refined, Sharpener, SharpnessCritic
    from ..objectives import Sharpening
    from ..trace import Model

    name = of["recipe"]
    if reads(name) != "captions" or "of" in of["arguments"]:
        raise RunError(
            f"a refiner sharpens what a run draws of captions, and {name} draws none: build on another run"
        )
    if of["arguments"]["shape"] != shape:
        raise RunError(
            f"{name} was trained on images of the shape {of['arguments']['shape']}, and these have {shape}: leave --data out"
        )
    base = make(name, **of["arguments"])
    base.model.requires_grad_(False)
    embed = captions_of(caption_encoder, vocabulary, caption_features, caption_length)
    likelihood: conditionals.Conditional
    if shape[0] == 1:
        likelihood = conditionals.Bernoulli(LogOdds(), 3)
    else:
        likelihood = conditionals.FixedNormal(nn.Identity(), 0.1, 3)
    model = Refined(base.model, Sharpener(shape, embed.features, channels), embed, likelihood)

    def adopt(trained: Model) -> None:
        base.model.load_state_dict(trained.state_dict())

    critic = SharpnessCritic(shape, embed.features, channels)
    return Plan(model, Sharpening(critic, adversary), base.binarise, adopt=adopt)
