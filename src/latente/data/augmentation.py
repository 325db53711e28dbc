r"""Augmentation of drawings and images, so that a model does not memorise them.

Sketch-rnn stretches each drawing by a factor of its own in either direction, and drops points: within a stroke the fourth point
and those after it, but not the last one, each with a probability. Who drops a point joins its neighbours, so its move is added to
that of the point kept before it. Which points may go is known beforehand, and their moves are summed in one pass over the batch.

Ha and Eck, A Neural Representation of Sketch Drawings, 2017, https://arxiv.org/abs/1704.03477; the dropping of points is that of
their published code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..distributions.strokes import FINISHED, LIFTED

__all__ = ["Flip", "StretchAndDrop", "droppable", "without"]

FIRST = 3  # the points of a stroke that are always kept


def droppable(x: Tensor) -> Tensor:
    """Returns which points of drawings (B, L, 3) may be dropped, with shape (B, L).

    Example:
        >>> droppable(torch.tensor([[[1.0, 0.0, 0.0]] * 4 + [[1.0, 0.0, 1.0], [0.0, 0.0, 2.0]]]))
        tensor([[False, False, False,  True, False, False]])
    """
    place = torch.arange(x.shape[1], device=x.device)
    begins = torch.roll(x[..., 2] == LIFTED, 1, 1)
    begins[:, 0] = True
    since = place - torch.where(begins, place, 0).cummax(1).values
    return (since >= FIRST) & (x[..., 2] == 0)


def without(x: Tensor, dropped: Tensor) -> Tensor:
    """Drops points of drawings (B, L, 3), and adds their moves to the point kept before each.

    Example:
        >>> x = torch.tensor([[[1.0, 0.0, 0.0], [2.0, 1.0, 0.0], [3.0, 0.0, 1.0], [0.0, 0.0, 2.0]]])
        >>> without(x, torch.tensor([[False, True, False, False]]))[0].tolist()
        [[3.0, 1.0, 0.0], [3.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.0, 0.0, 2.0]]
    """
    place = (~dropped).cumsum(1) - 1
    moves = torch.zeros_like(x[..., :2]).scatter_add_(1, place.unsqueeze(-1).expand(-1, -1, 2), x[..., :2])
    pens = torch.full_like(x[..., 2], FINISHED).scatter_reduce_(
        1, place, x[..., 2], "amax", include_self=False
    )
    return torch.cat([moves, pens.unsqueeze(-1)], -1)


@dataclass(frozen=True)
class StretchAndDrop:
    """Stretches drawings and drops some of their points.

    Arguments:
        stretch: The largest share by which a direction is stretched or shrunk.
        drop: The probability with which a point goes that may.
    """

    stretch: float = 0.15
    drop: float = 0.1

    def __call__(self, x: Tensor) -> Tensor:
        """Changes a batch, with shape (B, L, 3)."""
        if self.stretch:
            factors = torch.empty(len(x), 1, 2, device=x.device).uniform_(1 - self.stretch, 1 + self.stretch)
            x = torch.cat([x[..., :2] * factors, x[..., 2:]], -1)
        if self.drop:
            x = without(x, droppable(x) & (torch.rand(x.shape[:2], device=x.device) < self.drop))
        return x


@dataclass(frozen=True)
class Flip:
    """Mirrors each image with probability a half, left to right.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> Flip()(torch.tensor([[0, 255], [0, 255]], dtype=torch.uint8).view(2, 1, 1, 2)).flatten(1)
        tensor([[255,   0],
                [  0, 255]], dtype=torch.uint8)
    """

    def __call__(self, x: Tensor) -> Tensor:
        turned = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        return torch.where(turned, x.flip(-1), x)
