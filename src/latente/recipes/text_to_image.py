"""The recipes of text to image with a code of one group: a conditional VAE, and codes with an autoregressive prior."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..errors import RunError
from .about import AboutCaptions, Base
from .captions import CaptionReading, Mirror
from .catalogue import Plan, find, recipe, remake
from .discrete import Tokeniser
from .options import Hidden, LatentSize, Likelihood, Network
from .parts import Networks, encoding, likelihood_of, prior_of, usual_likelihood
from .remedies import Annealing

if TYPE_CHECKING:
    from pathlib import Path

    from ..data.examples import Examples
    from ..settings import Settings

TokeniserSteps = Annotated[
    int, Field(ge=1, description="training steps of the tokeniser (VQ-VAE), before those of the transformer")
]
TransformerFeatures = Annotated[int, Field(ge=2, le=1 << 13, description="width of the transformer")]
TransformerDepth = Annotated[int, Field(ge=1, le=128, description="blocks of the transformer")]
TransformerDropout = Annotated[float, Field(ge=0, lt=1, description="dropout rate of the transformer")]
CaptionDropout = Annotated[
    float,
    Field(ge=0, lt=1, description="probability of dropping the caption in training, needed for --guidance"),
]
__all__ = ["Transformer", "caption_vae", "refiner", "text_to_image"]


@dataclass(frozen=True)
class Transformer:
    """Holds the transformer, an autoregressive prior over codes given a caption."""

    features: TransformerFeatures = 96
    depth: TransformerDepth = 4
    dropout: TransformerDropout = 0.0
    caption_dropout: CaptionDropout = 0.1


@recipe(reads="captions", steps=5000, batch=64, lr=1e-3, clip=1.0, lr_warmup=200, evaluate_every=500)
def text_to_image(
    about: AboutCaptions,
    tokeniser: Tokeniser = Tokeniser(),
    tokeniser_steps: TokeniserSteps = 2500,
    transformer: Transformer = Transformer(),
    captions: CaptionReading = CaptionReading("transformer"),
    flip: Mirror = False,
) -> Plan:
    """Text to image: a VQ-VAE, and a transformer as prior over its codes given a caption; the one to try first."""
    from ..data.augmentation import Flip
    from ..models import VQVAE
    from ..models.vq import CodePrior
    from ..nn import CodeTransformer
    from ..objectives import FitCodes

    if len(about.shape) != 3:
        raise RunError(f"captions are of images, and these examples have the shape {tuple(about.shape)}")

    images = tokeniser.model(about.shape)
    rounds, size = images.quantiser, images.prior.shape
    embed = captions.encoder(about)
    writer = CodeTransformer(
        rounds.codes,
        size[0] * size[1],
        embed.features,
        transformer.features,
        transformer.depth,
        transformer.dropout,
    )
    written = CodePrior(writer, size)
    model = VQVAE(images.encoder, rounds, written, images.likelihood, embed, transformer.caption_dropout)
    images.requires_grad_(False)
    augment = Flip() if flip else None

    def fit(examples: Examples, folder: Path | None, settings: Settings, progress: bool) -> None:
        from ..training import train_tokeniser

        some = replace(examples, augment=augment)
        train_tokeniser(images, some, tokeniser_steps, settings, folder, progress)

    return Plan(model, FitCodes(), pretrain=fit, augment=augment)


@recipe(reads="captions", steps=6000, batch=64)
def caption_vae(
    about: AboutCaptions,
    latent: LatentSize = 32,
    hidden: Hidden = [32, 64, 128],  # noqa: B006
    network: Network = "conv",
    captions: CaptionReading = CaptionReading(),
    likelihood: Likelihood = Likelihood(),
    annealing: Annealing = Annealing(),
    flip: Mirror = False,
) -> Plan:
    """A conditional VAE of captioned images, the baseline of Mansimov et al. (2015): one code, whose prior reads the caption."""
    from ..conditionals import Diagonal
    from ..data.augmentation import Flip
    from ..models import VAE
    from ..nn import Pooled

    shape = about.shape
    embed = Pooled(captions.encoder(about))
    nets = Networks(network, hidden, context=captions.caption_features)
    kind = usual_likelihood(likelihood.likelihood, shape)
    model = VAE(
        Diagonal(encoding(nets, shape, 2 * latent)),
        prior_of("normal", latent, nets.context),
        likelihood_of(kind, nets, latent, shape, likelihood.scale),
        embed,
    )
    return Plan(model, annealing.elbo(), augment=Flip() if flip else None)


RefinerChannels = Annotated[int, Field(ge=1, le=1 << 12, description="channels of the refiner")]
SharpnessWeight = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="weight of the adversarial loss against the L1 loss; 0 turns it off",
    ),
]


NEVER = 100_000  # steps between validations: the last weights are kept, since no distance measures how sharp they are


@recipe(reads="captions", steps=1500, batch=64, lr=5e-4, momentum=0.5, evaluate_every=NEVER)
def refiner(
    about: AboutCaptions,
    of: Base,
    channels: RefinerChannels = 16,
    adversary: SharpnessWeight = 3.0,
    captions: CaptionReading = CaptionReading("bilstm", 32),
) -> Plan:
    """A second stage that sharpens the images of a frozen run of captions by an adversarial loss, as LAPGAN does."""
    from torch import nn

    from .. import conditionals
    from ..models.refined import LogOdds, Refined, Sharpener, SharpnessCritic
    from ..objectives import Sharpening
    from ..trace import Model

    name, shape = of.recipe, about.shape
    if find(name).reads != "captions" or of.base is not None:
        raise RunError(
            f"a refiner sharpens images drawn for captions, and {name} draws none: build on another run"
        )
    if of.about["shape"] != shape:
        raise RunError(
            f"{name} was trained on images of the shape {of.about['shape']}, and these have {shape}: leave --data out"
        )
    base = remake(of.made_by())
    base.model.requires_grad_(False)
    embed = captions.encoder(about)
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
