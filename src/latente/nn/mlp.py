r"""Fully connected networks between events of any shape.

ReLU is the default: on a CPU it costs a fraction of SiLU or GELU, and at these sizes nothing is lost by it.

With skip connections every later layer sees the input too, :math:`h_{l+1} = \mathrm{relu}(W_l h_l + b_l + U_l z)`, and so does
the output. Of a decoder, no layer can then forget the code (Generative Skip Models, Dieng et al., 2019,
https://arxiv.org/abs/1807.04863).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["MLP", "ResidualMLP", "with_context"]


def with_context(x: Tensor, y: Tensor | None) -> Tensor:
    r"""Appends a context :math:`y`, with shape :math:`(B, C)`, to :math:`x`, with shape :math:`(*, B, D)`."""
    if y is None:
        return x
    return torch.cat([x, y.to(x.dtype).expand(*x.shape[:-1], y.shape[-1])], -1)


class MLP(nn.Module):
    r"""Maps an event to an event through hidden layers.

    Arguments:
        inputs: The shape of the input event, e.g. `(1, 28, 28)`.
        outputs: The shape of the output event, e.g. `(20,)`.
        hidden: The widths of the hidden layers.
        context: The number of features of the context that is appended to the input.
        activation: The activation between layers.
        last: The activation after the last layer.
        skip: Whether every later layer sees the input too.

    Example:
        >>> MLP((1, 28, 28), (20,), hidden=[400])(torch.rand(5, 1, 28, 28)).shape
        torch.Size([5, 20])
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        hidden: Sequence[int] = (400,),
        context: int = 0,
        activation: Callable[[], nn.Module] = nn.ReLU,
        last: Callable[[], nn.Module] | None = None,
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        widths = [math.prod(inputs) + context, *hidden, math.prod(outputs)]
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Linear(wide, narrow), activation()]
        self.layers = nn.ModuleList(layers[:-1] if last is None else [*layers[:-1], last()])
        self.skips = nn.ModuleList(nn.Linear(widths[0], w, bias=False) for w in widths[2:] if skip)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        z = h = with_context(x.flatten(x.dim() - len(self.inputs)), y)
        for i, layer in enumerate(self.layers):
            h = layer(h)
            if self.skips and i and i % 2 == 0:  # of linear layers and activations in turn
                h = h + self.skips[i // 2 - 1](z)
        return h if len(self.outputs) == 1 else h.unflatten(-1, self.outputs)


class ResidualMLP(nn.Module):
    r"""Maps an event to an event through residual blocks :math:`h + W_2 \, \mathrm{relu}(W_1 \, \mathrm{relu}(h))`.

    The second layer of each block starts at zero, so the net starts shallow and deepens as it learns.

    Arguments:
        inputs: The shape of the input event.
        outputs: The shape of the output event.
        width: The width of the blocks.
        depth: The number of blocks.
        context: The number of features of the context that is appended to the input.
        dropout: The share of units dropped inside each block while training.
        skip: Whether every block and the output see the input too.

    Example:
        >>> ResidualMLP((8,), (1, 4, 4), width=32, depth=2)(torch.rand(5, 8)).shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        width: int = 512,
        depth: int = 2,
        context: int = 0,
        dropout: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.stem = nn.Linear(math.prod(inputs) + context, width)
        self.blocks = nn.ModuleList(self.block(width, dropout) for _ in range(depth))
        self.head = nn.Linear(width, math.prod(outputs))
        inner = [width] * (depth - 1) + [math.prod(outputs)]
        self.skips = nn.ModuleList(nn.Linear(self.stem.in_features, w, bias=False) for w in inner if skip)

    @staticmethod
    def block(width: int, dropout: float) -> nn.Sequential:
        last = nn.Linear(width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), last)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        z = with_context(x.flatten(x.dim() - len(self.inputs)), y)
        h = self.stem(z)
        for i, block in enumerate(self.blocks):
            h = h + block(h)
            if self.skips and i + 1 < len(self.blocks):
                h = h + self.skips[i](z)
        h = self.head(h.relu())
        if self.skips:
            h = h + self.skips[-1](z)
        return h if len(self.outputs) == 1 else h.unflatten(-1, self.outputs)
