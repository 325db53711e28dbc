"""Critics: networks that discriminate real examples from generated ones.

There is no batch normalisation: the log-odds of an example must not depend on the examples beside it, or the penalty on its
gradient would have no meaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import halved
from .mlp import MLP

__all__ = ["Critic"]

CRITIC_SLOPE = 0.2  # of leaky units: DCGAN's


class Critic(nn.Module):
    r"""Maps examples to log-odds that they are real, by strided convolutions of images and by layers of vectors.

    References:
        | Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks (Radford et al., 2015)
        | https://arxiv.org/abs/1511.06434

    Arguments:
        inputs: The shape of an example, of tables and vectors, or of images, :math:`(C, H, W)`.
        hidden: The channels of each stage, or the widths of the layers.

    Example:
        >>> critic = Critic((3, 33, 20), hidden=(8, 16))
        >>> critic(torch.rand(4, 3, 33, 20)).shape, critic.features(torch.rand(4, 3, 33, 20)).shape
        (torch.Size([4]), torch.Size([4, 720]))
    """

    def __init__(self, inputs: Sequence[int], hidden: Sequence[int] = (32, 64)) -> None:
        super().__init__()
        layers: list[nn.Module]
        if len(inputs) == 3:
            layers = [
                layer
                for before, after in pairwise([inputs[0], *hidden])
                for layer in (nn.Conv2d(before, after, 5, stride=2, padding=2), nn.LeakyReLU(CRITIC_SLOPE))
            ]
            size = hidden[-1] * math.prod(halved(inputs, len(hidden))[-1])
        else:
            layers = [MLP(inputs, (hidden[-1],), hidden[:-1], activation=lambda: nn.LeakyReLU(CRITIC_SLOPE))]
            layers += [nn.LeakyReLU(CRITIC_SLOPE)]
            size = hidden[-1]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(size, 1)
        self.is_of_images = len(inputs) == 3
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """Returns the features that the last layer weighs, with shape (B, D)."""
        if self.is_of_images:
            x = x.contiguous(memory_format=torch.channels_last)
        return self.body(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns log-odds, with shape (B)."""
        return self.odds(self.features(x))

    def odds(self, features: Tensor) -> Tensor:
        """Returns the log-odds of features."""
        return F.linear(features, self.head.weight, self.head.bias).squeeze(-1)
