r"""A model without a latent variable: what is left of an autoencoder whose decoder is autoregressive when the code is taken away.

Its rate is 0 and its distortion :math:`-\log p(x)`, exactly. It is the model that continues what somebody began, and the
baseline that a code has to beat.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..conditionals import Conditional
from ..trace import Model, Trace

__all__ = ["DecoderOnly"]


class DecoderOnly(Model):
    r"""Draws :math:`x \sim p(x)`; there is no :math:`z`.

    Arguments:
        likelihood: A conditional that is called with codes of dimension 0, with shape :math:`(B, 0)`.

    Example:
        >>> from latente.conditionals import Drawings
        >>> from latente.nn import StrokeDecoder
        >>> model = DecoderOnly(Drawings(StrokeDecoder(latent=0, units=8), longest=7))
        >>> model(size=5).likelihood.sample().shape, model(size=5).latents
        (torch.Size([5, 7, 3]), {})
    """

    def __init__(self, likelihood: Conditional) -> None:
        super().__init__()
        self.likelihood = likelihood

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        weight = next(self.parameters())
        return self.likelihood(torch.empty(*trace.size, 0, dtype=weight.dtype, device=weight.device))
