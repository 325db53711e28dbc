"""Priors fitted to the codes of a trained network, wherever these lie."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import AffineTransform, MultivariateNormal, TransformedDistribution

from .. import distributions as own

__all__ = ["Energy", "FlowMatching", "Standardised"]


class Standardised(nn.Module):
    r"""A prior of :math:`u = (z - m) / s`, as one of :math:`z`: codes of a frozen network have any place and scale.

    Arguments:
        prior: The prior of :math:`u`.
        features: The dimension of :math:`z`.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, prior: nn.Module, features: int) -> None:
        super().__init__()
        self.prior = prior
        self.register_buffer("loc", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, y: Tensor | None = None) -> TransformedDistribution:
        affine = AffineTransform(self.loc, self.scale, event_dim=1)
        return TransformedDistribution(self.prior(y), [affine], validate_args=False)

    @torch.no_grad()
    def fit(self, z: Tensor) -> Tensor:
        """Takes mean and standard deviation of codes, with shape :math:`(N, d)`, and returns them standardised."""
        self.loc.copy_(z.mean(0))
        spread = z.std(0)
        self.scale.copy_(torch.where(spread > 1e-6 * z.abs().amax(0), spread, 1.0))
        return self.standardise(z)

    def standardise(self, z: Tensor) -> Tensor:
        return (z - self.loc) / self.scale


class FlowMatching(nn.Module):
    r"""The density that a velocity field makes of :math:`\mathcal{N}(0, I)`: see :mod:`latente.distributions.probability_flow`.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2023)
        | https://arxiv.org/abs/2210.02747

    Arguments:
        velocity: The field :math:`v(z, t)`.
        features: The dimension of :math:`z`.

    Example:
        >>> from latente.nn import VelocityNet
        >>> FlowMatching(VelocityNet(3), 3)().sample((5,)).shape
        torch.Size([5, 3])
    """

    zero: Tensor

    def __init__(self, velocity: nn.Module, features: int) -> None:
        super().__init__()
        self.velocity = velocity
        self.register_buffer("zero", torch.zeros(features), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.ProbabilityFlow:
        return own.ProbabilityFlow(self.velocity, self.zero)


class Energy(nn.Module):
    r"""A Normal with full covariance, times the odds of a classifier: see :mod:`latente.distributions.reweighted`.

    References:
        | A Contrastive Learning Approach for Training Variational Autoencoder Priors (Aneja et al., 2021)
        | https://arxiv.org/abs/2010.02917

    Arguments:
        odds: A network from :math:`z` to the log-odds :math:`h(z)`, with shape :math:`(*, 1)`.
        features: The dimension of :math:`z`.
        ridge: The ridge, which is added to the diagonal of the covariance.

    Attributes:
        log_z: The estimate of :math:`\log Z` that the last :meth:`refresh` made; `se` is its standard error, and `ess` the
            effective number of the draws behind it.

    Example:
        >>> p = Energy(nn.Linear(2, 1), 2)
        >>> p.fit(torch.randn(100, 2))
        >>> p.refresh()
        >>> p().sample((5,)).shape
        torch.Size([5, 2])
    """

    loc: Tensor
    scale_tril: Tensor
    log_z: Tensor
    se: Tensor
    ess: Tensor

    def __init__(self, odds: nn.Module, features: int, ridge: float = 1e-3) -> None:
        super().__init__()
        self.odds, self.ridge = odds, ridge
        self.register_buffer("loc", torch.zeros(features))
        self.register_buffer("scale_tril", torch.eye(features))
        self.register_buffer("log_z", torch.zeros(()))
        self.register_buffer("se", torch.zeros(()))
        self.register_buffer("ess", torch.full((), torch.inf))

    def forward(self, y: Tensor | None = None) -> own.Reweighted:
        base = MultivariateNormal(self.loc, scale_tril=self.scale_tril, validate_args=False)
        return own.Reweighted(base, lambda z: self.odds(z).squeeze(-1), self.log_z, se=self.se, ess=self.ess)

    @torch.no_grad()
    def fit(self, z: Tensor) -> None:
        """Takes mean and covariance of codes, with shape :math:`(N, d)`, for those of the Normal."""
        covariance = torch.atleast_2d(z.double().T.cov())
        covariance = covariance + self.ridge * torch.eye(len(covariance), device=z.device)
        self.loc.copy_(z.mean(0))
        self.scale_tril.copy_(torch.linalg.cholesky(covariance))

    @torch.no_grad()
    def refresh(self, draws: int = 1 << 15) -> None:
        r"""Estimates :math:`\log Z` of the odds as they are now."""
        for known, found in zip((self.log_z, self.se, self.ess), self().partition(draws)):
            known.copy_(found)
