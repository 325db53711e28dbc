"""Recipes that match the aggregate posterior: objectives of the families of Makhzani, Tolstikhin and Chen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .about import About
from .catalogue import Plan, recipe
from .options import Hidden, LatentSize, Likelihood, Network, Reading
from .parts import Networks, encoding, likelihood_of
from .remedies import critic
from .vaes import vae

if TYPE_CHECKING:
    from ..models import VAE

__all__ = [
    "adversarial_autoencoder",
    "beta_tc_vae",
    "factor_vae",
    "info_vae",
    "wasserstein_autoencoder",
]

MismatchWeight = Annotated[
    float, Field(ge=0, le=1e6, description="weight λ of the divergence between aggregate posterior and prior")
]
Uncharged = Annotated[
    float,
    Field(ge=0, le=1, description="α of InfoVAE: 1 - α is the weight of the KL term; 1 leaves the MMD alone"),
]
DependenceWeight = Annotated[
    float,
    Field(
        ge=0,
        le=1e4,
        description="weight of the total correlation beyond the ELBO: β - 1 in β-TC-VAE, γ in FactorVAE",
    ),
]


@recipe(lr=3e-4, momentum=0.5)
def adversarial_autoencoder(
    about: About,
    latent: LatentSize = 8,
    hidden: Hidden = [1000, 1000],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = Likelihood(),
    weight: MismatchWeight = 50.0,
) -> Plan:
    """The adversarial autoencoder of Makhzani et al. (2015): a critic matches the aggregate posterior to N(0, I)."""
    from ..objectives import Adversarial

    objective = Adversarial(critic(latent), weight)
    return Plan(point(about, latent, Networks(network, hidden), likelihood), objective)


@recipe(momentum=0.5)
def wasserstein_autoencoder(
    about: About,
    latent: LatentSize = 8,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    likelihood: Likelihood = Likelihood(),
    weight: MismatchWeight = 100.0,
) -> Plan:
    """The WAE-MMD of Tolstikhin et al. (2018): the aggregate posterior matches N(0, I) by MMD."""
    from ..objectives import ELBO, Discrepancy

    model = point(about, latent, Networks(network, hidden), likelihood)
    return Plan(model, ELBO(beta=0.0, penalties={"mmd": Discrepancy(weight)}))


@recipe()
def info_vae(
    about: About,
    latent: LatentSize = 20,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    reading: Reading = Reading(),
    alpha: Uncharged = 1.0,
    weight: MismatchWeight = 100.0,
) -> Plan:
    """The InfoVAE of Zhao et al. (2019): the ELBO with part of its KL replaced by the MMD of codes and prior."""
    from ..objectives import ELBO, Discrepancy

    plan = vae(about, latent, hidden, network, reading=reading)
    objective = ELBO(beta=1.0 - alpha, penalties={"mmd": Discrepancy(weight)})
    return Plan(plan.model, objective, plan.binarise)


@recipe()
def beta_tc_vae(
    about: About,
    latent: LatentSize = 10,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    reading: Reading = Reading(),
    weight: DependenceWeight = 5.0,
) -> Plan:
    """The β-TC-VAE of Chen et al. (2018): the total correlation of the code has a weight of its own."""
    from ..objectives import ELBO, TotalCorrelation

    plan = vae(about, latent, hidden, network, reading=reading)
    objective = ELBO(penalties={"total correlation": TotalCorrelation(weight)})
    return Plan(plan.model, objective, plan.binarise)


@recipe()
def factor_vae(
    about: About,
    latent: LatentSize = 10,
    hidden: Hidden = [400],  # noqa: B006
    network: Network = "mlp",
    reading: Reading = Reading(),
    weight: DependenceWeight = 10.0,
) -> Plan:
    """The FactorVAE of Kim and Mnih (2018): the total correlation of the code, by a critic, is penalised."""
    from ..objectives import Adversarial, shuffled

    plan = vae(about, latent, hidden, network, reading=reading)
    objective = Adversarial(critic(latent), weight, beta=1.0, reference=shuffled, ratio=True)
    return Plan(plan.model, objective, plan.binarise)


def point(about: About, latent: int, nets: Networks, likelihood: Likelihood) -> VAE:
    """Makes an autoencoder with a prior for its codes to match."""
    from .. import conditionals, priors
    from ..models.vae import VAE

    kind = "gaussian-optimal" if likelihood.likelihood == "auto" else likelihood.likelihood
    return VAE(
        posterior=conditionals.Point(encoding(nets, about.shape, latent)),
        prior=priors.Standard(latent),
        likelihood=likelihood_of(kind, nets, latent, about.shape, likelihood.scale),
    )
