"""Recipes of deep nets that are trained layer by layer first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from ..settings import Settings
from .about import About
from .catalogue import Plan, recipe
from .options import Gibbs, LatentSize, Persistent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..data.examples import Examples
    from ..models.stacks import Ways
    from ..nn import MLP
    from ..trace import Model
    from ..training.layerwise import Layer

Widths = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(min_length=1, max_length=64, description="widths of the hidden layers"),
]
Activation = Annotated[Literal["sigmoid", "relu"], Field(description="activation of the hidden layers")]
StackLikelihood = Annotated[
    Literal["auto", "bernoulli", "gaussian"],
    Field(
        description="likelihood p(x|z); auto: bernoulli on the grey levels of images, gaussian for tables and vectors"
    ),
]
Pretraining = Annotated[
    Literal["rbm", "denoising", "none"],
    Field(
        description="greedy layer-wise pretraining: as restricted Boltzmann machines, as denoising autoencoders, or none"
    ),
]
LayerEpochs = Annotated[
    float | None,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="pretraining epochs per layer; by default as many as make 10,000 steps",
    ),
]
MaskedShare = Annotated[
    float, Field(ge=0, lt=1, description="denoising: share ν of the inputs that is masked")
]

BATCH, STEPS = 100, 10_000  # of a layer
DECAY = 2e-4  # of the weights of a Boltzmann machine

__all__ = ["Layerwise", "deep_autoencoder"]


@dataclass(frozen=True)
class Layerwise:
    """Holds the greedy layer-wise pretraining."""

    pretrain: Pretraining = "rbm"
    pretrain_epochs: LayerEpochs = None
    gibbs: Gibbs = 1
    persistent: Persistent = 0
    masked: MaskedShare = 0.25

    def steps(self, examples: int) -> int:
        """Returns the steps of a layer."""
        epochs = self.pretrain_epochs
        return STEPS if epochs is None else max(1, round(epochs * examples / BATCH))

    def layer(self, shape: Sequence[int], width: int, real: bool, linear: bool, settings: Settings) -> Layer:
        """Makes a layer; `real` and `linear` say what is below it, and what it is itself."""
        if self.pretrain == "rbm":
            return boltzmann(shape, width, real, linear, self.gibbs, self.persistent, settings)
        return denoiser(shape, width, real, linear, self.masked, settings)


@recipe(steps=12000, lr=2e-3, lr_warmup=500)
def deep_autoencoder(
    about: About,
    latent: LatentSize = 30,
    hidden: Widths = [1000, 500, 250],  # noqa: B006
    activation: Activation = "sigmoid",
    likelihood: StackLikelihood = "auto",
    layerwise: Layerwise = Layerwise(),
) -> Plan:
    """The deep autoencoder of Hinton and Salakhutdinov (2006), pretrained layer by layer and fine-tuned."""
    from torch import nn

    from .. import conditionals, priors
    from ..models.stacks import unroll
    from ..models.vae import VAE
    from ..nn import MLP
    from ..objectives import ELBO
    from ..training.layerwise import train_layers

    shape = about.shape
    if activation == "relu" and layerwise.pretrain != "none":
        raise RunError(
            f"activation is relu and pretrain {layerwise.pretrain}, but the layers that are trained one by one are logistic: "
            "choose --activation sigmoid, or --pretrain none"
        )
    gaussian = likelihood == "gaussian" or (likelihood == "auto" and len(shape) < 3)
    unit = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}[activation]
    encoder = started(MLP(shape, (latent,), hidden, activation=unit))
    decoder = started(MLP((latent,), shape, hidden[::-1], activation=unit))
    scales = () if len(shape) == 3 else tuple(shape)
    model = VAE(
        posterior=conditionals.Point(encoder),
        prior=priors.Flat(latent),
        likelihood=conditionals.SharedScale(decoder, scales, len(shape))
        if gaussian
        else conditionals.Bernoulli(decoder, len(shape)),
    )

    def layer_by_layer(examples: Examples, folder: Path | None, run: Settings, progress: bool) -> None:
        settings = layer_settings(run, layerwise.steps(len(examples)))
        layers = []
        for number, (below, (width,)) in enumerate(pairwise([shape, *([n] for n in (*hidden, latent))])):
            real, linear = gaussian and number == 0, number == len(hidden)
            layers.append(layerwise.layer(below, width, real, linear, settings))
        trained = train_layers(layers, examples, folder, progress)
        unroll([ways_of(layer) for layer in trained], encoder, decoder)

    return Plan(model, ELBO(), pretrain=None if layerwise.pretrain == "none" else layer_by_layer)


def started(net: MLP) -> MLP:
    """Draws weights that keep the size of a gradient: by Glorot and Bengio (2010), or by He et al. (2015) for ReLU."""
    from torch import nn

    for layer, above in zip_longest(net.layers, net.layers[1:]):
        if not isinstance(layer, nn.Linear):
            continue
        if isinstance(above, nn.ReLU):
            nn.init.kaiming_normal_(layer.weight)
        else:  # the slope of a logistic unit is a quarter at most
            nn.init.xavier_uniform_(layer.weight, 4.0 if isinstance(above, nn.Sigmoid) else 1.0)
        nn.init.zeros_(layer.bias)
    return net


def layer_settings(run: Settings, steps: int) -> Settings:
    """Returns how a layer is trained: on the machine and with the logs of its run, a tenth of the steps to warm up."""
    machine = ("seed", "device", "threads", "precision", "micro_batches")
    kept = {name: getattr(run, name) for name in (*machine, "log_every", "checkpoint_every", "track")}
    return Settings(steps=steps, batch=BATCH, lr_warmup=steps // 10, **kept)


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
        encoder = started(MLP(shape, (width,), (), last=None if linear else nn.Sigmoid))
        decoder = started(MLP((width,), shape, ()))
        return VAE(
            posterior=conditionals.Point(encoder),
            prior=priors.Flat(width),
            likelihood=conditionals.FixedNormal(decoder, 1.0, len(shape))
            if real
            else conditionals.Bernoulli(decoder, len(shape)),
        )

    return Layer(model, lambda: ELBO(corrupt=Masking(masked)), replace(settings, lr=3e-3))


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
