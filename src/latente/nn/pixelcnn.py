r"""The gated PixelCNN: every pixel sees the pixels before it, and no others, in one pass.

With the pixels of an image in reading order, :math:`p(x | z) = \prod_i p(x_i | x_{<i}, z)`. A convolution computes all
factors at once if each of its outputs reads only what comes before it. Two stacks share this: at pixel :math:`(i, j)`
the *vertical* one has read the rows above :math:`i`, the *horizontal* one the pixels of row :math:`i` to the left of
:math:`j`, and what the vertical one found. No pixel before :math:`(i, j)` is in a blind spot, as it would be with one
stack of masked kernels. In layer :math:`l`, with :math:`*` for a convolution that ends at the pixel itself
(in the first layer: just before it),

.. math::
    v_{l+1} = g(A_l * v_l + b_l(z)), \qquad
    h_{l+1} = h_l + O_l \, g(L_l * h_l + D_l v_{l+1} + c_l(z)), \qquad g(a, b) = \tanh(a / 2) \, \sigma(b) .

A kernel of :math:`k` reaches :math:`(k - 1) / 2` pixels up, left and right; so layers of kernels :math:`k_l` see a field of
:math:`1 + \sum_l (k_l - 1)` pixels, as one large kernel would. Beyond it pixels can only agree through :math:`z`: a small
field leaves information to the code.

The kernels hold no masked weights, since their lower and right parts are cut off, not zeroed. Convolutions have no biases of
their own, whose gradient would cost as much as that of their weights on a CPU: all biases come from :math:`z`, and are added in
the gate. Tensors are channels_last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mlp import with_context

__all__ = ["PixelCNN"]

GAIN = 4.0  # of the first weights: near 0 a gate passes a quarter of what it is given


class Gate(torch.autograd.Function):
    r"""Computes :math:`g(a, b) = \tanh(a / 2) \, \sigma(b) = (2 \sigma(a) - 1) \, \sigma(b)` of the halves of x + bias.

    One sigmoid serves both halves and the gradient; a tanh of one half would take twice its time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        gates = (x + bias).sigmoid_()
        a, b = gates.chunk(2, 1)
        y = torch.addcmul(b.neg(), a, b, value=2)
        ctx.save_for_backward(x, bias, gates, y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (grad,), (x, bias, gates, y) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():  # under create_graph the derivative must itself depend on the input
            a, b = (x + bias).sigmoid().chunk(2, 1)
            by_x = torch.cat([2 * grad * b * a * (1 - a), grad * (2 * a - 1) * b * (1 - b)], 1)
        else:  # with gy for grad * y: by b it is gy (1 - b), by a it is (gy + grad * b) (1 - a)
            (a, b), by_x, gy = gates.chunk(2, 1), torch.empty_like(gates), grad * y
            by_a, by_b = by_x.chunk(2, 1)
            torch.addcmul(gy, gy, b, value=-1, out=by_b)
            gy.addcmul_(grad, b)
            torch.addcmul(gy, gy, a, value=-1, out=by_a)
        return by_x, by_x.sum_to_size(bias.shape)


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class Convolution(nn.Conv2d):
    """Convolves; a single window is a matrix product, which takes a fraction of the time: sampling needs one per pixel."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] == self.kernel_size:
            return F.linear(x.flatten(1), self.weight.flatten(1), self.bias)[..., None, None]
        return channels_last(super().forward(x))


class GatedLayer(nn.Module):
    """Takes both stacks one layer further.

    Arguments:
        inputs: The channels of its input.
        channels: The channels of its output.
        reach: How many pixels its kernels reach up, left and right.
        is_first: Whether the kernels end just before the pixel; they end at it in all layers but the first.
    """

    def __init__(self, inputs: int, channels: int, reach: int, is_first: bool) -> None:
        super().__init__()
        self.reach, self.size, self.is_first = reach, reach + (not is_first), is_first
        wide = 2 * channels
        self.above = nn.Conv2d(inputs, wide, (self.size, 2 * reach + 1), padding=(0, reach), bias=False)
        self.left = Convolution(inputs, wide, (1, self.size), bias=False)
        self.down = Convolution(channels, wide, 1, bias=False)
        self.out = Convolution(channels, channels, 1, bias=False)
        with torch.no_grad():
            for gated in (self.above, self.left, self.down):
                gated.weight.mul_(GAIN)

    def forward(self, v: Tensor, h: Tensor, v_bias: Tensor, h_bias: Tensor) -> tuple[Tensor, Tensor]:
        height, width = (size - self.is_first for size in v.shape[-2:])
        v = self.downward(F.pad(v[:, :, :height], (0, 0, self.reach, 0)), v_bias)
        return v, self.rightward(F.pad(h[..., :width], (self.reach, 0)), h, self.down(v), h_bias)

    def downward(self, rows: Tensor, bias: Tensor) -> Tensor:
        """Computes the vertical stack of the rows that the last of `rows` are next to, or are."""
        return Gate.apply(channels_last(self.above(rows)), bias)

    def rightward(self, columns: Tensor, h: Tensor, above: Tensor, bias: Tensor) -> Tensor:
        """Computes the horizontal stack of the pixels that the last of `columns` are next to, or are."""
        step = self.out(Gate.apply(self.left(columns) + above, bias))
        return step if self.is_first else h + step


class Constant(nn.Module):
    """Learns features that depend on nothing: what is left of a linear map when there is no code to read."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, code: Tensor) -> Tensor:
        return self.bias.expand(len(code), -1)


class PixelCNN(nn.Module):
    r"""Maps an image and a code to the parameters of every pixel given the pixels before it.

    References:
        | Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016)
        | https://arxiv.org/abs/1606.05328
        | Avoiding Latent Variable Collapse With Generative Skip Models (Dieng et al., 2019)
        | https://arxiv.org/abs/1807.04863

    Arguments:
        shape: The shape of an image, :math:`(C, H, W)`. The channels of a pixel are read together.
        outputs: The number of parameters of a pixel.
        features: The number of features of the code and its context together; 0 for images alone.
        planes: A network from the code and its context to planes with shape :math:`(M, H, W)`, which the first layer reads; None
            for images alone.
        maps: The number of planes :math:`M`.
        kernels: The odd kernel size of each layer. The first is at least 3.
        channels: The channels of each stack.
        skip: Whether all layers and the output see :math:`M` linear maps of the code too.

    Attributes:
        field: The receptive field :math:`1 + \sum_l (k_l - 1)`: as of one kernel, in pixels.

    Raises:
        ValueError: If a kernel size is even, or the first is 1.

    Example:
        >>> from latente.nn import MLP
        >>> net = PixelCNN((1, 8, 8), 1, features=3, planes=MLP((3,), (4, 8, 8)), maps=4, kernels=[5, 3, 3])
        >>> net.field, net(torch.rand(2, 1, 8, 8), torch.randn(2, 3)).shape
        (9, torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        features: int = 0,
        planes: nn.Module | None = None,
        maps: int = 0,
        kernels: Sequence[int] = (7, 3, 3, 3),
        channels: int = 16,
        skip: bool = False,
    ) -> None:
        super().__init__()
        if kernels[0] < 3 or any(k % 2 == 0 for k in kernels):
            raise ValueError(
                f"kernels are {list(kernels)}: give odd sizes, the first 3 or more, since a pixel must not read itself"
            )
        self.shape, self.field = tuple(shape), 1 + sum(k - 1 for k in kernels)
        self.layers = nn.ModuleList(
            GatedLayer(channels if i else shape[0], channels, k // 2, is_first=i == 0)
            for i, k in enumerate(kernels)
        )
        wide = 4 * channels * len(kernels)
        self.biases = nn.Linear(features, wide) if features else Constant(wide)
        self.planes = planes
        self.maps = nn.Linear(features, len(kernels) * maps * math.prod(shape[1:])) if skip else None
        seeing = 0 if planes is None else len(kernels) if skip else 1
        self.looks = nn.ModuleList(nn.Conv2d(maps, 2 * channels, 1, bias=False) for _ in range(seeing))
        self.last = nn.Conv2d(maps, channels, 1, bias=False) if skip else None
        self.hidden, self.head = Convolution(channels, channels, 1), Convolution(channels, outputs, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def extra_repr(self) -> str:
        return f"receptive field {self.field} x {self.field}"

    def conditions(self, z: Tensor, y: Tensor | None) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Returns what is added in each layer, (N, 2 C, 1, 1) and (N, 2 C, H or 1, W or 1), and before the output."""
        code = with_context(z, y).flatten(0, -2)
        seen = [] if self.planes is None else [self.planes(z, y).flatten(0, -4)]
        if self.maps is not None:
            seen += self.maps(code).unflatten(-1, (len(self.layers), -1, *self.shape[1:])).unbind(1)
        biases = self.biases(code)[..., None, None].chunk(2 * len(self.layers), 1)
        looks = [channels_last(look(planes)) for look, planes in zip(self.looks, seen)]
        across = [b + look for b, look in zip(biases[1::2], looks)] + list(biases[1 + 2 * len(looks) :: 2])
        return list(zip(biases[::2], across)), code.new_zeros(1, 1, 1, 1) if self.last is None else self.last(
            seen[-1]
        )

    def read(self, h: Tensor, seen: Tensor) -> Tensor:
        return self.head((self.hidden(h.relu()) + seen).relu())

    def forward(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Returns the parameters of all pixels, (*, P, H, W), for images in [0, 1], (B, C, H, W), and codes, (*, D)."""
        conditions, seen = self.conditions(z, y)
        batch = z.shape[:-1]
        v = h = channels_last((2 * x - 1).expand(*batch, *self.shape).flatten(0, -4))
        for layer, biases in zip(self.layers, conditions):
            v, h = layer(v, h, *biases)
        return self.read(h, seen).unflatten(0, batch)

    @torch.no_grad()
    def draw(self, pick: Callable[[Tensor], Tensor], z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Draws images pixel by pixel; every layer computes every row and every pixel once.

        Arguments:
            pick: Draws a pixel, (N, C, 1, 1), from its parameters, (N, P, 1, 1).
            z: The codes, (*, D).
            y: Their context, or None.
        """
        conditions, seen = self.conditions(z, y)
        channels, height, width = self.shape
        layers, n = cast(list[GatedLayer], list(self.layers)), len(conditions[0][0])
        images = z.new_empty(n, channels, height, width)

        def room(layer: GatedLayer, rows: int, columns: int) -> Tensor:
            return channels_last(z.new_zeros(n, layer.left.in_channels, rows, columns))

        above = [room(layer, layer.reach + height, width) for layer in layers]  # what each layer reads
        for i in range(height):
            v, pushed = images[:, :, i : i + 1], []
            for k, (layer, (bias, _)) in enumerate(zip(layers, conditions)):
                if k:
                    above[k][:, :, i + layer.reach] = v[:, :, 0]
                v = layer.downward(above[k][:, :, i : i + layer.size], bias)
                pushed.append(layer.down(v))
            left = [room(layer, 1, layer.reach + width) for layer in layers]
            for j in range(width):
                h = images[:, :, i : i + 1, j : j + 1]
                for k, (layer, (_, bias)) in enumerate(zip(layers, conditions)):
                    if k:
                        left[k][..., j + layer.reach] = h[..., 0]
                    columns, down = left[k][..., j : j + layer.size], pushed[k][..., j : j + 1]
                    h = layer.rightward(columns, h, down, at_pixel(bias, i, j))
                pixel = pick(self.read(h, at_pixel(seen, i, j)))
                images[:, :, i : i + 1, j : j + 1] = pixel
                left[0][..., j + layers[0].reach] = 2 * pixel[..., 0] - 1
            above[0][:, :, i + layers[0].reach] = left[0][:, :, 0, layers[0].reach :]
        return images.unflatten(0, z.shape[:-1])


def at_pixel(planes: Tensor, i: int, j: int) -> Tensor:
    """Takes one pixel of planes, or what is the same for all of them."""
    return planes if planes.shape[-2:] == (1, 1) else planes[..., i : i + 1, j : j + 1]
