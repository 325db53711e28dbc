"""Priors without parameters to learn."""

from __future__ import annotations

import torch
from torch import Tensor, distributions, nn
from torch.distributions import Independent

from .. import distributions as own

__all__ = ["Categories", "Flat", "Laplace", "Standard", "UniformSphere"]


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


class UniformSphere(nn.Module):
    r"""The uniform distribution on a sphere in :math:`\mathbb{R}^m`, or on several.

    Arguments:
        features: The dimension :math:`m` of the space around each sphere.
        spheres: Their number :math:`g`; a draw has :math:`g m` entries.

    Example:
        >>> UniformSphere(3, spheres=2)().sample((5,)).shape
        torch.Size([5, 6])
    """

    center: Tensor

    def __init__(self, features: int, spheres: int = 1) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(spheres, features), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.Spheres:
        return own.Spheres(own.UniformSphere(self.center))


class Flat(nn.Module):
    """The flat measure of a plain autoencoder: it adds nothing to the loss and cannot be sampled."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, y: Tensor | None = None) -> own.Flat:
        return own.Flat((self.features,))


class Categories(nn.Module):
    r"""All categories of each of :math:`G` groups alike: a divergence from it is at most :math:`G \log K`.

    Arguments:
        groups: The number of groups :math:`G`.
        categories: The number of categories of each, :math:`K`.
    """

    logits: Tensor

    def __init__(self, groups: int, categories: int) -> None:
        super().__init__()
        self.register_buffer("logits", torch.zeros(groups, categories), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.Categories:
        return own.Categories(self.logits)


class Laplace(nn.Module):
    r"""Independent Laplace distributions, :math:`-\log p(z) = \sum_j |z_j| / b + \log 2 b`: an L1 penalty on codes."""

    loc: Tensor
    scale: Tensor

    def __init__(self, features: int, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(features), persistent=False)
        self.register_buffer("scale", torch.full((features,), float(scale)), persistent=False)

    def forward(self, y: Tensor | None = None) -> Independent:
        base = distributions.Laplace(self.loc, self.scale, validate_args=False)
        return Independent(base, 1, validate_args=False)
