r"""Networks of joint models of examples and labels.

The encoder's first layer is a sum, :math:`W x + U y + b`, so :math:`W x`, the costly part, is computed once for all labels
:math:`y`. The classifier has few labels, and must not memorise them: it has dropout, and augmentation, by which it never sees
an example twice. Of a vector it drops inputs; an image it rotates, scales, shears and shifts a little, at random, by

.. math:: x'(u) = x(A u + b), \qquad A \sim \mathcal{N}(I, \sigma^2), \quad b \sim \mathcal{U}(-s, s) .

The augmented image is read by the classifier alone: the bound is one of the example as it is, for any :math:`q(y | x')`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mlp import MLP

__all__ = ["BentConv", "BroadcastMLP", "DropoutMLP"]

BEND, SHIFT = 0.1, 2.0  # the deviation of each number of A, and the most pixels


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


class BentConv(nn.Module):
    r"""Maps an image to a vector through convolutions; in training it bends the image, and drops a share of the features.

    Arguments:
        inputs: The shape of an image, :math:`(C, H, W)`.
        outputs: The shape of the output event, :math:`(D)`.
        channels: The channels at half the height and width; below a quarter there are twice as many.
        dropout: The share of the features that are dropped.

    Example:
        >>> import torch
        >>> BentConv((3, 33, 20), (5,), channels=4)(torch.rand(2, 3, 33, 20)).shape
        torch.Size([2, 5])
    """

    def __init__(
        self, inputs: Sequence[int], outputs: Sequence[int], channels: int = 32, dropout: float = 0.5
    ) -> None:
        super().__init__()
        features = 2 * channels * math.prod(-(-size // 8) for size in inputs[1:])
        self.shift = [2 * SHIFT / size for size in (inputs[2], inputs[1])]  # an image is 2 wide and high
        self.net = nn.Sequential(
            nn.Conv2d(inputs[0], channels, 5, stride=2, padding=2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(features, math.prod(outputs)),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.bent(x) if self.training else x)

    def bent(self, x: Tensor) -> Tensor:
        n = len(x)
        matrix = torch.eye(2, device=x.device) + BEND * torch.randn(n, 2, 2, device=x.device)
        move = x.new_tensor(self.shift) * (2 * torch.rand(n, 2, device=x.device) - 1)
        places = F.affine_grid(
            torch.cat([matrix, move.unsqueeze(-1)], -1), list(x.shape), align_corners=False
        )
        return F.grid_sample(x, places, padding_mode="border", align_corners=False)
