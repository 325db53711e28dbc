r"""Networks of a top-down hierarchy: a pass up that reads the data, and rungs by which a state comes down.

On its way up, a network keeps what it has read, :math:`h_1 \dots h_L`. On its way down, rung :math:`i` reads the state
:math:`s` alone for its prior, and also :math:`h_i` for its posterior, both diagonal Normals:

.. math::
    (\mu_p, \log \sigma_p, r) = f(s), \qquad (\delta, \log \tau) = g(s, h_i), \qquad
    q = \mathcal{N}(\mu_p + \sigma_p \delta, \; (\sigma_p \tau)^2), \qquad s \leftarrow b(s + r + W z)

The posterior is a residual of the prior: at :math:`\delta = 0, \tau = 1` a group has no information and no rate, whatever
the prior has become. Four things make depth trainable. The last layer of each prior starts at zero, so all priors start at
:math:`\mathcal{N}(0, I)`; the logarithms of scales are bounded by :math:`\pm 5`, smoothly; a code enters the state at the
scale of the state, and residual blocks start smaller by :math:`1 / \sqrt{L}`; and no layer normalises over a batch, so the
code of an example does not depend on the examples beside it.

The rungs of vectors and of images differ in their layers alone. Images are read, and drawn, at half their size and below: most
of the work of a full-size layer is spent on pixels that are alike. Tensors are channels_last.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import halved

__all__ = ["ConvLadder", "DenseLadder", "Ladder", "Rung"]

BOUND = 5.0  # of the logarithm of a scale


def bounded_scale(log_scale: Tensor) -> Tensor:
    return BOUND * torch.tanh(log_scale / BOUND)


def scaled(layer: nn.Module, factor: float) -> None:
    """Makes the first weights of a layer smaller."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(factor)


class DenseBlock(nn.Sequential):
    """Maps vectors through one hidden layer, after a rectifier."""

    def __init__(self, inputs: int, outputs: int, width: int, dropout: float = 0.0) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Linear(inputs, width),
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout else []),
            nn.Linear(width, outputs),
        )


class ConvBlock(nn.Sequential):
    """Maps planes through a bottleneck: 1 x 1 to fewer planes, twice 3 x 3, and 1 x 1 back. On single pixels all are 1 x 1."""

    def __init__(self, inputs: int, outputs: int, width: int, kernel: int = 3) -> None:
        super().__init__(
            nn.LeakyReLU(0.1),
            nn.Conv2d(inputs, width, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, kernel, padding=kernel // 2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, kernel, padding=kernel // 2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, outputs, 1),
        )


class Rung(nn.Module):
    r"""Names one latent group, and takes the state past it.

    Arguments:
        before: A network from :math:`s` to :math:`\mu_p`, :math:`\log \sigma_p` and :math:`r`; its last layer starts at zero.
        seen: A network from :math:`(s, h)` to :math:`\delta` and :math:`\log \tau`.
        write: A linear map of :math:`z` to a state; it starts with outputs of unit variance.
        after: The residual block :math:`b`, as what it adds.
        event: The shape of :math:`z`; its first dimension is the one of features.
        share: The factor of the first weights of the last layer of :math:`b`.
    """

    def __init__(
        self,
        before: nn.Sequential,
        seen: nn.Sequential,
        write: nn.Module,
        after: nn.Sequential,
        event: Sequence[int],
        share: float,
    ) -> None:
        super().__init__()
        self.before, self.seen, self.write, self.after = before, seen, write, after
        self.event, self.axis = tuple(event), -len(event)
        scaled(before[-1], 0.0)
        scaled(after[-1], share)
        with torch.no_grad():
            for parameter in write.parameters():  # weights, whose sum over z has unit variance, and a bias
                parameter.normal_(std=event[0] ** -0.5) if parameter.dim() > 1 else parameter.zero_()

    def extra_repr(self) -> str:
        return f"z {'x'.join(map(str, self.event))}"

    def prior(self, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Returns :math:`\mu_p`, :math:`\log \sigma_p` and :math:`r`."""
        n = self.event[0]
        output = self.before(s)
        loc, log_scale, extra = output.split([n, n, output.shape[self.axis] - 2 * n], self.axis)
        return loc, bounded_scale(log_scale), extra

    def posterior(self, s: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns :math:`\delta` and :math:`\log \tau`."""
        shift, log_ratio = self.seen(torch.cat([s, h], self.axis)).chunk(2, self.axis)
        return shift, bounded_scale(log_ratio)

    def pass_by(self, s: Tensor, extra: Tensor, z: Tensor) -> Tensor:
        """Returns the state below."""
        s = s + extra + self.write(z)
        return s + self.after(s)


class Ladder(nn.Module, abc.ABC):
    """Reads data on the way up, and holds the rungs of the way down. Abstract: a subclass defines the state.

    Attributes:
        rungs: The rungs, the first to be passed first. start: The state above all rungs. centre: What is subtracted from data
            before it is read, the mean of the training examples in a recipe: pixels that are nearly always black would else
            add up to one large number that is the same for all images, and slow all learning down.

    Arguments:
        shape: The shape of an example.
    """

    rungs: nn.ModuleList
    start: nn.Parameter
    centre: Tensor

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("centre", torch.full(tuple(shape), 0.5 if len(shape) == 3 else 0.0))

    def centred(self, x: Tensor) -> Tensor:
        """Returns the input made of data: twice its distance from the centre."""
        return 2 * (x - self.centre)

    def down(self) -> list[Rung]:
        """Lists the rungs, the first to be passed first."""
        return cast(list[Rung], list(self.rungs))

    @abc.abstractmethod
    def up(self, x: Tensor) -> list[Tensor]:
        """Returns the features of the data for each rung, each with shape (B, *)."""

    def top(self, n: int) -> Tensor:
        """Returns the state above all rungs, `n` times."""
        return self.start.expand(n, *self.start.shape)

    def enlarged(self, i: int, s: Tensor) -> Tensor:
        """Returns the state as rung `i` takes it, where states grow on their way down."""
        return s


class DenseLadder(Ladder):
    r"""Brings a vector down, for data of any shape.

    Arguments:
        shape: The shape of an example.
        latents: The dimensions of each group, the top one first.
        width: The features of the state, and of all hidden layers.
        dropout: The share of hidden units dropped while training.

    Example:
        >>> [h.shape for h in DenseLadder((1, 4, 4), [2, 3], width=8).up(torch.rand(5, 1, 4, 4))]
        [torch.Size([5, 8]), torch.Size([5, 8])]
    """

    def __init__(
        self, shape: Sequence[int], latents: Sequence[int], width: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__(shape)
        share = 1 / math.sqrt(len(latents))
        self.stem = nn.Linear(math.prod(shape), width)
        self.reading = nn.ModuleList(DenseBlock(width, width, width, dropout) for _ in latents)
        self.start = nn.Parameter(torch.zeros(width))
        self.rungs = nn.ModuleList(
            Rung(
                DenseBlock(width, 2 * n + width, width, dropout),
                DenseBlock(2 * width, 2 * n, width, dropout),
                nn.Linear(n, width),
                DenseBlock(width, width, width, dropout),
                (n,),
                share,
            )
            for n in latents
        )

    def up(self, x: Tensor) -> list[Tensor]:
        h = self.stem(self.centred(x).flatten(1))
        kept = []
        for block in self.reading:
            h = h + block(h)
            kept.append(h)
        return kept[::-1]


class ConvLadder(Ladder):
    r"""Brings planes down that double their size from stage to stage, for images of any size.

    Arguments:
        shape: The shape of an image, :math:`(C, H, W)`.
        latents: The planes of each group, the top one first.
        stages: How many groups each size has, the smallest first; the largest is half the image.
        width: The planes of the state.
        inner: The planes inside the blocks.

    Raises:
        ValueError: If the stages do not hold the groups.

    Example:
        >>> net = ConvLadder((1, 12, 12), [2, 2, 3], stages=[1, 2], width=8, inner=4)
        >>> [h.shape for h in net.up(torch.rand(5, 1, 12, 12))]
        [torch.Size([5, 8, 3, 3]), torch.Size([5, 8, 6, 6]), torch.Size([5, 8, 6, 6])]
    """

    def __init__(
        self,
        shape: Sequence[int],
        latents: Sequence[int],
        stages: Sequence[int],
        width: int = 48,
        inner: int = 16,
    ) -> None:
        super().__init__(shape)
        if sum(stages) != len(latents):
            raise ValueError(
                f"stages {list(stages)} hold {sum(stages)} groups, and latent names {len(latents)}: let them agree"
            )
        sizes = halved(shape, len(stages))[1:]
        share = 1 / math.sqrt(len(latents))
        self.stage_of = [stage for stage, groups in enumerate(stages) for _ in range(groups)]
        self.sizes = sizes[::-1]
        kernels = [3 if max(size) > 1 else 1 for size in self.sizes]
        self.downs = nn.ModuleList(
            nn.Conv2d(before, width, 3, stride=2, padding=1)
            for before in [shape[0]] + [width] * (len(stages) - 1)
        )
        self.reading = nn.ModuleList(
            nn.ModuleList(ConvBlock(width, width, inner, kernel) for _ in range(groups))
            for groups, kernel in zip(stages[::-1], kernels[::-1])
        )
        self.start = nn.Parameter(torch.zeros(width, *self.sizes[0]))
        self.places = nn.ParameterList(nn.Parameter(torch.zeros(width, *size)) for size in self.sizes[1:])
        self.rungs = nn.ModuleList(
            Rung(
                ConvBlock(width, 2 * n + width, inner, kernels[stage]),
                ConvBlock(2 * width, 2 * n, inner, kernels[stage]),
                nn.Conv2d(n, width, 1),
                ConvBlock(width, width, inner, kernels[stage]),
                (n, *self.sizes[stage]),
                share,
            )
            for n, stage in zip(latents, self.stage_of)
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def up(self, x: Tensor) -> list[Tensor]:
        h = self.centred(x).contiguous(memory_format=torch.channels_last)
        kept = []
        for down, blocks in zip(self.downs, self.reading):
            h = down(h)
            for block in cast(nn.ModuleList, blocks):
                h = h + block(h)
            kept.append(h)
        return [kept[::-1][stage] for stage in self.stage_of]

    def top(self, n: int) -> Tensor:
        return super().top(n).contiguous(memory_format=torch.channels_last)

    def enlarged(self, i: int, s: Tensor) -> Tensor:
        stage = self.stage_of[i]
        if i == 0 or stage == self.stage_of[i - 1]:
            return s
        height, width = self.sizes[stage]
        return F.interpolate(s, scale_factor=2)[..., :height, :width] + self.places[stage - 1]
