"""Recipes of deep nets that are trained layer by layer first."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from ..settings import Settings
from .catalogue import Plan, recipe
from .vaes import Classes, Hidden, Latent, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..data.examples import Examples
    from ..models.stacks import Ways
    from ..nn import MLP
    from ..trace import Model
    from ..training.layerwise import Layer

Activation = Annotated[Literal["sigmoid", "relu"], Field(description="activation of the hidden layers")]
Likelihood = Annotated[
    Literal["auto", "bernoulli", "gaussian"],
    Field(
        description="p(x|z); auto: bernoulli on the grey levels of images, gaussian for tables and vectors"
    ),
]
Pretrain = Annotated[
    Literal["rbm", "denoising", "none"],
    Field(
        description="how the layers are trained one by one first: as restricted Boltzmann machines, or as denoising "
        "autoencoders"
    ),
]
Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False, description="passes over the data for each layer")]
Gibbs = Annotated[int, Field(ge=1, le=1000, description="Gibbs steps of contrastive divergence")]
Persistent = Annotated[
    int,
    Field(
        ge=0, le=1 << 16, description="chains of persistent contrastive divergence; 0 starts them at the data"
    ),
]
Masked = Annotated[
    float, Field(ge=0, lt=1, description="share of the inputs that denoising autoencoders do not see")
]

BATCH = 100
DECAY = 2e-4  # of the weights of a Boltzmann machine


@recipe(steps=12000, lr_warmup=500)
def deep_autoencoder(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 30,
    hidden: Hidden = [1000, 500, 250],  # noqa: B006
    activation: Activation = "sigmoid",
    likelihood: Likelihood = "auto",
    pretrain: Pretrain = "rbm",
    pretrain_epochs: Epochs = 20,
    gibbs: Gibbs = 1,
    persistent: Persistent = 0,
    masked: Masked = 0.25,
) -> Plan:
    """The deep autoencoder of Hinton and Salakhutdinov (2006), pretrained layer by layer and fine-tuned."""
    from torch import nn

    from .. import conditionals, priors
    from ..models.stacks import unroll
    from ..models.vae import VAE
    from ..nn import MLP
    from ..objectives import ELBO
    from ..training.layerwise import train_layers

    if activation == "relu" and pretrain != "none":
        raise RunError(
            f"activation is relu and pretrain {pretrain}, but the layers that are trained one by one are logistic: "
            "choose --activation sigmoid, or --pretrain none"
        )
    gaussian = likelihood == "gaussian" or (likelihood == "auto" and len(shape) < 3)
    unit = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}[activation]
    encoder = MLP(shape, (latent,), hidden, activation=unit)
    decoder = MLP((latent,), shape, hidden[::-1], activation=unit)
    for net in (encoder, decoder):
        start(net, activation)
    scales = () if len(shape) == 3 else tuple(shape)
    model = VAE(
        posterior=conditionals.Point(encoder),
        prior=priors.Flat(latent),
        likelihood=conditionals.SharedScale(decoder, scales, len(shape))
        if gaussian
        else conditionals.Bernoulli(decoder, len(shape)),
    )

    def layer_by_layer(examples: Examples, folder: Path | None, run: Settings, progress: bool) -> None:
        steps = max(1, round(pretrain_epochs * max(1, len(examples) // BATCH)))
        settings = layer_settings(run, steps)
        layers = []
        for number, (below, (width,)) in enumerate(pairwise([shape, *([n] for n in (*hidden, latent))])):
            real, linear = gaussian and number == 0, number == len(hidden)
            if pretrain == "rbm":
                layers.append(boltzmann(below, width, real, linear, gibbs, persistent, settings))
            else:
                layers.append(denoiser(below, width, real, linear, masked, settings))
        trained = train_layers(layers, examples, folder, progress)
        unroll([ways_of(layer) for layer in trained], encoder, decoder)

    return Plan(model, ELBO(), pretrain=None if pretrain == "none" else layer_by_layer)


def start(net: MLP, activation: Activation) -> None:
    """Draws weights that keep the size of a gradient: by Glorot and Bengio (2010), or by He et al. (2015) for ReLU."""
    from torch import nn

    from ..models.stacks import affine_layers

    for layer in affine_layers(net):
        if layer is affine_layers(net)[-1]:
            nn.init.xavier_uniform_(layer.weight)
        elif activation == "sigmoid":
            nn.init.xavier_uniform_(layer.weight, gain=4)  # the slope of a logistic unit is a quarter at most
        else:
            nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)


def layer_settings(run: Settings, steps: int) -> Settings:
    """Returns how a layer is trained: on the run's machine, with a tenth of its steps to warm up."""
    kept = ("seed", "device", "threads", "log_every", "checkpoint_every", "track")
    return replace(
        Settings(steps=steps, batch=BATCH, lr_warmup=steps // 10),
        **{name: getattr(run, name) for name in kept},
    )


def boltzmann(
    shape: Sequence[int], width: int, real: bool, linear: bool, gibbs: int, chains: int, settings: Settings
) -> Layer:
    """Makes a layer a restricted Boltzmann machine, trained by contrastive divergence."""
    from ..models.boltzmann import RBM, BernoulliUnits, GaussianUnits
    from ..objectives.contrastive import ContrastiveDivergence
    from ..training.layerwise import Layer

    units = {False: BernoulliUnits(), True: GaussianUnits()}
    return Layer(
        lambda: RBM(shape, width, units[real], units[linear]),
        lambda: ContrastiveDivergence(gibbs, chains or None, DECAY, sampled=False),
        replace(settings, optimizer="sgd", momentum=0.9, lr=0.01 if real or linear else 0.1),
    )


def denoiser(
    shape: Sequence[int], width: int, real: bool, linear: bool, masked: float, settings: Settings
) -> Layer:
    """Makes a layer a denoising autoencoder."""
    from torch import nn

    from .. import conditionals, priors
    from ..corruptions import Masking
    from ..models.vae import VAE
    from ..nn import MLP
    from ..objectives import ELBO
    from ..training.layerwise import Layer

    def model() -> VAE:
        down = MLP((width,), shape, ())
        return VAE(
            posterior=conditionals.Point(MLP(shape, (width,), (), last=None if linear else nn.Sigmoid)),
            prior=priors.Flat(width),
            likelihood=conditionals.FixedNormal(down, 1.0, len(shape))
            if real
            else conditionals.Bernoulli(down, len(shape)),
        )

    return Layer(model, lambda: ELBO(corrupt=Masking(masked)), settings)


def ways_of(model: Model) -> Ways:
    """Returns the ways up and down of a trained layer."""
    from ..models.boltzmann import RBM
    from ..models.stacks import Affine, Ways, affine_layers
    from ..models.vae import VAE
    from ..nn import MLP

    if isinstance(model, RBM):
        return Ways(
            up=Affine(model.weight.T, model.hidden_bias), down=Affine(model.weight, model.visible_bias)
        )
    assert isinstance(model, VAE)
    encoder, decoder = model.posterior.net, model.likelihood.net
    assert isinstance(encoder, MLP) and isinstance(decoder, MLP)
    (up,), (down,) = affine_layers(encoder), affine_layers(decoder)
    return Ways(Affine(up.weight, up.bias), Affine(down.weight, down.bias))
