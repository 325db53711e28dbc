"""Examples in memory: one tensor, indexed by batches.

Rows stay what they came as: 60,000 digits are 47 MB of bytes and never 188 of floats. What a model sees of them is the work of
their look, see :mod:`latente.data.looks`, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .given import labels_of, tensor_of
from .looks import Look, Numbers

__all__ = ["Examples", "mixed"]

SHARE = 0.2  # of a batch that has labels, where they are fewer than that: see `FewLabels`
NUMBERS = Numbers()
POOL = 50  # batches whose rows are sorted by length together


@dataclass(frozen=True, eq=False)
class Examples:
    """Holds the rows of one split and hands them out in batches.

    Arguments:
        x: The data, shape (N, *shape), as its look reads it: a tensor, or an array, lists or a table of numbers.
        y: The labels, int64 of shape (N,), -1 where one is not known; or the captions, int32 of shape (N, L) or, several per
            image, (N, K, L), filled up with zeros; or None.
        look: What a model sees of a row; by default numbers as they are, and bytes as numbers in [0, 1].
        augment: Changes the rows of each batch at random, as they are stored, as for training; `fixed` leaves it out.

    Raises:
        DataError: If x and y differ in length, or captions are not whole numbers of 32 bits.

    Example:
        >>> x = torch.tensor([[0], [255], [51]], dtype=torch.uint8)
        >>> examples = Examples(x, y=torch.tensor([0, 1, 1]))
        >>> examples.batch(torch.tensor([2, 1]))
        (tensor([[0.2000],
                [1.0000]]), tensor([1, 1]))
    """

    x: Tensor
    y: Tensor | None = None
    look: Look = NUMBERS
    augment: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.x, Tensor) or self.x.requires_grad:
            object.__setattr__(self, "x", tensor_of(self.x))
        if not self.x.dim():
            raise DataError("x is a single number: give examples, shape (N, *).")
        if self.y is not None and not isinstance(self.y, Tensor):
            object.__setattr__(self, "y", numbered(self.y))
        if self.y is not None and len(self.y) != len(self.x):
            raise DataError(f"x has {len(self.x)} rows and y has {len(self.y)}: give each row one label.")
        if self.y is not None and (self.y.dim() > 1) != (self.y.dtype == torch.int32):
            raise DataError(
                f"y is {self.y.dtype} of shape {tuple(self.y.shape)}: give labels as int64 of shape (N,), or captions as "
                "int32 of shape (N, L) or (N, K, L)."
            )

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor | None]:
        """Returns the rows of an index as a model sees them, and their labels or captions.

        What is random, in the look or an augmentation, takes its bits from torch's global generator.

        Arguments:
            index: Row numbers, int64 of shape (B,), or a slice.
        """
        if isinstance(index, slice):
            x, y = self.x[index], None if self.y is None else self.y[index]
        else:
            x = self.x.index_select(0, index)
            y = None if self.y is None else self.y.index_select(0, index)
        x, y = self.look.picked(x, y)
        if self.augment is not None:
            x = self.augment(x)
        return self.look.shown(x), y

    @cached_property
    def lengths(self) -> Tensor | None:
        """How long each row is, on the CPU; None for examples of one size."""
        return self.look.lengths(self.x)

    @cached_property
    def labelled(self) -> Tensor | None:
        """The mask of known labels, on the CPU, where not all are; else None."""
        if self.y is None or bool((self.y >= 0).all()):
            return None
        return (self.y >= 0).cpu()

    def known(self) -> Examples:
        """Returns those whose label is known; all where there are no labels."""
        if self.labelled is None:
            return self
        rows = self.labelled.to(self.x.device)
        assert self.y is not None
        return replace(self, x=self.x[rows], y=self.y[rows])

    def told(self, index: Tensor | slice) -> tuple[Tensor, Tensor | None]:
        """Returns a batch whose labels are all known, or without labels."""
        x, y = self.batch(index)
        return x, None if y is not None and y.dim() == 1 and bool((y < 0).any()) else y

    def shuffled(self, batch: int, generator: torch.Generator) -> Tensor:
        """Returns the rows in random order; where rows have lengths, those of a batch are of nearly one.

        Where few labels are known, each batch has the same number of them, a fifth or more; they come again and again.

        Arguments:
            batch: The rows of a batch. Those that fill no batch come last.
            generator: What the order is drawn from.
        """
        if self.labelled is not None:
            return mixed(self.labelled, batch, generator)
        order = torch.randperm(len(self), generator=generator)
        lengths = self.lengths
        if lengths is None:
            return order
        whole = len(self) // batch * batch
        pools = order[:whole].split(POOL * batch)
        batches = torch.cat([pool[lengths[pool].argsort(stable=True)] for pool in pools]).view(-1, batch)
        return torch.cat(
            [batches[torch.randperm(len(batches), generator=generator)].flatten(), order[whole:]]
        )

    def fixed(self, seed: int = 0) -> Examples:
        """Draws once what the look draws at every batch, and keeps it; there is no augmentation.

        Examples of which nothing is random are returned as they are. The global generator is not touched.
        """
        x, y, look = self.look.fixed(self.x, self.y, seed)
        if self.augment is None and x is self.x and y is self.y and look is self.look:
            return self
        return Examples(x, y, look)

    def to(self, device: torch.device | str) -> Examples:
        """Moves the tensors to a device."""
        return replace(self, x=self.x.to(device), y=None if self.y is None else self.y.to(device))

    def subset(self, n: int, seed: int = 0) -> Examples:
        """Returns n rows of a fixed permutation, or all rows where there are fewer; what is composed afresh stays so.

        Never the first n: the test rows of static MNIST, for one, are sorted by digit.

        Raises:
            DataError: If n is not positive.
        """
        if n < 1:
            raise DataError(f"A subset needs at least one row, not {n}.")
        if n >= len(self):
            return self
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        rows = order[:n].to(self.x.device)
        return replace(self, x=self.x[rows], y=None if self.y is None else self.y[rows])


def numbered(y: Any) -> Tensor:
    """Returns labels that are numbered already as a tensor.

    Raises:
        DataError: If they are no whole numbers.
    """
    found = labels_of(y, "y")
    if found.dtype.kind not in "biu":
        raise DataError(
            f"y is of type {found.dtype}: give the numbers of the classes, 0 … K-1, or let from_arrays(x, y) number them."
        )
    return torch.from_numpy(found.astype(np.int64 if found.ndim == 1 else np.int32))


def mixed(labelled: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Returns rows in an order in which each batch has as many that are labelled, spread over it evenly.

    Arguments:
        labelled: Which rows are.
        batch: The rows of a batch.
        generator: What the order is drawn from.

    Example:
        >>> labelled = torch.arange(20) < 3
        >>> mixed(labelled, 5, torch.Generator().manual_seed(0)).view(4, 5).lt(3).sum(1)
        tensor([1, 1, 1, 1])
    """
    batches = len(labelled) // batch
    share = max(SHARE, labelled.double().mean().item())
    of_each = {True: min(batch, max(1, round(share * batch)))}
    of_each[False] = batch - of_each[True]
    parts = []
    for kind, n in of_each.items():
        rows = (labelled == kind).nonzero().flatten()
        rounds = -(-batches * n // len(rows)) if len(rows) else 0
        drawn = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)]
        parts.append(torch.cat([rows[:0], *drawn])[: batches * n].view(batches, n))
    places = torch.cat([(torch.arange(n) + 0.5) / max(1, n) for n in of_each.values()])
    return torch.cat(parts, 1)[:, places.argsort(stable=True)].flatten()
