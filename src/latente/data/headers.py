"""Whether the first row of a table names its columns.

A cell that says that a value is missing is no word, so that a row of numbers and `NA` is an example. Then, of the first row:

* Words over numbers are names. Numbers beside them are names too where they are whole and no more than the words, or count up.
* Words over words alone are names where all of its cells are words.
* Numbers alone are names where they count up and the rows below do not: 0, 1, 2 … or 1, 2, 3 …; evenly spaced numbers far from
  those of their columns, as years or wavelengths; whole numbers that go up over columns of decimals. Nobody measures that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

__all__ = ["has_header", "is_missing", "is_number"]

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-", "--", ".", "<na>", "#n/a"})
NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE
)
WHOLE = re.compile(r"0|[1-9]\d*", re.ASCII)
MOST = 0.8  # of the cells below


def is_missing(cell: str) -> bool:
    """Tells whether a cell says that a value is missing."""
    return cell.strip().lower() in MISSING


def is_number(cell: str) -> bool:
    """Tells whether a cell is a plain decimal number, in the digits 0 to 9."""
    return NUMBER.fullmatch(cell.strip()) is not None


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tells whether the first of some rows names the columns.

    Example:
        >>> has_header([["a", "b"], ["1", "2"]]), has_header([["1.5", "NA"], ["2.5", "3"]])
        (True, False)
        >>> has_header([["0", "1"], ["0.3", "7.2"]]), has_header([["0", "1", "2"], ["3", "4", "5"]])
        (True, False)
    """
    first, below = [cell.strip() for cell in rows[0]], [[cell.strip() for cell in row] for row in rows[1:]]
    numbers = [i for i, cell in enumerate(first) if is_number(cell) and not is_missing(cell)]
    marks = [i for i, cell in enumerate(first) if cell and is_missing(cell)]
    words = [i for i, cell in enumerate(first) if cell and i not in numbers and i not in marks]
    over = [i for i in words if is_numeric(below, i)]
    counts = bool(numbers) and counts_up([first[i] for i in numbers], [picked(row, numbers) for row in below])
    if over:
        whole = all(WHOLE.fullmatch(first[i]) for i in numbers)
        return counts or (whole and len(over) >= len(numbers))
    if words and not numbers:
        gaps = [
            *marks,
            *(i for i, cell in enumerate(first) if i and not cell),
        ]  # the first may be that of row numbers
        return not any(is_numeric(below, i) for i in gaps)
    return counts and not marks


def picked(row: Sequence[str], places: Sequence[int]) -> list[str]:
    return [row[i] for i in places if i < len(row)]


def is_numeric(rows: Sequence[Sequence[str]], i: int) -> bool:
    """Tells whether most cells of a column are numbers, of those that are there."""
    cells = [row[i] for row in rows if i < len(row) and not is_missing(row[i])]
    return sum(map(is_number, cells)) > len(cells) / 2


def counts_up(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Tells whether numbers in the first row are names, as those below are of another kind."""
    rows = [row for row in below if len(row) == len(first)]
    if not rows or sum(sorted(row) == sorted(first) for row in rows) > len(rows) / 2:
        return False  # rows of ranks
    whole = all(WHOLE.fullmatch(cell) for cell in first)
    if len(first) == 1:
        return first[0] == "0" and all(row != ["0"] for row in rows)
    steps = np.diff([float(cell) for cell in first])
    if not (steps > 0).all():
        return False
    cells = [cell for row in rows for cell in row if not is_missing(cell)]
    decimals = sum(WHOLE.fullmatch(cell.lstrip("+-")) is None for cell in cells) / max(1, len(cells))
    if whole and len(first) > 2 and decimals >= MOST:
        return True
    if not is_even(first):
        return False
    alike = sum(is_even(row) and (not whole or all(map(WHOLE.fullmatch, row))) for row in rows) / len(rows)
    if float(first[0]) in (0, 1) and steps[0] == 1:
        return alike <= (0.5 if len(first) > 3 else 0)
    return len(first) > 2 and alike <= 0.5 and lie_apart(first, rows) >= MOST


def is_even(cells: Sequence[str]) -> bool:
    """Tells whether cells are numbers that go up by one step."""
    if not all(map(is_number, cells)):
        return False
    steps = np.diff([float(cell) for cell in cells])
    return bool(len(steps) and steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def lie_apart(first: Sequence[str], rows: Sequence[Sequence[str]]) -> float:
    """Returns the share of the first row's numbers that are farther from those of their columns than these are from another."""
    apart = 0
    for i, cell in enumerate(first):
        column = [float(row[i]) for row in rows if is_number(row[i])]
        low, high = min(column, default=0.0), max(column, default=0.0)
        apart += len(column) > 1 and max(low - float(cell), float(cell) - high) > high - low
    return apart / len(first)
