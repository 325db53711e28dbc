"""Points, and directions around a point of a sphere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import distributions
from ..distributions import Delta
from .base import Conditional

__all__ = ["Point", "Spherical"]


class Point(Conditional):
    r"""Reads a point mass :math:`\delta(z - f(x))`: the encoder of a plain autoencoder.

    Example:
        >>> Point(nn.Linear(8, 3))(torch.randn(5, 8)).rsample().shape
        torch.Size([5, 3])
    """

    def forward(self, *context: Tensor | None) -> Delta:
        return Delta(self.read(*context), self.event_dim)


class Spherical(Conditional):
    r"""Reads a direction :math:`\mu` on each of some spheres, and how concentrated codes are around it, :math:`\kappa`.

    A learnt concentration is :math:`1 + \mathrm{softplus}(a)`, so that it cannot leave for the uniform distribution. With a
    fixed one the rate is a constant, and cannot collapse; the code still can, where :math:`\mu` is the same for every
    example or the decoder does not use it.

    References:
        | Hyperspherical Variational Auto-Encoders (Davidson et al., 2018), https://arxiv.org/abs/1804.00891
        | Spherical Latent Spaces for Stable Variational Autoencoders (Xu and Durrett, 2018), https://arxiv.org/abs/1808.10805

    Arguments:
        net: A network with :math:`g m` outputs, the directions before they are normalised; where the concentration is
            learnt, :math:`g` more, the :math:`a`.
        family: `distributions.VonMisesFisher` or `distributions.PowerSpherical`.
        spheres: The number of spheres :math:`g`.
        concentration: :math:`\kappa`; None to learn it.

    Raises:
        ValueError: If the concentration is not above 0.

    Example:
        >>> q = Spherical(nn.Linear(8, 2 * 3 + 2), spheres=2)(torch.randn(5, 8))
        >>> q.event_shape, q.base_dist.loc.norm(dim=-1).allclose(torch.ones(5, 2))
        (torch.Size([6]), True)
    """

    concentration: Tensor

    def __init__(
        self,
        net: nn.Module,
        family: type[distributions.Zonal] = distributions.VonMisesFisher,
        spheres: int = 1,
        concentration: float | None = None,
    ) -> None:
        super().__init__(net)
        if concentration is not None and not concentration > 0:
            raise ValueError(f"concentration is {concentration}: give a number above 0, or None to learn it")
        self.family, self.spheres, self.learnt = family, spheres, concentration is None
        self.register_buffer("concentration", torch.tensor(float(concentration or 0)), persistent=False)

    def forward(self, *context: Tensor | None) -> distributions.Spheres:
        output, concentration = self.read(*context), self.concentration
        if self.learnt:
            output, free = output[..., : -self.spheres], output[..., -self.spheres :]
            concentration = 1 + F.softplus(free)
        loc = F.normalize(output.unflatten(-1, (self.spheres, -1)), dim=-1)
        return distributions.Spheres(self.family(loc, concentration.to(loc.dtype), validate_args=False))
