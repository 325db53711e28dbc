r"""Fitting a prior to the codes of a model that stays as it is.

With posterior and likelihood held still the distortion is a constant, and the best prior is the one of the least rate:

.. math:: \mathbb{E}_x \, \mathrm{KL}(q(z | x) \,\|\, p(z)) = I_q(x; z) + \mathrm{KL}(q(z) \,\|\, p(z)) .

The first part is a constant too, so the prior that is found is the one nearest to the aggregate posterior
:math:`q(z) = \mathbb{E}_x \, q(z | x)`, and each nat of rate saved is a nat of the ELBO won. A plain autoencoder, whose posterior
is a point :math:`f(x)`, has no such bound: its rate is :math:`-\log p(f(x))`, and the least of it is the greatest likelihood of
the codes. No decoder is needed for either.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.vae import VAE
from ..schedules import Clock
from ..trace import Latent, Model, kl, rsample
from .base import Objective, Term

__all__ = ["FitPrior"]


class FitPrior(Objective):
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
        if not isinstance(model, VAE):
            raise ValueError(f"a prior is fitted to the codes of a VAE, and this is a {type(model).__name__}")
        model.posterior.eval()  # what is frozen drops no units
        with torch.no_grad():
            q = model.posterior(x)
            z = rsample(q)
        return {"rate/z": Term(kl(Latent(z, model.prior(None), q)))}
