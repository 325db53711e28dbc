r"""A network for a velocity field, which starts as the exact field of standardised data.

Between noise :math:`\varepsilon` and data :math:`u` on the straight line :math:`u_t = (1 - t) \varepsilon + t u` the best field
is :math:`v^*(u_t, t) = \mathbb{E}[u - \varepsilon \,|\, u_t]`. Were data :math:`\mathcal{N}(0, I)` it would be linear,

.. math:: v^*(u, t) = \frac{2 t - 1}{t^2 + (1 - t)^2} \, u ,

and standardised codes are not far from that. So the network only adds to this field, and adds nothing at its first step: a prior
that is not trained is :math:`\mathcal{N}(0, I)`. Time enters each layer as :math:`t` and three octaves of sines, so that the
field stays smooth in it, as its integral needs. SiLU, not ReLU, for the same reason: its slope enters the density.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["VelocityNet"]

OCTAVES = 3


class VelocityNet(nn.Module):
    r"""Maps values and times to velocities through residual layers :math:`h + W \, \mathrm{silu}(h + T(t))`.

    Arguments:
        features: The dimension of a value.
        width: The features of a layer.
        depth: The number of residual layers.

    Example:
        >>> VelocityNet(2)(torch.tensor([[1.0, 2.0]]), torch.tensor(1.0))
        tensor([[1., 2.]], grad_fn=<AddBackward0>)
    """

    def __init__(self, features: int, width: int = 256, depth: int = 3) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(features, width), nn.Linear(width, features)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.times = nn.Linear(1 + 2 * OCTAVES, width * depth)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, u: Tensor, t: Tensor) -> Tensor:
        """Returns velocities (N, d) of values (N, d) at times (N, 1), or at one time without dimensions."""
        waves = torch.cat([math.pi * 2**k * t.reshape(-1, 1) for k in range(OCTAVES)], 1)
        entered = self.times(torch.cat([t.reshape(-1, 1), waves.sin(), waves.cos()], 1))
        h = self.stem(u)
        for layer, time in zip(self.layers, entered.chunk(len(self.layers), 1)):
            h = h + layer(F.silu(h + time))
        return (2 * t - 1) / (t.square() + (1 - t).square()) * u + self.head(F.silu(h))
