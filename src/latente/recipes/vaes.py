"""Recipes of variational autoencoders with one latent group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe

if TYPE_CHECKING:
    from torch import nn

    from ..objectives import Objective
    from ..schedules import Schedule

Shape = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(min_length=1, max_length=3, description="shape of an example: (C, H, W), or (D,)"),
]
Classes = Annotated[int, Field(ge=0, le=1 << 20, description="number of classes of the labels")]
Latent = Annotated[int, Field(ge=1, le=1 << 16, description="dimensions of z")]
Hidden = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(
        min_length=1,
        max_length=64,
        description="widths of the hidden layers; channels of the stages for conv",
    ),
]
Network = Annotated[
    Literal["mlp", "residual", "conv"],
    Field(description="fully connected, fully connected with residual blocks, or residual convolutions"),
]
Posterior = Annotated[Literal["diagonal", "full"], Field(description="covariance of q(z|x)")]
Prior = Annotated[
    Literal["normal", "laplace", "mixture", "flow"],
    Field(description="p(z): N(0, I), Laplace, learned mixture of Normals, or learned flow (zuko)"),
]
Likelihood = Annotated[
    Literal[
        "auto",
        "bernoulli",
        "continuous-bernoulli",
        "gaussian",
        "gaussian-fixed",
        "gaussian-shared",
        "gaussian-optimal",
        "categorical",
        "logistic-mixture",
    ],
    Field(
        description="p(x|z); auto: bernoulli for grey images, gaussian-optimal for colour, gaussian-shared for tables"
    ),
]
Scale = Annotated[float, Field(gt=0, le=1e6, description="sigma of gaussian-fixed")]
Binarise = Annotated[
    Literal["auto", "none", "static", "dynamic"],
    Field(description="how grey levels are read; auto: dynamic for bernoulli, else none"),
]
Beta = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["linear", "cosine", "logistic", "cyclical"],
    Field(description="weight of the rate: a number, or a schedule from 0 to 1"),
]
Warmup = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="length of the schedule: a share of the run up to 1, else a number of steps",
    ),
]
Draws = Annotated[
    int, Field(ge=1, le=10000, description="draws of z an example; more than 1 trains the IWAE bound")
]
Conditional = Annotated[bool, Field(description="condition prior, posterior and likelihood on the labels")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="share of units dropped in residual blocks")]

FLOW = 1024  # dimensions of z


@recipe()
def vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    posterior: Posterior = "diagonal",
    prior: Prior = "normal",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    binarise: Binarise = "auto",
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    draws: Draws = 1,
    conditional: Conditional = False,
    dropout: Dropout = 0.0,
) -> Plan:
    """The variational autoencoder of Kingma and Welling (2013), with any prior, posterior, likelihood and schedule."""
    from .. import conditionals
    from ..models.vae import VAE, OneHot

    if conditional and not classes:
        raise RunError(
            "conditional needs labels, and this data has none: give --label, or leave --conditional out"
        )
    context = classes if conditional else 0
    if likelihood == "auto":
        likelihood = (
            "gaussian-shared" if len(shape) < 3 else "bernoulli" if shape[0] == 1 else "gaussian-optimal"
        )
    outputs = {"diagonal": 2 * latent, "full": conditionals.FullCovariance.size(latent)}[posterior]
    encoder = encoding(network, shape, outputs, hidden, context, dropout)
    read = {
        "diagonal": lambda net: conditionals.Diagonal(net),
        "full": lambda net: conditionals.FullCovariance(net, latent),
    }
    model = VAE(
        posterior=read[posterior](encoder),
        prior=prior_of(prior, latent, context),
        likelihood=likelihood_of(likelihood, network, shape, latent, hidden, context, scale, dropout),
        embed=OneHot(classes) if conditional else None,
    )
    if binarise == "auto":
        binarise = "dynamic" if likelihood == "bernoulli" and len(shape) == 3 else "none"
    return Plan(model, objective_of(beta, warmup, draws), binarise)


@recipe()
def iwae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 50,
    hidden: Hidden = [200, 200],  # noqa: B006
    draws: Draws = 50,
    likelihood: Likelihood = "auto",
    binarise: Binarise = "auto",
) -> Plan:
    """The importance-weighted autoencoder of Burda et al. (2015): the VAE's networks, a tighter bound."""
    return vae(shape, classes, latent, hidden, draws=draws, likelihood=likelihood, binarise=binarise)


@recipe()
def conditional_vae(
    shape: Shape,
    classes: Classes,
    latent: Latent = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    binarise: Binarise = "auto",
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
) -> Plan:
    """The conditional VAE of Sohn et al. (2015): p(x|z,y), q(z|x,y) and p(z|y), to draw a chosen class."""
    return vae(
        shape,
        classes,
        latent,
        hidden,
        network,
        likelihood=likelihood,
        binarise=binarise,
        beta=beta,
        warmup=warmup,
        conditional=True,
    )


@recipe(steps=40000, ema=0.999, lr_warmup=500)
def deep_vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 40,
    hidden: Hidden = [400, 400],  # noqa: B006
    likelihood: Likelihood = "auto",
    binarise: Binarise = "auto",
    dropout: Dropout = 0.0,
) -> Plan:
    """A VAE of residual blocks with averaged weights and warm-up: the best likelihood that minutes on a CPU buy."""
    return vae(
        shape,
        classes,
        latent,
        hidden,
        "residual",
        likelihood=likelihood,
        binarise=binarise,
        beta="linear",
        warmup=0.1,
        dropout=dropout,
    )


@recipe()
def autoencoder(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    dropout: Dropout = 0.0,
) -> Plan:
    """The plain autoencoder: a point mass for q(z|x) and a flat prior, so nothing can be drawn from it yet."""
    from .. import conditionals, priors
    from ..models.vae import VAE

    kind = "gaussian-optimal" if likelihood == "auto" else likelihood
    model = VAE(
        posterior=conditionals.Point(encoding(network, shape, latent, hidden, 0, dropout)),
        prior=priors.Flat(latent),
        likelihood=likelihood_of(kind, network, shape, latent, hidden, 0, scale, dropout),
    )
    return Plan(model, objective_of(1.0, 0.25, 1))


def encoding(
    network: Network, shape: list[int], outputs: int, hidden: list[int], context: int, dropout: float
) -> nn.Module:
    from ..nn import MLP, ConvEncoder, ResidualMLP

    if dropout and network != "residual":
        raise RunError(
            f"dropout is {dropout}, but only residual networks drop units: choose --network residual"
        )
    if network == "mlp":
        return MLP(shape, (outputs,), hidden, context)
    if network == "residual":
        if len(set(hidden)) > 1:
            raise RunError(
                f"hidden is {hidden}, but residual blocks have one width: repeat it once a block, as 400,400"
            )
        return ResidualMLP(shape, (outputs,), hidden[0], len(hidden), context, dropout)
    if len(shape) < 3:
        raise RunError(f"network is conv, but an example has the shape {tuple(shape)}: use mlp or residual")
    return ConvEncoder(shape, (outputs,), hidden, context=context)


def decoding(
    network: Network, latent: int, shape: list[int], hidden: list[int], context: int, dropout: float
) -> nn.Module:
    from ..nn import MLP, ConvDecoder, ResidualMLP

    if network == "mlp":
        return MLP((latent,), shape, hidden[::-1], context)
    if network == "residual":
        return ResidualMLP((latent,), shape, hidden[-1], len(hidden), context, dropout)
    return ConvDecoder((latent,), shape, hidden, context=context)


def likelihood_of(
    kind: str,
    network: Network,
    shape: list[int],
    latent: int,
    hidden: list[int],
    context: int,
    scale: float,
    dropout: float,
) -> nn.Module:
    from .. import conditionals

    first, *rest = shape
    event_dim = len(shape)
    floor = 1 / 255 if event_dim == 3 else 1e-3  # a grey level, or a thousandth of a column's spread

    def net(times: int = 1) -> nn.Module:
        return decoding(network, latent, [times * first, *rest], hidden, context, dropout)

    if kind == "bernoulli":
        return conditionals.Bernoulli(net(), event_dim)
    if kind == "continuous-bernoulli":
        return conditionals.ContinuousBernoulli(net(), event_dim)
    if kind == "gaussian":
        return conditionals.Diagonal(net(2), event_dim, floor)
    if kind == "gaussian-fixed":
        return conditionals.FixedNormal(net(), scale, event_dim)
    if kind == "gaussian-shared":
        return conditionals.SharedScale(net(), () if event_dim == 3 else tuple(shape), event_dim, floor)
    if kind == "gaussian-optimal":
        return conditionals.OptimalScale(net(), event_dim)
    if kind == "categorical":
        return conditionals.Quantised(net(256), 256, event_dim)
    if event_dim < 3:
        raise RunError(
            "likelihood is logistic-mixture, which is one of images: use a gaussian one for tables and vectors"
        )
    planes = conditionals.LogisticMixture.size(first, components=5)
    return conditionals.LogisticMixture(
        decoding(network, latent, [planes, *rest], hidden, context, dropout), first
    )


def prior_of(kind: str, latent: int, context: int) -> nn.Module:
    import torch

    from .. import priors
    from ..conditionals import Diagonal
    from ..nn import MLP

    if kind == "flow":
        if latent > FLOW:
            raise RunError(f"latent is {latent}, but prior is flow, which takes at most {FLOW}: use mixture")
        with torch.device("cpu"):  # its masks are made of numbers, also where only shapes are asked for
            return priors.import_zuko().flows.NSF(latent, context, transforms=3, hidden_features=(64, 64))
    if context and kind != "normal":
        raise RunError(
            f"prior is {kind}, which does not depend on labels: for conditional choose normal or flow"
        )
    if kind == "mixture":
        return priors.Mixture(latent)
    if kind == "laplace":
        return priors.Laplace(latent)
    return Diagonal(MLP((context,), (2 * latent,), (64,))) if context else priors.Standard(latent)


def objective_of(beta: float | str, warmup: float, draws: int) -> Objective:
    from .. import schedules
    from ..objectives import ELBO, IWAE

    if draws > 1:
        if beta != 1.0:
            raise RunError(
                f"beta is {beta} and draws {draws}: the IWAE bound has no rate to weigh; leave one of them out"
            )
        return IWAE(draws)
    length: int | float = warmup if warmup <= 1 else int(warmup)
    named: dict[str, Schedule] = {
        "linear": schedules.linear(length),
        "cosine": schedules.cosine(length),
        "logistic": schedules.logistic(length / 2 if warmup <= 1 else int(warmup / 2)),
        "cyclical": schedules.cyclical(),
    }
    return ELBO(named[beta] if isinstance(beta, str) else beta)
