r"""A Normal with a full covariance that scores its own draw by the noise it was made of.

To score a value means to solve :math:`L \epsilon = z - \mu`. Far from the data a Cholesky factor read of a network is so ill
conditioned that the rounding of :math:`z` alone overflows the solution; the noise of a draw is known, and needs none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from .flow import Memory, standard_log_prob
from .precision import exactly

__all__ = ["Correlated"]


class Correlated(MultivariateNormal):
    r"""Is :math:`\mathcal{N}(\mu, L L^\top)`.

    Arguments:
        loc: :math:`\mu`, with shape :math:`(B, d)`.
        scale_tril: :math:`L`, lower triangular with shape :math:`(B, d, d)`.

    Example:
        >>> q = Correlated(torch.zeros(5, 2), torch.eye(2).expand(5, 2, 2))
        >>> z = q.rsample()
        >>> bool((q.log_prob(z) - q.log_prob(z.clone())).abs().max() < 1e-5)
        True
    """

    def __init__(self, loc: Tensor, scale_tril: Tensor) -> None:
        self.memory = Memory()
        super().__init__(loc, scale_tril=scale_tril, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Correlated:
        new: Correlated = super().expand(batch_shape, self._get_checked_instance(Correlated, _instance))
        new.memory = self.memory
        return new

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = torch.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        with exactly(noise):
            z = self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)
        self.memory.put(z, standard_log_prob(noise) - self.log_volume())
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        found = self.memory.get(value, torch.is_grad_enabled() and self.loc.requires_grad)
        return super().log_prob(value) if found is None else found

    def log_volume(self) -> Tensor:
        r"""Returns :math:`\log |L|`."""
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
