"""Options that several recipes take, and groups of them; each name has one meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from ..errors import RunError

__all__ = [
    "Decoder",
    "Likelihood",
    "Parts",
    "Reading",
]

LatentSize = Annotated[int, Field(ge=1, le=1 << 16, description="dimensions of the latent code z")]
Hidden = Annotated[
    list[Annotated[int, Field(ge=1, le=1 << 16)]],
    Field(
        min_length=1,
        max_length=64,
        description="widths of the hidden layers; for conv: channels of the stages",
    ),
]
Network = Annotated[
    Literal["mlp", "residual", "conv"],
    Field(
        description="mlp: fully connected; residual: fully connected residual blocks; conv: residual convolutions"
    ),
]
BlockDropout = Annotated[float, Field(ge=0, lt=1, description="residual: dropout rate in the blocks")]
PosteriorName = Annotated[
    Literal["diagonal", "full", "delta-vae", "bn-vae", "categorical", "iaf", "nsf"],
    Field(
        description="q(z|x): Normal with diagonal or full covariance; delta-vae: a least rate of --delta nats per dimension; "
        "bn-vae: batch-normalised means of standard deviation --gamma; categorical: one-hot groups of categories; iaf, nsf: "
        "inverse autoregressive or neural spline flow (zuko)"
    ),
]
PriorName = Annotated[
    Literal["auto", "normal", "laplace", "mixture", "flow", "vamp", "uniform"],
    Field(
        description="p(z): N(0, I), Laplace, learned mixture of Normals, learned flow (zuko), vamp: VampPrior, a mixture of "
        "posteriors of pseudo-inputs, or uniform over categories; auto: uniform for categorical, else normal"
    ),
]
LikelihoodName = Annotated[
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
        description="likelihood p(x|z); gaussian: σ from the decoder; gaussian-fixed: σ = --scale; gaussian-shared: learned σ; "
        "gaussian-optimal: σ-VAE, the best σ of the batch; categorical: over 256 levels; pixelcnn: autoregressive over pixels; "
        "auto: bernoulli for grey images, gaussian-optimal for colour, gaussian-shared for tables"
    ),
]
Scale = Annotated[
    float, Field(gt=0, le=1e6, description="gaussian-fixed: standard deviation σ of the likelihood")
]
BinariseChoice = Annotated[
    Literal["auto", "none", "static", "dynamic"],
    Field(
        description="binarisation of grey levels; dynamic: resampled at every pass; auto: dynamic for bernoulli, else none"
    ),
]
OnLabels = Annotated[
    bool, Field(description="condition prior, posterior and likelihood on the labels, as in CVAE")
]
PseudoInputs = Annotated[int, Field(ge=1, le=1 << 16, description="VampPrior: number of pseudo-inputs")]
Skip = Annotated[
    bool, Field(description="skip connections from z to every layer of the decoder, as in skip-VAE")
]
Kernels = Annotated[
    list[Annotated[int, Field(ge=1, le=255)]],
    Field(
        min_length=1,
        max_length=64,
        description="pixelcnn: odd kernel size k of each layer; the receptive field is 1 + sum(k - 1) pixels wide",
    ),
]
PixelChannels = Annotated[int, Field(ge=1, le=1 << 12, description="pixelcnn: channels of each layer")]
LeastDelta = Annotated[
    float,
    Field(gt=0, le=10, description="delta-vae: δ, least rate in nats per dimension of the δ-VAE posterior"),
]
Gamma = Annotated[
    float,
    Field(gt=0, lt=10, description="bn-vae: γ, standard deviation of the means over a batch, as in BN-VAE"),
]
CategoriesNumber = Annotated[
    int, Field(ge=2, le=1 << 12, description="categorical: number of categories K of each latent variable")
]
Temperature = Annotated[
    float,
    Field(
        gt=0, le=100, description="categorical: temperature τ of the Gumbel-softmax relaxation in training"
    ),
]
Kappa = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["learned"],
    Field(description="concentration κ of q(z|x): learned, a function of x above 1 on each sphere; or fixed"),
]
Gibbs = Annotated[int, Field(ge=1, le=1000, description="Gibbs steps k of contrastive divergence (CD-k)")]
Persistent = Annotated[
    int,
    Field(
        ge=0,
        le=1 << 16,
        description="chains of persistent contrastive divergence (PCD); 0 starts chains at the data (CD)",
    ),
]
BetaWeight = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["linear", "cosine", "logistic", "cyclical"],
    Field(description="weight β of the KL term (rate): a number, or an annealing schedule from 0 to 1"),
]
Warmup = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="length of the annealing schedule: a share of the run up to 1, else a number of steps",
    ),
]
ImportanceSamples = Annotated[
    int,
    Field(
        ge=1,
        le=10000,
        description="importance samples k of z per example; more than 1 trains the bound of the IWAE",
    ),
]
FreeNatsFloor = Annotated[
    float, Field(ge=0, le=1e6, description="free nats: KL of the whole code, in nats, that is not penalised")
]
FreeBitsFloor = Annotated[
    float, Field(ge=0, le=1e6, description="free bits λ: KL per dimension, in nats, that is not penalised")
]
RateCapacity = Annotated[
    float | None,
    Field(
        ge=0,
        description="capacity C: KL in nats at which the code is held; rises over --warmup (Burgess et al., 2018)",
    ),
]
LeastRate = Annotated[
    float | None, Field(gt=0, description="target rate: least KL in nats, kept by a Lagrange multiplier")
]


@dataclass(frozen=True)
class Likelihood:
    """Holds the likelihood p(x|z)."""

    likelihood: LikelihoodName = "auto"
    scale: Scale = 0.1


@dataclass(frozen=True)
class Reading:
    """Holds the likelihood p(x|z), and how grey levels are binarised."""

    likelihood: LikelihoodName = "auto"
    scale: Scale = 0.1
    binarise: BinariseChoice = "auto"


@dataclass(frozen=True)
class Decoder:
    """Holds the parts of a decoder beside its layers: skip connections from z, and a PixelCNN."""

    skip: Skip = False
    kernels: Kernels = field(default_factory=lambda: [7, 3, 3, 3])
    channels: PixelChannels = 16


def check_floor(posterior: str, prior: str) -> None:
    """Refuses a posterior that keeps its distance from N(0, I) where another prior could follow it.

    Raises:
        RunError: If it could.
    """
    if posterior in ("delta-vae", "bn-vae") and prior != "normal":
        raise RunError(
            f"posterior is {posterior} and prior {prior}: its least rate is one from N(0, I), and another prior can come closer; "
            "use --prior normal, or --posterior diagonal with --free-nats"
        )


@dataclass(frozen=True)
class Parts:
    """Holds the posterior and the prior of a VAE.

    Raises:
        RunError: If they do not go together.
    """

    posterior: PosteriorName = "diagonal"
    prior: PriorName = "auto"
    conditional: OnLabels = False
    components: PseudoInputs = 500
    categories: CategoriesNumber = 10
    temperature: Temperature = 0.5
    delta: LeastDelta = 0.1
    gamma: Gamma = 0.6

    def __post_init__(self) -> None:
        if self.prior == "vamp" and self.posterior == "bn-vae":
            raise RunError(
                "prior is vamp and posterior bn-vae, but pseudo-inputs are no batch of examples: use --posterior diagonal"
            )
        check_floor(self.posterior, self.chosen_prior)
        if self.is_categorical != (self.chosen_prior == "uniform"):
            raise RunError(
                f"posterior is {self.posterior} and prior {self.chosen_prior}: categorical and uniform go together"
            )

    @property
    def is_categorical(self) -> bool:
        return self.posterior == "categorical"

    @property
    def is_flow(self) -> bool:
        return self.posterior in ("iaf", "nsf")

    @property
    def chosen_prior(self) -> str:
        """The prior, or what `auto` stands for."""
        if self.prior != "auto":
            return self.prior
        return "uniform" if self.is_categorical else "normal"
