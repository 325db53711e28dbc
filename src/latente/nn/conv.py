"""Residual convolutional networks for images of any size and any number of channels.

The work is done at half the resolution and below: each stage of the encoder halves the height and width (rounding
up), each stage of the decoder doubles them by moving channels into pixels, and cuts off the row or column too many.
There is no batch normalisation, so an image's code never depends on the images beside it. Tensors are channels_last,
which is the faster layout for convolutions of these sizes on CPU and GPU alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mlp import with_context

__all__ = ["ConvDecoder", "ConvEncoder", "ConvFromPlanes", "ConvToPlanes"]


class Residual(nn.Module):
    """Adds two 3×3 convolutions to its input; the second starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.leaky_relu(self.first(F.leaky_relu(h, 0.1)), 0.1))


def halved(shape: Sequence[int], times: int) -> list[tuple[int, int]]:
    """Lists the heights and widths of the stages, the full one first."""
    sizes = [(shape[-2], shape[-1])]
    for _ in range(times):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def halving(widths: Sequence[int], depth: int) -> nn.Sequential:
    """Makes stages that halve the size."""
    stages: list[nn.Module] = []
    for before, after in pairwise(widths):
        stages += [
            nn.Conv2d(before, after, 3, stride=2, padding=1),
            *(Residual(after) for _ in range(depth)),
        ]
    return nn.Sequential(*stages)


def doubling(widths: Sequence[int], depth: int) -> nn.ModuleList:
    """Makes stages that double the size."""
    return nn.ModuleList(
        nn.Sequential(
            *(Residual(before) for _ in range(depth)),
            nn.LeakyReLU(0.1),
            nn.Conv2d(before, 4 * after, 3, padding=1),
            nn.PixelShuffle(2),
        )
        for before, after in pairwise(widths)
    )


class ConvToPlanes(nn.Module):
    r"""Maps images to smaller planes, which keep their place.

    Arguments:
        inputs: The shape of an image, :math:`(C, H, W)`.
        features: The planes :math:`D`.
        channels: The channels of each stage.
        depth: The residual blocks of each stage.

    Example:
        >>> net = ConvToPlanes((3, 33, 20), 4, channels=(8, 16))
        >>> net(torch.rand(2, 3, 33, 20)).shape, net.size
        (torch.Size([2, 4, 9, 5]), (9, 5))
    """

    def __init__(
        self, inputs: Sequence[int], features: int, channels: Sequence[int] = (32, 64), depth: int = 1
    ) -> None:
        super().__init__()
        self.size = halved(inputs, len(channels))[-1]
        self.stages = halving([inputs[0], *channels], depth)
        self.head = nn.Conv2d(channels[-1], features, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        h = x.contiguous(memory_format=torch.channels_last)
        return self.head(F.leaky_relu(self.stages(h), 0.1))


class ConvFromPlanes(nn.Module):
    r"""Maps planes to images, each stage twice as large.

    Arguments:
        features: The planes :math:`D`.
        outputs: The shape of the output planes, :math:`(C', H, W)`.
        channels: The channels of each stage, named in the encoder's order.
        depth: The residual blocks of each stage.

    Example:
        >>> ConvFromPlanes(4, (3, 33, 20), channels=(8, 16))(torch.rand(2, 4, 9, 5)).shape
        torch.Size([2, 3, 33, 20])
    """

    def __init__(
        self, features: int, outputs: Sequence[int], channels: Sequence[int] = (32, 64), depth: int = 1
    ) -> None:
        super().__init__()
        self.sizes = halved(outputs, len(channels))[::-1]
        self.stem = nn.Conv2d(features, channels[-1], 3, padding=1)
        self.stages = doubling([*channels[::-1], outputs[0]], depth)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, planes: Tensor) -> Tensor:
        batch = planes.shape[:-3]
        h = self.stem(planes.flatten(0, -4).contiguous(memory_format=torch.channels_last))
        for stage, (height, width) in zip(self.stages, self.sizes[1:]):
            h = stage(h)[..., :height, :width]
        return h.unflatten(0, batch)


class ConvEncoder(nn.Module):
    r"""Maps images to vectors through strided stages of residual blocks.

    Arguments:
        inputs: The shape of an image, :math:`(C, H, W)`.
        outputs: The shape of the output event, :math:`(D)`.
        channels: The channels of each stage.
        depth: The residual blocks of each stage.
        context: The number of features of the context, given to the net as constant planes.

    Example:
        >>> ConvEncoder((3, 33, 20), (16,), channels=(8, 16))(torch.rand(2, 3, 33, 20)).shape
        torch.Size([2, 16])
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        channels: Sequence[int] = (32, 64),
        depth: int = 1,
        context: int = 0,
    ) -> None:
        super().__init__()
        self.stages = halving([inputs[0] + context, *channels], depth)
        self.head = nn.Linear(channels[-1] * math.prod(halved(inputs, len(channels))[-1]), math.prod(outputs))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        batch = x.shape[:-3]
        if y is not None:
            planes = y.to(x.dtype)[..., None, None].expand(*batch, y.shape[-1], *x.shape[-2:])
            x = torch.cat([x, planes], -3)
        h = x.reshape(-1, *x.shape[-3:]).contiguous(memory_format=torch.channels_last)
        return self.head(F.leaky_relu(self.stages(h), 0.1).flatten(1)).unflatten(0, batch)


class ConvDecoder(nn.Module):
    r"""Maps vectors to images through residual blocks at ever larger sizes.

    Arguments:
        inputs: The shape of the input event, :math:`(D)`.
        outputs: The shape of the output planes, :math:`(C', H, W)`.
        channels: The channels of each stage, named in the encoder's order.
        depth: The residual blocks of each stage.
        context: The number of features of the context that is appended to the input.
        skip: Whether every later stage and the output see the input too, as a bias of each channel.

    Example:
        >>> ConvDecoder((16,), (3, 33, 20), channels=(8, 16))(torch.rand(2, 16)).shape
        torch.Size([2, 3, 33, 20])
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        channels: Sequence[int] = (32, 64),
        depth: int = 1,
        context: int = 0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.sizes = halved(outputs, len(channels))[::-1]
        self.stem = nn.Linear(math.prod(inputs) + context, channels[-1] * math.prod(self.sizes[0]))
        widths = [*channels[::-1], outputs[0]]
        self.stages = doubling(widths, depth)
        self.skips = nn.ModuleList(
            nn.Linear(self.stem.in_features, w, bias=False) for w in widths[1:] if skip
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z = with_context(z, y)
        h = self.stem(z)
        batch = h.shape[:-1]
        h = h.reshape(-1, h.shape[-1]).unflatten(-1, (-1, *self.sizes[0]))
        h = h.contiguous(memory_format=torch.channels_last)
        for i, (stage, (height, width)) in enumerate(zip(self.stages, self.sizes[1:])):
            h = stage(h)[..., :height, :width]
            if self.skips:
                h = h + self.skips[i](z).flatten(0, -2)[..., None, None]
        return h.unflatten(0, batch)
