"""Labels: numbered for a model, and named as their source names them.

A class is called what the source calls it, letter by letter: 7, 007, 7.0 and 9007199254740993 are four. Classes that are numbers
are in the order of their values, others in that of their letters. An empty label is unknown, and numbered -1.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

import numpy as np

from ..errors import DataError

__all__ = ["MISSING", "note_on_labels", "numbered_labels", "numbered_names"]

MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?"})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MEASURED = 0.5  # of the labels, that are other ones


def numbered_names(names: Sequence[str], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers names 0 … K-1, -1 where one is missing, and returns the classes.

    Raises:
        DataError: If all are numbers, not all whole, and nearly each another: they are measured, and no classes.

    Example:
        >>> numbered_names(["10", "9", "", "9"], "x.csv")
        (array([ 1,  0, -1,  0]), ('9', '10'))
        >>> numbered_names(["b", "007", "7"], "x.csv")[1]
        ('007', '7', 'b')
    """
    classes = in_order({name for name in names if name not in MISSING})
    if len(classes) > MEASURED * sum(name not in MISSING for name in names) and all(
        map(NUMBER.fullmatch, classes)
    ):
        fraction = next(
            ((row, n) for row, n in enumerate(names, 1) if n not in MISSING and not is_whole(n)), None
        )
        if fraction is not None:
            raise DataError(
                f"{where}: the label of row {fraction[0]} is {fraction[1][:20]}, not a class: labels are whole numbers or words, "
                "or a few other numbers that come again."
            )
    places = {name: i for i, name in enumerate(classes)}
    return np.array([places.get(name, -1) for name in names], dtype=np.int64), classes


def is_whole(number: str) -> bool:
    """Tells whether a number is whole; one that no float holds is."""
    return float(number).is_integer() or not math.isfinite(float(number))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sorts names by their values where all are numbers, else by their letters."""
    found = list(names)
    if all(NUMBER.fullmatch(name) for name in found):
        return tuple(sorted(found, key=lambda name: (value_of(name), name)))
    return tuple(sorted(found))


def value_of(number: str) -> Decimal:
    """Returns the value of a number with all its digits."""
    try:
        return Decimal(number)
    except InvalidOperation:  # an exponent that none has
        return Decimal("Infinity")


def numbered_labels(y: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the labels of an array and names them; NaN, None and "" are unknown, and so is -1 beside classes that count up.

    Raises:
        DataError: If they are not one number, word or date a row.

    Example:
        >>> numbered_labels(np.array(["cat", "ant", "cat"]), "pets.csv")
        (array([1, 0, 1]), ('ant', 'cat'))
        >>> numbered_labels(np.array([2, -1, 0, 1]), "y.npy")
        (array([ 2, -1,  0,  1]), ('0', '1', '2'))
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        hint = ", as y.argmax(1)" if y.ndim == 2 else ""
        raise DataError(
            f"{where}: the labels have shape {y.shape}; give one label per row, shape (N,){hint}."
        )
    if y.dtype.kind not in "biufUSOMT":
        raise DataError(f"{where}: the labels are of type {y.dtype}; labels are whole numbers or words.")
    values = y.astype(str).tolist() if y.dtype.kind == "M" else list(y) if y.dtype.kind == "f" else y.tolist()
    names = [written(value, row, where) for row, value in enumerate(values, 1)]
    if y.dtype.kind in "iuf":
        names = without_marks(names)
    return numbered_names(names, where)


def note_on_labels(y: np.ndarray | None, classes: Sequence[str]) -> str:
    """Says how many labels are unknown, and what -1 was taken for."""
    notes = []
    if y is not None and (unknown := int((y < 0).sum())):
        notes.append(f"{unknown:,} of {len(y):,} labels are unknown, as they are empty, missing or -1")
    if "-1" in classes and len(classes) > 2:
        notes.append("the label -1 is taken for a class (for unknown labels write NaN or an empty one)")
    return "; ".join(notes)


def written(label: object, row: int, where: str) -> str:
    """Writes a label as text; one that is a whole number without its decimal point."""
    if isinstance(label, bytes):
        try:
            label = label.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(
                f"{where}: the label of row {row} is {label!r}, not UTF-8: save labels as str."
            ) from None
    text = str(label)
    if label is None or text in MISSING or text in ("<NA>", "NaT", "None"):
        return "None" if isinstance(label, str) and text == "None" else ""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    if isinstance(label, str | int | float | Decimal | datetime.date | datetime.time | np.generic):
        return text.strip()
    raise DataError(
        f"{where}: the label of row {row} is of type {type(label).__name__}; labels are whole numbers or words."
    )


def without_marks(names: list[str]) -> list[str]:
    """Takes -1 for unknown where three other labels or more count from 0 or 1; beside 0 and 1 alone it may be a sign."""
    if not all(name.lstrip("-").isdigit() for name in names if name):
        return names
    others = sorted({int(name) for name in names if name} - {-1})
    counted = (
        len(others) > 2 and others[0] in (0, 1) and others == [*range(others[0], others[0] + len(others))]
    )
    return ["" if name == "-1" else name for name in names] if counted else names
