r"""A PixelCNN over grids of codes, each given those before it.

A grid of codes is a small picture whose pixels are names, not levels: so the network reads a vector for each code, and gives the
log-odds of all :math:`K` of them at each place,

.. math:: p(z) = \prod_i p(z_i | z_{<i}), \qquad \log p(z_i = k | z_{<i}) = \log \mathrm{softmax}_k f(z_{<i}, i) .

It has the place as input too, by planes that are learned, since frequencies depend on it: corners of a digit are empty. All
places are scored in one pass, and codes are drawn one after the other; see :mod:`latente.nn.pixelcnn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions.codes import Sampling
from .pixelcnn import PixelCNN

__all__ = ["CodePixelCNN"]

PLACE_PLANES = 8  # planes of the place


class Places(nn.Module):
    """Gives learned planes, whatever its input."""

    def __init__(self, maps: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.planes = nn.Parameter(torch.randn(maps, *shape))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.planes.expand(*z.shape[:-1], *self.planes.shape)


class CodePixelCNN(nn.Module):
    r"""Predicts each code of a grid from those before it, by a gated PixelCNN whose receptive field is the whole grid.

    References:
        | Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
        | Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), https://arxiv.org/abs/1606.05328

    Arguments:
        codes: The number of codes :math:`K`.
        shape: The shape of a grid.
        features: The features of a code, and half the channels of a layer.

    Example:
        >>> net = CodePixelCNN(codes=7, shape=(2, 3), features=4)
        >>> written = net.write(None, 5, Sampling())
        >>> written.shape, net(None, written).shape
        (torch.Size([5, 6]), torch.Size([5]))
    """

    one: Tensor

    def __init__(self, codes: int, shape: tuple[int, int], features: int = 16) -> None:
        super().__init__()
        self.codes, self.shape = codes, shape
        self.embed = nn.Embedding(codes, features)
        deeper = max(
            2, max(shape) - 4
        )  # after a first layer that reaches three places, each reaches one more
        self.net = PixelCNN(
            (features, *shape),
            codes,
            1,
            Places(PLACE_PLANES, shape),
            PLACE_PLANES,
            (7, *[3] * deeper),
            2 * features,
        )
        self.register_buffer("one", torch.ones(1), persistent=False)

    def logits(self, codes: Tensor) -> Tensor:
        """Returns the log-odds of every code given those before it, (n, K, positions), of codes (n, positions)."""
        grid = codes.unflatten(1, self.shape)
        planes = self.embed(grid).movedim(-1, 1)
        return self.net(planes, self.one.expand(len(codes), 1)).flatten(2)

    def forward(self, context: Any, codes: Tensor) -> Tensor:
        r"""Returns :math:`\log p(z)`, with shape (n), of codes (n, positions)."""
        return -F.cross_entropy(self.logits(codes), codes, reduction="none").sum(1)

    @torch.no_grad()
    def write(self, context: Any, n: int, draw: Sampling) -> Tensor:
        """Draws n grids of codes, (n, positions)."""
        written: list[Tensor] = []

        def pick(logits: Tensor) -> Tensor:
            written.append(draw(logits.flatten(1)))
            return self.embed(written[-1])[..., None, None]

        self.net.draw(pick, self.one.expand(n, 1))
        return torch.stack(written, 1)
