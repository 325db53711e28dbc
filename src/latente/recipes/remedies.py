"""Options against posterior collapse, which any VAE recipe may take, and the objective they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError

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
Estimator = Annotated[
    Literal["plain", "stl", "dreg"],
    Field(description="gradient of the IWAE bound: plain, sticking the landing, or doubly reparameterised"),
]
FreeNats = Annotated[
    float, Field(ge=0, le=1e6, description="nats of the rate that are free, of the whole code")
]
FreeBits = Annotated[
    float, Field(ge=0, le=1e6, description="nats of the rate that are free, of each dimension")
]
Capacity = Annotated[
    float | None, Field(ge=0, description="nats at which the rate is held; the capacity rises over --warmup")
]
Rate = Annotated[float | None, Field(gt=0, description="least rate in nats, kept by a multiplier")]
Distortion = Annotated[
    float | None,
    Field(allow_inf_nan=False, description="largest distortion in nats, reached at the least rate"),
]
Information = Annotated[
    float, Field(ge=0, le=1e3, description="reward of a nat of mutual information within the batch")
]
Mmd = Annotated[
    float,
    Field(ge=0, le=1e6, description="what the kernel distance of all codes to the prior costs, in nats"),
]
Adversary = Annotated[
    float,
    Field(ge=0, le=1e6, description="what codes cost that a critic tells from the prior; see also --beta 0"),
]
Training = Annotated[
    Literal["joint", "aggressive", "semi-amortised"],
    Field(
        description="how the encoder is trained: with the decoder, ahead of it, or refined by gradient steps"
    ),
]
EncoderSteps = Annotated[
    int,
    Field(
        ge=0,
        description="steps for which the encoder is first trained as an autoencoder's; the decoder then starts anew",
    ),
]


FLOORS = ("free_bits", "free_nats")
LEARNED = ("mixture", "flow", "vamp")


@dataclass(frozen=True)
class Remedies:
    """Holds the options of an objective; the defaults are the plain ELBO."""

    beta: float | str = 1.0
    warmup: float = 0.25
    draws: int = 1
    estimator: str = "plain"
    free_nats: float = 0.0
    free_bits: float = 0.0
    capacity: float | None = None
    rate: float | None = None
    distortion: float | None = None
    information: float = 0.0
    training: str = "joint"
    encoder_steps: int = 0
    mmd: float = 0.0
    adversary: float = 0.0
    prior: str = "normal"

    def objective(self, model: VAE, latent: int = 0) -> Objective:
        """Makes the objective, for codes of some dimensions.

        Raises:
            RunError: If two options exclude each other.
        """
        from ..objectives import IWAE, Adversarial, Aggressive, SemiAmortised

        self.check()
        if self.adversary:
            return Adversarial(critic(latent), self.adversary, self.weight())
        if self.draws > 1:
            objective: Objective = IWAE(self.draws, {"plain": None, "stl": 1, "dreg": 2}[self.estimator])
            return objective if self.training == "joint" else Aggressive(objective, model.posterior)
        elbo = self.elbo()
        if self.training == "semi-amortised":
            return SemiAmortised(elbo)
        return elbo if self.training == "joint" else Aggressive(elbo, model.posterior)

    def pretrain(self, model: VAE) -> Pretrain | None:
        """Returns what prepares the fresh weights; None where nothing does."""
        if not self.encoder_steps:
            return None

        def start(examples: Examples, folder: Path | None, settings: Settings, progress: bool) -> None:
            from ..training import train_encoder_first

            train_encoder_first(model, examples, self.encoder_steps, settings, folder, progress)

        return start

    def check(self) -> None:
        ways = {
            "beta": self.beta != 1.0,
            "capacity": self.capacity,
            "rate": self.rate,
            "distortion": self.distortion,
        }
        given = [name for name, value in ways.items() if value not in (None, False)]
        if len(given) > 1:
            raise RunError(
                f"{' and '.join(given)} each set the weight of the rate: give one of them, and leave the others out"
            )
        if self.beta == 0.0 and self.prior in LEARNED:
            raise RunError(
                f"beta is 0 and prior {self.prior}: a prior is learned from the rate that codes are charged; leave one out"
            )
        if self.free_bits and self.prior in LEARNED:
            raise RunError(
                f"free bits by dimension need a prior that is independent over dimensions, and prior is {self.prior}: give the "
                "whole code a floor, --free-nats, or leave one out"
            )
        if self.training == "aggressive" and self.prior == "flow":
            raise RunError(
                "training is aggressive and prior flow: the information that ends it takes a prior whose mean and variance are "
                "known; use --prior mixture, or leave one of them out"
            )
        if self.free_bits and self.free_nats:
            raise RunError(
                f"free_bits is {self.free_bits} and free_nats {self.free_nats}: give the floor by dimension or for the "
                "whole code, not both"
            )
        if self.draws > 1:
            odd = given + [n for n in (*FLOORS, "information", "mmd", "adversary") if getattr(self, n)]
            odd += ["training"] if self.training == "semi-amortised" else []
            if odd:
                raise RunError(
                    f"{odd[0]} is {getattr(self, odd[0])} and draws {self.draws}: the IWAE bound has no rate to weigh; "
                    "leave one of them out"
                )
        elif self.adversary:
            odd = [n for n in given if n != "beta"]
            odd += [n for n in (*FLOORS, "information", "mmd") if getattr(self, n)]
            odd += ["training"] if self.training != "joint" else []
            if odd:
                raise RunError(
                    f"{odd[0]} is {getattr(self, odd[0])} and adversary {self.adversary}: the critic's objective weighs the "
                    "rate by beta alone; leave one of them out"
                )
        if self.draws == 1 and self.estimator != "plain":
            raise RunError(
                f"estimator is {self.estimator} and draws 1: it is a gradient of the IWAE bound; give --draws 8, or so"
            )

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
        floor = self.free_bits or self.free_nats
        prices: dict[str, objectives.Penalty] = {}
        if self.information:
            prices["information"] = objectives.Information(-self.information)
        if self.mmd:
            prices["mmd"] = objectives.Discrepancy(self.mmd)
        return objectives.ELBO(
            weight,
            divergence=divergences.FreeBits(floor, by_dimension=bool(self.free_bits)) if floor else kl,
            penalties=prices,
        )

    @property
    def length(self) -> int | float:
        return self.warmup if self.warmup <= 1 else int(self.warmup)

    def weight(self) -> float | Schedule:
        """Returns the weight of the rate, where no controller sets it."""
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


def critic(latent: int) -> nn.Module:
    """Makes what tells codes from draws of the prior."""
    from torch import nn

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]

    return nn.Sequential(*block(latent, 256), *block(256, 256), nn.Linear(256, 1))
