r"""Priors :math:`p(z)`, or :math:`p(z | y)`: conditionals of a context that may be empty.

The lecture's prior is `Standard`, :math:`\mathcal{N}(0, I)`. Any lazy distribution is a prior too:
`zuko.flows.NSF(20)` works as it is, and so does :class:`~latente.conditionals.Diagonal` over a network of
:math:`y`. Where :math:`\mathrm{KL}(q \,\|\, p)` has a closed form it is used; for mixtures and flows it is
estimated by the sample that the pass drew.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor, distributions, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from . import distributions as own

__all__ = ["Flat", "Laplace", "Mixture", "Standard", "import_zuko"]


class Standard(nn.Module):
    r"""The standard Normal :math:`\mathcal{N}(0, I)`.

    Example:
        >>> Standard(3)().sample((5,)).shape
        torch.Size([5, 3])
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(features), persistent=False)
        self.register_buffer("scale", torch.ones(features), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.StandardNormal:
        return own.StandardNormal(self.loc, self.scale)


class Flat(nn.Module):
    """The flat measure of a plain autoencoder: it adds nothing to the loss and cannot be sampled."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, y: Tensor | None = None) -> own.Flat:
        return own.Flat((self.features,))


class Laplace(nn.Module):
    r"""Independent Laplace distributions, :math:`-\log p(z) = \sum_j |z_j| / b + \log 2 b`: an L1 price on codes."""

    loc: Tensor
    scale: Tensor

    def __init__(self, features: int, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(features), persistent=False)
        self.register_buffer("scale", torch.full((features,), float(scale)), persistent=False)

    def forward(self, y: Tensor | None = None) -> Independent:
        base = distributions.Laplace(self.loc, self.scale, validate_args=False)
        return Independent(base, 1, validate_args=False)


class Mixture(nn.Module):
    r"""A learned mixture of diagonal Normals, :math:`p(z) = \sum_k \pi_k \mathcal{N}(z | m_k, \mathrm{diag}(s_k^2))`.

    Arguments:
        features: The dimension of :math:`z`.
        components: The number of Normals; their means start as draws from :math:`\mathcal{N}(0, I)`.
    """

    def __init__(self, features: int, components: int = 10) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, features))
        self.log_scale = nn.Parameter(torch.zeros(components, features))

    def forward(self, y: Tensor | None = None) -> Distribution:
        normals = Independent(
            Normal(self.loc, self.log_scale.exp(), validate_args=False), 1, validate_args=False
        )
        weights = Categorical(logits=self.logits, validate_args=False)
        return MixtureSameFamily(weights, normals, validate_args=False)


def import_zuko() -> ModuleType:
    """Imports `zuko`, and gives PyTorch's distributions their validation back, which importing it switches off.

    Raises:
        ImportError: If `zuko` is not installed.
    """
    before = Distribution._validate_args, Distribution.arg_constraints
    try:
        zuko = importlib.import_module("zuko")
        for family in vars(zuko.distributions).values():  # which declare no constraints to validate
            if isinstance(family, type) and family.__module__ == zuko.distributions.__name__:
                family._validate_args = False  # type: ignore[attr-defined]
        return zuko
    except ImportError as error:
        raise ImportError("flow priors need zuko: pip install 'latente[flows]'") from error
    finally:
        Distribution._validate_args, Distribution.arg_constraints = before  # type: ignore[method-assign]
