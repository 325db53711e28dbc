r"""A small U-Net conditioned on a number, such as the noise level of its input.

An image goes down through ever smaller planes, and up again; on the way up skip connections bring each size its planes of the way
down, so that nothing fine is lost while the small planes see the whole. Here the first halving moves pixels into channels and the
last doubling moves them back, so that no convolution runs at full size: on a CPU that is most of the cost, for little. Sizes are
halved rounding up and cut off again, so that images may have any size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import halved
from .mlp import ResidualMLP

__all__ = ["TimedMLP", "UNet", "Waves"]

UNET_SLOPE = 0.1  # of leaky units


class Waves(nn.Module):
    r"""Turns numbers in [0, 1], with shape :math:`(N)`, into waves of them, with shape :math:`(N, 2 n)`.

    Example:
        >>> Waves(4)(torch.rand(5)).shape
        torch.Size([5, 8])
    """

    frequencies: Tensor

    def __init__(self, n: int = 16) -> None:
        super().__init__()
        frequencies = math.pi * torch.logspace(-1, 1.5, n, device="cpu").to(torch.empty(0).device)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t.unsqueeze(-1) * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], -1)


class UNetBlock(nn.Module):
    """Adds two 3×3 convolutions to its input, the second starting at zero; between them the context enters as a bias."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(channels, 8), channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.context = nn.Linear(context, channels)
        self.second = zeroed(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, h: Tensor, context: Tensor) -> Tensor:
        a = self.first(F.leaky_relu(self.norm(h), UNET_SLOPE)) + self.context(context)[..., None, None]
        return h + self.second(F.leaky_relu(a, UNET_SLOPE))


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


class UNet(nn.Module):
    r"""Maps planes to planes of the same size, given a number per image.

    References:
        | U-Net: Convolutional Networks for Biomedical Image Segmentation (Ronneberger et al., 2015)
        | https://arxiv.org/abs/1505.04597

    Arguments:
        inputs: The shape of the input planes, :math:`(C, H, W)`.
        outputs: The number of output planes; they start at zero.
        channels: The channels at half the size, a quarter, …
        depth: The blocks at each size, down and up alike.

    Example:
        >>> UNet((2, 33, 20), 3, channels=(8, 16))(torch.rand(4, 2, 33, 20), torch.rand(4)).shape
        torch.Size([4, 3, 33, 20])
    """

    def __init__(
        self, inputs: Sequence[int], outputs: int, channels: Sequence[int] = (32, 64), depth: int = 1
    ) -> None:
        super().__init__()
        self.sizes = halved(inputs, len(channels))
        self.waves = Waves()
        context = 4 * channels[0]
        self.time = nn.Sequential(
            nn.Linear(32, context),
            nn.LeakyReLU(UNET_SLOPE),
            nn.Linear(context, context),
            nn.LeakyReLU(UNET_SLOPE),
        )
        self.stem = nn.Conv2d(4 * inputs[0], channels[0], 3, padding=1)
        self.down = nn.ModuleList(unet_blocks(c, context, depth) for c in channels)
        self.narrow = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.up = nn.ModuleList(unet_blocks(c, context, depth) for c in channels)
        self.widen = nn.ModuleList(nn.Conv2d(after, 4 * before, 1) for before, after in pairwise(channels))
        self.head = zeroed(nn.Conv2d(channels[0], 4 * outputs, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        height, width = self.sizes[0]
        context = self.time(self.waves(t))
        h = F.pixel_unshuffle(F.pad(x, (0, width % 2, 0, height % 2)), 2)
        h = self.stem(h.contiguous(memory_format=torch.channels_last))
        seen = []
        for i, stage in enumerate(self.down):
            h = self.narrow[i - 1](h) if i else h
            h = through(stage, h, context)
            seen.append(h)
        for i in reversed(range(len(self.up))):
            h = through(self.up[i], h, context)
            if i:
                rows, columns = self.sizes[i]
                h = seen[i - 1] + F.pixel_shuffle(self.widen[i - 1](h), 2)[..., :rows, :columns]
        h = self.head(F.leaky_relu(h, UNET_SLOPE))
        return F.pixel_shuffle(h, 2)[..., :height, :width]


def unet_blocks(channels: int, context: int, depth: int) -> nn.ModuleList:
    return nn.ModuleList(UNetBlock(channels, context) for _ in range(depth))


def through(stage: nn.Module, h: Tensor, context: Tensor) -> Tensor:
    assert isinstance(stage, nn.ModuleList)
    for block in stage:
        h = block(h, context)
    return h


class TimedMLP(nn.Module):
    """Maps vectors to vectors through residual blocks, given a number each; the outputs start at zero.

    Example:
        >>> TimedMLP((10,), (5,), width=16, depth=2)(torch.rand(4, 10), torch.rand(4)).shape
        torch.Size([4, 5])
    """

    def __init__(
        self, inputs: Sequence[int], outputs: Sequence[int], width: int = 128, depth: int = 3
    ) -> None:
        super().__init__()
        self.waves = Waves()
        self.net = ResidualMLP(inputs, outputs, width, depth, context=32)
        nn.init.zeros_(self.net.head.weight)
        nn.init.zeros_(self.net.head.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(x, self.waves(t))
