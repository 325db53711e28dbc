"""Recipes that look at all codes together: other objectives than the ELBO, of the families of Makhzani, Tolstikhin and Chen."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .catalogue import Plan, recipe
from .remedies import critic
from .vaes import (
    Binarise,
    Classes,
    Hidden,
    Latent,
    Likelihood,
    Network,
    Scale,
    Shape,
    encoding,
    likelihood_of,
    vae,
)

Weight = Annotated[
    float, Field(ge=0, le=1e6, description="what the mismatch of codes and prior costs, in nats")
]
Alpha = Annotated[
    float,
    Field(ge=0, le=1, description="share of the rate that is not charged: 1 charges the mismatch alone"),
]
Dependence = Annotated[
    float,
    Field(ge=0, le=1e4, description="what a nat of total correlation costs beyond what the rate charges"),
]


@recipe(lr=3e-4, momentum=0.5)
def adversarial_autoencoder(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 8,
    hidden: Hidden = [1000, 1000],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    weight: Weight = 50.0,
) -> Plan:
    """The adversarial autoencoder of Makhzani et al. (2015): a critic makes the codes look like draws of N(0, I)."""
    from ..objectives import Adversarial

    objective = Adversarial(critic(latent), weight)
    return Plan(point(shape, latent, hidden, network, likelihood, scale).model, objective)


@recipe(momentum=0.5)
def wasserstein_autoencoder(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 8,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    weight: Weight = 100.0,
) -> Plan:
    """The WAE-MMD of Tolstikhin et al. (2018): codes are held against draws of N(0, I) by a kernel."""
    from ..objectives import ELBO, Discrepancy

    plan = point(shape, latent, hidden, network, likelihood, scale)
    return Plan(plan.model, ELBO(beta=0.0, penalties={"mmd": Discrepancy(weight)}))


@recipe()
def info_vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    binarise: Binarise = "auto",
    alpha: Alpha = 1.0,
    weight: Weight = 100.0,
) -> Plan:
    """The InfoVAE of Zhao et al. (2019): part of the rate, and the kernel distance of all codes to the prior."""
    from ..objectives import ELBO, Discrepancy

    plan = vae(shape, classes, latent, hidden, network, likelihood=likelihood, scale=scale, binarise=binarise)
    objective = ELBO(beta=1.0 - alpha, penalties={"mmd": Discrepancy(weight)})
    return Plan(plan.model, objective, plan.binarise)


@recipe()
def beta_tc_vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 10,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    binarise: Binarise = "auto",
    weight: Dependence = 5.0,
) -> Plan:
    """The β-TC-VAE of Chen et al. (2018): dependence between the dimensions of the code costs more than the rest."""
    from ..objectives import ELBO, TotalCorrelation

    plan = vae(shape, classes, latent, hidden, network, likelihood=likelihood, scale=scale, binarise=binarise)
    objective = ELBO(penalties={"total correlation": TotalCorrelation(weight)})
    return Plan(plan.model, objective, plan.binarise)


@recipe()
def factor_vae(
    shape: Shape,
    classes: Classes = 0,
    latent: Latent = 10,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = "auto",
    scale: Scale = 0.1,
    binarise: Binarise = "auto",
    weight: Dependence = 10.0,
) -> Plan:
    """The FactorVAE of Kim and Mnih (2018): a critic tells codes from shuffled ones, and dependence costs more."""
    from ..objectives import Adversarial, shuffled

    plan = vae(shape, classes, latent, hidden, network, likelihood=likelihood, scale=scale, binarise=binarise)
    objective = Adversarial(critic(latent), weight, beta=1.0, reference=shuffled, ratio=True)
    return Plan(plan.model, objective, plan.binarise)


def point(
    shape: list[int], latent: int, hidden: list[int], network: Network, likelihood: Likelihood, scale: float
) -> Plan:
    """Makes an autoencoder whose codes have a prior to look like."""
    from .. import conditionals, priors
    from ..models.vae import VAE
    from ..objectives import ELBO

    kind = "gaussian-optimal" if likelihood == "auto" else likelihood
    model = VAE(
        posterior=conditionals.Point(encoding(network, shape, latent, hidden, 0, 0.0)),
        prior=priors.Standard(latent),
        likelihood=likelihood_of(kind, network, shape, latent, hidden, 0, scale, 0.0),
    )
    return Plan(model, ELBO())
