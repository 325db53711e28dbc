r"""Recurrent networks that read and draw drawings, as sketch-rnn does.

A drawing is read in both directions, and the last outputs are the code's parameters. It is drawn point by point by a second
network, whose first state is :math:`\tanh(W z + b)` and which is given :math:`z` at every step too.

Drawings are cut at the longest one of a batch, and large batches are split by length. The backward direction reads each
drawing from its own end. So fused kernels run on whole tensors, and no step is computed in vain.

Ha and Eck, A Neural Representation of Sketch Drawings, 2017, https://arxiv.org/abs/1704.03477.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions.strokes import FINISHED, lengths_of, mixture_log_prob, outputs
from .cells import CELL_KINDS
from .recurrent import by_length

__all__ = ["StrokeDecoder", "StrokeEncoder", "five"]

STARTS = {"pen": (0.0, 0.0, 1.0, 0.0, 0.0), "zeros": (0.0, 0.0, 0.0, 0.0, 0.0)}


def five(x: Tensor) -> Tensor:
    """Writes points (*, 3) as (*, 5), with a one-hot column for each of the three states of the pen.

    Example:
        >>> five(torch.tensor([[0.5, -1.0, 1.0], [0.0, 0.0, 2.0]]))
        tensor([[ 0.5000, -1.0000,  0.0000,  1.0000,  0.0000],
                [ 0.0000,  0.0000,  0.0000,  0.0000,  1.0000]])
    """
    pen = x[..., 2:] == torch.arange(3, device=x.device)
    return torch.cat([x[..., :2], pen.to(x.dtype)], -1)


class StrokeEncoder(nn.Module):
    r"""Maps drawings to the parameters of a code by the last outputs of a cell in each direction.

    Arguments:
        latent: The dimension of :math:`z`; the outputs are :math:`\mu` and :math:`\log \sigma`.
        cell: "lstm", "layer-norm" or "hyper".
        units: The units of a direction.
        dropout: The share of the candidate's features that is dropped while training.

    Example:
        >>> StrokeEncoder(latent=4, units=8)(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 2.0]]])).shape
        torch.Size([1, 8])
    """

    def __init__(self, latent: int, cell: str = "lstm", units: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.forwards, self.backwards = (CELL_KINDS[cell](5, units, dropout=dropout) for _ in range(2))
        self.head = faint(2 * units, 2 * latent)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return by_length(self.read, lengths_of(x), x)

    def read(self, x: Tensor) -> Tensor:
        lengths = lengths_of(x).clamp_min(1)  # of a drawing without points the end is read
        points = five(x[:, : int(lengths.max())]).transpose(0, 1)
        steps, rows = torch.arange(len(points), device=x.device), torch.arange(len(x), device=x.device)
        back = (lengths - 1 - steps.unsqueeze(1)).clamp_min(0)
        ends = [
            cell(inputs, None, cell.begin(len(x)))[0][lengths - 1, rows]
            for cell, inputs in ((self.forwards, points), (self.backwards, points[back, rows]))
        ]
        loc, log_variance = self.head(torch.cat(ends, -1)).chunk(2, -1)
        return torch.cat([loc, log_variance / 2], -1)


class StrokeDecoder(nn.Module):
    r"""Predicts each point of a drawing from :math:`z` and the points before it.

    Arguments:
        latent: The dimension of :math:`z`; 0 for a network that draws without a code.
        cell: "lstm", "layer-norm" or "hyper".
        units: The units of the cell.
        components: The components :math:`M` of the mixture.
        dropout: The share of the candidate's features that is dropped while training.
        start: The input before the first point: "pen", a pen that is down at the origin, or "zeros".

    Example:
        >>> net = StrokeDecoder(latent=2, units=8, components=3)
        >>> x = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 2.0]]])
        >>> [nats.shape for nats in net(torch.zeros(1, 2), x)]
        [torch.Size([1]), torch.Size([1])]
    """

    start: Tensor

    def __init__(
        self,
        latent: int,
        cell: str = "lstm",
        units: int = 512,
        components: int = 20,
        dropout: float = 0.0,
        start: str = "pen",
    ) -> None:
        super().__init__()
        self.cell = CELL_KINDS[cell](5, units, latent, dropout)
        self.first = faint(latent, sum(self.cell.sizes)) if latent else None
        self.head = nn.Linear(units, outputs(components))
        nn.init.xavier_uniform_(self.head.weight)
        self.register_buffer("start", torch.tensor(STARTS[start]), persistent=False)

    def forward(self, z: Tensor, x: Tensor, padded: bool = False) -> tuple[Tensor, Tensor]:
        """Returns the nats of the places and of the pen, each with shape (n).

        Arguments:
            z: The codes, with shape (n, latent).
            x: The drawings, with shape (n, L, 3).
            padded: Whether the loss of the pen also counts the rows after the first end, all but the last.
        """

        def whole(x: Tensor, z: Tensor) -> Tensor:
            return torch.stack([part.sum(0) for part in self.score(x, z, padded)], -1)

        points, pens = by_length(whole, lengths_of(x), x, z).unbind(-1)
        return points, pens

    def at_points(self, z: Tensor, x: Tensor) -> Tensor:
        """Returns the nats of each point, place and pen together, with shape (n, L); those after the first end are 0."""

        def each(x: Tensor, z: Tensor) -> Tensor:
            places, pens = self.score(x, z)
            return F.pad((places + pens).t(), (0, x.shape[1] - len(pens)))

        return by_length(each, lengths_of(x), x, z)

    def score(self, x: Tensor, z: Tensor, padded: bool = False) -> tuple[Tensor, Tensor]:
        """Returns the nats of the places and of the pen at each step, with shape (T, n)."""
        lengths = lengths_of(x)
        steps = x.shape[1] - 1 if padded else int(lengths.max()) + 1
        x = x[:, :steps].transpose(0, 1)
        inputs = torch.cat([self.start.to(x.dtype).expand(1, x.shape[1], 5), five(x[:-1])])
        states, _ = self.cell(inputs, self.context(z), self.begin(z))
        y = self.head(states)
        y = y.float() if y.dtype in (torch.bfloat16, torch.float16) else y
        time = torch.arange(steps, device=x.device).unsqueeze(1)
        inside, charged = time < lengths, (time <= lengths) | padded
        pens = y[..., :3].log_softmax(-1).gather(-1, x[..., 2:].long()).squeeze(-1) * charged
        places = mixture_log_prob(y[..., 3:][inside], x[..., :2][inside])
        return -pens.new_zeros(inside.shape).masked_scatter(inside, places), -pens

    def draw(
        self, z: Tensor, longest: int, choose: Callable[[Tensor], Tensor], before: Tensor | None = None
    ) -> Tensor:
        """Draws rows (n, longest, 3); those that are finished are no longer computed.

        Arguments:
            z: The codes, with shape (n, latent).
            longest: The rows of a drawing, of which the last is an end.
            choose: Takes points (m, 3) from outputs (m, 3 + 6 M).
            before: Points (P, 3) that all of them begin with; what does not fit is left out.
        """
        drawings = z.new_zeros(len(z), longest, 3)
        drawings[..., 2] = FINISHED
        inputs = self.start.to(z.dtype).expand(1, len(z), 5)
        done = 0
        if before is not None and len(before):
            done = min(len(before), longest - 1)
            drawings[:, :done] = before[:done]
            inputs = torch.cat([inputs, five(before[:done].to(z.dtype)).unsqueeze(1).expand(-1, len(z), -1)])
        rows, state = torch.arange(len(z), device=z.device), self.begin(z)
        shares = tuple(share.expand(len(z), -1) for share in self.cell.shares(self.context(z)))
        for t in range(done, longest - 1):
            states, state = self.cell.loop(inputs, shares, state)
            points = choose(self.head(states[-1])).to(z.dtype)
            goes_on = points[:, 2] < FINISHED
            drawings[rows, t] = points
            if not goes_on.all():
                rows, points = rows[goes_on], points[goes_on]
                state, shares = (tuple(part[goes_on] for part in parts) for parts in (state, shares))
                if not len(rows):
                    break
            inputs = five(points).unsqueeze(0)
        return drawings

    def context(self, z: Tensor) -> Tensor | None:
        return None if self.first is None else z

    def begin(self, z: Tensor) -> tuple[Tensor, ...]:
        """Returns the state that a drawing starts from."""
        return self.cell.begin(len(z), None if self.first is None else self.first(z).tanh())


def faint(inputs: int, outputs: int) -> nn.Linear:
    """Makes a linear map that starts near zero."""
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=0.001)
    nn.init.zeros_(linear.bias)
    return linear
