"""Tables as files: columns of one length, as `.parquet` (extra `tables`), `.csv` or `.npz`.

A cell may hold nothing: columns are masked arrays then. A .csv is written as UTF-8 with commas; what is read may come out
of a spreadsheet, with a byte-order mark, blank lines, semicolons, and decimal commas beside them.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, LatenteError

__all__ = ["joined", "named", "numbers_of", "read_table", "write_table"]

WHOLE = re.compile(r"-?\d{1,15}")
CODE = re.compile(r"[+-]?(0\d+|\d{16,})")


def joined(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    """Puts the columns of two tables beside each other.

    Raises:
        DataError: If both have a column of one name.
    """
    if both := sorted(first.keys() & second.keys()):
        raise DataError(f"{where} would have two columns called {both[0]!r}: rename yours")
    return {**first, **second}


def named(names: Sequence[str]) -> np.ndarray:
    """Returns labels as a column: whole numbers where all are written as such, else text; "" is an empty cell.

    Example:
        >>> named(["2", "10"]), named(["007", ""])
        (array([ 2, 10]), masked_array(data=['007', --],
                     mask=[False,  True],
               fill_value='N/A',
                    dtype='<U3'))
    """
    column, unknown = np.array(names, dtype=str), np.array([name == "" for name in names])
    if all(re.fullmatch(r"0|-?[1-9]\d{0,17}", name) for name in names if name):
        column = np.array([int(name or 0) for name in names])
    return np.ma.masked_array(column, unknown) if unknown.any() else column


def write_table(path: Path, table: Mapping[str, np.ndarray]) -> None:
    """Writes columns of one length; a masked cell is empty, and in an .npz NaN or "".

    Raises:
        LatenteError: If the extension is none of .parquet, .csv and .npz, or the file cannot be written.
    """
    writers: dict[str, Callable[[Path, Mapping[str, np.ndarray]], None]] = {
        ".parquet": write_parquet,
        ".csv": write_csv,
        ".npz": write_npz,
    }
    if path.suffix not in writers:
        raise LatenteError(f"{path} ends in {path.suffix or 'nothing'}: choose {', '.join(writers)}")
    part = path.with_name(f".part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LatenteError(f"{path} cannot be written: {error.strerror}") from None
    try:
        writers[path.suffix](part, table)
        part.replace(path)
    except OSError as error:
        raise LatenteError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def write_npz(path: Path, table: Mapping[str, np.ndarray]) -> None:
    np.savez_compressed(path, **{name: filled(column) for name, column in table.items()})  # type: ignore[arg-type]


def filled(column: np.ndarray) -> np.ndarray:
    """Writes NaN, or "", in the place of what is masked."""
    if not isinstance(column, np.ma.MaskedArray):
        return column
    if column.dtype.kind in "US":
        return column.filled("")
    return np.where(np.ma.getmaskarray(column), np.nan, column.data)


def write_csv(path: Path, table: Mapping[str, np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(table)
        rows.writerows(zip(*(column.tolist() for column in table.values())))


def write_parquet(path: Path, table: Mapping[str, np.ndarray]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LatenteError(
            "parquet files need pyarrow: pip install 'latente[tables]', or choose .csv"
        ) from None
    columns = {name: pyarrow.array(np.asarray(c), mask=np.ma.getmaskarray(c)) for name, c in table.items()}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Reads columns by name: numbers where all of a column's cells are, empty ones NaN, else text.

    Raises:
        DataError: If the file is missing, empty, damaged, or of another kind.
    """
    try:
        if path.suffix == ".npz":
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                table = {name: file[name] for name in file.files}
        elif path.suffix == ".parquet":
            import pyarrow.parquet

            table = {
                name: column.to_numpy()
                for name, column in zip(*parquet_columns(pyarrow.parquet.read_table(path)))
            }
        elif path.suffix == ".csv":
            table = csv_columns(path)
        else:
            raise DataError(f"{path} is no table of codes: latente encode writes .parquet, .csv and .npz")
    except ImportError:
        raise DataError("parquet files need pyarrow: pip install 'latente[tables]'") from None
    except DataError:
        raise
    except (OSError, EOFError, ValueError, TypeError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table of codes: {error}") from None
    if len({column.shape for column in table.values()}) > 1 or any(c.ndim != 1 for c in table.values()):
        raise DataError(f"{path} is no table of codes: its columns differ in length")
    if not table or not len(next(iter(table.values()))):
        raise DataError(f"{path} has no rows")
    return table


def csv_columns(path: Path) -> dict[str, np.ndarray]:
    """Reads a .csv, from whatever spreadsheet it comes."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        header, *rows = [row for row in csv.reader(file, delimiter=delimiter) if row] or [[]]
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path} has more than one column called {twice!r}: rename them")
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise DataError(
                f"{path}: row {number} has {len(row)} cells where there are {len(names)} columns: mend that row"
            )
    return {name: cells_of([row[j].strip() for row in rows], delimiter) for j, name in enumerate(names)}


def cells_of(cells: Sequence[str], delimiter: str = ",") -> np.ndarray:
    """Returns cells as numbers where all are, empty ones as NaN; else as text: also where numbers would lose digits."""
    if any(CODE.fullmatch(cell) for cell in cells):
        return np.array(cells)
    if all(WHOLE.fullmatch(cell) for cell in cells):
        return np.array([int(cell) for cell in cells])
    decimal = [cell.replace(",", ".") for cell in cells] if delimiter != "," else cells
    try:
        return np.array([float(cell or "nan") for cell in decimal])
    except ValueError:
        return np.array(cells)


def numbers_of(table: Mapping[str, np.ndarray], name: str, where: str) -> np.ndarray:
    """Returns a column of numbers as float64.

    Raises:
        DataError: If a cell holds no number.
    """
    column = table[name]
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    try:
        return column.astype(np.float64)
    except (ValueError, TypeError):
        cells = column.tolist()
        odd = next((i for i, cell in enumerate(cells) if not is_number(cell)), 0)
        raise DataError(
            f"{where}: the column {name!r} holds {cells[odd]!r} in row {odd + 1}, which is no number: mend it"
        ) from None


def is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def parquet_columns(table: object) -> tuple[list[str], list]:
    return table.column_names, table.columns  # type: ignore[attr-defined]
