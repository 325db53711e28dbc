"""How a table of text is written: its encoding, what stands between cells, its header, its decimal sign.

* The encoding is UTF-8, or UTF-16 or UTF-32 where a mark says so. What is packed by gzip or xz is unpacked.
* Cells are parted by the semicolon, tab, bar, comma or space that parts the first rows into one number of cells, most of which
  are numbers; a first line `sep=;` says which.
* Decimal commas are read as such where some cell can be nothing else, as 0,5 or 1.234,5, and none has a decimal point. What may
  be a decimal or a separator of thousands, as 1,234 in all cells, is refused, unless `--decimal` says which.
* Lines at the top that begin with `#` are remarks; the last of them is the header where it has a name for each column.
* Blank lines hold no row. A line of empty cells alone is a row that is left out.

Whether the first row is the header is told by :func:`has_header`, unless `--header yes` or `no` says so.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, TextIO, cast

from ..errors import DataError
from .headers import has_header, is_missing, is_number

__all__ = ["Dialect", "dialect_of", "plain", "rows_in"]

HEADERS, SIGNS = ("auto", "yes", "no"), ("auto", ".", ",")
DELIMITERS = ";\t|, "
SEEN = 100  # rows that are looked at
SEEN_BYTES = 1 << 22
ALIKE = 0.9  # of the rows, that have one number of cells
END = "\0"
PACKED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz"}
MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}
OTHERS = {
    b"PK\x03\x04": "a workbook or an archive: save it as .csv, UTF-8",
    b"\xd0\xcf\x11\xe0": "a workbook: save it as .csv, UTF-8",
    b"PAR1": "a parquet file: name it .parquet",
    b"ARROW1": "an Arrow file: save it as .parquet",
    b"SQLite": "a database: save its table as .csv",
    b"\x89HDF": "an HDF5 file: save its table as .csv",
    b"MATLAB": "a MATLAB file: save its arrays as .npz",
    b"\x93NUMPY": "an array of numpy: name it .npy",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"%PDF": "a PDF: save its table as .csv",
    b"BZh": "packed by bzip2: unpack it, or pack it by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstandard: unpack it, or pack it by gzip",
    b"\x80\x04\x95": "a pickle, which is never loaded: save it as .csv or .parquet",
    b"\x80\x05\x95": "a pickle, which is never loaded: save it as .csv or .parquet",
    b"version https://git-lfs": "the pointer of a file that was not downloaded: run git lfs pull",
    b"<!doctype html": "a web page: download the table itself",
    b"<html": "a web page: download the table itself",
    b"<?xml": "XML: save its table as .csv",
    b"{": "JSON: save its table as .csv",
    b"[{": "JSON: save its table as .csv",
}

COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")  # 0,5 or 1.234,5
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")  # 1,234 or 1,234.5
PAIR = re.compile(r"[+-]?\d+,\d+")
POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")  # 1.234.567, where decimals have commas


@dataclass(frozen=True)
class Dialect:
    """Holds how a table is written.

    Arguments:
        encoding: Its encoding.
        delimiter: What parts its cells.
        skipped: The lines before the first row.
        header: Whether the first row that is not skipped is the header.
        comma: Whether decimals have a comma.
        names: The names of its columns; "" where one has none.
        width: The cells of a row: one more than there are names where each row ends in a delimiter.
        seen: Some of the first rows.
        estimate: How many rows there are, about; 0 where that cannot be told.
        notes: What is to be said of it.
    """

    encoding: str
    delimiter: str
    skipped: int = 0
    header: bool = True
    comma: bool = False
    names: tuple[str, ...] = ()
    width: int = 0
    seen: tuple[tuple[str, ...], ...] = ()
    estimate: int = 0
    notes: tuple[str, ...] = ()


def unpacked(path: Path) -> IO[bytes]:
    """Opens a file, packed or not, whatever it is called; one that is called packed must be."""
    with path.open("rb") as file:
        start = file.read(6)
    for magic, form in PACKED.items():
        if start.startswith(magic):
            return cast(IO[bytes], gzip.open(path, "rb") if form == "gzip" else lzma.open(path, "rb"))
    suffix = path.suffix.lower()
    if suffix in (".gz", ".xz"):
        raise DataError(f"{path} is not packed, or damaged: copy it again, or name it without {suffix}.")
    return path.open("rb")


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
    """Returns the encoding of a file.

    Raises:
        DataError: If it holds something else than a table of text.
    """
    head = head_of(path)
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    start = head.lstrip().lower()
    for magic, what in OTHERS.items():
        if head.startswith(magic) or (magic.isascii() and magic[:1] in b"<{[" and start.startswith(magic)):
            raise DataError(f"{path} is {what}.")
    if b"\0" in head:
        raise DataError(
            f"{path} holds NUL bytes, so it is no text, or UTF-16 without a mark: save it as UTF-8."
        )
    return "utf-8"


def parsed(lines: Iterator[str] | Sequence[str], delimiter: str) -> Iterator[list[str]]:
    """Yields the rows in lines of text, but for blank ones."""
    for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        if len(row) > 1 or (row and row[0].strip()):
            yield row[:-1] if delimiter == " " and not row[-1] else row


def rows_in(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    """Yields the cells of each row below the header.

    Raises:
        DataError: If a quotation mark is not closed.
    """
    with opened(path, dialect.encoding) as file:
        for _ in range(dialect.skipped):
            file.readline()
        lines = chain(file, (END,))
        for row in islice(parsed(lines, dialect.delimiter), int(dialect.header), None):
            if row[-1].endswith(END):
                if row != [END]:
                    raise DataError(
                        f'{path}: a quotation mark (") is opened and not closed, before {row[-1][:30]!r}: close it.'
                    )
                return
            yield row


def plain(cell: str, comma: bool) -> str:
    """Writes a number with a decimal point and no separators; what is no plain number, is returned as it is.

    Example:
        >>> plain("1.234,5", comma=True), plain("1.234", comma=True), plain("1.5", comma=True)
        ('1234.5', '1234', '1.5 (a point among decimal commas)')
    """
    if not comma:
        return cell
    cell = cell.strip()
    if "," in cell:
        return cell.replace(".", "").replace(",", ".") if COMMA.fullmatch(cell) else cell
    if "." in cell:
        is_whole = POINTS.fullmatch(cell)
        return cell.replace(".", "") if is_whole else f"{cell} (a point among decimal commas)"
    return cell


def dialect_of(path: Path, header: str = "auto", decimal: str = "auto", known: Sequence[str] = ()) -> Dialect:
    """Finds out how a table is written.

    Arguments:
        path: The file.
        header: Whether the first line is the header: "yes", "no", or "auto".
        decimal: "." or ",", or "auto".
        known: The names of columns that are sought; a first row that has all of them is the header.

    Raises:
        DataError: If it holds no text.
        UnicodeDecodeError: If it is in another encoding.
    """
    check_choices(header, decimal)
    encoding = encoding_of(path)
    lines, is_whole = first_lines(path, encoding)
    skipped, delimiter = 0, ""
    if lines and lines[0].strip().lower()[:4] == "sep=":
        skipped, delimiter = 1, lines[0].strip("\r\n ")[4:5] or "\t"
    remarks = remarks_in(lines[skipped:])
    text = lines[skipped + len(remarks) :]
    if not any(line.strip() for line in text):
        return Dialect(encoding, ",", header=header == "yes")
    delimiter = delimiter or delimiter_of(path, text, decimal)
    rows = list(islice(parsed(text, delimiter), SEEN))
    rows = rows if is_whole or len(rows) < 3 else rows[:-1]  # the last may be cut
    titles = list(parsed([remarks[-1].lstrip().lstrip("#")], delimiter)) if remarks else []
    is_titled = header == "auto" and is_title(titles, rows)
    if is_titled:
        remarks, rows = remarks[:-1], [titles[0], *rows]
    comma = has_comma(rows[1:] or rows) if decimal == "auto" else decimal == ","
    found = Dialect(
        encoding,
        delimiter,
        skipped + len(remarks),
        is_titled or decided(rows, header, known, comma),
        comma,
        estimate=estimated(path, encoding, text),
        notes=said_of(remarks, comma, decimal == "auto" and is_of_pairs(rows, delimiter)),
    )
    return laid_out(found, rows)


def check_choices(header: str, decimal: str) -> None:
    """Refuses what is no choice."""
    for option, value, choices in (("header", header, HEADERS), ("decimal", decimal, SIGNS)):
        if value not in choices:
            raise DataError(f"{option} is one of {', '.join(choices)}, not {value!r}.")


def estimated(path: Path, encoding: str, lines: Sequence[str]) -> int:
    """Returns about how many rows a file has; 0 where that cannot be told by its size."""
    if encoding != "utf-8" or path.suffix.lower() in (".gz", ".xz"):
        return 0
    return path.stat().st_size * len(lines) // max(1, sum(map(len, lines)))


def is_of_pairs(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Tells whether all rows are two whole numbers with a comma between, which might be one decimal."""
    return delimiter == "," and all(PAIR.fullmatch(",".join(row)) for row in rows)


def said_of(remarks: Sequence[str], comma: bool, pairs: bool) -> tuple[str, ...]:
    """Says how a table is written, where it might be otherwise."""
    notes = []
    many = sum(bool(line.strip()) for line in remarks)
    if many:
        notes.append(
            f"{many} lines at the top are remarks" if many > 1 else "the line at the top is a remark"
        )
    if comma:
        notes.append("decimals have commas")
    elif pairs:
        notes.append("two columns of whole numbers (--decimal , if it is one of decimals)")
    return tuple(notes)


def first_lines(path: Path, encoding: str) -> tuple[list[str], bool]:
    """Returns the first lines of a file, and whether these are all."""
    lines: list[str] = []
    size = 0
    with opened(path, encoding) as file:
        for line in file:
            lines.append(line)
            size += len(line)
            if len(lines) > 2 * SEEN or (size > SEEN_BYTES and len(lines) > 5):
                return lines, False
    return lines, True


def remarks_in(lines: Sequence[str]) -> list[str]:
    """Returns the lines at the top that begin with # or are blank; none where all lines begin so, or these hold numbers.

    Example:
        >>> remarks_in(["# in cm", "a,b", "1,2"]), remarks_in(["#f00,1", "red,2"])
        (['# in cm'], [])
    """
    many = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
    found, usual = list(lines[:many]), lines[many] if many else ""
    for delimiter in DELIMITERS[:-1]:
        widths = {line.count(delimiter) for line in (*found, usual) if line.strip()}
        cells = [line.strip().split(delimiter)[-1] for line in found if line.strip()]
        if widths != {0} and len(widths) == 1 and all(map(is_number, cells)):
            return []
    return found


def is_title(titles: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> bool:
    """Tells whether the remark before the first row names all columns, as numpy.savetxt writes them."""
    if not titles or len(titles[0]) < 2 or len(titles[0]) != len(rows[0]):
        return False
    return not any(map(is_number, titles[0])) and any(map(is_number, rows[0]))


def decided(rows: Sequence[Sequence[str]], header: str, known: Sequence[str], comma: bool) -> bool:
    """Decides whether the first row is the header."""
    if header != "auto":
        return header == "yes"
    if known and set(known) <= {cell.strip() for cell in rows[0]}:
        return True
    return has_header([[plain(cell, comma) for cell in row] for row in rows])


def laid_out(dialect: Dialect, rows: Sequence[Sequence[str]]) -> Dialect:
    """Names the columns, and says how that was decided."""
    first, below = [cell.strip() for cell in rows[0]], rows[int(dialect.header) :]
    widths = [len(row) for row in below]
    width = max(set(widths), key=widths.count) if widths else len(first)
    names = first if dialect.header else [f"column {i}" for i in range(1, width + 1)]
    ends_empty = width > 1 and all(not row[-1].strip() for row in below if len(row) == width)
    if dialect.header and width == len(first) + 1:
        names = [*names, ""] if ends_empty else ["", *names]  # R writes no name for those of the rows
    elif dialect.header:
        width = len(names)
    if below and ends_empty and (not dialect.header or not names[-1]):
        names = names[:-1]
    notes = list(dialect.notes)
    if not dialect.header:
        notes.append(
            "it has no header, as its first row is like the others, so columns are called 'column 1' and so on (--header yes)"
        )
    elif not all(is_missing(cell) or not is_number(cell) for cell in first):
        shown = dialect.delimiter.join(first)
        shown = shown if len(shown) < 40 else f"{shown[:37]}…"
        notes.append(f"its first row, {shown!r}, is taken for the header (--header no)")
    seen = tuple(tuple(row) for row in below)
    return replace(dialect, names=tuple(names), width=width, seen=seen, notes=tuple(notes))


def delimiter_of(path: Path, lines: Sequence[str], decimal: str) -> str:
    """Returns what parts the cells of lines: what gives all rows one number of cells, and most numbers."""
    if ".tsv" in [suffix.lower() for suffix in path.suffixes]:
        return "\t"
    if all(COMMA.fullmatch(line.strip().strip('"')) for line in lines[1:] if line.strip()) and (
        decimal == "," or (len(lines) > 1 and "," not in lines[0])
    ):
        return ";"  # one column of decimal commas
    best, most = ",", (False, 0.0, 0)
    for delimiter in DELIMITERS:
        rows = list(islice(parsed(lines, delimiter), SEEN))
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=widths.count)
        if usual < 2 or (delimiter == " " and (most[0] or len(set(widths)) > 1)):
            continue
        cells = [
            plain(cell, delimiter != "," and decimal != "." and "," in cell)
            for row in rows[1:] or rows
            for cell in row
        ]
        numbers = sum(is_number(cell) or THOUSANDS.fullmatch(cell.strip()) is not None for cell in cells)
        score = (widths.count(usual) >= ALIKE * len(widths) - 1, numbers / len(cells), usual)
        best, most = (delimiter, score) if score > most else (best, most)
    return best


def has_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Tells whether numbers have decimal commas.

    Example:
        >>> has_comma([["0,5", "10,002"]]), has_comma([["1,234"]]), has_comma([["0,5", "0.5"]])
        (True, False, False)
    """
    cells = [cell.strip() for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell]
    certain = any(COMMA.fullmatch(cell) and not THOUSANDS.fullmatch(cell) for cell in commas)
    other = any(THOUSANDS.fullmatch(cell) and not COMMA.fullmatch(cell) for cell in commas)
    points = any("." in cell and is_number(cell) and not POINTS.fullmatch(cell) for cell in cells)
    return certain and not other and not points
