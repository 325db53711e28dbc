r"""Attention of DRAW: windows to read an image and write to its canvas, and alignment with the words of a caption.

A window is an :math:`N \times N` grid of Gaussian filters on an image of :math:`H` rows and :math:`W` columns. The state of a
recurrent net places it by five numbers, :math:`(\tilde g_x, \tilde g_y, \log \sigma^2, \log \tilde \delta, \log \gamma)`. With
pixels counted from 0,

.. math:: g_x = \tfrac{W - 1}{2} (\tilde g_x + 1), \quad g_y = \tfrac{H - 1}{2} (\tilde g_y + 1), \quad
    \delta = \tfrac{\max(H, W) - 1}{N - 1} \tilde \delta, \quad \mu_i = g + (i - \tfrac{N - 1}{2}) \, \delta,

.. math:: F_{ia} = \frac{\exp(-(a - \mu_i)^2 / 2 \sigma^2)}{\sum_b \exp(-(b - \mu_i)^2 / 2 \sigma^2)} ,

so the grid is symmetric about its centre, and with all five numbers 0 the outer filters of a square image lie on its first and
last pixel. Rows are normalised by a softmax, which has nothing to underflow. Reading is :math:`\gamma F_Y x F_X^\top`, writing
:math:`\gamma^{-1} F_Y^\top w F_X`, with the same filters for all channels.

Images are laid out (n, H, C, W) here: then both are two batched matrix products for any number of channels, and no image is
copied for it.

References:
    | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015)
    | https://arxiv.org/abs/1502.04623
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .captions import Caption

__all__ = ["Aligned", "AroundMean", "Attended", "Filters", "MeanOfWords", "Reader", "Window", "Writer"]

FIRST_SCALE = 0.01  # standard deviation of the first weights that place a window


@dataclass(frozen=True)
class Filters:
    """Holds the filters of one window, rows (n, N, H) and columns (n, N, W), and its intensity (n, 1, 1)."""

    rows: Tensor
    columns: Tensor
    intensity: Tensor

    def read(self, x: Tensor) -> Tensor:
        """Reads windows (n, N, C, N) of images (n, H, C, W)."""
        n, size = self.rows.shape[:2]
        inner = torch.bmm(self.rows, x.flatten(2)).view(n, size * x.shape[2], -1)
        return (torch.bmm(inner, self.columns.transpose(1, 2)) * self.intensity).view(n, size, -1, size)

    def write(self, w: Tensor) -> Tensor:
        """Writes windows (n, N, C, N) to images (n, H, C, W)."""
        n, size, channels, _ = w.shape
        wide = torch.bmm(w.reshape(n, size * channels, size) / self.intensity, self.columns)
        return torch.bmm(self.rows.transpose(1, 2), wide.view(n, size, -1)).view(
            n, self.rows.shape[2], channels, -1
        )


class Window(nn.Module):
    """Places a window by the state of a recurrent net.

    Arguments:
        features: The features of the state.
        shape: The shape of an image, (C, H, W).
        size: The filters per side, N.

    Example:
        >>> window = Window(features=3, shape=(1, 9, 5), size=3)
        >>> window.filters(torch.zeros(1, 5)).rows[0].argmax(1)
        tensor([0, 4, 8])
    """

    across: Tensor
    down: Tensor
    grid: Tensor

    def __init__(self, features: int, shape: Sequence[int], size: int) -> None:
        super().__init__()
        _, height, width = shape
        self.size, self.height, self.width = size, height, width
        self.place = nn.Linear(features, 5)
        nn.init.normal_(self.place.weight, std=FIRST_SCALE)
        nn.init.zeros_(self.place.bias)
        self.register_buffer("down", torch.arange(height, dtype=torch.float32), persistent=False)
        self.register_buffer("across", torch.arange(width, dtype=torch.float32), persistent=False)
        grid = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        self.register_buffer("grid", grid * (max(height, width) - 1) / max(1, size - 1), persistent=False)

    def extra_repr(self) -> str:
        return f"{self.size} x {self.size} of {self.height} x {self.width}"

    def forward(self, h: Tensor) -> Filters:
        return self.filters(self.place(h))

    def filters(self, numbers: Tensor) -> Filters:
        """Makes the filters of the five numbers, with shape (n, 5)."""
        x, y, log_variance, log_stride, log_intensity = numbers.unsqueeze(-1).unbind(1)
        steps = self.grid * log_stride.exp()
        sharpness = 0.5 * (-log_variance).exp().unsqueeze(-1)
        centers = (
            (y + 1) * ((self.height - 1) / 2) + steps,
            (x + 1) * ((self.width - 1) / 2) + steps,
        )
        away = (g.unsqueeze(-1) - at for g, at in zip(centers, (self.down, self.across)))
        rows, columns = ((d * d * -sharpness).softmax(-1) for d in away)
        return Filters(rows, columns, log_intensity.exp().unsqueeze(-1))


class Reader(nn.Module):
    r"""Reads an image and its error through a window, or whole where there is none.

    Whole, the image is the same at every step and only its error :math:`\hat x` is read again; `still` is the number of
    features that are read once.

    Arguments:
        shape: The shape of an image, (C, H, W).
        window: The window; None to read every pixel.
    """

    def __init__(self, shape: Sequence[int], window: Window | None) -> None:
        super().__init__()
        self.window = window
        self.still = math.prod(shape) if window is None else 0
        self.features = self.still if window is None else 2 * shape[0] * window.size**2

    def forward(self, x: Tensor, shown: Tensor, h: Tensor) -> Tensor:
        """Returns readings (n, features) of images and of what is shown in their place, both (n, H, C, W)."""
        if self.window is None:
            return (x - shown).flatten(1)
        filters = self.window(h)
        seen = filters.read(x).flatten(1)  # apart: no gradient is asked for by x
        return torch.cat([seen, seen - filters.read(shown).flatten(1)], 1)


class Writer(nn.Module):
    """Writes to a canvas through a window, or everywhere where there is none.

    Arguments:
        features: The features of the state that writes.
        shape: The shape of the canvas, (C, H, W).
        window: The window; None to write every pixel.
    """

    def __init__(self, features: int, shape: Sequence[int], window: Window | None) -> None:
        super().__init__()
        channels, height, width = shape
        self.window = window
        self.patch = (height, channels, width) if window is None else (window.size, channels, window.size)
        self.ink = nn.Linear(features, math.prod(self.patch))

    def forward(self, h: Tensor) -> Tensor:
        """Returns the addition to canvases, (n, H, C, W)."""
        patch = self.ink(h).unflatten(-1, self.patch)
        return patch if self.window is None else self.window(h).write(patch)


@dataclass(frozen=True)
class Attended:
    """Holds the context of a step, (n, D), and the attention weight of each word, (n, L)."""

    context: Tensor
    weights: Tensor


class Aligned(nn.Module):
    r"""Attends to the words of a caption at each step, :math:`\alpha = \mathrm{softmax}_k \, v^\top \tanh(U s_k + W h + b)`.

    References:
        | Neural Machine Translation by Jointly Learning to Align and Translate (Bahdanau et al., 2014)
        | https://arxiv.org/abs/1409.0473

    Arguments:
        features: The features of the query, :math:`h`.
        words: The features of a word's state, :math:`s_k`.
        hidden: The dimension of :math:`v`.

    Example:
        >>> from latente.nn import Bag
        >>> align, caption = Aligned(features=3, words=4, hidden=5), Bag(9, 4)(torch.tensor([[3, 9, 1], [5, 0, 0]]))
        >>> align(torch.randn(2, 3), caption, align.keys(caption)).weights[1]
        tensor([1., 0., 0.], grad_fn=<SelectBackward0>)
    """

    def __init__(self, features: int, words: int, hidden: int) -> None:
        super().__init__()
        self.of_words, self.of_state = nn.Linear(words, hidden), nn.Linear(features, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def keys(self, caption: Caption) -> Tensor:
        """Returns the keys, which do not change from step to step, (n, L, hidden)."""
        return self.of_words(caption.states)

    def forward(self, h: Tensor, caption: Caption, keys: Tensor) -> Attended:
        energies = self.score((keys + self.of_state(h).unsqueeze(1)).tanh()).squeeze(-1)
        lowest = torch.finfo(energies.dtype).min
        weights = energies.masked_fill(~caption.mask, lowest).softmax(-1)
        return Attended(torch.bmm(weights.unsqueeze(1), caption.states).squeeze(1), weights)


class MeanOfWords(nn.Module):
    """Gives each step the same context of a caption: the mean of its words, or the pooled vector of its encoder.

    Arguments:
        pooled: Whether it is the pooled vector.
    """

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.pooled = pooled

    def keys(self, caption: Caption) -> Tensor:
        share = caption.mask / caption.mask.sum(1, keepdim=True).clamp_min(1)
        return share.to(caption.states.dtype)

    def forward(self, h: Tensor, caption: Caption, keys: Tensor) -> Attended:
        if self.pooled:
            return Attended(caption.pooled, keys)
        return Attended(torch.bmm(keys.unsqueeze(1), caption.states).squeeze(1), keys)


class AroundMean(nn.Module):
    r"""Reads a canvas of log-odds as logistics around its means, the planes that `LogisticMixture` takes of one component.

    Arguments:
        channels: The channels of the canvas.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.tenth_log_scale = nn.Parameter(torch.full((channels, 1, 1), -0.2))

    def forward(self, canvas: Tensor) -> Tensor:
        loc = 2 * canvas.sigmoid() - 1
        channels = loc.shape[-3]
        scale = (10 * self.tenth_log_scale).expand_as(loc)
        pairs = channels * (channels - 1) // 2  # channels of a pixel are independent given the canvas
        alone = torch.zeros_like(loc[..., :1, :, :])
        return torch.cat([alone, loc, scale, *[alone] * pairs], -3)
