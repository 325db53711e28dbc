"""Recipes of variational autoencoders with one latent group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import RunError
from .about import About
from .catalogue import Case, Plan, recipe
from .options import (
    BetaWeight,
    BinariseChoice,
    BlockDropout,
    Decoder,
    Hidden,
    ImportanceSamples,
    LatentSize,
    LikelihoodName,
    Network,
    Parts,
    Reading,
    Warmup,
)
from .parts import FLOW, Networks, grey_levels, likelihood_of, posterior_of, prior_of, usual_likelihood
from .remedies import Remedies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from ..conditionals import Conditional
    from ..data.examples import Examples
    from ..priors import Vamp
    from ..settings import Settings
    from .remedies import Pretrain

__all__ = ["conditional_vae", "deep_vae", "iwae", "vae"]


@recipe()
def vae(
    about: About,
    latent: LatentSize = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    dropout: BlockDropout = 0.0,
    parts: Parts = Parts(),
    reading: Reading = Reading(),
    decoder: Decoder = Decoder(),
    remedies: Remedies = Remedies(),
) -> Plan:
    """The variational autoencoder of Kingma and Welling (2013), with any prior, posterior, likelihood and schedule."""
    from .. import priors
    from ..models.vae import VAE, OneHot

    shape = about.shape
    if parts.conditional and not about.classes:
        raise RunError(
            "conditional needs labels, and this data has none: give --label, or leave --conditional out"
        )
    check_draws(parts, remedies)
    if parts.is_flow:
        check_flow(parts, latent, remedies)
    likelihood = usual_likelihood(reading.likelihood, shape)
    is_binary = likelihood == "bernoulli" or (likelihood == "pixelcnn" and shape[0] == 1)
    binarise = grey_levels(reading.binarise, shape, is_binary)
    nets = Networks(network, hidden, about.classes if parts.conditional else 0, dropout)
    posterior = posterior_of(parts, latent, shape, nets)
    size = latent * parts.categories if parts.is_categorical else latent
    model = VAE(
        posterior=posterior,
        prior=prior_for(parts, posterior, latent, shape, nets.context),
        likelihood=likelihood_of(
            likelihood, nets, size, shape, reading.scale, decoder, is_binary=binarise != "none"
        ),
        embed=OneHot(about.classes) if parts.conditional else None,
    )
    remedies.check_prior(parts.chosen_prior)
    pretrain = remedies.pretrain(model)
    if isinstance(model.prior, priors.Vamp):
        pretrain = starting(model.prior, parts.components, pretrain)
    return Plan(model, remedies.objective(model, size), binarise, pretrain)


@recipe(case=Case("vae"))
def iwae(
    about: About,
    latent: LatentSize = 50,
    hidden: Hidden = [200, 200],  # noqa: B006
    k: ImportanceSamples = 50,
    likelihood: LikelihoodName = "auto",
    binarise: BinariseChoice = "auto",
) -> Plan:
    """The importance-weighted autoencoder of Burda et al. (2015): the VAE's networks, a tighter bound."""
    reading = Reading(likelihood, binarise=binarise)
    return vae(about, latent, hidden, reading=reading, remedies=Remedies(k=k))


@recipe(case=Case("vae", {"conditional": True}))
def conditional_vae(
    about: About,
    latent: LatentSize = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: LikelihoodName = "auto",
    binarise: BinariseChoice = "auto",
    beta: BetaWeight = 1.0,
    warmup: Warmup = 0.25,
) -> Plan:
    """The conditional VAE of Sohn et al. (2015): p(x|z,y), q(z|x,y) and p(z|y), to draw a chosen class."""
    return vae(
        about,
        latent,
        hidden,
        network,
        parts=Parts(conditional=True),
        reading=Reading(likelihood, binarise=binarise),
        remedies=Remedies(beta, warmup),
    )


@recipe(
    case=Case("vae", {"network": "residual", "beta": "linear", "warmup": 0.1}),
    steps=40000,
    ema=0.999,
    lr_warmup=500,
)
def deep_vae(
    about: About,
    latent: LatentSize = 40,
    hidden: Hidden = [400, 400],  # noqa: B006
    likelihood: LikelihoodName = "auto",
    binarise: BinariseChoice = "auto",
    dropout: BlockDropout = 0.0,
) -> Plan:
    """A VAE of residual blocks with averaged weights and KL warm-up: the best likelihood within minutes on a CPU."""
    return vae(
        about,
        latent,
        hidden,
        "residual",
        dropout,
        reading=Reading(likelihood, binarise=binarise),
        remedies=Remedies("linear", warmup=0.1),
    )


def prior_for(
    parts: Parts, posterior: Conditional, latent: int, shape: Sequence[int], context: int
) -> nn.Module:
    """Makes the prior of a VAE, which may be made of its posterior."""
    from .. import priors

    if parts.is_categorical:
        return priors.Categories(latent, parts.categories)
    if parts.chosen_prior == "vamp" and not context:
        return priors.Vamp(posterior, shape, parts.components, (0.0, 1.0) if len(shape) == 3 else None)
    return prior_of(parts.chosen_prior, latent, context)


def check_draws(parts: Parts, remedies: Remedies) -> None:
    """Refuses several importance samples of a categorical posterior."""
    if parts.is_categorical and remedies.k > 1:
        raise RunError(
            f"posterior is categorical and k {remedies.k}: relaxed samples have no importance weights; leave k out"
        )


def check_flow(parts: Parts, latent: int, remedies: Remedies) -> None:
    """Refuses options that need the parameters of a posterior, or its density elsewhere than at its own draws."""
    posterior = parts.posterior
    if latent > FLOW:
        raise RunError(
            f"latent is {latent}, but posterior is {posterior}, which takes at most {FLOW}: use diagonal"
        )
    plain = replace(Remedies(), k=remedies.k)
    odd = {"prior": parts.prior} if parts.prior == "vamp" else {}
    for name in ("estimator", "free_bits", "training", "information"):
        if (value := getattr(remedies, name)) != getattr(plain, name):
            odd[name] = value
    for name, value in odd.items():
        raise RunError(
            f"{name} is {value} and posterior {posterior}: a flow's density is known at its own draws alone; use diagonal, or "
            f"leave {name} out"
        )


def starting(prior: Vamp, components: int, before: Pretrain | None) -> Pretrain:
    """Lets the pseudo-inputs start at training examples, after what prepares the other weights."""

    def start(examples: Examples, folder: Path | None, settings: Settings, progress: bool) -> None:
        if before is not None:
            before(examples, folder, settings, progress)
        prior.start(examples.subset(components, settings.seed).batch(slice(None))[0])

    return start
