"""How a table of text is written: its encoding, what stands between cells, its header, its decimal sign.

* The encoding is UTF-8, or UTF-16 where its mark says so.
* Cells are parted by the semicolon, tab, bar or comma that parts the first rows into most columns of one number; a first line
  `sep=;` says which.
* Decimal commas are read as such where cells are not parted by commas and some cell has one.
* The first line is the header where one of its cells is a word over a number, or all are words. A line of numbers is one where
  they are evenly spaced whole numbers, as 0, 1, 2 … or years, and those below are not: nobody measures that. A cell that says
  that a value is missing is no word. `--header yes` or `no` decides otherwise.
* Blank lines hold no row. A line of empty cells alone is a row that is left out.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TextIO, cast

import numpy as np

from ..errors import DataError

__all__ = ["Dialect", "cells_in", "dialect_of", "is_missing", "is_number", "lines_in"]

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-", "--", "."})
DELIMITERS = ";\t|,"
SEEN = 100  # rows that are looked at
OTHERS = {
    b"PK\x03\x04": "is a workbook or an archive: save it as .csv, UTF-8",
    b"\xd0\xcf\x11\xe0": "is a workbook: save it as .csv, UTF-8",
    b"PAR1": "is a parquet file: name it .parquet",
    b"\x1f\x8b": "is packed by gzip: name it .csv.gz",
    b"SQLite": "is a database: save its table as .csv",
    b"\x89HDF": "is an HDF5 file: save its table as .csv",
    b"%PDF": "is a PDF: save its table as .csv",
}


@dataclass(frozen=True)
class Dialect:
    """Holds how a table is written.

    Arguments:
        encoding: Its encoding.
        delimiter: What parts its cells.
        skipped: The lines before the first row.
        header: Whether its first line is one.
        comma: Whether decimals have a comma.
        names: The names of its columns.
        width: The cells of a row: one more than there are names where each ends in a delimiter.
        rows: How many rows hold an example.
        places: The numbers of these rows, where some are left out; empty else.
        empty: The rows that are left out: how many come before, their number, and why.
        notes: What is to be said of it.
    """

    encoding: str
    delimiter: str
    skipped: int = 0
    header: bool = True
    comma: bool = False
    names: tuple[str, ...] = ()
    width: int = 0
    rows: int = 0
    places: tuple[int, ...] = ()
    empty: tuple[tuple[int, int, str], ...] = ()
    notes: tuple[str, ...] = ()


def is_missing(cell: str) -> bool:
    """Tells whether a cell says that a value is missing."""
    return cell.strip().lower() in MISSING


def is_number(cell: str) -> bool:
    """Tells whether a cell is a plain decimal number."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def unpacked(path: Path) -> IO[bytes]:
    """Opens a file, packed or not."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return cast(IO[bytes], lzma.open(path, "rb")) if suffix == ".xz" else path.open("rb")


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """Opens a file of text, packed or not; what is wrong with the packing is an OSError."""
    try:
        with unpacked(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
            yield file
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise OSError(str(error)) from error


def head_of(path: Path) -> bytes:
    """Returns the first bytes of a file."""
    try:
        with unpacked(path) as file:
            return file.read(4096)
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise OSError(str(error)) from error


def encoding_of(path: Path) -> str:
    """Returns the encoding of a file, and refuses one that holds no text."""
    head = head_of(path)
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if head.startswith(mark):
            return encoding
    for magic, what in OTHERS.items():
        if head.startswith(magic):
            raise DataError(f"{path} {what}.")
    if b"\0" in head:
        raise DataError(
            f"{path} holds NUL bytes, so it is no text, or UTF-16 without a mark: save it as UTF-8."
        )
    return "utf-8"


def rows_of(path: Path, encoding: str, delimiter: str, skipped: int) -> Iterator[list[str]]:
    """Yields all rows but blank lines."""
    csv.field_size_limit(sys.maxsize)
    with opened(path, encoding) as file:
        for _ in range(skipped):
            file.readline()
        yield from (row for row in csv.reader(file, delimiter=delimiter, strict=True) if row)


def cells_in(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    """Yields the cells of each row that holds an example, decimal commas as points."""
    found = rows_of(path, dialect.encoding, dialect.delimiter, dialect.skipped)
    for row in islice(found, int(dialect.header), None):
        if any(map(str.strip, row)):
            yield [decimal(cell) for cell in row] if dialect.comma else row


def decimal(cell: str) -> str:
    """Writes a decimal comma as a point; points before it parted thousands."""
    if "," not in cell:
        return cell
    plain = cell.replace(".", "").replace(",", ".")
    return plain if is_number(plain) else cell


def lines_in(path: Path, dialect: Dialect) -> Iterator[str]:
    """Yields each row as a line for numpy."""
    for row in cells_in(path, dialect):
        if len(row) != dialect.width:
            raise ValueError("a row of another length")
        yield dialect.delimiter.join(f'"{c}"' if dialect.delimiter in c or "\n" in c else c for c in row)


def dialect_of(path: Path, header: str = "auto", decimal_sign: str = "auto") -> Dialect:
    """Finds out how a table is written.

    Arguments:
        path: The file.
        header: Whether the first line is the header: "yes", "no", or "auto".
        decimal_sign: "." or ",", or "auto".

    Raises:
        DataError: If it holds no text.
        UnicodeDecodeError: If it is in another encoding.
    """
    encoding = encoding_of(path)
    with opened(path, encoding) as file:
        first = [line for line in islice(file, SEEN) if line.strip()]
    skipped, delimiter, notes = 0, "", list[str]()
    if first and first[0].strip().lower() in [f"sep={d}" for d in DELIMITERS]:
        skipped, delimiter = 1, first[0].strip()[4:] or "\t"
        first = first[1:]
    if not first:
        return Dialect(encoding, ",", header=header == "yes")
    delimiter = delimiter or delimiter_of(path, first)
    found = list(islice(rows_of(path, encoding, delimiter, skipped), SEEN))
    while len(found) > 1 and found[0][0].startswith("#") and len(found[0]) < len(found[1]):
        with opened(path, encoding) as file:
            lines = list(islice(file, SEEN + 1))
        skipped = next(i for i in range(skipped, len(lines)) if lines[i].strip()) + 1
        notes.append(f"the line {found[0][0].strip()!r} is a remark")
        found = list(islice(rows_of(path, encoding, delimiter, skipped), SEEN))
    comma = has_comma(found, delimiter) if decimal_sign == "auto" else decimal_sign == ","
    if comma:
        found = [[decimal(cell) for cell in row] for row in found]
        notes.append("decimals have commas")
    is_header = has_header(found) if header == "auto" else header == "yes"
    return laid_out(path, Dialect(encoding, delimiter, skipped, is_header, comma), found[0], notes)


def laid_out(path: Path, dialect: Dialect, first: Sequence[str], notes: list[str]) -> Dialect:
    """Counts the rows and names the columns."""
    names = (
        [cell.strip() for cell in first]
        if dialect.header
        else [f"column {i}" for i in range(1, len(first) + 1)]
    )
    width = len(names)
    places: list[int] = []
    empty: list[tuple[int, int, str]] = []
    ends_empty = not dialect.header or not names[-1]
    rows = islice(
        rows_of(path, dialect.encoding, dialect.delimiter, dialect.skipped), int(dialect.header), None
    )
    for number, row in enumerate(rows, 1):
        if any(map(str.strip, row)):
            places.append(number)
            ends_empty = ends_empty and not row[-1].strip()
        else:
            empty.append((len(places), number, "holds no value"))
    if ends_empty and width > 1 and places:
        names = names[:-1]
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    if empty:
        notes.append(f"{len(empty):,} rows hold no value and are left out")
    if not dialect.header:
        notes.append("it has no header, so columns are called 'column 1' and so on (--header yes)")
    elif all(map(is_number, filter(None, names))):
        notes.append(
            f"its first line, {dialect.delimiter.join(first)[:40]!r}, is taken for the header (--header no)"
        )
    return Dialect(
        dialect.encoding,
        dialect.delimiter,
        dialect.skipped,
        dialect.header,
        dialect.comma,
        tuple(names),
        width,
        len(places),
        tuple(places) if empty else (),
        tuple(empty),
        tuple(notes),
    )


def delimiter_of(path: Path, lines: Sequence[str]) -> str:
    """Returns what parts the cells of lines: that which parts most rows into one number of cells, the more the better."""
    if ".tsv" in [suffix.lower() for suffix in path.suffixes]:
        return "\t"
    best, most = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        usual = max(set(widths), key=widths.count)
        if usual > 1:
            score = (widths.count(usual) / len(widths), usual)
            best, most = (delimiter, score) if score > most else (best, most)
    if (
        best == ","
        and most[1] == 2
        and all(is_decimal(line.strip().strip('"')) for line in lines[1:])
        and len(lines) > 1
    ):
        whole = all(line.strip().strip('"').split(",")[1] != "" for line in lines[1:])
        if whole and "," not in lines[0]:
            return ";"  # one column of decimal commas under one name
    return best


def is_decimal(cell: str) -> bool:
    left, comma, right = cell.partition(",")
    return bool(comma) and left.lstrip("+-").isdigit() and right.isdigit()


def has_comma(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Tells whether numbers have decimal commas: no cell has a decimal point, and some are numbers but for a comma."""
    cells = [cell.strip() for row in rows[1:] or rows for cell in row]
    commas = [cell for cell in cells if "," in cell]
    if not commas:
        return False
    plain = sum(
        is_number(cell.replace(".", "").replace(",", ".")) and cell.count(",") == 1 for cell in commas
    )
    points = sum("." in cell and "," not in cell and is_number(cell) for cell in cells)
    thousands = delimiter == "," and all(len(cell.rsplit(",", 1)[1]) == 3 for cell in commas)
    return plain > len(commas) / 2 and not points and not thousands


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tells whether the first of some rows names the columns.

    Example:
        >>> has_header([["a", "b"], ["1", "2"]]), has_header([["1.5", "NA"], ["2.5", "3"]])
        (True, False)
        >>> has_header([["0", "1"], ["0.3", "7.2"]]), has_header([["0", "1", "2"], ["3", "4", "5"]])
        (True, False)
    """
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    words = [not is_number(cell) and not is_missing(cell) for cell in first]
    if any(words):
        over = [any(is_number(row[i]) for row in below if i < len(row)) for i in range(len(first))]
        named = all(w or is_missing(cell) for w, cell in zip(words, first, strict=True))
        return named or any(w and o for w, o in zip(words, over, strict=True))
    if not any(map(is_number, first)):
        return False
    return bool(below) and is_evenly_spaced(first) and not any(is_evenly_spaced(row) for row in below)


def is_evenly_spaced(cells: Sequence[str]) -> bool:
    """Tells whether cells, but for an empty first one, are whole numbers that go up by one step, or a single 0."""
    numbers = [cell.strip() for cell in (cells[1:] if cells and not cells[0].strip() else cells)]
    if not numbers or not all(cell.isascii() and cell.isdigit() for cell in numbers):
        return False
    steps = np.diff([int(cell) for cell in numbers])
    return numbers == ["0"] if not len(steps) else bool(steps[0] > 0 and (steps == steps[0]).all())
