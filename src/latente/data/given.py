"""What people give from Python: arrays, tensors, lists, sparse matrices, tables of pandas or polars, none of which is imported.

Numbers come in as an array, whatever holds them; what holds none is refused in a sentence. In a table each column is taken by
itself, so that a missing value is NaN and a column of words is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ..memory import check_fits

__all__ = ["array_of", "columns_of", "labels_of", "tensor_of"]

MISSING = ("<NA>", "NaT")


def columns_of(x: Any) -> tuple[str, ...]:
    """Returns the names of the columns of a table; none of an array.

    Example:
        >>> columns_of({"a": [1, 2], "b": [3, 4]}), columns_of([[1, 2]])
        (('a', 'b'), ())
    """
    return tuple(map(str, keys_of(x)))


def keys_of(x: Any) -> list[Any]:
    if isinstance(x, Mapping):
        return list(x)
    if isinstance(x, np.ndarray):
        return list(x.dtype.names or ())
    columns = getattr(x, "columns", None)
    return [] if columns is None else list(columns)


def array_of(x: Any, what: str) -> np.ndarray:
    """Returns numbers as an array.

    Arguments:
        x: An array, a tensor, lists of numbers, a sparse matrix, or a table.
        what: What it is called in messages.

    Raises:
        DataError: If it holds no numbers, or its rows differ in length.
    """
    if isinstance(x, Tensor):
        return of_tensor(x, what)
    if keys_of(x):
        return of_table(x, what)
    if (in_full := getattr(x, "toarray", None)) is not None:  # of scipy.sparse
        check_fits(8 * math.prod(x.shape), f"{what}, a sparse matrix in full,")
        return np.asarray(in_full())
    if isinstance(x, np.ma.MaskedArray) and x.dtype.kind in "biuf":
        x = np.where(np.ma.getmaskarray(x), np.nan, x.data)
    found = asarray(x, what)
    if found.dtype.kind == "O" and found.ndim:
        found = numbers_in(found, what)
    if found.dtype.kind == "f" and found.dtype.itemsize > 8:
        found = found.astype(np.float64)
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def asarray(x: Any, what: str) -> np.ndarray:
    """Returns what numpy makes of it.

    Raises:
        DataError: If its rows differ in length.
    """
    to_numpy = getattr(x, "to_numpy", None)
    try:
        return np.asarray(x if to_numpy is None else to_numpy())
    except (ValueError, TypeError):
        raise DataError(
            f"{what}: rows differ in length, or hold no numbers: give an array, (N, D) vectors or (N, H, W[, C]) images."
        ) from None


def of_tensor(x: Tensor, what: str) -> np.ndarray:
    """Returns a tensor of any device and layout as an array."""
    if x.is_meta:
        raise DataError(f"{what}: a tensor on the device meta has no data: give one that has.")
    x = x.detach()
    x = x.to_dense() if x.layout != torch.strided else x
    small = x.dtype in (torch.bfloat16, torch.float16) or "float8" in str(x.dtype)
    return (x.float() if small else x.resolve_conj().resolve_neg()).cpu().numpy()


def of_table(x: Any, what: str) -> np.ndarray:
    """Returns the columns of a table side by side, each as floats.

    Raises:
        DataError: If one is not of numbers, or two have one name.
    """
    keys = keys_of(x)
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise DataError(f"{what} has more than one column called {twice[0]!r}: rename them.")
    columns = {key: numbers_of(x[key]) for key in keys}
    words = [str(key) for key, column in columns.items() if column is None]
    if words:
        named = f"column {words[0]!r} is" if len(words) == 1 else f"columns {', '.join(map(repr, words))} are"
        raise DataError(
            f"{what}: {named} not numeric; leave out what is no feature, as x.drop(columns={words!r}), and give labels apart, "
            "as y."
        )
    found = [column for column in columns.values() if column is not None]
    if len({len(column) for column in found}) > 1:
        raise DataError(f"{what}: the columns differ in length; give each row a value in each.")
    return np.stack(found, 1)


def numbers_of(column: Any) -> np.ndarray | None:
    """Returns a column as floats, what is missing as NaN; None where it is not of numbers."""
    found = np.asarray(column)
    if found.ndim == 1 and found.dtype.kind in "biuf":
        return found.astype(np.float64)
    if found.ndim != 1 or found.dtype.kind != "O":
        return None
    values = [math.nan if v is None or str(v) in MISSING else v for v in found.tolist()]
    if any(isinstance(v, str | bytes) for v in values):
        return None
    try:
        return np.asarray([float(v) for v in values], np.float64)
    except (TypeError, ValueError):
        return None


def numbers_in(x: np.ndarray, what: str) -> np.ndarray:
    """Returns an array of objects as floats.

    Raises:
        DataError: If one is no number.
    """
    found = numbers_of(x.reshape(-1))
    if found is None:
        raise DataError(f"{what}: an array of objects that are no numbers: give plain integers or floats.")
    return found.reshape(x.shape)


def labels_of(y: Any, what: str) -> np.ndarray:
    """Returns labels as an array of whatever they are, one a row.

    Raises:
        DataError: If they are none.
    """
    if isinstance(y, Tensor):
        return of_tensor(y, what)
    keys = keys_of(y)
    if len(keys) > 1:
        raise DataError(
            f"{what}: the labels have columns {', '.join(map(repr, map(str, keys[:5])))}: give one of them."
        )
    found = asarray(y[keys[0]] if keys else y, f"{what}: the labels")
    if not found.ndim:
        raise DataError(f"{what}: the labels are one thing, {str(y)[:30]!r}: give each row one, (N,).")
    if (
        isinstance(y, list | tuple)
        and found.dtype.kind in "US"
        and not all(isinstance(v, str | bytes) for v in y)
    ):
        return np.array(y, dtype=object)  # numpy would make words of numbers among words, and of None
    return found


def tensor_of(x: Any) -> Tensor:
    """Returns numbers as a tensor: those of a tensor as they are, those of anything else as floats of the usual size, or bytes.

    Raises:
        DataError: If they are none.
    """
    if isinstance(x, Tensor):
        found = x.detach()
        found = found.to_dense() if found.layout != torch.strided else found
        if found.is_complex() or found.is_meta:
            raise DataError(f"the examples are {found.dtype} on {found.device}: give real numbers.")
        return found
    numbers = array_of(x, "the examples")
    if numbers.dtype.kind not in "biuf":
        raise DataError(
            f"the examples are of type {numbers.dtype}, and hold no numbers: give plain integers or floats."
        )
    if numbers.dtype != np.uint8:
        numbers = numbers.astype(np.float32)
    return torch.from_numpy(np.array(numbers, order="C"))
