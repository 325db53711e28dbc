r"""MADE: an autoencoder whose weights are masked until output :math:`i` reads inputs before :math:`i` alone.

With the dimensions of an example in a fixed order, :math:`p(x) = \prod_i p(x_i | x_{<i})`. Give every unit a *degree*: input
:math:`i` has degree :math:`i`, and a hidden unit of degree :math:`m` may read what has degree :math:`m` or less. Output
:math:`i` reads hidden units of degree less than :math:`i`. Then all conditionals are computed in one pass, and
:math:`\partial o_i / \partial x_j = 0` for :math:`j \geq i`, exactly.

The choice made here: degrees are spread evenly and in ascending order, not at random. All units that are determined by
:math:`x_{<i}` are then the *first* ones of each layer, so a draw needs no masks. Once :math:`x_i` is drawn, the units of
degree :math:`i` are computed, and none of them ever again: a whole draw costs the arithmetic of one pass, in as many steps as
there are dimensions. Outputs also read the inputs before them directly: the nearest pixels are the most informative, and
hidden units of just their degree are few.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MADE"]


class MaskedLinear(nn.Linear):
    """Multiplies by a matrix whose entries are zero under a mask.

    Arguments:
        before: The degree of each input.
        after: The degree of each output: the highest one it may read.
    """

    mask: Tensor

    def __init__(self, before: Tensor, after: Tensor) -> None:
        super().__init__(len(before), len(after))
        self.register_buffer("mask", before <= after.unsqueeze(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    r"""Maps an example to the parameters of every dimension given those before it.

    References:
        | MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015)
        | https://arxiv.org/abs/1502.03509

    Arguments:
        shape: The shape of an example: :math:`(C, H, W)`, in reading order, or :math:`(D)`.
        outputs: The number of parameters of a dimension, :math:`P`.
        hidden: The widths of the hidden layers.

    Raises:
        ValueError: If an example has one dimension, which nothing comes before.

    Example:
        >>> MADE((1, 4, 4), hidden=[20])(torch.rand(5, 1, 4, 4), torch.empty(5, 0)).shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(self, shape: Sequence[int], outputs: int = 1, hidden: Sequence[int] = (500,)) -> None:
        super().__init__()
        self.shape, self.outputs = tuple(shape), outputs
        d = math.prod(shape)
        if d < 2:
            raise ValueError("an example is one number, which no other comes before: give it two or more")
        with torch.device("cpu"):  # a mask is made of numbers, also where only shapes are asked for
            degrees = [torch.arange(d), *(torch.arange(width) * (d - 1) // width for width in hidden)]
            last = (torch.arange(d) - 1).repeat(outputs)
            layers = [MaskedLinear(a, b) for a, b in zip(degrees, [*degrees[1:], last])]
            ends = [torch.searchsorted(units, torch.arange(d), right=True).tolist() for units in degrees[1:]]
        self.layers = nn.ModuleList(layers)
        self.direct = MaskedLinear(degrees[0], last)
        self.ends: list[list[int]] = (
            ends  # how many units of each hidden layer are known after each dimension
        )

    def forward(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Returns all parameters, (*, P C, H, W) or (*, P D), of examples, (B, C, H, W) or (B, D).

        Arguments:
            x: The examples.
            z: Codes of dimension 0, whose shape :math:`(*, 0)` gives the batch.
            y: Not read.
        """
        h = x = x.flatten(x.dim() - len(self.shape))
        batch = torch.broadcast_shapes(h.shape[:-1], z.shape[:-1])
        for layer in list(self.layers)[:-1]:
            h = layer(h).relu()
        first, *others = self.shape
        h = self.layers[-1](h) + self.direct(x)
        return h.unflatten(-1, (self.outputs * first, *others)).expand(*batch, -1, *others)

    @torch.no_grad()
    def draw(self, pick: Callable[[Tensor], Tensor], z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Draws examples, one dimension after the other.

        Arguments:
            pick: Draws a dimension, (N, 1, 1, 1) or (N, 1), from its parameters, (N, P, 1, 1) or (N, P).
            z: Codes of dimension 0, (*, 0).
            y: Not read.
        """
        batch = z.shape[:-1]
        *inner, last = cast(list[MaskedLinear], list(self.layers))
        x = z.new_zeros(batch.numel(), math.prod(self.shape))
        units = [x, *(x.new_zeros(len(x), layer.out_features) for layer in inner)]
        weight, bias = (
            t.unflatten(0, (self.outputs, -1)) for t in (last.weight, last.bias + self.direct.bias)
        )
        straight = self.direct.weight.unflatten(0, (self.outputs, -1))
        ones = (1,) * (len(self.shape) - 1)
        known = [0] * len(units)
        for i in range(x.shape[1]):
            parameters = F.linear(units[-1][:, : known[-1]], weight[:, i, : known[-1]], bias[:, i])
            parameters = parameters + F.linear(x[:, :i], straight[:, i, :i])
            x[:, i] = pick(parameters.view(-1, self.outputs, *ones)).flatten()
            known[0] = i + 1
            for k, layer in enumerate(inner):
                start, end = known[k + 1], self.ends[k][i]
                if end > start:
                    seen = units[k][:, : known[k]]
                    fresh = F.linear(seen, layer.weight[start:end, : known[k]], layer.bias[start:end])
                    units[k + 1][:, start:end] = fresh.relu()
                known[k + 1] = end
        return x.view(*batch, *self.shape)
