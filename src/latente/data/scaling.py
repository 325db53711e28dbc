"""Location and scale of the training rows, to standardise features and to return them in the user's units.

Both are computed in float64 before anything becomes float32, so that a column of dates keeps its digits.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..distributions.strokes import FINISHED
from ..errors import DataError
from .examples import NUMBERS, Examples
from .looks import Look
from .raw import Raw, blocks

__all__ = [
    "Scaling",
    "by_own_moves",
    "column_scaling",
    "lies_in_unit",
    "pen_scaling",
    "scaled",
    "told_of_counts",
]

FARTHEST = 1e12  # standard deviations: products of a few are still numbers of 32 bits


@dataclass(frozen=True, eq=False)
class Scaling:
    """Holds what the features of a set are called, and what they were standardised by.

    Arguments:
        location: What was subtracted from each feature, float64 of shape (D,): the training split's mean. None where
            nothing was.
        scale: What it was then divided by, float64 of shape (D,): the training split's standard deviation, and 1 for a feature
            that is constant there. Both directions of a pen have one. None where nothing was.
        columns: The names of a table's features; empty otherwise.
    """

    location: Tensor | None = None
    scale: Tensor | None = None
    columns: tuple[str, ...] = ()

    @staticmethod
    def of_json(recorded: Mapping[str, Any]) -> Scaling:
        """Reads what `to_json` wrote."""

        def tensor(values: list[float] | None) -> Tensor | None:
            return None if values is None else torch.tensor(values, dtype=torch.float64)

        return Scaling(
            tensor(recorded["location"]), tensor(recorded["scale"]), tuple(recorded.get("columns", ()))
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "location": None if self.location is None else self.location.tolist(),
            "scale": None if self.scale is None else self.scale.tolist(),
            "columns": list(self.columns),
        }

    def inverse(self, x: Tensor) -> Tensor:
        """Takes standardised features, shape (..., D), back to the user's units, in float64 on the CPU."""
        if self.scale is None:
            return x
        there = x.cpu().double() * self.scale
        return there if self.location is None else there + self.location


def moments(x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of some rows in float64; 1 for the latter of a constant column."""
    count = len(rows)
    parts = list(blocks(rows))
    mean = sum((x[part].sum(axis=0, dtype=np.float64) for part in parts), np.zeros(x.shape[1])) / count
    square = sum((((x[part] - mean) ** 2).sum(axis=0) for part in parts), np.zeros(x.shape[1]))
    low = np.min([x[part].min(axis=0) for part in parts], axis=0)
    high = np.max([x[part].max(axis=0) for part in parts], axis=0)
    constant = low == high
    return np.where(constant, low, mean), np.where(constant, 1.0, np.sqrt(square / count))


def standardised(x: np.ndarray, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Subtracts a location and divides by a scale, in float64; what is farther away than `FARTHEST` is taken for that far."""
    out, far = np.empty(x.shape, dtype=np.float32), 0
    for target, block in zip(blocks(out), blocks(x), strict=True):
        with np.errstate(over="ignore"):
            numbers = (block - location) / scale
        far += int((abs(numbers) > FARTHEST).sum())
        target[...] = numbers.clip(-FARTHEST, FARTHEST)
    if far:
        values = "1 value lies" if far == 1 else f"{far:,} values lie"
        message = f"{values} more than {FARTHEST:g} standard deviations away: counted as that far"
        warnings.warn(message, stacklevel=2)
    return out


def lies_in_unit(x: np.ndarray) -> bool:
    """Returns whether all values lie in [0, 1]."""
    return bool(x.min() >= 0 and x.max() <= 1)


def column_scaling(raw: Raw, rows: np.ndarray, where: str) -> Scaling:
    """Returns mean and standard deviation of each column over some rows.

    Raises:
        DataError: If the values of a column are too large to square.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        location, scale = moments(raw.x, rows)
    if not (np.isfinite(location).all() and np.isfinite(scale).all()):
        column = int(np.argmin(np.isfinite(location) & np.isfinite(scale)))
        name = repr(raw.columns[column]) if raw.columns else str(column + 1)
        raise DataError(f"{where}: the values of column {name} are too large to square; rescale or drop it.")
    return Scaling(torch.from_numpy(location), torch.from_numpy(scale), raw.columns)


def told_of_counts(raw: Raw) -> Raw:
    """Notes a matrix of counts, or of their log(1 + n): a Normal is a rough likelihood of them."""
    x = raw.x[:2000].astype(np.float64)
    zeros = float((x == 0).mean())
    for what, numbers in (("counts", x), ("log(1 + n) of counts", np.expm1(np.minimum(x, 40)))):
        whole = np.abs(numbers - numbers.round()) <= 1e-5 * (1 + np.abs(numbers))
        if x.shape[1] > 2 and x.min() >= 0 and 0.3 < zeros < 1 and numbers.max() > 1.5 and whole.all():
            said = f"looks like {what}, {100 * zeros:.0f} % of them 0: a Normal is a rough likelihood of such"
            return replace(raw, note="; ".join(filter(None, [raw.note, said])))
    return raw


def pen_scaling(x: np.ndarray, where: str) -> Scaling:
    """Returns one scale for both directions: the standard deviation of all moves.

    Raises:
        DataError: If all moves are alike.
    """
    scale = x[x[..., 2] < FINISHED][:, :2].std(dtype=np.float64)
    if not 0 < scale < np.inf:
        raise DataError(
            f"{where}: all moves are alike, so they have no deviation to be scaled by: give more drawings."
        )
    return Scaling(
        torch.zeros(3, dtype=torch.float64), torch.tensor([scale, scale, 1.0], dtype=torch.float64)
    )


def by_own_moves(raw: Raw) -> Raw:
    """Scales each drawing to moves whose root mean square is 1 in either direction."""
    x = raw.x
    inside = x[..., 2:] < FINISHED
    square = (x[..., :2] ** 2 * inside).sum((1, 2), keepdims=True) / (2 * inside.sum((1, 2), keepdims=True))
    return replace(raw, x=np.concatenate([x[..., :2] / np.sqrt(square), x[..., 2:]], -1))


def scaled(raw: Raw, rows: np.ndarray | slice, scaling: Scaling, look: Look = NUMBERS) -> Examples:
    """Returns rows as examples, standardised where there is a scale, as float32."""
    x = raw.x[rows]
    if scaling.scale is None:
        x = x.astype(np.float32, copy=False)
    else:
        location = np.zeros(len(scaling.scale)) if scaling.location is None else scaling.location.numpy()
        x = standardised(x, location, scaling.scale.numpy())
    y = None if raw.y is None else torch.from_numpy(np.ascontiguousarray(raw.y[rows]))
    return Examples(torch.from_numpy(np.ascontiguousarray(x)), y, look)
