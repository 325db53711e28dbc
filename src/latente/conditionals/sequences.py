"""Autoregressive conditionals: pixels, words and strokes, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor
from torch.distributions import Distribution

from .. import distributions
from .base import Conditional

if TYPE_CHECKING:
    from ..nn import MADE, PixelCNN, SentenceDecoder, StrokeDecoder

__all__ = ["Autoregressive", "Drawings", "Sentences"]


class Autoregressive(Conditional):
    r"""Reads every pixel's parameters from :math:`z` and the pixels before it, :math:`p(x | z) = \prod_i p(x_i | x_{<i}, z)`.

    A strong one explains the data without :math:`z`, whose posterior then collapses: limit its receptive field, by small kernels.

    Arguments:
        net: The network: given images and codes it returns the parameters, and it draws.
        pixels: Reads parameters, with shape :math:`(B, P, H, W)`, or :math:`(B, P D)`, as a distribution of images, or vectors.

    Example:
        >>> import torch
        >>> from latente.distributions import BernoulliEvent
        >>> from latente.nn import MLP, PixelCNN
        >>> net = PixelCNN((1, 4, 4), 1, features=3, planes=MLP((3,), (2, 4, 4)), maps=2)
        >>> p = Autoregressive(net, lambda logits: BernoulliEvent(logits, 3))(torch.randn(5, 3))
        >>> p.log_prob(p.sample()).shape
        torch.Size([5])
    """

    def __init__(self, net: PixelCNN | MADE, pixels: Callable[[Tensor], Distribution]) -> None:
        super().__init__(net, event_dim=len(net.shape))
        self.net: PixelCNN | MADE = net
        self.pixels = pixels

    def forward(self, *context: Tensor | None) -> distributions.Autoregressive:
        z, y = context[0], context[1] if len(context) > 1 else None
        assert z is not None
        return distributions.Autoregressive(self.read, self.net.draw, self.pixels, self.net.shape, z, y)


class Sentences(Conditional):
    r"""Lets a network write sentences word by word from :math:`z`, :math:`p(x | z) = \prod_t p(x_t | x_{<t}, z)`.

    Arguments:
        net: The network, e.g. :class:`~latente.nn.SentenceDecoder`.
        longest: The length :math:`L` of a row.

    Example:
        >>> import torch
        >>> from latente.nn import SentenceDecoder
        >>> p = Sentences(SentenceDecoder(latent=3, vocabulary=9), longest=7)(torch.randn(5, 3))
        >>> p.sample().shape
        torch.Size([5, 7])
    """

    def __init__(self, net: SentenceDecoder, longest: int) -> None:
        super().__init__(net)
        self.net: SentenceDecoder = net
        self.longest = longest

    def forward(self, *context: Tensor | None) -> distributions.Words:
        z, *_ = context
        assert z is not None
        return distributions.Words(self.net, z, self.longest)


class Drawings(Conditional):
    r"""Lets a network draw point by point from :math:`z`, :math:`p(x | z) = \prod_t p(x_t | x_{<t}, z)`.

    Arguments:
        net: The network, e.g. :class:`~latente.nn.StrokeDecoder`.
        longest: The rows :math:`L` of a drawing, of which the last is an end.

    Example:
        >>> import torch
        >>> from latente.nn import StrokeDecoder
        >>> p = Drawings(StrokeDecoder(latent=3, units=8), longest=7)(torch.randn(5, 3))
        >>> p.sample().shape
        torch.Size([5, 7, 3])
    """

    def __init__(self, net: StrokeDecoder, longest: int) -> None:
        super().__init__(net, event_dim=2)
        self.net: StrokeDecoder = net
        self.longest = longest

    def forward(self, *context: Tensor | None) -> distributions.Strokes:
        z, *_ = context
        assert z is not None
        return distributions.Strokes(self.net, z, self.longest)
