"""Labels: numbered for a model, and named as their source names them.

A class is called what the source calls it, letter by letter: 7, 007, 7.0 and 9007199254740993 are four. Classes that are numbers
are in the order of their values, others in that of their letters. An empty label is unknown, and numbered -1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import DataError

__all__ = ["MISSING", "numbered_labels", "numbered_names"]

MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?"})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def numbered_names(names: Sequence[str], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers names 0 … K-1, -1 where one is missing, and returns the classes.

    Raises:
        DataError: If all are numbers, and one is not whole: it is measured, and no class.

    Example:
        >>> numbered_names(["10", "9", "", "9"], "x.csv")
        (array([ 1,  0, -1,  0]), ('9', '10'))
        >>> numbered_names(["b", "007", "7"], "x.csv")[1]
        ('007', '7', 'b')
    """
    known = [(row, name) for row, name in enumerate(names, 1) if name not in MISSING]
    if all(NUMBER.fullmatch(name) for _, name in known):
        for row, name in known:
            if not float(name).is_integer():
                raise DataError(
                    f"{where}: the label of row {row} is {name}, not a class: labels are whole numbers or words."
                )
    classes = in_order({name for name in names if name not in MISSING})
    places = {name: i for i, name in enumerate(classes)}
    return np.array([places.get(name, -1) for name in names], dtype=np.int64), classes


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sorts names by their values where all are numbers, else by their letters."""
    found = list(names)
    if all(NUMBER.fullmatch(name) for name in found):
        return tuple(sorted(found, key=lambda name: (float(name), name)))
    return tuple(sorted(found))


def numbered_labels(y: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the labels of an array and names them; NaN, None and "" are unknown, and so is -1 beside classes that count up.

    Raises:
        DataError: If they are not one whole number or word a row.

    Example:
        >>> numbered_labels(np.array(["cat", "ant", "cat"]), "pets.csv")
        (array([1, 0, 1]), ('ant', 'cat'))
        >>> numbered_labels(np.array([2, -1, 0, 1]), "y.npy")
        (array([ 2, -1,  0,  1]), ('0', '1', '2'))
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{where}: the labels have shape {y.shape}; give one label per row, shape (N,).")
    if y.dtype.kind not in "biufUSO":
        raise DataError(f"{where}: the labels are of type {y.dtype}; labels are whole numbers or words.")
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    names = [written(value, row, where) for row, value in enumerate(y.tolist(), 1)]
    if y.dtype.kind in "iuf":
        names = without_marks(names)
    return numbered_names(names, where)


def written(label: object, row: int, where: str) -> str:
    """Writes a label as text; one that is a whole number without its decimal point."""
    if label is None or label != label or str(label) in MISSING or str(label) == "<NA>":
        return ""
    if isinstance(label, float):
        if not label.is_integer():
            raise DataError(
                f"{where}: the label of row {row} is {label:g}, not a class: labels are whole numbers or words."
            )
        return str(int(label))
    if isinstance(label, str | int | np.generic):
        return str(label).strip()
    raise DataError(
        f"{where}: the label of row {row} is of type {type(label).__name__}; labels are whole numbers or words."
    )


def without_marks(names: list[str]) -> list[str]:
    """Takes -1 for unknown where three other labels or more count from 0 or 1; beside 0 and 1 alone it may be a sign."""
    others = sorted({int(name) for name in names if name} - {-1})
    counted = (
        len(others) > 2 and others[0] in (0, 1) and others == [*range(others[0], others[0] + len(others))]
    )
    return ["" if name == "-1" else name for name in names] if counted else names
