"""The user's tables: .csv, .tsv and .parquet.

How a table of text is written is found out, and said where it might be otherwise: see :mod:`latente.data.delimited`. What its
columns are, too: see :mod:`latente.data.columns`. It is gone through once, by Python's csv, some thousand rows at a time; where
that fails it is gone through cell by cell, to say what is wrong and where.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..memory import check_fits
from .columns import (
    Chosen,
    Odd,
    Wanted,
    asked_as,
    choose_columns,
    not_numeric,
    notes_on,
    quoted,
    without_row_numbers,
)
from .delimited import Dialect, dialect_of, plain, rows_in
from .headers import is_missing, is_number
from .labels import note_on_labels, numbered_names
from .raw import Raw, vectors
from .rows import Rows

__all__ = ["Cells", "read_csv", "table_of"]

ROWS, CELLS = 2048, 1 << 18  # that are parsed together
KEPT = 50  # cells of a column that are looked at, to say what they are


@dataclass(frozen=True, eq=False)
class Cells:
    """Holds what was read of a table.

    Arguments:
        x: The features, float64 of shape (N, D).
        columns: Their names.
        index: Those of them that number the rows, as they have no name.
        texts: What else was read, by the names of the columns.
        rows: Which rows of the file these are.
        notes: What is to be said of it.
        nameless: Whether no column has a name.
    """

    x: np.ndarray
    columns: tuple[str, ...]
    index: frozenset[str]
    texts: Mapping[str, Sequence[Any]]
    rows: Rows
    notes: tuple[str, ...] = ()
    nameless: bool = False


def read_csv(path: Path, options: Any, label: str | None = None, features: Sequence[str] = ()) -> Raw:
    """Reads a table of numbers between commas, semicolons, tabs, bars or spaces.

    Arguments:
        path: The file, UTF-8, or UTF-16 with its mark, packed by gzip or xz or not.
        options: How it is read.
        label: The column that holds the labels, numbers or words; the others are the features.
        features: The features to take, in this order, instead of all columns.

    Raises:
        DataError: If a column is not numeric, a value is missing, or the file cannot be read.
    """
    wanted = Wanted.of(options, label, features)
    try:
        dialect = dialect_of(path, options.header, options.decimal, wanted.features)
        cells = parsed(path, dialect, wanted)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text: save it as UTF-8, in Excel as “CSV UTF-8”; if it is Windows-1252, as older files, by "
            "iconv -f WINDOWS-1252 -t UTF-8."
        ) from error
    except csv.Error as error:
        raise DataError(
            f'{path} cannot be read ({error}): is a quotation mark (") opened and not closed?'
        ) from error
    except MemoryError as error:
        raise DataError(f"{path} takes more memory than is free: give fewer rows.") from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}): copy or save it again.") from error
    named = None if label is None else numbered_names(cells.texts[label], str(path))
    return table_of(cells, named, wanted, str(path))


def parsed(path: Path, dialect: Dialect, wanted: Wanted) -> Cells:
    """Reads the columns that are asked for."""
    if not dialect.seen:
        what = "has a header but no rows" if dialect.header else "is empty"
        raise DataError(f"{path} {what}: give a table with one row per example.")
    names = [name or f"column {i}" for i, name in enumerate(dialect.names, 1)]
    said = "" if dialect.header else " The table has no header: its columns are called 'column 1' and so on."
    chosen = choose_columns(names, wanted, str(path), said)
    index = {names[0]} if not dialect.header or is_nameless(dialect.names[0]) else set[str]()
    notes = list(dialect.notes)
    if (
        dialect.header
        and not wanted.features
        and not wanted.keep
        and names[0] in index
        and are_words(dialect)
    ):
        chosen = replace(chosen, features=[i for i in chosen.features if i] or chosen.features)
        notes.append("the first column, which has no name, holds the names of the rows and was left out")
    check_fits(8 * dialect.estimate * len(chosen.features), f"{path}, {len(chosen.features):,} columns,")
    x, texts, rows = numbers_of(path, dialect, chosen, names, said)
    if rows.left_out:
        many = len(rows.left_out)
        notes.append(
            f"{many:,} rows hold no value and are left out"
            if many > 1
            else f"row {rows.left_out[0][1]} holds no value and is left out"
        )
    rows = replace(rows, ids={n: texts[n] for n in wanted.ids})
    columns = tuple(names[i] for i in chosen.features)
    return Cells(x, columns, frozenset(index), texts, rows, tuple(notes), nameless=not dialect.header)


def is_nameless(name: str) -> bool:
    """Tells whether a column has no name, or one that pandas gave it instead."""
    return not name or name.startswith("Unnamed: 0")


def are_words(dialect: Dialect) -> bool:
    """Tells whether the cells of the first column are names of rows: words, another in each."""
    cells = [row[0].strip() for row in dialect.seen if len(row) == dialect.width]
    return not any(map(is_number, cells)) and len(set(cells)) == len(cells)


def numbers_of(
    path: Path, dialect: Dialect, chosen: Chosen, names: Sequence[str], said: str
) -> tuple[np.ndarray, dict[str, list[str]], Rows]:
    """Reads the features as numbers, the other columns as text, and says which rows they are."""
    places = dict(chosen.others)
    if chosen.label is not None:
        places[names[chosen.label]] = chosen.label
    texts: dict[str, list[str]] = {name: [] for name in places}
    parts: list[np.ndarray] = []
    empty: list[tuple[int, str | int, str]] = []
    total = kept = 0
    found = rows_in(path, dialect)
    many = min(ROWS, 1 + CELLS // dialect.width)
    while block := list(islice(found, many)):
        rows = []
        for row in block:
            total += 1
            check_width(row, total, dialect, path)
            if row[0].strip() or any(map(str.strip, row)):
                rows.append(row)
            else:
                empty.append((kept + len(rows), total, "holds no value"))
        kept += len(rows)
        for name, i in places.items():
            texts[name].extend(row[i].strip() for row in rows)
        values = values_of(rows, chosen.features, dialect)
        if values is None:
            raise find_mistake(path, dialect, chosen, names, said)
        parts.append(values)
    if not kept:
        raise DataError(f"{path} has a header but no rows: give a table with one row per example.")
    left_out = {place for _, place, _ in empty}
    called = tuple(n for n in range(1, total + 1) if n not in left_out) if empty else ()
    return joined(parts, kept, len(chosen.features)), texts, Rows(names=called, left_out=tuple(empty))


def check_width(row: Sequence[str], number: int, dialect: Dialect, path: Path) -> None:
    """Refuses a row of another length, or one with a cell in the column without a name that all others leave empty."""
    if len(row) != dialect.width:
        raise ragged(path, number, len(row), dialect.width)
    if len(dialect.names) < dialect.width and row[-1].strip():
        raise ragged(path, number, len(row), len(dialect.names))


def values_of(rows: Sequence[Sequence[str]], features: Sequence[int], dialect: Dialect) -> np.ndarray | None:
    """Parses the features of some rows; None where a cell is no finite number."""
    if len(features) == dialect.width:
        cells = (
            list(chain.from_iterable([row[i] for i in features] for row in rows))
            if features[0]
            else list(chain.from_iterable(rows))
        )
    else:
        cells = [row[i] for row in rows for i in features]
    text = "".join(cells)
    if dialect.comma or "_" in text or not text.isascii():
        cells = [plain(cell, dialect.comma) for cell in cells]
        if not all(map(is_number, cells)):
            return None
    try:
        x = np.fromiter(map(float, cells), np.float64, len(cells)).reshape(len(rows), len(features))
    except ValueError:
        return None
    return x if np.isfinite(x).all() else None


def joined(parts: list[np.ndarray], rows: int, columns: int) -> np.ndarray:
    """Puts parts together, so that there are never two copies of all."""
    x = np.empty((rows, columns))
    start = 0
    for part in iter_out(parts):
        x[start : start + len(part)] = part
        start += len(part)
    return x


def iter_out(parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    parts.reverse()
    while parts:
        yield parts.pop()


def table_of(
    cells: Cells, named: tuple[np.ndarray, tuple[str, ...]] | None, wanted: Wanted, where: str
) -> Raw:
    """Makes a source of what was read, and says what was decided.

    Arguments:
        cells: What was read.
        named: The labels, numbered, and the classes.
        wanted: What was asked for.
        where: The file.
    """
    x, columns, notes = cells.x, cells.columns, list(cells.notes)
    if not wanted.features and not wanted.keep:
        kept, said = without_row_numbers(x, columns, cells.index, cells.nameless)
        notes += said
        if len(kept) < len(columns):
            x, columns = x[:, kept], tuple(columns[i] for i in kept)
    x = vectors(x, where, columns)
    y, classes = (None, ()) if named is None else named
    notes += filter(None, (note_on_labels(y, classes),))
    y = y if classes else None
    notes += [] if wanted.features else notes_on(x, columns)
    groups = None if wanted.group is None or wanted.features else groups_of(cells, wanted.group, where)
    return Raw(x, y, "table", classes, columns, rows=cells.rows, note="; ".join(notes), groups=groups)


def groups_of(cells: Cells, column: str, where: str) -> np.ndarray:
    """Returns what each row belongs to.

    Raises:
        DataError: If that is missing.
    """
    groups = ["" if v is None else str(v) for v in cells.texts[column]]
    absent = [cells.rows.called(i) for i, group in enumerate(groups) if is_missing(group)]
    if absent:
        raise DataError(
            f"{where}: the group {column!r} is missing, first in row {absent[0]} ({len(absent):,} in all): fill in or drop."
        )
    return np.array(groups, dtype=str)


def find_mistake(path: Path, dialect: Dialect, chosen: Chosen, names: Sequence[str], said: str) -> DataError:
    """Finds why a file could not be parsed."""
    odd: dict[int, tuple[list[str], int, int]] = {}
    missing: Counter[int] = Counter()
    first, total, infinite, rows = "", 0, "", 0
    for total, row in enumerate(rows_in(path, dialect), 1):
        if len(row) != dialect.width:
            return ragged(path, total, len(row), dialect.width)
        if not any(map(str.strip, row)):
            continue
        rows += 1
        for i in chosen.features:
            cell = row[i].strip()
            place = f"row {total}, column {names[i]!r}"
            if is_missing(cell):
                missing[i] += 1
                first = first or place
            elif not is_number(value := plain(cell, dialect.comma)):
                seen, at, many = odd.get(i, ([], total, 0))
                odd[i] = (seen if len(seen) >= KEPT else [*seen, cell], at, many + 1)
            elif not np.isfinite(float(value)):
                infinite = infinite or place
    gaps = gaps_in(missing, rows, names, first)
    if odd:
        found = {names[i]: Odd(*odd[i]) for i in sorted(odd)}
        return not_numeric(found, str(path), total, gaps, said)
    if missing:
        return DataError(f"{path}: {gaps}; fill or drop such rows.")
    return DataError(
        f"{path}: a value is not finite, or too large for a number, the first in {infinite}; drop such rows."
    )


def gaps_in(missing: Mapping[int, int], rows: int, names: Sequence[str], first: str) -> str:
    """Says how many values are missing, and which columns have none."""
    if not missing:
        return ""
    many = sum(missing.values())
    values = "1 value is" if many == 1 else f"{many:,} values are"
    empty = [names[i] for i, count in missing.items() if count == rows]
    without = (
        f" ({quoted(empty)} empty in all rows: leave out with --without {asked_as(empty)})" if empty else ""
    )
    return f"{values} missing, the first in {first}{without}"


def ragged(path: Path, number: int, found: int, expected: int) -> DataError:
    cells = "1 cell" if found == 1 else f"{found} cells"
    return DataError(f"{path}: row {number} has {cells} where there are {expected} columns; mend that row.")
