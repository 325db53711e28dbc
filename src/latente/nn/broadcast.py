r"""Networks of joint models of examples and labels.

The encoder's first layer is a sum, :math:`W x + U y + b`, so :math:`W x`, the dear part, is computed once for all labels
:math:`y`. The classifier has seen few labels, and drops inputs and units lest it learn those few by heart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from .mlp import MLP

__all__ = ["BroadcastMLP", "DropoutMLP"]


class BroadcastMLP(nn.Module):
    r"""Maps an event and a context to an event; their batch shapes are broadcast after the first layer.

    Arguments:
        inputs: The shape of the input event, e.g. `(1, 28, 28)`.
        outputs: The shape of the output event.
        hidden: The widths of the hidden layers, of which there is at least one.
        context: The number of features of the context.

    Example:
        >>> import torch
        >>> net = BroadcastMLP((1, 4, 4), (6,), hidden=[8], context=3)
        >>> net(torch.rand(5, 1, 4, 4), torch.eye(3).unsqueeze(1)).shape
        torch.Size([3, 5, 6])
    """

    def __init__(
        self, inputs: Sequence[int], outputs: Sequence[int], hidden: Sequence[int], context: int
    ) -> None:
        super().__init__()
        self.event_dim = len(inputs)
        self.first = nn.Linear(math.prod(inputs), hidden[0])
        self.context = nn.Linear(context, hidden[0], bias=False)
        self.rest = MLP((hidden[0],), outputs, hidden[1:])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.first(x.flatten(x.dim() - self.event_dim)) + self.context(y)
        return self.rest(h.relu())


class DropoutMLP(nn.Module):
    r"""Maps an event to an event through hidden layers, and drops a share of the inputs and of hidden units in training.

    Arguments:
        inputs: The shape of the input event.
        outputs: The shape of the output event.
        hidden: The widths of the hidden layers.
        dropout: The share of hidden units that are dropped; of inputs it is half of that.

    Example:
        >>> import torch
        >>> DropoutMLP((1, 4, 4), (3,), hidden=[8], dropout=0.5)(torch.rand(5, 1, 4, 4)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self, inputs: Sequence[int], outputs: Sequence[int], hidden: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.input = nn.Dropout(dropout / 2)
        self.net = MLP(
            inputs, outputs, hidden, activation=lambda: nn.Sequential(nn.ReLU(), nn.Dropout(dropout))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.input(x))
