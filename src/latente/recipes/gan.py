"""Recipes with a critic of examples: the plain generative adversarial network, and the autoencoder that one helps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .about import About
from .catalogue import Plan, recipe
from .options import Hidden, LatentSize
from .parts import Networks, encoding, likelihood_of

CriticHidden = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]] | None,
    Field(
        min_length=1,
        max_length=64,
        description="channels of the critic's stages, or widths of its layers; --hidden by default",
    ),
]
R1 = Annotated[float, Field(ge=0, le=1e6, description="R1 gradient penalty, γ; 0 turns it off")]
R1Every = Annotated[
    int, Field(ge=1, le=10000, description="apply R1 every so many steps (lazy regularisation)")
]
PixelLikelihood = Annotated[
    Literal["bernoulli", "gaussian-optimal"],
    Field(description="p(x|z), by which the model is scored, not trained; the critic sees its means"),
]
RateWeight = Annotated[
    float,
    Field(
        ge=0, le=1e6, allow_inf_nan=False, description="β, weight of the rate against the learned similarity"
    ),
]
SimilarityWeight = Annotated[
    float,
    Field(
        gt=0,
        le=1e6,
        description="γ, weight of the error in the critic's features (learned similarity) in the decoder's loss",
    ),
]

__all__ = ["gan", "vae_gan"]


@recipe(steps=20000, batch=64, lr=5e-4, momentum=0.5, ema=0.999, lr_schedule="constant", evaluate_every=1000)
def gan(
    about: About,
    latent: LatentSize = 32,
    hidden: Hidden = [32, 64],  # noqa: B006
    critic: CriticHidden = None,
    r1: R1 = 1.0,
    r1_every: R1Every = 16,
) -> Plan:
    """A generative adversarial network (Goodfellow et al., 2014), steadied by a penalty on the critic's gradient."""
    from ..models import GAN
    from ..nn import MLP, ConvDecoder, Critic
    from ..objectives import Generation
    from ..priors import Standard

    shape = about.shape
    is_image = len(shape) == 3
    generator = ConvDecoder((latent,), shape, hidden) if is_image else MLP((latent,), shape, hidden[::-1])
    model = GAN(Standard(latent), generator, len(shape), (0.0, 1.0) if is_image else None)
    return Plan(model, Generation(Critic(shape, critic or hidden), r1, r1_every))


@recipe(steps=10000, batch=64, lr=5e-4, momentum=0.5, ema=0.999, lr_schedule="constant", evaluate_every=1000)
def vae_gan(
    about: About,
    latent: LatentSize = 32,
    hidden: Hidden = [32, 64],  # noqa: B006
    critic: CriticHidden = None,
    likelihood: PixelLikelihood = "gaussian-optimal",
    beta: RateWeight = 1.0,
    similarity: SimilarityWeight = 1.0,
    r1: R1 = 1.0,
    r1_every: R1Every = 16,
) -> Plan:
    """The VAE of Larsen et al. (2016), whose errors are measured in a layer of a critic that learns with it."""
    from ..conditionals import Diagonal
    from ..models import VAE
    from ..nn import Critic
    from ..objectives import LearnedSimilarity
    from ..priors import Standard

    shape = about.shape
    nets = Networks("conv" if len(shape) == 3 else "mlp", hidden)
    model = VAE(
        Diagonal(encoding(nets, shape, 2 * latent)),
        Standard(latent),
        likelihood_of(likelihood, nets, latent, shape),
    )
    objective = LearnedSimilarity(Critic(shape, critic or hidden), beta, similarity, r1, r1_every)
    return Plan(model, objective)
