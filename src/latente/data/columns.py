"""What the columns of a table are: features, labels, ids, groups, numbers of rows; and what is said of them.

Every column is a feature but those named as the label, an id, the group, or as left out. Besides, a column that numbers the rows
is left out, and that is said: the first, where it has no name or is the index of pandas, if it has another whole number in each
row; any that is called like a number of rows, as `id`, if it counts up by one. What only looks like one is told.
"""

from __future__ import annotations

import csv
import difflib
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DataError, MissingLabel
from .headers import is_number

__all__ = [
    "Chosen",
    "Odd",
    "Wanted",
    "asked_as",
    "choose_columns",
    "not_numeric",
    "notes_on",
    "quoted",
    "without_row_numbers",
]

MOST_NAMED = 5  # columns a message lists
ROW_NUMBERS = frozenset(
    {
        "id",
        "idx",
        "index",
        "row",
        "rows",
        "row_id",
        "rowid",
        "row_number",
        "rownames",
        "rownumber",
        "nr",
        "no",
        "no.",
        "#",
    }
    | {"level_0", "serial", "s.no", "sno", "instance"}
)
ID = re.compile(r"(.*[_ .-])?(id|ids|uuid|guid|idx)|.*[a-z](ID|Id)|.*(number|_no|_nr)")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.  ’' ]\d{3})+([.,]\d+)?")
COMMA = re.compile(r"[+-]?\d*,\d+")
UNIT = re.compile(r"[€$£¥]?\s?[+-]?\d[\d.,]*\s?([%€$£¥]|[A-Za-z°µ]{1,4}[23]?)|[€$£¥]\s?[+-]?\d[\d.,]*")
EXACT = 2.0**53  # whole numbers up to which a float has each
LONG = 2e19  # above it, numbers are measured
DAYS = (19000100, 21000000)
NONE = "none"  # in place of columns to leave out


@dataclass(frozen=True)
class Wanted:
    """Holds which columns of a table are asked for.

    Arguments:
        label: The column of the labels.
        features: The features, in this order; all other columns where there are none.
        ids: The columns that are passed through.
        without: The columns that are left out.
        group: The column whose rows of one value stay together.
        keep: Whether columns that number the rows are kept.
    """

    label: str | None = None
    features: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    group: str | None = None
    keep: bool = False

    @staticmethod
    def of(options: Any, label: str | None, features: Sequence[str]) -> Wanted:
        """Reads the options of a table."""
        without = named(options.without)
        keep = without == (NONE,)
        return Wanted(
            label, tuple(features), named(options.id), () if keep else without, options.group or None, keep
        )


def named(text: str) -> tuple[str, ...]:
    """Reads names with commas between; one with a comma of its own stands in quotation marks.

    Example:
        >>> named('a, "b, c"')
        ('a', 'b, c')
    """
    return tuple(
        name.strip() for row in csv.reader([text], skipinitialspace=True) for name in row if name.strip()
    )


@dataclass(frozen=True)
class Chosen:
    """Holds the places of the columns that are read: of the features, the label, and by name of what else is asked for."""

    features: list[int]
    label: int | None
    others: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Odd:
    """Holds what a column has in place of numbers.

    Arguments:
        cells: Some of the cells that are no numbers.
        row: The row of the first.
        many: How many they are.
        said: What they are, where that is known.
    """

    cells: Sequence[str]
    row: int
    many: int
    said: str = ""


def quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(repr(n) for n in names[:MOST_NAMED]) + more


def asked_as(names: Sequence[str]) -> str:
    """Writes names as they are typed after an option."""
    found = [f'"{name}"' if "," in name else name for name in names]
    return shlex.quote(",".join(found))


def choose_columns(names: Sequence[str], wanted: Wanted, where: str, said: str = "") -> Chosen:
    """Returns the places of the features, of the label, and of what else is read.

    Arguments:
        names: The names of all columns.
        wanted: What is asked for.
        where: The file.
        said: How it was found to be written, for messages.
    """
    if len(set(names)) < len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise DataError(f"{where} has more than one column called {quoted(twice)}: rename them.{said}")
    listed = f"its columns are {quoted(names)}."
    if wanted.label is not None and wanted.label not in names:
        raise MissingLabel(
            f"{where} has no column {wanted.label!r} to take labels from; {listed}{near(wanted.label, names)}{said}"
        )
    unused = bool(wanted.features)  # of a run: what was left out of its data need not be here
    asked = (
        {"id": wanted.ids}
        if unused
        else {"id": wanted.ids, "without": wanted.without, "group": (wanted.group,)}
    )
    for option, columns in asked.items():
        absent = [n for n in columns if n is not None and n not in names]
        if absent:
            raise DataError(
                f"{where} has no column {quoted(absent)} (--{option}); {listed}{near(absent[0], names)}{said}"
            )
    absent = [n for n in wanted.features if n not in names]
    if absent:
        raise DataError(
            f"{where} has no column {quoted(absent)}: the run was trained on {quoted(wanted.features)}; "
            f"give a table with the same columns.{near(absent[0], names)}{said}"
        )
    apart = [n for n in (wanted.label, wanted.group, *wanted.ids, *wanted.without) if n is not None]
    features = [names.index(n) for n in wanted.features] or [i for i, n in enumerate(names) if n not in apart]
    if not features:
        what = "the label " if apart == [wanted.label] else ""
        raise DataError(f"{where} has no column but {what}{quoted(apart)}: add columns of numbers.")
    group = None if unused else wanted.group
    others = {n: names.index(n) for n in (*wanted.ids, *filter(None, (group,)))}
    return Chosen(features, None if wanted.label is None else names.index(wanted.label), others)


def near(name: str, names: Sequence[str]) -> str:
    """Names the column that may have been meant."""
    found = difflib.get_close_matches(
        name.strip().lower(), [n.strip().lower() for n in names], n=1, cutoff=0.8
    )
    meant = next((n for n in names if found and n.strip().lower() == found[0]), None)
    return "" if meant is None else f" Did you mean {meant!r}?"


def without_row_numbers(
    x: np.ndarray, columns: Sequence[str], index: Collection[str], nameless: bool
) -> tuple[list[int], list[str]]:
    """Returns the places of the columns that do not number the rows, and what is said of those that do or seem to.

    Arguments:
        x: The features, shape (N, D).
        columns: Their names.
        index: Those that are an index, as they have no name, or are that of a pandas table.
        nameless: Whether no column has a name, so that nothing can be told by one.
    """
    left_out, counting, unlike = [], [], []
    for i in places(is_whole(x)) if x.shape[1] > 1 and len(x) > 2 else ():
        name, column = columns[i], x[:, i]
        counts = column[0] in (0, 1) and bool((np.diff(column) == 1).all())
        is_called = name.lower() in ROW_NUMBERS
        if (counts and (is_called or name in index)) or (
            name in index and not nameless and is_distinct(column)
        ):
            left_out.append(i)
        elif counts:
            counting.append(name)
        elif (is_called or ID.fullmatch(name)) and is_distinct(column):
            unlike.append(name)
    notes = []
    if left_out:
        named = ["which has no name" if columns[i] in index else repr(columns[i]) for i in left_out]
        what = f"the column {named[0]}," if left_out != [0] else f"the first column, {named[0]},"
        what = what if len(left_out) == 1 else f"the columns {quoted([columns[i] for i in left_out])}"
        notes.append(f"{what} counts the rows and was left out (--without none keeps it)")
    for names, does in (
        (counting, "counts the rows"),
        (unlike, "has another number in each row, like an id"),
    ):
        if names:
            notes.append(
                f"the column {quoted(names)} {does}: leave it out with --without {asked_as(names)} if it means nothing else"
            )
    return [i for i in range(len(columns)) if i not in left_out], notes


def places(mask: np.ndarray) -> list[int]:
    return [int(i) for i in np.flatnonzero(mask)]


def is_whole(x: np.ndarray) -> np.ndarray:
    """Tells of each column whether it may number the rows, by its first ones."""
    some = x[:100]
    return np.asarray((some % 1 == 0).all(0) & (some >= 0).all(0) & (some[1] != some[0]))


def is_distinct(column: np.ndarray) -> bool:
    """Tells whether a column has another whole number, 0 or more, in each row."""
    return bool((column % 1 == 0).all() and column.min() >= 0 and len(np.unique(column)) == len(column))


def notes_on(x: np.ndarray, columns: Sequence[str]) -> list[str]:
    """Says which columns are constant, look like dates, or have numbers too long for a float."""
    low, high = x.min(0), x.max(0)
    constant = [columns[i] for i in places(low == high)]
    size = np.maximum(np.abs(low), np.abs(high))
    large = [columns[i] for i in places((size > EXACT) & (size < LONG)) if (x[:, i] % 1 == 0).all()]
    dates = [
        columns[i] for i in places((low > DAYS[0]) & (high < DAYS[1]) & (low < high)) if is_date(x[:, i])
    ]
    notes = []
    if constant:
        notes.append(f"{quoted(constant)} {'is' if len(constant) == 1 else 'are'} constant")
    if large:
        notes.append(f"whole numbers above 2^53 in {quoted(large)} were rounded: are they ids (--id)?")
    if dates:
        notes.append(
            f"{quoted(dates)} looks like dates written as 20240131, and is read as a number (--without {asked_as(dates)} leaves "
            "it out)"
        )
    return notes


def is_date(column: np.ndarray) -> bool:
    """Tells whether all numbers may be dates of the years 1900 to 2099, written without separators."""
    month, day = column // 100 % 100, column % 100
    return bool(((column % 1 == 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def not_numeric(
    odd: Mapping[str, Odd], where: str, rows: int, missing: str = "", said: str = ""
) -> DataError:
    """Says which columns hold no numbers, what they seem to hold, and what to do.

    Arguments:
        odd: What these columns hold, by their names.
        where: The file.
        rows: How many rows it has.
        missing: What is missing, besides.
        said: How the file was found to be written.
    """
    names = list(odd)
    what = f"column {quoted(names)} is" if len(names) == 1 else f"columns {quoted(names)} are"
    hints = [hint_of(name, each, rows, len(names) == 1) for name, each in list(odd.items())[:MOST_NAMED]]
    besides = f"; {missing}" if missing else ""
    return DataError(
        f"{where}: {what} not numeric ({'; '.join(hints)}); drop such columns (--without {asked_as(names)}), or name the one "
        f"that is the label with --label{besides}.{said}"
    )


def hint_of(name: str, odd: Odd, rows: int, alone: bool) -> str:
    """Says what a column seems to hold in place of numbers."""
    seen, shown = odd.cells, repr(odd.cells[0][:30])
    to_whom = "" if alone else f"{name}: "
    if odd.said:
        return f"{to_whom}{odd.said}"
    if every(THOUSANDS, seen):
        comma = ", or give --decimal , if they are decimals" if "," in seen[0] else ""
        return f"{to_whom}{shown} has separators of thousands: write it without{comma}"
    if every(COMMA, seen):
        return f"{to_whom}{shown} has a decimal comma: give --decimal ,"
    if every(DATE, seen):
        return f"{to_whom}{shown} is a date: write it as a number of days"
    if every(UNIT, seen):
        return f"{to_whom}{shown} has a unit: write the number alone"
    if {cell.lower() for cell in seen} <= {"true", "false", "yes", "no", "t", "f", "y", "n"}:
        return f"{to_whom}{shown} says yes or no: write 1 or 0"
    if odd.many < rows / 2:
        header = " (if that row names the columns: --header yes)" if odd.row == 1 else ""
        return f"{to_whom}{shown} in row {odd.row}{header}"
    if len(set(seen)) == len(seen) > 20 and rows > 20:
        return f"{to_whom}{shown} is another in each row, like an id: pass it through with --id {asked_as([name])}"
    if any(char.isdigit() for char in shown) and is_number(to_ascii(seen[0])):
        return f"{to_whom}{shown} is no plain decimal number"
    return f"{to_whom}words, as {shown}"


def every(pattern: re.Pattern[str], cells: Iterable[str]) -> bool:
    return all(pattern.fullmatch(cell.strip()) for cell in cells)


def to_ascii(cell: str) -> str:
    """Writes a number as Python may read it, in plain digits.

    Example:
        >>> to_ascii("−１_000")
        '-1000.0'
    """
    try:
        return str(float(cell.replace("\N{MINUS SIGN}", "-")))
    except ValueError:
        return cell
