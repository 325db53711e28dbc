r"""A normalising flow as a distribution: the image of a Normal under an invertible map.

For :math:`u = T(\epsilon)` with :math:`\epsilon \sim \mathcal{N}(0, I)` and :math:`z = \mu + \sigma \odot u`, the change of
variables gives

.. math:: \log q(z) = \log \mathcal{N}(\epsilon; 0, I) - \log \left| \det \frac{\partial T}{\partial \epsilon} \right|
    - \sum_j \log \sigma_j .

Scoring a value means to invert :math:`T`, which may take as many passes as there are dimensions: so it is with an inverse
autoregressive flow. Scoring *its own draw* takes none, since the noise is known. So a distribution remembers its latest draw, and
with it the copies that `expand` made of it: the draw of one may be scored by the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import is_real, is_slow, parts, register, yes

__all__ = ["Flow"]


class Invertible(Protocol):
    """A map of vectors with its log-determinant: what `zuko` makes of PyTorch's transforms."""

    @property
    def inv(self) -> Invertible: ...

    def __call__(self, x: Tensor, /) -> Tensor: ...

    def call_and_ladj(self, x: Tensor, /) -> tuple[Tensor, Tensor]: ...


class Memory:
    """Holds the latest draw, its log-density, and whether they were computed with a gradient."""

    def __init__(self) -> None:
        self.draw: Tensor | None = None
        self.log_prob = torch.empty(0)
        self.has_gradient = False

    def put(self, draw: Tensor, log_prob: Tensor) -> None:
        self.draw, self.log_prob, self.has_gradient = draw, log_prob, torch.is_grad_enabled()

    def get(self, value: Tensor, with_gradient: bool) -> Tensor | None:
        usable = self.has_gradient or not with_gradient
        return self.log_prob if value is self.draw and usable else None


class Flow(Distribution):
    r"""Pushes standard normal noise through an invertible map, then to a place and scale.

    References:
        | Variational Inference with Normalizing Flows (Rezende and Mohamed, 2015)
        | https://arxiv.org/abs/1505.05770
        | Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
        | https://arxiv.org/abs/1606.04934

    Arguments:
        transform: A `zuko` transform from noise to :math:`u`, of vectors.
        loc: The place :math:`\mu`, with shape :math:`(B, d)`.
        scale: The scale :math:`\sigma`, with shape :math:`(B, d)`.

    Example:
        >>> from latente.flows import import_zuko
        >>> transforms = import_zuko().transforms
        >>> affine = transforms.MonotonicAffineTransform(torch.zeros(2), torch.ones(2))
        >>> twice = transforms.DependentTransform(affine, 1)
        >>> q = Flow(twice, torch.zeros(5, 2), torch.ones(5, 2))
        >>> z = q.rsample()
        >>> z.shape, bool((q.log_prob(z) - q.log_prob(z.clone())).abs().max() < 1e-5)
        (torch.Size([5, 2]), True)
    """

    arg_constraints: ClassVar = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, transform: Invertible, loc: Tensor, scale: Tensor, _memory: Memory | None = None
    ) -> None:
        self.transform, self.loc, self.scale = transform, loc, scale
        self.memory = _memory or Memory()
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Flow:
        shape = (*batch_shape, *self.event_shape)
        return Flow(self.transform, self.loc.expand(shape), self.scale.expand(shape), self.memory)

    @property
    def mean(self) -> Tensor:
        r"""The image of the noise's mean, :math:`\mu + \sigma \odot T(0)`: the centre, for the mean itself has no closed form."""
        return self.loc + self.scale * self.transform(torch.zeros_like(self.loc))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = torch.randn(
            *sample_shape, *self.loc.shape, dtype=self.loc.dtype, device=self.loc.device
        )  # as `Normal` draws it
        u, log_volume = self.transform.call_and_ladj(noise)
        z = self.loc + self.scale * u
        self.memory.put(z, standard_log_prob(noise) - log_volume - self.scale.log().sum(-1))
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        found = self.memory.get(value, torch.is_grad_enabled() and self.loc.requires_grad)
        if found is not None:
            return found
        u = (value.to(self.loc.dtype) - self.loc) / self.scale
        noise, log_volume = self.transform.inv.call_and_ladj(u)
        return standard_log_prob(noise) + log_volume - self.scale.log().sum(-1)


def standard_log_prob(noise: Tensor) -> Tensor:
    """Scores standard normal noise, with shape (*, d)."""
    return -0.5 * (noise.square().sum(-1) + noise.shape[-1] * math.log(2 * math.pi))


register(is_real, yes, Flow)
register(is_slow, yes, Flow)
register(parts, lambda d: {"loc": d.loc, "scale": d.scale}, Flow)
