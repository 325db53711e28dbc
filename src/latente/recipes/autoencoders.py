"""Recipes of autoencoders: a point mass for q(z|x), and the means that keep it from learning to copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .options import BlockDropout, Hidden, LatentSize, Network, Scale
from .parts import Networks, encoding, likelihood_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from ..corruptions import Gaussian, Masking, SaltAndPepper
    from ..models import VAE
    from ..objectives import Penalty

Layers = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(
        max_length=64,
        description="widths of the hidden layers, '' for none; for conv: channels of the stages",
    ),
]
Overcomplete = Annotated[
    Annotated[int, Field(ge=1, le=1 << 16)] | None,
    Field(description="dimensions of z (overcomplete); by default twice those of x, at most 2048"),
]
DecodedLikelihood = Annotated[
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
        description="likelihood p(x|z); auto: gaussian-fixed for sparse, else gaussian-optimal: the squared error either way"
    ),
]
EncoderActivation = Annotated[
    Literal["linear", "sigmoid"], Field(description="activation of the code, the encoder's last layer")
]
Contraction = Annotated[
    float,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="weight of the contractive penalty, the squared Frobenius norm of the Jacobian dz/dx: λ",
    ),
]
NormWay = Annotated[
    Literal["auto", "closed-form", "exact", "hutchinson"],
    Field(
        description="how the Jacobian's norm is computed: closed-form, exact, or estimated (hutchinson); auto: closed-form for "
        "one sigmoid layer, exact for up to 8 codes, else hutchinson"
    ),
]
Probes = Annotated[int, Field(ge=1, le=1 << 10, description="hutchinson: random probes per example")]
InputNoise = Annotated[
    Literal["gaussian", "masking", "salt-and-pepper"], Field(description="corruption of the input")
]
Amount = Annotated[
    float,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="gaussian: standard deviation σ of the noise, in units of the data; others: share ν of corrupted values",
    ),
]
SparsityKind = Annotated[
    Literal["l1", "kl", "top-k"],
    Field(
        description="sparsity: l1, Laplace prior and soft thresholds; kl, sigmoid codes of mean activation ρ; top-k, the largest "
        "are kept"
    ),
]
ActiveShare = Annotated[
    float,
    Field(gt=0, lt=1, description="share of active codes: the target ρ of kl, k/d of top-k"),
]
SparsityWeight = Annotated[
    float,
    Field(
        gt=0,
        le=1e6,
        description="weight of the sparsity penalty: λ of λ|z| (l1), β of the KL divergence (kl)",
    ),
]

EXACT_UP_TO = 8  # dimensions of z: so many backward passes take as long as some four steps without a penalty
MOST_CODES = 2048  # codes of a sparse autoencoder by default
COLUMN_RANGE = 2.0  # standard deviations of a table's column, for salt and pepper

__all__ = ["Decoded", "autoencoder", "contractive", "denoising", "sparse"]


@dataclass(frozen=True)
class Decoded:
    """Holds the decoder of an autoencoder."""

    likelihood: DecodedLikelihood = "auto"
    scale: Scale = 0.1
    dropout: BlockDropout = 0.0

    def after(
        self, nets: Networks, latent: int, shape: Sequence[int], usual: str = "gaussian-optimal"
    ) -> nn.Module:
        """Makes p(x|z); `usual` is what `auto` stands for."""
        kind = usual if self.likelihood == "auto" else self.likelihood
        return likelihood_of(kind, nets, latent, shape, self.scale)


@recipe()
def autoencoder(
    about: About,
    latent: LatentSize = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    decoded: Decoded = Decoded(),
) -> Plan:
    """The plain autoencoder: a point mass for q(z|x) and a flat prior, so nothing can be drawn from it yet."""
    from .. import conditionals, priors
    from ..models.vae import VAE
    from ..objectives import ELBO

    nets = Networks(network, hidden, dropout=decoded.dropout)
    model = VAE(
        posterior=conditionals.Point(encoding(nets, about.shape, latent)),
        prior=priors.Flat(latent),
        likelihood=decoded.after(nets, latent, about.shape),
    )
    return Plan(model, ELBO())


@recipe()
def denoising(
    about: About,
    latent: LatentSize = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    noise: InputNoise = "gaussian",
    amount: Amount = 0.3,
    decoded: Decoded = Decoded(),
) -> Plan:
    """The denoising autoencoder of Vincent et al. (2008): it encodes corrupted data and is scored on the clean."""
    from ..objectives import ELBO

    plain = autoencoder(about, latent, hidden, network, decoded)
    return Plan(plain.model, ELBO(corrupt=corruption_of(noise, amount, len(about.shape) == 3)))


@recipe()
def contractive(
    about: About,
    latent: LatentSize = 20,
    hidden: Layers = [400],  # noqa: B006
    network: Network = "mlp",
    code: EncoderActivation = "linear",
    weight: Contraction = 0.3,
    way: NormWay = "auto",
    probes: Probes = 1,
    decoded: Decoded = Decoded(),
) -> Plan:
    """The contractive autoencoder of Rifai et al. (2011): codes that move little when the data does.

    Codes that are small for a decoder that is large would have a small Jacobian at no loss. Rifai et al. tie the decoder's
    weights to the encoder's; here the columns of every layer of the decoder stay within the unit ball, which serves
    convolutions too, and reconstructs better (`benchmarks/contractive.py`). Their model is `--hidden '' --code sigmoid`.
    """
    from torch import nn

    from .. import priors
    from ..nn import SigmoidCode
    from ..objectives import ELBO

    check_layers(network, hidden)
    nets = Networks(network, hidden, dropout=decoded.dropout)
    likely = decoded.after(nets, latent, about.shape)
    encoder = encoding(nets, about.shape, latent)
    is_one = network == "mlp" and not hidden and code == "sigmoid"
    layer = next(m for m in encoder.modules() if isinstance(m, nn.Linear)) if is_one else None
    model = bounded_autoencoder(
        SigmoidCode(encoder) if code == "sigmoid" else encoder, priors.Flat(latent), likely
    )
    return Plan(model, ELBO(penalties={"contraction": contraction_of(way, weight, probes, latent, layer)}))


@recipe()
def sparse(
    about: About,
    latent: Overcomplete = None,
    hidden: Layers = [],  # noqa: B006
    network: Network = "mlp",
    kind: SparsityKind = "l1",
    weight: SparsityWeight = 20.0,
    active: ActiveShare = 0.05,
    decoded: Decoded = Decoded(),
) -> Plan:
    """The sparse autoencoder: more codes than the data has dimensions, and few of them active at a time.

    Codes that are small for a decoder that is large would be cheap and no sparser, so the columns of every layer of the decoder
    stay within the unit ball. Without hidden layers it is a dictionary, x = D z, whose atoms can be looked at. The weight of a
    penalty has a meaning against a known noise only: sigma is fixed, for an overcomplete code would drive it to nothing.
    """
    from ..nn import SigmoidCode, SoftThreshold, TopK
    from ..objectives import ELBO, Sparsity
    from ..priors import Flat, Laplace

    check_layers(network, hidden)
    shape, nets = about.shape, Networks(network, hidden, dropout=decoded.dropout)
    codes = min(2 * math.prod(shape), MOST_CODES) if latent is None else latent
    encoder = encoding(nets, shape, codes)
    likely = decoded.after(nets, codes, shape, "gaussian-fixed")
    if kind == "l1":  # the Laplace prior of scale 1/2 has -log p(z) = 2 |z|, without a constant
        model = bounded_autoencoder(SoftThreshold(encoder, codes), Laplace(codes, 0.5), likely)
        return Plan(model, ELBO(weight / 2))
    if kind == "kl":
        model = bounded_autoencoder(SigmoidCode(encoder, active), Flat(codes), likely)
        return Plan(model, ELBO(penalties={"sparsity": Sparsity(weight, active)}))
    return Plan(
        bounded_autoencoder(TopK(encoder, max(1, round(active * codes))), Flat(codes), likely), ELBO()
    )


def bounded_autoencoder(encoder: nn.Module, prior: nn.Module, likelihood: nn.Module) -> VAE:
    """Makes an autoencoder whose decoder cannot make up for small codes."""
    from ..conditionals import Point
    from ..models.vae import VAE
    from ..nn import bound_columns

    bound_columns(likelihood)
    return VAE(Point(encoder), prior, likelihood)


def check_layers(network: Network, hidden: list[int]) -> None:
    if not hidden and network != "mlp":
        raise RunError(
            f"hidden is empty, and network {network} has a layer at least: name its widths, or use mlp"
        )


def contraction_of(way: NormWay, weight: float, probes: int, latent: int, layer: nn.Linear | None) -> Penalty:
    """Penalises the encoder's Jacobian; `layer` is the encoder, where it is one layer under a sigmoid."""
    from ..objectives import Hutchinson, Jacobian, SigmoidJacobian

    if way == "closed-form" and layer is None:
        raise RunError(
            "way is closed-form, which there is for one sigmoid layer only: choose --hidden '' --code sigmoid, "
            "or another way"
        )
    if layer is not None and way in ("auto", "closed-form"):
        return SigmoidJacobian(weight, layer)
    if way == "exact" or (way == "auto" and latent <= EXACT_UP_TO):
        return Jacobian(weight)
    return Hutchinson(weight, probes)


def corruption_of(noise: InputNoise, amount: float, is_image: bool) -> Gaussian | Masking | SaltAndPepper:
    from .. import corruptions

    if noise == "gaussian":
        return corruptions.Gaussian(amount)
    if amount > 1:
        raise RunError(
            f"amount is {amount}, but {noise} corrupts a share of the values: give a number up to 1"
        )
    if noise == "masking":
        return corruptions.Masking(amount)
    low, high = (0.0, 1.0) if is_image else (-COLUMN_RANGE, COLUMN_RANGE)
    return corruptions.SaltAndPepper(amount, low, high)
