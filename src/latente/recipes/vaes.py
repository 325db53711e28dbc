"""Recipes of variational autoencoders with one latent group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .remedies import (
    Adversary,
    Beta,
    Capacity,
    Distortion,
    Draws,
    EncoderSteps,
    Estimator,
    FreeBits,
    FreeNats,
    Information,
    Mmd,
    Rate,
    Remedies,
    Training,
    Warmup,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from .. import conditionals
    from ..data.examples import Examples
    from ..nn import MADE, PixelCNN
    from ..priors import Vamp
    from ..settings import Settings
    from .remedies import Pretrain

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
Posterior = Annotated[
    Literal["diagonal", "full", "committed", "normalised", "categorical", "iaf", "nsf"],
    Field(
        description="q(z|x): Normal with diagonal or full covariance; diagonal with a least rate of --commitment a dimension, or "
        "with means of --spread over a batch; one-hot groups of categories; or a flow (zuko), inverse autoregressive or of "
        "coupled splines"
    ),
]
Prior = Annotated[
    Literal["normal", "laplace", "mixture", "flow"],
    Field(description="p(z): N(0, I), Laplace, learned mixture of Normals, or learned flow (zuko)"),
]
VaePrior = Annotated[
    Literal["auto", "normal", "laplace", "mixture", "flow", "vamp", "uniform"],
    Field(
        description="p(z): N(0, I), Laplace, learned mixture of Normals, learned flow (zuko), mixture of posteriors "
        "of learned inputs, or uniform over categories; auto: uniform for categorical, else normal"
    ),
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
        "pixelcnn",
    ],
    Field(
        description="p(x|z); auto: bernoulli for grey images, gaussian-optimal for colour, gaussian-shared for tables; "
        "pixelcnn: each pixel given those before it"
    ),
]
Scale = Annotated[float, Field(gt=0, le=1e6, description="sigma of gaussian-fixed")]
Binarise = Annotated[
    Literal["auto", "none", "static", "dynamic"],
    Field(description="how grey levels are read; auto: dynamic for bernoulli, else none"),
]
Conditional = Annotated[bool, Field(description="condition prior, posterior and likelihood on the labels")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="share of units dropped in residual blocks")]
Components = Annotated[int, Field(ge=1, le=1 << 16, description="vamp: number of learned inputs")]
Skip = Annotated[bool, Field(description="let every layer of the decoder see z")]
Kernels = Annotated[
    list[Annotated[int, Field(ge=1, le=255)]],
    Field(
        min_length=1,
        max_length=64,
        description="pixelcnn: odd kernel size k of each layer; a pixel sees a field of 1 + sum(k - 1) pixels",
    ),
]
Channels = Annotated[int, Field(ge=1, le=1 << 12, description="pixelcnn: channels of each layer")]
Commitment = Annotated[float, Field(gt=0, le=10, description="committed: least rate of a dimension, in nats")]
Spread = Annotated[
    float, Field(gt=0, lt=10, description="normalised: standard deviation of the means over a batch")
]
Categories = Annotated[
    int, Field(ge=2, le=1 << 12, description="categorical: categories of each of the latent groups")
]
Temperature = Annotated[
    float, Field(gt=0, le=100, description="categorical: temperature of the relaxed draws of training")
]

FLOW = 1024  # dimensions of z
FEATURES = 32  # of the encoder, that a flow's every transform sees
KERNELS = [7, 3, 3, 3]
LOGISTICS = 5  # of a mixture
MAPS = 4  # planes that a PixelCNN sees of z


@recipe()
def vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    posterior: Posterior = "diagonal",
    prior: VaePrior = "auto",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    binarise: Binarise = "auto",
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    draws: Draws = 1,
    conditional: Conditional = False,
    dropout: Dropout = 0.0,
    components: Components = 500,
    skip: Skip = False,
    kernels: Kernels = KERNELS,
    channels: Channels = 16,
    categories: Categories = 10,
    temperature: Temperature = 0.5,
    commitment: Commitment = 0.1,
    spread: Spread = 0.6,
    estimator: Estimator = "plain",
    free_nats: FreeNats = 0.0,
    free_bits: FreeBits = 0.0,
    capacity: Capacity = None,
    rate: Rate = None,
    distortion: Distortion = None,
    information: Information = 0.0,
    training: Training = "joint",
    encoder_steps: EncoderSteps = 0,
    mmd: Mmd = 0.0,
    adversary: Adversary = 0.0,
) -> Plan:
    """The variational autoencoder of Kingma and Welling (2013), with any prior, posterior, likelihood and schedule."""
    from .. import conditionals, priors
    from ..models.vae import VAE, OneHot
    from ..nn import NormalisedMeans

    if conditional and not classes:
        raise RunError(
            "conditional needs labels, and this data has none: give --label, or leave --conditional out"
        )
    context = classes if conditional else 0
    if likelihood == "auto":
        likelihood = usual_likelihood(shape)
    if binarise == "auto":
        is_binary = likelihood == "bernoulli" or (likelihood == "pixelcnn" and shape[0] == 1)
        binarise = "dynamic" if is_binary and len(shape) == 3 else "none"
    if prior == "vamp" and posterior == "normalised":
        raise RunError(
            "prior is vamp and posterior normalised, but learned inputs are no batch of examples: use diagonal"
        )
    is_categorical = posterior == "categorical"
    if prior == "auto":
        prior = "uniform" if is_categorical else "normal"
    if is_categorical != (prior == "uniform"):
        raise RunError(f"posterior is {posterior} and prior {prior}: categorical and uniform go together")
    if is_categorical and draws > 1:
        raise RunError(
            f"posterior is categorical and draws {draws}: relaxed draws have no weights; leave draws out"
        )
    size = latent * categories if is_categorical else latent
    is_flow = posterior in ("iaf", "nsf")
    if is_flow:
        check_flow(posterior, prior, latent, estimator, free_bits, training, information)
    outputs = {"full": conditionals.FullCovariance.size(latent), "categorical": size}.get(
        posterior, 2 * latent + FEATURES * is_flow
    )
    encoder = encoding(network, shape, outputs, hidden, context, dropout)
    read = {
        "diagonal": lambda net: conditionals.Diagonal(net),
        "full": lambda net: conditionals.FullCovariance(net, latent),
        "committed": lambda net: conditionals.Committed(net, commitment),
        "normalised": lambda net: conditionals.Diagonal(NormalisedMeans(net, latent, spread)),
        "categorical": lambda net: conditionals.Categorical(net, latent, temperature),
        "iaf": lambda net: conditionals.Flow(net, flow_of("iaf", latent, FEATURES), latent),
        "nsf": lambda net: conditionals.Flow(net, flow_of("nsf", latent, FEATURES), latent),
    }
    q = read[posterior](encoder)
    p: nn.Module | None = None
    if is_categorical:
        p = priors.Categories(latent, categories)
    elif prior == "vamp" and not context:
        p = priors.Vamp(q, shape, components, (0.0, 1.0) if len(shape) == 3 else None)
    model = VAE(
        posterior=q,
        prior=p or prior_of(prior, latent, context),
        likelihood=likelihood_of(
            likelihood,
            network,
            shape,
            size,
            hidden,
            context,
            scale,
            dropout,
            skip,
            kernels,
            channels,
            is_binary=binarise != "none",
        ),
        embed=OneHot(classes) if conditional else None,
    )
    remedies = Remedies(
        beta,
        warmup,
        draws,
        estimator,
        free_nats,
        free_bits,
        capacity,
        rate,
        distortion,
        information,
        training,
        encoder_steps,
        mmd,
        adversary,
        prior,
    )
    pretrain = remedies.pretrain(model)
    if isinstance(p, priors.Vamp):
        pretrain = starting(p, components, pretrain)
    return Plan(model, remedies.objective(model, size), binarise, pretrain)


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


def flow_of(kind: str, latent: int, features: int) -> nn.Module:
    """Makes two invertible transforms of noise, the second with the dimensions in reverse order, both near the identity."""
    import torch

    from ..flows import import_zuko

    flows = import_zuko().flows
    with torch.device("cpu"):  # where its masks have their numbers, also where only shapes are asked for
        if kind == "iaf":
            made = flows.MAF(latent, features, transforms=2, hidden_features=(64, 64)).transform
        else:
            made = flows.NSF(latent, features, transforms=2, passes=2, hidden_features=(64, 64)).transform
    with torch.no_grad():
        for step in made.transforms:
            for parameter in step.hyper[-1].parameters():
                parameter.mul_(0.1)
    return made


def check_flow(
    posterior: str,
    prior: str,
    latent: int,
    estimator: str,
    free_bits: float,
    training: str,
    information: float,
) -> None:
    """Refuses what takes the parameters of a posterior, or its density at other codes than its own draws."""
    if latent > FLOW:
        raise RunError(
            f"latent is {latent}, but posterior is {posterior}, which takes at most {FLOW}: use diagonal"
        )
    odd = {
        "prior": prior if prior == "vamp" else "",
        "estimator": estimator if estimator != "plain" else "",
        "free_bits": free_bits or "",
        "training": training if training != "joint" else "",
        "information": information or "",
    }
    if given := [f"{name} is {value}" for name, value in odd.items() if value]:
        raise RunError(
            f"{given[0]} and posterior {posterior}: a flow's density is known at its own draws alone; use diagonal, or "
            f"leave {next(name for name, value in odd.items() if value)} out"
        )


def starting(prior: Vamp, components: int, before: Pretrain | None) -> Pretrain:
    """Lets the pseudo-inputs start at training examples, after what prepares the other weights."""

    def start(examples: Examples, folder: Path | None, settings: Settings, progress: bool) -> None:
        if before is not None:
            before(examples, folder, settings, progress)
        prior.start(examples.subset(components, settings.seed).batch(slice(None))[0])

    return start


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
    network: Network,
    latent: int,
    shape: list[int],
    hidden: list[int],
    context: int,
    dropout: float,
    skip: bool = False,
) -> nn.Module:
    from ..nn import MLP, ConvDecoder, ResidualMLP

    if network == "mlp":
        return MLP((latent,), shape, hidden[::-1], context, skip=skip)
    if network == "residual":
        return ResidualMLP((latent,), shape, hidden[-1], len(hidden), context, dropout, skip)
    return ConvDecoder((latent,), shape, hidden, context=context, skip=skip)


def likelihood_of(
    kind: str,
    network: Network,
    shape: list[int],
    latent: int,
    hidden: list[int],
    context: int,
    scale: float,
    dropout: float,
    skip: bool = False,
    kernels: list[int] = KERNELS,
    channels: int = 16,
    is_binary: bool = False,
) -> nn.Module:
    from .. import conditionals
    from ..nn import PixelCNN

    def planes(n: int) -> nn.Module:
        return decoding(network, latent, [n, *shape[1:]], hidden, context, dropout, skip)

    if kind != "pixelcnn":
        return reading(kind, planes, shape, scale)
    needs_images(kind, shape)
    mixture = conditionals.LogisticMixture.size(shape[0], LOGISTICS)
    outputs, features = shape[0] if is_binary else mixture, latent + context
    try:
        pixels = PixelCNN(shape, outputs, features, planes(MAPS), MAPS, kernels, channels, skip)
    except ValueError as error:
        raise RunError(str(error)) from None
    return pixel_by_pixel(pixels, shape[0], is_binary)


def pixel_by_pixel(net: PixelCNN | MADE, channels: int, is_binary: bool) -> conditionals.Autoregressive:
    """Reads what a causal network says of each pixel: log-odds, or a mixture of logistics over 256 levels."""
    from .. import conditionals, distributions

    if is_binary:
        return conditionals.Autoregressive(net, lambda p: distributions.BernoulliEvent(p, 3))
    return conditionals.Autoregressive(net, lambda p: distributions.DiscretizedLogisticMixture(p, channels))


def reading(
    kind: str, planes: Callable[[int], nn.Module], shape: list[int], scale: float = 0.1
) -> conditionals.Conditional:
    """Reads a decoder as a distribution of examples; `planes` makes one of so many planes, or columns."""
    from .. import conditionals

    first, event_dim = shape[0], len(shape)
    floor = 1 / 255 if event_dim == 3 else 1e-3  # a grey level, or a thousandth of a column's spread
    if kind == "bernoulli":
        return conditionals.Bernoulli(planes(first), event_dim)
    if kind == "continuous-bernoulli":
        return conditionals.ContinuousBernoulli(planes(first), event_dim)
    if kind == "gaussian":
        return conditionals.Diagonal(planes(2 * first), event_dim, floor)
    if kind == "gaussian-fixed":
        return conditionals.FixedNormal(planes(first), scale, event_dim)
    if kind == "gaussian-shared":
        sigmas = () if event_dim == 3 else tuple(shape)
        return conditionals.SharedScale(planes(first), sigmas, event_dim, floor)
    if kind == "gaussian-optimal":
        return conditionals.OptimalScale(planes(first), event_dim)
    if kind == "categorical":
        return conditionals.Quantised(planes(256 * first), 256, event_dim)
    needs_images(kind, shape)
    return conditionals.LogisticMixture(planes(conditionals.LogisticMixture.size(first, LOGISTICS)), first)


def needs_images(kind: str, shape: list[int]) -> None:
    if len(shape) < 3:
        raise RunError(
            f"likelihood is {kind}, which is one of images: use a gaussian one for tables and vectors"
        )


def usual_likelihood(shape: list[int]) -> Literal["bernoulli", "gaussian-shared", "gaussian-optimal"]:
    """Returns what `auto` stands for."""
    if len(shape) < 3:
        return "gaussian-shared"
    return "bernoulli" if shape[0] == 1 else "gaussian-optimal"


def prior_of(kind: str, latent: int, context: int) -> nn.Module:
    import torch

    from .. import priors
    from ..conditionals import Diagonal
    from ..flows import import_zuko
    from ..nn import MLP

    if kind == "flow":
        if latent > FLOW:
            raise RunError(f"latent is {latent}, but prior is flow, which takes at most {FLOW}: use mixture")
        with torch.device("cpu"):  # its masks are made of numbers, also where only shapes are asked for
            return import_zuko().flows.NSF(latent, context, transforms=3, hidden_features=(64, 64))
    if context and kind != "normal":
        raise RunError(
            f"prior is {kind}, which does not depend on labels: for conditional choose normal or flow"
        )
    if kind == "mixture":
        return priors.Mixture(latent)
    if kind == "laplace":
        return priors.Laplace(latent)
    return Diagonal(MLP((context,), (2 * latent,), (64,))) if context else priors.Standard(latent)
