"""The user's tables: .csv, .tsv and .parquet.

Every column is a feature but those named as the label, the id, the group, or as left out, so each must be of numbers. How a .csv
is written is found out, and said where it might be otherwise: see :mod:`latente.data.delimited`. A first column without a name,
or with that of a row number, that counts the rows is left out. Numbers are parsed by numpy; only where that fails is the file
gone through cell by cell, to say what is wrong and where.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, MissingLabel
from .delimited import Dialect, cells_in, dialect_of, is_missing, is_number, lines_in
from .labels import numbered_labels, numbered_names
from .raw import Raw, vectors
from .rows import Rows

__all__ = ["read_csv", "read_parquet"]

MOST_NAMED = 5  # columns a message lists
NAMELESS = re.compile(r"column 1|Unnamed: 0(\.\d+)?")
ROW_NUMBERS = frozenset(
    {"id", "idx", "index", "row", "row_id", "rowid", "row_number", "rownames", "nr", "no", "#"}
)
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?")
EXACT = 2.0**53  # whole numbers up to which a float has each


@dataclass(frozen=True)
class Wanted:
    """Holds which columns of a table are asked for.

    Arguments:
        label: The column of the labels.
        features: The features, in this order; all other columns where there are none.
        ids: The columns that are passed through.
        without: The columns that are left out.
        group: The column whose rows of one value stay together.
    """

    label: str | None = None
    features: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    group: str | None = None


@dataclass(frozen=True)
class Chosen:
    """Holds the places of the columns that are read, and what was said of the others."""

    features: list[int]
    label: int | None
    others: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(repr(n) for n in names[:MOST_NAMED]) + more


def choose_columns(
    names: Sequence[str], wanted: Wanted, counts: Callable[[int], bool], where: str, said: str = ""
) -> Chosen:
    """Returns the places of the features, of the label, and of what else is read.

    Arguments:
        names: The names of all columns.
        wanted: What is asked for.
        counts: Tells whether a column counts the rows, 0, 1, 2 … or 1, 2, 3 …
        where: The file.
        said: How it was found to be written, for messages.
    """
    if len(set(names)) < len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise DataError(f"{where} has more than one column called {quoted(twice)}: rename them.")
    if wanted.label is not None and wanted.label not in names:
        raise MissingLabel(
            f"{where} has no column {wanted.label!r} to take labels from; its columns are {quoted(names)}."
            f"{near(wanted.label, names)}{said}"
        )
    for option, asked in (("id", wanted.ids), ("without", wanted.without), ("group", (wanted.group,))):
        absent = [n for n in asked if n is not None and n not in names]
        if absent:
            raise DataError(
                f"{where} has no column {quoted(absent)} (--{option}); its columns are {quoted(names)}."
                f"{near(absent[0], names)}{said}"
            )
    absent = [n for n in wanted.features if n not in names]
    if absent:
        raise DataError(
            f"{where} has no column {quoted(absent)}: the run was trained on {quoted(wanted.features)}; "
            f"give a table with the same columns.{near(absent[0], names)}{said}"
        )
    apart = {wanted.label, wanted.group, *wanted.ids, *wanted.without}
    features, notes = [names.index(n) for n in wanted.features], tuple[str, ...]()
    if not features:
        features = [i for i, n in enumerate(names) if n not in apart]
        features, notes = without_row_numbers(features, names, counts)
    if not features:
        what = "the label " if apart == {wanted.label, None} else ""
        raise DataError(
            f"{where} has no column but {what}{quoted([*filter(None, apart)])}: add columns of numbers."
        )
    others = {n: names.index(n) for n in (*wanted.ids, *filter(None, (wanted.group,)))}
    return Chosen(features, None if wanted.label is None else names.index(wanted.label), others, notes)


def without_asked(index: Sequence[str], wanted: Wanted) -> list[str]:
    """Returns the columns of an index, which are no features, but for those that were asked for."""
    asked = {wanted.label, wanted.group, *wanted.ids, *wanted.features}
    return [name for name in index if name not in asked]


def near(name: str, names: Sequence[str]) -> str:
    """Names the column that may have been meant."""
    found = difflib.get_close_matches(
        name.strip().lower(), [n.strip().lower() for n in names], n=1, cutoff=0.8
    )
    meant = next((n for n in names if found and n.strip().lower() == found[0]), None)
    return "" if meant is None else f" Did you mean {meant!r}?"


def without_row_numbers(
    features: list[int], names: Sequence[str], counts: Callable[[int], bool]
) -> tuple[list[int], tuple[str, ...]]:
    """Leaves out the first column where it counts the rows and is called like it; one that is called otherwise is told."""
    first = features[0] if features else None
    if first != 0 or len(features) == 1 or not counts(0):
        return features, ()
    name = names[0]
    if NAMELESS.fullmatch(name) or name.lower() in ROW_NUMBERS:
        called = "which has no name" if NAMELESS.fullmatch(name) else f"{name!r}"
        return features[1:], (f"the first column, {called}, counts the rows and was left out",)
    return features, (
        f"the column {name!r} counts the rows: leave it out with --without {name!r} if it means nothing else",
    )


def not_numeric(words: Mapping[str, Sequence[str]], where: str, rows: int) -> DataError:
    """Says which columns hold no numbers, and what they seem to hold.

    Arguments:
        words: Some of the cells of each column that are no numbers, by its name.
        where: The file.
        rows: How many rows it has.
    """
    names = list(words)
    what = f"column {quoted(names)} is" if len(names) == 1 else f"columns {quoted(names)} are"
    seen = next(iter(words.values()))
    hint = ""
    if all(re.fullmatch(r"[+-]?\d{1,3}([, ']\d{3})+(\.\d+)?", cell) for cell in seen):
        comma = ", or give --decimal , if they are decimals" if "," in seen[0] else ""
        hint = f" ({seen[0]!r} has separators of thousands: write it without{comma})"
    elif all(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in seen):
        hint = f" ({seen[0]!r} has a decimal comma: give --decimal ,)"
    elif all(re.fullmatch(r"[€$£]?\s?[+-]?[\d.,]+\s?[%€$£]?", cell) for cell in seen):
        hint = f" ({seen[0]!r} has a unit: write the number alone)"
    elif all(DATE.fullmatch(cell) for cell in seen):
        hint = f" ({seen[0]!r} is a date: write it as a number of days)"
    elif len(set(seen)) == len(seen) > 20 and rows > 20:
        hint = f" ({names[0]!r} is another in each row, like an id: pass it through with --id {names[0]!r})"
    return DataError(
        f"{where}: {what} not numeric{hint}; drop such columns (--without {','.join(names[:MOST_NAMED])!r}), or name the one "
        "that is the label with --label."
    )


def read_csv(path: Path, options: Any, label: str | None = None, features: Sequence[str] = ()) -> Raw:
    """Reads a table of numbers between commas, semicolons, tabs or bars.

    Arguments:
        path: The file, UTF-8 or UTF-16 with its mark, packed by gzip or xz or not.
        options: How it is read.
        label: The column that holds the labels, numbers or words; the others are the features.
        features: The features to take, in this order, instead of all columns.

    Raises:
        DataError: If a column is not numeric, a value is missing, or the file cannot be read.
    """
    try:
        return parse_csv(
            path, dialect_of(path, options.header, options.decimal), wanted_of(options, label, features)
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}): copy or save it again.") from error


def wanted_of(options: Any, label: str | None, features: Sequence[str]) -> Wanted:
    def named(text: str) -> tuple[str, ...]:
        return tuple(name.strip() for name in text.split(",") if name.strip())

    return Wanted(label, tuple(features), named(options.id), named(options.without), options.group or None)


def parse_csv(path: Path, dialect: Dialect, wanted: Wanted) -> Raw:
    where, names = str(path), dialect.names
    if not dialect.rows:
        what = "has a header but no rows" if dialect.header else "is empty"
        raise DataError(f"{path} {what}: give a table with one row per example.")
    said = "" if dialect.header else " The table has no header: its columns are called 'column 1' and so on."
    chosen = choose_columns(
        names, wanted, lambda i: counts_up(cell[i] for cell in cells_in(path, dialect)), where, said
    )
    read = apart_from_features(path, dialect, chosen)
    try:
        x = np.loadtxt(
            lines_in(path, dialect),
            delimiter=dialect.delimiter,
            usecols=chosen.features,
            quotechar='"',
            comments=None,
            ndmin=2,
        )
    except UnicodeDecodeError:
        raise
    except (ValueError, IndexError) as error:
        raise find_mistake(path, dialect, chosen) from error
    cells = None if chosen.label is None else read[names[chosen.label]]
    y, classes = (None, ()) if cells is None else numbered_names(cells, where)
    columns = tuple(names[i] for i in chosen.features)
    rows = Rows(names=dialect.places, left_out=dialect.empty, ids={n: read[n] for n in wanted.ids})
    raw = Raw(
        vectors(x, where, columns),
        y,
        "table",
        classes,
        columns,
        rows=rows,
        note="; ".join((*dialect.notes, *chosen.notes)),
    )
    return noted(raw, wanted, read)


def noted(raw: Raw, wanted: Wanted, read: Mapping[str, Sequence[Any]]) -> Raw:
    """Adds what is to be said of unknown labels, constant columns, dates and numbers too long for a float; and the groups."""
    notes = [raw.note] if raw.note else []
    unknown = 0 if raw.y is None else int((raw.y < 0).sum())
    if unknown:
        notes.append(f"{unknown:,} of {len(raw.x):,} labels are empty or missing: they are unknown")
    with np.errstate(invalid="ignore"):
        large = [
            n
            for n, column in zip(raw.columns, raw.x.T)
            if np.abs(column).max() > EXACT and (column % 1 == 0).all()
        ]
    constant = [
        n for n, column in zip(raw.columns, raw.x.T) if len(column) > 1 and (column == column[0]).all()
    ]
    if constant:
        notes.append(f"{quoted(constant)} {'is' if len(constant) == 1 else 'are'} constant")
    dates = [n for n, column in zip(raw.columns, raw.x.T) if is_date(column)]
    if large:
        notes.append(f"whole numbers above 2^53 in {quoted(large)} were rounded: are they ids (--id)?")
    if dates:
        notes.append(
            f"{quoted(dates)} looks like dates written as 20240131, and is read as a number (--without leaves it out)"
        )
    groups = None if wanted.group is None else np.array(read[wanted.group], dtype=str)
    return replace(raw, note="; ".join(notes), groups=groups)


def is_date(column: np.ndarray) -> bool:
    """Tells whether all numbers may be dates of the years 1900 to 2099, written without separators."""
    if len(column) < 2 or not ((column > 19000100) & (column < 21000000) & (column % 1 == 0)).all():
        return False
    month, day = column // 100 % 100, column % 100
    return bool(
        ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all() and (column != column[0]).any()
    )


def counts_up(cells: Iterator[str]) -> bool:
    """Tells whether cells are 0, 1, 2 … or 1, 2, 3 …"""
    start = None
    number = -1
    for number, cell in enumerate(cells):
        text = cell.strip().removesuffix(".0")
        if not text.isascii() or not text.isdigit():
            return False
        start = int(text) if start is None else start
        if start > 1 or int(text) != start + number:
            return False
    return number > 0


def apart_from_features(path: Path, dialect: Dialect, chosen: Chosen) -> dict[str, list[str]]:
    """Reads the columns that are no features, as text; and makes sure that all rows have as many cells as there are columns."""
    names = dialect.names
    asked = dict(chosen.others)
    if chosen.label is not None:
        asked[names[chosen.label]] = chosen.label
    if not asked and len(chosen.features) == len(names):
        return {}
    found: dict[str, list[str]] = {name: [] for name in asked}
    for number, row in enumerate(cells_in(path, dialect), 1):
        if len(row) != dialect.width:
            raise ragged(path, number, len(row), dialect.width)
        for name, i in asked.items():
            found[name].append(row[i].strip())
    return found


def find_mistake(path: Path, dialect: Dialect, chosen: Chosen) -> DataError:
    """Finds why numpy could not parse a file."""
    names = dialect.names
    words: dict[int, list[str]] = {}
    missing, first, total = 0, "", 0
    for number, row in enumerate(cells_in(path, dialect), 1):
        if len(row) != dialect.width:
            return ragged(path, number, len(row), dialect.width)
        total = number
        for i in chosen.features:
            cell = row[i].strip()
            if is_missing(cell):
                missing += 1
                first = first or f"row {number}, column {names[i]!r}"
            elif not is_number(cell):
                words.setdefault(i, []).append(cell)
    if words:
        return not_numeric({names[i]: words[i] for i in sorted(words)}, str(path), total)
    if missing:
        values = "1 value is" if missing == 1 else f"{missing:,} values are"
        return DataError(f"{path}: {values} missing, the first in {first}; fill or drop such rows.")
    return DataError(f"{path}: numpy cannot parse its {total:,} rows; write plain decimal numbers.")


def ragged(path: Path, number: int, found: int, expected: int) -> DataError:
    return DataError(
        f"{path}: row {number} has {found} cells where there are {expected} columns; mend that row."
    )


def read_parquet(path: Path, options: Any, label: str | None = None, features: Sequence[str] = ()) -> Raw:
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
        table.validate(full=True)
    except (OSError, MemoryError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is no parquet file, or a damaged one: save it again.") from error
    if not table.num_rows:
        raise DataError(f"{path} has no rows: give a table with one row per example.")
    return of_arrow(table, wanted_of(options, label, features), str(path))


def of_arrow(table: Any, wanted: Wanted, where: str) -> Raw:
    """Takes a table of arrow for one of numbers."""
    import pyarrow

    names = list(table.column_names)
    index = [n for n in (table.schema.pandas_metadata or {}).get("index_columns", ()) if isinstance(n, str)]
    wanted = replace(wanted, without=(*wanted.without, *without_asked(index, wanted)))
    chosen = choose_columns(names, wanted, lambda i: counts_up(map(str, table.column(i).to_pylist())), where)
    types = pyarrow.types
    numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    odd = {
        names[i]: [str(v) for v in table.column(i).slice(0, 50).to_pylist() if v is not None]
        for i in chosen.features
        if not any(is_type(table.schema.types[i]) for is_type in numeric)
    }
    if odd:
        raise not_numeric(odd, where, table.num_rows)
    x = np.empty((table.num_rows, len(chosen.features)))
    for j, i in enumerate(chosen.features):
        column = table.column(i).cast("float64", safe=False)
        x[:, j] = column.to_numpy()
    y, classes = None, tuple[str, ...]()
    if chosen.label is not None:
        y, classes = numbered_labels(np.array(table.column(chosen.label).to_pylist(), dtype=object), where)
    columns = tuple(names[i] for i in chosen.features)
    read = {name: table.column(i).to_pylist() for name, i in chosen.others.items()}
    rows = Rows(ids={n: read[n] for n in wanted.ids})
    left = [n for n in index if n in wanted.without]
    said = [f"the index of pandas, {quoted(left)}, was left out"] if left else []
    note = "; ".join([*chosen.notes, *said])
    raw = Raw(vectors(x, where, columns), y, "table", classes, columns, rows=rows, note=note)
    return noted(raw, wanted, read)
