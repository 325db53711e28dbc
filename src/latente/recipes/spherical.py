"""Recipes whose codes are directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .options import (
    BetaWeight,
    Decoder,
    FreeNatsFloor,
    Hidden,
    ImportanceSamples,
    Kappa,
    LeastRate,
    Network,
    RateCapacity,
    Reading,
    Warmup,
)
from .parts import Networks, encoding
from .remedies import Remedies
from .vaes import vae

__all__ = ["Sphere", "SphericalRemedies", "spherical_vae"]

Ambient = Annotated[
    int,
    Field(ge=2, le=1 << 16, description="ambient dimensions m of each sphere, one more than its own"),
]
SpheresNumber = Annotated[
    int,
    Field(ge=1, le=1 << 16, description="number of spheres; z has a direction on each (product of spheres)"),
]
ZonalFamily = Annotated[
    Literal["von-mises-fisher", "power-spherical"], Field(description="family of the posterior q(z|x)")
]


def refuse_targets(kappa: float | None, **targets: float | None) -> None:
    """Refuses targets for a KL that is constant.

    Raises:
        RunError: If one is given beside a fixed concentration.
    """
    for name, nats in targets.items():
        if kappa is not None and nats:
            raise RunError(
                f"{name} is {nats} and kappa {kappa}: at a fixed concentration the KL is a constant; leave one out"
            )


@dataclass(frozen=True)
class Sphere:
    """Holds the number of spheres, and the family and concentration of the posterior."""

    spheres: SpheresNumber = 1
    family: ZonalFamily = "von-mises-fisher"
    kappa: Kappa = "learned"

    @property
    def concentration(self) -> float | None:
        """The fixed concentration; None where it is learned."""
        return None if self.kappa == "learned" else float(self.kappa)


@dataclass(frozen=True)
class SphericalRemedies:
    """Holds those remedies that codes on a sphere may take."""

    beta: BetaWeight = 1.0
    warmup: Warmup = 0.25
    k: ImportanceSamples = 1
    free_nats: FreeNatsFloor = 0.0
    capacity: RateCapacity = None
    rate: LeastRate = None

    def __post_init__(self) -> None:
        self.remedies()  # which refuse what excludes each other

    def remedies(self) -> Remedies:
        return Remedies(**vars(self))


@recipe()
def spherical_vae(
    about: About,
    latent: Ambient = 11,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    sphere: Sphere = Sphere(),
    reading: Reading = Reading(),
    decoder: Decoder = Decoder(),
    remedies: SphericalRemedies = SphericalRemedies(),
) -> Plan:
    """The spherical VAE of Davidson et al. (2018): codes are directions on one sphere or several, uniform a priori."""
    from .. import conditionals, distributions, priors
    from ..models.vae import VAE

    spheres, fixed = sphere.spheres, sphere.concentration
    plan = vae(about, spheres * latent, hidden, network, reading=reading, decoder=decoder)
    families: dict[str, type[distributions.Zonal]] = {
        "von-mises-fisher": distributions.VonMisesFisher,
        "power-spherical": distributions.PowerSpherical,
    }
    refuse_targets(fixed, rate=remedies.rate, capacity=remedies.capacity, free_nats=remedies.free_nats)
    outputs = spheres * (latent + (fixed is None))
    model = plan.model
    assert isinstance(model, VAE)
    model.posterior = conditionals.Spherical(
        encoding(Networks(network, hidden), about.shape, outputs), families[sphere.family], spheres, fixed
    )
    model.prior = priors.UniformSphere(latent, spheres)
    return Plan(model, remedies.remedies().objective(model), plan.binarise)
