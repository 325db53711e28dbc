"""What people give from Python: arrays, tensors, lists, and tables of pandas or polars, none of which is imported."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError

__all__ = ["array_of", "columns_of", "tensor_of"]


def columns_of(x: Any) -> tuple[str, ...]:
    """Returns the names of the columns of a table; none of an array."""
    columns = getattr(x, "columns", None)
    return () if columns is None else tuple(map(str, columns))


def array_of(x: Any, what: str) -> np.ndarray:
    """Returns numbers or labels as an array.

    Raises:
        DataError: If a column of a table holds no numbers.
    """
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        return (
            x.float() if x.dtype in (torch.bfloat16, torch.float16) else x.resolve_conj().resolve_neg()
        ).numpy()
    names = columns_of(x)
    if names:
        return np.stack([numbers_of(x[name], name, what) for name in x.columns], 1)
    to_numpy = getattr(x, "to_numpy", None)
    found = np.asarray(x if to_numpy is None else to_numpy())
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def numbers_of(column: Any, name: object, what: str) -> np.ndarray:
    """Returns a column as floats, what is missing as NaN."""
    try:
        return np.asarray(
            [np.nan if v is None or v is not v or str(v) == "<NA>" else v for v in column], np.float64
        )
    except (TypeError, ValueError):
        raise DataError(
            f"{what}: column {str(name)!r} is not numeric; drop it, or give it as the labels, from_arrays(x, y)."
        ) from None


def tensor_of(x: Any) -> Tensor:
    """Returns numbers as a tensor.

    Raises:
        DataError: If they are none.
    """
    found = array_of(x, "the examples") if not isinstance(x, Tensor) else x.detach()
    if not isinstance(found, Tensor):
        if found.dtype.kind not in "biuf":
            raise DataError(
                f"the examples are of type {found.dtype}, and hold no numbers: give plain integers or floats."
            )
        found = torch.from_numpy(np.ascontiguousarray(found))
    return found
