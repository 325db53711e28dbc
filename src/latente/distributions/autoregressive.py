r"""A distribution of images, or vectors, that is scored in one pass and drawn number by number.

Any density factors into conditionals, :math:`p(x) = \prod_i p(x_i | x_{<i})`. A causal network computes the parameters of all of
them from :math:`x` at once, so a density costs one pass. A draw needs every pixel before the next: as many steps as there are
pixels, each as short as the network can make it. There is no mean: it would be one over all images.
A vector is read as an image is, its numbers for pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import (
    OF_VALUES,
    Take,
    coded,
    family,
    has_mean,
    is_autoregressive,
    no,
    parts,
    passed_on,
    register,
    yes,
)

__all__ = ["Autoregressive"]


class Autoregressive(Distribution):
    r"""Scores :math:`\sum_i \log p(x_i | x_{<i}, z)`, and draws one pixel after the other.

    Arguments:
        parameters: From images, codes and their context to the parameters of all pixels, with shape :math:`(*, P, H, W)`;
            :math:`(*, P D)` of vectors.
        draw: From a function that draws one pixel from its parameters, codes and their context, to images.
        pixels: From parameters with shape :math:`(*, P, H, W)` to a distribution of :math:`(C, H, W)`, independent over
            :math:`(H, W)`.
        shape: The shape of an image, :math:`(C, H, W)`, or of a vector, :math:`(D)`.
        z: The codes, with shape :math:`(B, D)`.
        y: Their context, or None.
    """

    arg_constraints: ClassVar = {}
    has_rsample = False

    def __init__(
        self,
        parameters: Callable[..., Tensor],
        draw: Callable[..., Tensor],
        pixels: Callable[[Tensor], Distribution],
        shape: Sequence[int],
        z: Tensor,
        y: Tensor | None = None,
    ) -> None:
        self.parameters, self.draw, self.pixels, self.z, self.y = parameters, draw, pixels, z, y
        super().__init__(z.shape[:-1], torch.Size(shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Autoregressive:
        z = self.z.expand(*batch_shape, self.z.shape[-1])
        return Autoregressive(self.parameters, self.draw, self.pixels, self.event_shape, z, self.y)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.unit_interval if len(self.event_shape) == 3 else constraints.real_vector

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError(
            "the mean of an autoregressive distribution is one over all images: draw it"
        )

    def given(self, value: Tensor) -> Distribution:
        r"""Returns the distribution of every pixel given those before it in `value`, all in one."""
        return self.pixels(self.parameters(value, self.z, self.y))

    @torch.no_grad()
    def first(self) -> Distribution:
        """Returns the distribution of the parts of the first example, given zeros: it is of the family of all of them."""
        z = self.z[(0,) * len(self.batch_shape)].unsqueeze(0)
        y = None if self.y is None else self.y[:1]
        zeros = z.new_zeros(1, *self.event_shape)
        return self.pixels(self.parameters(zeros, z, y))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.given(value).log_prob(value)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        d = self.expand((*sample_shape, *self.batch_shape))
        return self.draw(lambda parameters: self.pixels(parameters).sample(), d.z, d.y)


def coded_in_order(d: Autoregressive, take: Take) -> Tensor:
    """Goes through the pixels as they are drawn; each has its own numbers in turn."""
    pixels = d.event_shape[1:].numel() if len(d.event_shape) > 1 else d.event_shape.numel()
    place = count()

    def pick(parameters: Tensor) -> Tensor:
        here = next(place)
        return coded(d.pixels(parameters), lambda table, inner: take(table, inner * pixels + here))

    return d.draw(pick, d.z, d.y)


register(coded, coded_in_order, Autoregressive)
register(has_mean, no, Autoregressive)
register(is_autoregressive, yes, Autoregressive)
register(parts, lambda d: {"z": d.z} | ({} if d.y is None else {"y": d.y}), Autoregressive)
passed_on(Autoregressive, Autoregressive.first, (*OF_VALUES, family))
