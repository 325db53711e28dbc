"""Tables of parquet, whose columns have types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..memory import check_fits
from .columns import Odd, Wanted, choose_columns, not_numeric, quoted
from .headers import is_number
from .labels import numbered_labels
from .raw import Raw
from .rows import Rows
from .tables import Cells, is_nameless, table_of

__all__ = ["of_arrow", "read_parquet"]

INDEX = re.compile(r"__index_level_\d+__")  # of pandas
LOOKED_AT = 50


def read_parquet(path: Path, options: Any, label: str | None = None, features: Sequence[str] = ()) -> Raw:
    """Reads a parquet table; the arguments are those of :func:`latente.data.tables.read_csv`.

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
        with pyarrow.parquet.ParquetFile(path) as file:
            about = file.metadata
            check_fits(
                8 * about.num_rows * about.num_columns,
                f"{path}, {about.num_rows:,} rows of {about.num_columns:,} columns,",
            )
            table = file.read()
        table.validate(full=True)
        if not table.num_rows:
            raise DataError(f"{path} has no rows: give a table with one row per example.")
        return of_arrow(table, Wanted.of(options, label, features), str(path))
    except DataError:
        raise
    except (OSError, MemoryError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is no parquet file, or a damaged one: save it again.") from error


def of_arrow(table: Any, wanted: Wanted, where: str) -> Raw:
    """Takes a table of arrow for one of numbers."""
    names = list(table.column_names)
    asked = {wanted.label, wanted.group, *wanted.ids, *wanted.without, *wanted.features}
    index = [n for n in index_of(table) if n not in asked and not wanted.keep]
    notes = []
    if index and len(index) < len(names):
        notes.append(f"the index of pandas, {quoted(index)}, was left out")
        table = table.drop_columns(index)
        names = list(table.column_names)
    chosen = choose_columns(names, wanted, where)
    refuse_odd(table, chosen.features, where)
    x = np.empty((table.num_rows, len(chosen.features)))
    for j, i in enumerate(chosen.features):
        x[:, j] = table.column(i).cast("float64", safe=False).to_numpy()
    named = None
    if chosen.label is not None:
        labels = np.empty(table.num_rows, dtype=object)
        labels[:] = table.column(chosen.label).to_pylist()
        named = numbered_labels(labels, where)
    texts = {name: table.column(i).to_pylist() for name, i in chosen.others.items()}
    columns = tuple(names[i] for i in chosen.features)
    first = frozenset(names[:1] if is_nameless(names[0]) else ())
    rows = Rows(ids={n: texts[n] for n in wanted.ids})
    return table_of(Cells(x, columns, first, texts, rows, tuple(notes)), named, wanted, where)


def index_of(table: Any) -> list[str]:
    """Returns the columns that were the index of a pandas table."""
    kept = (table.schema.pandas_metadata or {}).get("index_columns", [])
    named = [name for name in kept if isinstance(name, str)]
    return [n for n in table.column_names if n in named or INDEX.fullmatch(n)]


def refuse_odd(table: Any, features: Sequence[int], where: str) -> None:
    """Refuses columns that are not of numbers."""
    import pyarrow

    types = pyarrow.types
    numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    odd = {}
    for i in features:
        kind = table.schema.types[i]
        value = kind.value_type if types.is_dictionary(kind) else kind
        is_empty = table.column(i).null_count == table.num_rows
        if any(is_type(value) for is_type in numeric) and not is_empty:
            continue
        cells = [str(v) for v in table.column(i).slice(0, LOOKED_AT).to_pylist() if v is not None]
        said = f"is nested, {kind}: give each number a column" if types.is_nested(kind) else ""
        if types.is_duration(kind) or types.is_time(kind):
            said = "is a time: write it as a number of seconds"
        said = "is empty in all rows" if is_empty else said
        if cells and all(map(is_number, cells)) and not said:
            said = f"holds numbers written as text, as {cells[0]!r}: save them as numbers"
        odd[table.column_names[i]] = Odd(cells or [""], 1, table.num_rows, said)
    if odd:
        raise not_numeric(odd, where, table.num_rows)
