"""Tables as files: columns of one length, as `.parquet` (extra `tables`), `.csv` or `.npz`."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..errors import DataError, LatenteError

__all__ = ["read_table", "write_table"]


def write_table(path: Path, table: Mapping[str, np.ndarray]) -> None:
    """Writes columns of one length.

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
        part.unlink(missing_ok=True)
        raise LatenteError(f"{path} cannot be written: {error.strerror}") from None


def write_npz(path: Path, table: Mapping[str, np.ndarray]) -> None:
    np.savez_compressed(path, **dict(table))  # type: ignore[arg-type]


def write_csv(path: Path, table: Mapping[str, np.ndarray]) -> None:
    with path.open("w", newline="") as file:
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
    pyarrow.parquet.write_table(pyarrow.table(dict(table)), path)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Reads what `write_table` wrote.

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
            with path.open(newline="") as lines:
                header, *rows = [*csv.reader(lines)] or [[]]
            table = {name: np.array([float(row[j]) for row in rows]) for j, name in enumerate(header)}
        else:
            raise DataError(f"{path} is no table of codes: latente encode writes .parquet, .csv and .npz")
    except ImportError:
        raise DataError("parquet files need pyarrow: pip install 'latente[tables]'") from None
    except (OSError, EOFError, ValueError, TypeError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table of codes: {error}") from None
    if len({column.shape for column in table.values()}) > 1 or any(c.ndim != 1 for c in table.values()):
        raise DataError(f"{path} is no table of codes: its columns differ in length")
    if not table or not len(next(iter(table.values()))):
        raise DataError(f"{path} has no rows")
    return table


def parquet_columns(table: object) -> tuple[list[str], list]:
    return table.column_names, table.columns  # type: ignore[attr-defined]
