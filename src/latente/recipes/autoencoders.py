"""Recipes of autoencoders: a point mass for q(z|x), and what keeps it from learning to copy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .vaes import (
    Classes,
    Dropout,
    Hidden,
    Latent,
    Likelihood,
    Network,
    Scale,
    Shape,
    encoding,
    likelihood_of,
    objective_of,
)

if TYPE_CHECKING:
    from torch import nn

    from ..corruptions import Gaussian, Masking, SaltAndPepper
    from ..models import VAE
    from ..objectives.penalties import Penalty

Layers = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(
        max_length=64,
        description="widths of the hidden layers, '' for none; channels of the stages for conv",
    ),
]
Overcomplete = Annotated[
    Annotated[int, Field(ge=1, le=1 << 16)] | None,
    Field(description="dimensions of z; by default twice those of x, at most 2048"),
]
Code = Annotated[Literal["linear", "sigmoid"], Field(description="last activation of the encoder")]
Contraction = Annotated[
    float, Field(ge=0, allow_inf_nan=False, description="what a unit of the squared norm of dz/dx costs, in nats")
]
Way = Annotated[
    Literal["auto", "closed-form", "exact", "hutchinson"],
    Field(
        description="how the norm is found; auto: closed-form for one sigmoid layer, exact for up to 8 codes, "
        "else hutchinson"
    ),
]
Probes = Annotated[int, Field(ge=1, le=1 << 10, description="random probes an example, of hutchinson")]
Noise = Annotated[
    Literal["gaussian", "masking", "salt-and-pepper"], Field(description="how what is encoded is corrupted")
]
Amount = Annotated[
    float,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="sigma of gaussian, in units of the data; share of corrupted values of the others",
    ),
]
Kind = Annotated[
    Literal["l1", "kl", "top-k"],
    Field(
        description="l1: Laplace prior and soft thresholds; kl: sigmoid codes of a given mean; top-k: the largest are kept"
    ),
]
Active = Annotated[
    float,
    Field(gt=0, lt=1, description="share of the code that is active: the target of kl, what top-k keeps"),
]
Price = Annotated[
    Annotated[float, Field(gt=0, le=1e6)] | None,
    Field(description="what a unit of |z| (l1: 1 by default) or a nat of the divergence (kl: 10) costs, in nats"),
]

EXACT = 8  # dimensions of z: so many backward passes take as long as some four steps without a penalty
WIDEST = 2048  # codes of a sparse autoencoder where nothing is said
SPREAD = 2.0  # standard deviations of a table's column, for salt and pepper


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


@recipe()
def denoising(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    noise: Noise = "gaussian",
    amount: Amount = 0.3,
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    dropout: Dropout = 0.0,
) -> Plan:
    """The denoising autoencoder of Vincent et al. (2008): it encodes corrupted data and is scored on the clean."""
    from ..objectives import ELBO

    plain = autoencoder(shape, classes, latent, hidden, network, likelihood, scale, dropout)
    return Plan(plain.model, ELBO(corrupt=corruption_of(noise, amount, len(shape) == 3)))


@recipe()
def contractive(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 20,
    hidden: Layers = [400],  # noqa: B006
    network: Network = "mlp",
    code: Code = "linear",
    weight: Contraction = 0.3,
    way: Way = "auto",
    probes: Probes = 1,
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    dropout: Dropout = 0.0,
) -> Plan:
    """The contractive autoencoder of Rifai et al. (2011): codes that move little when the data does.

    Codes that are small for a decoder that is large would have a small Jacobian for nothing. Rifai et al. tie the decoder's
    weights to the encoder's; here the columns of every layer of the decoder stay within the unit ball, which serves
    convolutions too, and reconstructs better (`benchmarks/contractive.py`). Their model is `--hidden '' --code sigmoid`.
    """
    from ..nn import SigmoidCode
    from ..objectives import ELBO

    check_layers(network, hidden)
    encoder = encoding(network, shape, latent, hidden, 0, dropout)
    model = bounded(
        SigmoidCode(encoder) if code == "sigmoid" else encoder,
        likelihood, network, shape, latent, hidden, scale, dropout,
    )
    layer = next(iter(encoder.layers)) if code == "sigmoid" and network == "mlp" and not hidden else None
    return Plan(model, ELBO(penalties={"contraction": contraction_of(way, weight, probes, latent, layer)}))


@recipe()
def sparse(
    shape: Shape,
    classes: Classes = 0,
    latent: Overcomplete = None,
    hidden: Layers = [],  # noqa: B006
    network: Network = "mlp",
    kind: Kind = "l1",
    active: Active = 0.05,
    price: Price = None,
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    dropout: Dropout = 0.0,
) -> Plan:
    """The sparse autoencoder: more codes than data has dimensions, few of them active at a time.

    A code that is small for a decoder that is large would be cheap, and not sparse: the columns of every layer of the decoder
    stay within the unit ball. Without hidden layers it is a dictionary, x = D z, whose atoms can be looked at.
    """
    from ..nn import SigmoidCode, SoftThreshold, TopK
    from ..objectives import ELBO
    from ..objectives.penalties import Sparsity
    from ..priors import Laplace

    check_layers(network, hidden)
    latent = min(2 * math.prod(shape), WIDEST) if latent is None else latent
    encoder = encoding(network, shape, latent, hidden, 0, dropout)
    ...
