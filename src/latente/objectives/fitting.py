r"""Fitting a prior to the codes of a frozen model.

With posterior and likelihood held still the distortion is a constant, and the best prior is the one of the least rate:

.. math:: \mathbb{E}_x \, \mathrm{KL}(q(z | x) \,\|\, p(z)) = I_q(x; z) + \mathrm{KL}(q(z) \,\|\, p(z)) .

The first part is a constant too, so the prior that is found is the one nearest to the aggregate posterior
:math:`q(z) = \mathbb{E}_x \, q(z | x)`, and each nat of rate saved is a nat of the ELBO won. A plain autoencoder, whose posterior
is a point :math:`f(x)`, has no such bound: its rate is :math:`-\log p(f(x))`, and the least of it is the greatest likelihood of
the codes. No decoder is needed for either.

Two priors are fitted by another loss than their likelihood, to standardised codes :math:`u`.

*Flow matching* draws a time and noise :math:`\varepsilon \sim \mathcal{N}(0, I)`, and regresses the direction of the
straight line between them, :math:`\| v(u_t, t) - (u - \varepsilon) \|^2` at :math:`u_t = (1 - t) \varepsilon + t u`. Times are
uniform, and spread evenly over the batch from a random start, which leaves less to chance than independent ones. Weights need
no moving average here: the learning rate falls to almost nothing at the end.

*Noise contrast* discriminates codes from as many draws of a Normal by logistic regression; :math:`2 \log 2` nats is chance. In
validation the normaliser is estimated again, so it belongs to the weights that are kept, and the rate is reported too.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

from ..models.vae import VAE
from ..priors import Energy, FlowMatching, Standardised
from ..schedules import Clock
from ..trace import Latent, Model, kl, rsample
from .base import Objective, Term

__all__ = ["FitOdds", "FitPrior", "FitVelocity"]


class OfCodes(Objective, abc.ABC):
    """Trains the prior of codes that another run trained, whose weight of the rate counts. Abstract: `terms` is to be defined."""

    def betas(self, logged: Sequence[float], base: tuple[float, float]) -> tuple[float, float]:
        return base


def codes_of(model: Model, x: Tensor) -> tuple[VAE, Distribution, Tensor]:
    """Returns the model, the posterior of its examples, and a draw of it; frozen networks have no dropout."""
    if not isinstance(model, VAE):
        raise ValueError(f"a prior is fitted to the codes of a VAE, and this is a {type(model).__name__}")
    model.posterior.eval()
    with torch.no_grad():
        q = model.posterior(x)
        return model, q, rsample(q)


class FitPrior(OfCodes):
    r"""Minimises :math:`\mathbb{E}_x \, \mathrm{KL}(q(z | x) \,\|\, p(z))` over the prior of a model that is frozen otherwise.

    References:
        | ELBO surgery: yet another way to carve up the variational evidence lower bound (Hoffman and Johnson, 2016)
        | http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
        | From Variational to Deterministic Autoencoders (Ghosh et al., 2020)
        | https://arxiv.org/abs/1903.12436

    Raises:
        ValueError: On the first batch, if the model is no :class:`~latente.models.VAE`.

    Example:
        >>> from latente.conditionals import Point
        >>> from latente.priors import Standard
        >>> model = VAE(Point(torch.nn.Flatten()), Standard(2), torch.nn.Identity())
        >>> FitPrior().terms(model, torch.zeros(1, 2), None, Clock(0, 1))["rate/z"].value  # log 2π
        tensor([1.8379])
    """

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        vae, q, z = codes_of(model, x)
        return {"rate/z": Term(kl(Latent(z, vae.prior(None), q)))}


class FitVelocity(OfCodes):
    r"""Minimises :math:`\mathbb{E}_{t, \varepsilon} \| v(u_t, t) - (u - \varepsilon) \|^2` over the velocity field of a prior.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2023)
        | https://arxiv.org/abs/2210.02747

    Raises:
        ValueError: On the first batch, if the prior of the model is not a standardised
            :class:`~latente.priors.FlowMatching`.
    """

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        vae, _, z = codes_of(model, x)
        outer = vae.prior
        if not isinstance(outer, Standardised) or not isinstance(outer.prior, FlowMatching):
            raise ValueError("flow matching fits Standardised(FlowMatching(...)): give the model that prior")
        u = outer.standardise(z)
        noise, start = torch.randn_like(u), torch.rand((), dtype=u.dtype, device=u.device)
        t = ((start + torch.arange(len(u), dtype=u.dtype, device=u.device) / len(u)) % 1).unsqueeze(1)
        v = outer.prior.velocity(torch.lerp(noise, u, t), t)
        return {"velocity/z": Term((v - (u - noise)).square().sum(1))}


class FitOdds(OfCodes):
    r"""Minimises :math:`\log(1 + e^{-h(u)}) + \log(1 + e^{h(u')})` over the odds of a prior, with :math:`u' \sim p_0`.

    References:
        | A Contrastive Learning Approach for Training Variational Autoencoder Priors (Aneja et al., 2021)
        | https://arxiv.org/abs/2010.02917

    Raises:
        ValueError: On the first batch, if the prior of the model is not a standardised :class:`~latente.priors.Energy`.
    """

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        vae, q, z = codes_of(model, x)
        outer = vae.prior
        if not isinstance(outer, Standardised) or not isinstance(outer.prior, Energy):
            raise ValueError("noise contrast fits Standardised(Energy(...)): give the model that prior")
        p = outer.prior()
        u = outer.standardise(z)
        terms = {
            "odds/z": Term(F.softplus(-p.log_odds(u)) + F.softplus(p.log_odds(p.base.sample((len(u),)))))
        }
        if not model.training:
            outer.prior.refresh()
            terms["rate/z"] = Term(kl(Latent(z, outer(None), q)), monitor=True)
        return terms
