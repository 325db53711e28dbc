"""Recipes whose codes are directions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .remedies import Beta, Capacity, Draws, FreeNats, Rate, Remedies, Warmup
from .vaes import (
    KERNELS,
    Binarise,
    Channels,
    Classes,
    Hidden,
    Kernels,
    Likelihood,
    Network,
    Scale,
    Shape,
    Skip,
    encoding,
    vae,
)

Ambient = Annotated[
    int,
    Field(ge=2, le=1 << 16, description="dimensions of the space around each sphere, one more than its own"),
]
Spheres = Annotated[int, Field(ge=1, le=1 << 16, description="number of spheres; z has a direction on each")]
Family = Annotated[Literal["von-mises-fisher", "power-spherical"], Field(description="family of q(z|x)")]
Kappa = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["learned"],
    Field(description="concentration of q(z|x): learned from x on each sphere, above 1, or one number"),
]


def refuse_targets(kappa: float | None, **targets: float | None) -> None:
    """Refuses targets for a rate that does not move.

    Raises:
        RunError: If one is given beside a fixed concentration.
    """
    for name, nats in targets.items():
        if kappa is not None and nats:
            raise RunError(
                f"{name} is {nats} and kappa {kappa}: at a fixed concentration the rate is a constant; leave one out"
            )


@recipe()
def spherical_vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Ambient = 11,
    spheres: Spheres = 1,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    family: Family = "von-mises-fisher",
    kappa: Kappa = "learned",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    binarise: Binarise = "auto",
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    draws: Draws = 1,
    skip: Skip = False,
    kernels: Kernels = KERNELS,
    channels: Channels = 16,
    free_nats: FreeNats = 0.0,
    capacity: Capacity = None,
    rate: Rate = None,
) -> Plan:
    """The spherical VAE of Davidson et al. (2018): codes are directions on one sphere or several, uniform a priori."""
    from .. import conditionals, distributions, priors
    from ..models.vae import VAE

    plan = vae(
        shape,
        classes,
        spheres * latent,
        hidden,
        network,
        likelihood=likelihood,
        scale=scale,
        binarise=binarise,
        skip=skip,
        kernels=kernels,
        channels=channels,
    )
    families: dict[str, type[distributions.Zonal]] = {
        "von-mises-fisher": distributions.VonMisesFisher,
        "power-spherical": distributions.PowerSpherical,
    }
    fixed = None if kappa == "learned" else float(kappa)
    refuse_targets(fixed, rate=rate, capacity=capacity, free_nats=free_nats)
    outputs = spheres * (latent + (fixed is None))
    model = plan.model
    assert isinstance(model, VAE)
    model.posterior = conditionals.Spherical(
        encoding(network, shape, outputs, hidden, 0, 0.0), families[family], spheres, fixed
    )
    model.prior = priors.UniformSphere(latent, spheres)
    remedies = Remedies(beta, warmup, draws, free_nats=free_nats, capacity=capacity, rate=rate)
    return Plan(model, remedies.objective(model), plan.binarise)
