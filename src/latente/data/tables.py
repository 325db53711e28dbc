"""The user's tables: .csv, .tsv and .parquet.

Every column is a feature but the one named as the label, so each must be of numbers. The first line of a
csv file is its header where all of its cells are words, or where a column of numbers starts with a word; a
file without one has columns called "column 1" and so on. Numbers are parsed by numpy; only where that fails
is the file gone through cell by cell, to say what is wrong and where.
"""

from __future__ import annotations

import csv
import gzip
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np

from ..errors import DataError, MissingLabel
from .raw import Raw, numbered_labels, vectors

__all__ = ["read_csv", "read_parquet"]

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
MOST_NAMED = 5  # columns a message lists


def open_table(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(repr(n) for n in names[:MOST_NAMED]) + more


def has_header(first: list[str], second: list[str]) -> bool:
    words = [not is_number(cell) for cell in first]
    return all(words) or any(w and is_number(cell) for w, cell in zip(words, second, strict=False))


def choose_columns(
    names: list[str], label: str | None, wanted: Sequence[str], where: str
) -> tuple[list[int], int | None]:
    """Returns the places of the features and of the label."""
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{where} has more than one column called {quoted(twice)}: rename them.")
    if label is not None and label not in names:
        raise MissingLabel(
            f"{where} has no column {label!r} to take labels from; its columns are {quoted(names)}."
        )
    absent = [n for n in wanted if n not in names]
    if absent:
        raise DataError(
            f"{where} has no column {quoted(absent)}: the run was trained on {quoted(list(wanted))}; "
            "give a table with the same columns."
        )
    features = [names.index(n) for n in wanted] or [i for i, n in enumerate(names) if n != label]
    if not features:
        raise DataError(f"{where} has no column but the label {label!r}: add columns of numbers.")
    return features, None if label is None else names.index(label)


def not_numeric(columns: Sequence[str], where: str) -> DataError:
    what = f"column {quoted(columns)} is" if len(columns) == 1 else f"columns {quoted(columns)} are"
    return DataError(
        f"{where}: {what} not numeric; drop such columns, or name the one that is the label with --label."
    )


def rows_in(path: Path, delimiter: str, header: bool) -> Iterator[list[str]]:
    with open_table(path) as file:
        yield from islice((row for row in csv.reader(file, delimiter=delimiter) if row), int(header), None)


def find_mistake(
    path: Path, delimiter: str, header: bool, names: list[str], features: list[int]
) -> DataError:
    """Finds why numpy could not parse a file."""
    words: dict[int, int] = {}
    missing, first, total = 0, "", 0
    for number, row in enumerate(rows_in(path, delimiter, header), 1):
        if len(row) != len(names):
            return ragged(path, number, len(row), len(names))
        total = number
        for i in features:
            cell = row[i].strip()
            if cell.lower() in MISSING:
                missing += 1
                first = first or f"row {number}, column {names[i]!r}"
            elif not is_number(cell):
                words[i] = words.get(i, 0) + 1
    if words:
        return not_numeric([names[i] for i in sorted(words)], str(path))
    if missing:
        values = "1 value is" if missing == 1 else f"{missing:,} values are"
        return DataError(f"{path}: {values} missing, the first in {first}; fill or drop such rows.")
    return DataError(f"{path}: numpy cannot parse its {total:,} rows; write plain decimal numbers.")


def ragged(path: Path, number: int, found: int, expected: int) -> DataError:
    return DataError(
        f"{path}: row {number} has {found} cells where there are {expected} columns; mend that row."
    )


def label_cells(
    path: Path, delimiter: str, header: bool, names: list[str], at: int | None
) -> np.ndarray | None:
    cells = []
    for number, row in enumerate(rows_in(path, delimiter, header), 1):
        if len(row) != len(names):
            raise ragged(path, number, len(row), len(names))
        if at is not None:
            cells.append(row[at].strip())
            if not cells[-1]:
                raise DataError(
                    f"{path}: the label {names[at]!r} of row {number} is missing; fill or drop that row."
                )
    if at is None:
        return None
    if all(is_number(cell) for cell in cells):
        return np.array([float(cell) for cell in cells])
    return np.array(cells)


def parse_csv(path: Path, label: str | None, wanted: Sequence[str]) -> Raw:
    with open_table(path) as file:
        line = file.readline()
        delimiter = "\t" if ".tsv" in path.suffixes or ("\t" in line and "," not in line) else ","
        delimiter = ";" if delimiter not in line and ";" in line else delimiter
        file.seek(0)
        first, second = [*islice((row for row in csv.reader(file, delimiter=delimiter) if row), 2), [], []][
            :2
        ]
    if not first:
        raise DataError(f"{path} is empty: give a table with one row per example.")
    header = has_header(first, second)
    names = [cell.strip() or f"column {i}" for i, cell in enumerate(first, 1)] if header else []
    names = names or [f"column {i}" for i in range(1, len(first) + 1)]
    if header and not second:
        raise DataError(f"{path} has a header but no rows: give a table with one row per example.")
    features, at = choose_columns(names, label, wanted, str(path))
    partial = bool(wanted) or len(features) < len(names)
    cells = label_cells(path, delimiter, header, names, at) if partial else None
    try:
        with open_table(path) as file:
            lines = csv.reader(iter(file.readline, ""), delimiter=delimiter)
            deque(islice((row for row in lines if row), int(header)), maxlen=0)
            columns = features if partial else None
            x = np.loadtxt(file, delimiter=delimiter, usecols=columns, quotechar='"', comments=None, ndmin=2)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise find_mistake(path, delimiter, header, names, features) from error
    return table_of(x, cells, tuple(names[i] for i in features), str(path))


def table_of(x: np.ndarray, cells: np.ndarray | None, columns: tuple[str, ...], where: str) -> Raw:
    y, classes = (None, ()) if cells is None else numbered_labels(cells, where)
    return Raw(vectors(x, where, columns), y, "table", classes, columns)


def read_csv(path: Path, label: str | None = None, wanted: Sequence[str] = ()) -> Raw:
    """Reads a table of numbers between commas, semicolons or tabs.

    Arguments:
        path: The file, UTF-8, packed by gzip or not.
        label: The column that holds the labels, numbers or words; the others are the features.
        wanted: The features to take, in this order, instead of all columns.

    Raises:
        DataError: If a column is not numeric, a value is missing, or the file cannot be read.
    """
    try:
        return parse_csv(path, label, wanted)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}): copy or save it again.") from error


def parquet_label(column: Any, name: str, where: str) -> np.ndarray:
    if column.null_count:
        raise DataError(
            f"{where}: the label {name!r} is missing in {column.null_count:,} rows; fill or drop them."
        )
    values = np.asarray(column.to_pylist())
    return values if values.dtype.kind != "O" else values.astype(str)


def read_parquet(path: Path, label: str | None = None, wanted: Sequence[str] = ()) -> Raw:
    """Reads a parquet table; the arguments are those of `read_csv`.

    Raises:
        DataError: If pyarrow is not installed, a column is not numeric, a value is missing, or the file is
            damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"Reading {path} takes pyarrow: pip install 'latente[tables]'.") from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is no parquet file, or a damaged one: save it again.") from error
    names = list(table.column_names)
    features, at = choose_columns(names, label, wanted, str(path))
    types = pyarrow.types
    numeric = (types.is_integer, types.is_floating, types.is_boolean)
    words = [names[i] for i in features if not any(is_type(table.schema.types[i]) for is_type in numeric)]
    if words:
        raise not_numeric(words, str(path))
    if not table.num_rows:
        raise DataError(f"{path} has no rows: give a table with one row per example.")
    x = np.empty((table.num_rows, len(features)))
    for j, i in enumerate(features):
        x[:, j] = table.column(i).to_numpy()
    cells = None if at is None else parquet_label(table.column(at), names[at], str(path))
    return table_of(x, cells, tuple(names[i] for i in features), str(path))
