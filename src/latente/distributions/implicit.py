r"""The law of a generator: a distribution that can be drawn from, and nothing else.

:math:`x = G(z)` is certain once :math:`z` is drawn, so of all examples :math:`G` can make there is a thin surface in a space of
many dimensions: no example off it has a density, and none that was not made so can be given one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import has_density, is_certain, is_real, no, parts, register, yes

__all__ = ["Implicit"]


class Implicit(Distribution):
    r"""Holds generated examples, and has no density.

    Arguments:
        value: The examples, with shape :math:`(B, *)`.
        event_dim: How many of the last dimensions are one event.

    Example:
        >>> import torch
        >>> Implicit(torch.zeros(3, 2), 1).sample((5,)).shape
        torch.Size([5, 3, 2])
        >>> Implicit(torch.zeros(3, 2), 1).log_prob(torch.zeros(3, 2))
        Traceback (most recent call last):
        NotImplementedError: a generator without a likelihood made this: examples can be drawn, and none has a density
    """

    arg_constraints: ClassVar = {}
    support = constraints.real
    has_rsample = True

    def __init__(self, value: Tensor, event_dim: int) -> None:
        self.value = value
        split = value.dim() - event_dim
        super().__init__(value.shape[:split], value.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.value

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError(
            "a generator without a likelihood made this: examples can be drawn, and none has a density"
        )


register(has_density, no, Implicit)
register(is_certain, yes, Implicit)
register(is_real, yes, Implicit)
register(parts, lambda d: {"value": d.value}, Implicit)
