"""Groups of options of an objective, those against posterior collapse among them, and the objective they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..errors import RunError
from .options import (
    BetaWeight,
    FreeBitsFloor,
    FreeNatsFloor,
    ImportanceSamples,
    LeastRate,
    RateCapacity,
    Warmup,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from ..data.examples import Examples
    from ..models.vae import VAE
    from ..objectives import ELBO, Objective
    from ..schedules import Schedule
    from ..settings import Settings

    Pretrain = Callable[[Examples, Path | None, Settings, bool], None]

__all__ = ["USUAL", "Annealing", "Remedies", "critic"]

Estimator = Annotated[
    Literal["plain", "stl", "dreg"],
    Field(
        description="gradient estimator of the IWAE bound: plain, sticking the landing, or doubly reparameterised (DReG)"
    ),
]
LargestDistortion = Annotated[
    float | None,
    Field(
        allow_inf_nan=False,
        description="target distortion: largest distortion D in nats, reached at the least rate (GECO)",
    ),
]
InformationWeight = Annotated[
    float,
    Field(
        ge=0,
        le=1e3,
        description="weight of the mutual information I(x; z) within the batch, which is maximised",
    ),
]
Training = Annotated[
    Literal["joint", "aggressive", "semi-amortised"],
    Field(
        description="training of the encoder: joint with the decoder; aggressive, ahead of it (He et al., 2019); or "
        "semi-amortised, refined by gradient steps (SA-VAE)"
    ),
]
EncoderSteps = Annotated[
    int,
    Field(
        ge=0,
        description="steps of pretraining the encoder as an autoencoder's (Li et al., 2019); the decoder is then reset",
    ),
]
Mmd = Annotated[
    float,
    Field(ge=0, le=1e6, description="weight of the MMD between aggregate posterior and prior, as in InfoVAE"),
]
CodeCritic = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="weight of an adversarial loss on the codes, as in AAE; usually with --beta 0",
    ),
]

FLOORS = ("free_bits", "free_nats")
LEARNED = ("mixture", "flow", "vamp")

USUAL: tuple[dict[str, Any], ...] = (  # changes to try where no finding names one
    {"training": "aggressive"},
    {"posterior": "bn-vae"},
    {"skip": True},
    {"rate": 5.0},
    {"free_bits": 0.25},
    {"beta": "cyclical"},
)


@dataclass(frozen=True)
class Remedies:
    """Holds the options of an objective; the defaults are the plain ELBO.

    Raises:
        RunError: If two options exclude each other.
    """

    beta: BetaWeight = 1.0
    warmup: Warmup = 0.25
    k: ImportanceSamples = 1
    estimator: Estimator = "plain"
    free_nats: FreeNatsFloor = 0.0
    free_bits: FreeBitsFloor = 0.0
    capacity: RateCapacity = None
    rate: LeastRate = None
    distortion: LargestDistortion = None
    information: InformationWeight = 0.0
    training: Training = "joint"
    encoder_steps: EncoderSteps = 0
    mmd: Mmd = 0.0
    adversary: CodeCritic = 0.0

    def __post_init__(self) -> None:
        self.check_rate()
        if self.k > 1:
            odd = [*self.weights_given, *self.given(*FLOORS, "information", "mmd", "adversary")]
            odd += ["training"] if self.training == "semi-amortised" else []
            self.refuse(odd, f"k {self.k}: the IWAE bound has no rate to weigh")
        elif self.adversary:
            odd = [n for n in self.weights_given if n != "beta"]
            odd += self.given(*FLOORS, "information", "mmd")
            odd += ["training"] if self.training != "joint" else []
            what = f"adversary {self.adversary}: the critic's objective weighs the rate by beta alone"
            self.refuse(odd, what)
        if self.k == 1 and self.estimator != "plain":
            raise RunError(
                f"estimator is {self.estimator} and k 1: it is a gradient of the IWAE bound; give --k 8, or so"
            )

    @property
    def weights_given(self) -> list[str]:
        """The options given that set the weight of the rate."""
        return (["beta"] if self.beta != 1.0 else []) + self.given("capacity", "rate", "distortion")

    def given(self, *names: str) -> list[str]:
        """Returns those options that are neither missing nor 0."""
        return [n for n in names if getattr(self, n)]

    def refuse(self, odd: list[str], what: str) -> None:
        if odd:
            raise RunError(f"{odd[0]} is {getattr(self, odd[0])} and {what}; leave one of them out")

    def check_rate(self) -> None:
        """Refuses two weights of the rate, and two floors."""
        if len(self.weights_given) > 1:
            raise RunError(
                f"{' and '.join(self.weights_given)} each set the weight of the rate: give one of them, and leave the others out"
            )
        if self.free_bits and self.free_nats:
            raise RunError(
                f"free_bits is {self.free_bits} and free_nats {self.free_nats}: give the floor by dimension or for the "
                "whole code, not both"
            )

    def check_prior(self, prior: str) -> None:
        """Refuses options that a learned prior excludes.

        Raises:
            RunError: If an option does not go together with the prior.
        """
        if self.beta == 0.0 and prior in LEARNED:
            raise RunError(
                f"beta is 0 and prior {prior}: a learned prior is trained by the KL term; leave one out"
            )
        if self.free_bits and prior in LEARNED:
            raise RunError(
                f"free bits by dimension need a prior that is independent over dimensions, and prior is {prior}: give the "
                "whole code a floor, --free-nats, or leave one out"
            )

    def objective(self, model: VAE, latent: int = 0) -> Objective:
        """Makes the objective, for codes of some dimensions."""
        from ..objectives import IWAE, Adversarial, Aggressive, SemiAmortised

        if self.adversary:
            return Adversarial(critic(latent), self.adversary, self.weight())
        if self.k > 1:
            objective: Objective = IWAE(self.k, {"plain": None, "stl": 1, "dreg": 2}[self.estimator])
            return objective if self.training == "joint" else Aggressive(objective, model.posterior)
        elbo = self.elbo()
        if self.training == "semi-amortised":
            return SemiAmortised(elbo)
        return elbo if self.training == "joint" else Aggressive(elbo, model.posterior)

    def pretrain(self, model: VAE) -> Pretrain | None:
        """Returns the preparation of the fresh weights; None where there is none."""
        if not self.encoder_steps:
            return None

        def start(examples: Examples, folder: Path | None, settings: Settings, progress: bool) -> None:
            from ..training import train_encoder_first

            parts = (model.likelihood, model.prior)
            train_encoder_first(model, parts, examples, self.encoder_steps, settings, folder, progress)

        return start

    def elbo(self) -> ELBO:
        from .. import divergences, objectives, schedules
        from ..trace import kl

        weight: float | Schedule | objectives.Controller
        if self.capacity is not None:
            weight = objectives.Capacity(schedules.linear(self.length, end=self.capacity))
        elif self.rate is not None:
            weight = objectives.RateTarget(self.rate)
        elif self.distortion is not None:
            weight = objectives.DistortionTarget(self.distortion)
        else:
            weight = self.weight()
        penalties: dict[str, objectives.Penalty] = {}
        if self.information:
            penalties["information"] = objectives.Information(-self.information)
        if self.mmd:
            penalties["mmd"] = objectives.Discrepancy(self.mmd)
        return objectives.ELBO(
            weight,
            divergence=divergences.FreeBits(self.free_bits, by_dimension=True) if self.free_bits else kl,
            penalties=penalties,
            free_nats=self.free_nats,
        )

    @property
    def length(self) -> int | float:
        return self.warmup if self.warmup <= 1 else int(self.warmup)

    def weight(self) -> float | Schedule:
        """Returns the weight β of the rate, where no controller sets it."""
        from .. import schedules

        if not isinstance(self.beta, str):
            return self.beta
        length = self.length
        half = length / 2 if isinstance(length, float) else length // 2
        named: dict[str, Schedule] = {
            "linear": schedules.linear(length),
            "cosine": schedules.cosine(length),
            "logistic": schedules.logistic(half),
            "cyclical": schedules.cyclical(),
        }
        return named[self.beta]


@dataclass(frozen=True)
class Annealing:
    """Holds KL annealing and free bits: those remedies that any latent group may take."""

    beta: BetaWeight = 1.0
    warmup: Warmup = 0.25
    free_nats: FreeNatsFloor = 0.0
    free_bits: FreeBitsFloor = 0.0

    def __post_init__(self) -> None:
        self.remedies()  # which refuse what excludes each other

    def remedies(self) -> Remedies:
        return Remedies(**vars(self))

    def elbo(self) -> ELBO:
        return self.remedies().elbo()


def critic(latent: int) -> nn.Module:
    """Makes a critic that discriminates codes from draws of the prior."""
    from torch import nn

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]

    return nn.Sequential(*block(latent, 256), *block(256, 256), nn.Linear(256, 1))
