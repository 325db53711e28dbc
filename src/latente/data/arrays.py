"""The user's arrays: .npy and .npz files, never pickled.

An .npz names its rows x, images, data or features and their labels y, labels or targets; a split of its own
is kept where it says x_train and x_test, or train_images and test_images, and so on. Captions of images are strings, (N,)
or (N, K) with "" where an image has fewer, and take the place of labels.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import DataError, MissingLabel
from ..memory import check_fits
from .raw import Raw, first_few, interpret, join

__all__ = ["open_npz", "read_npy", "read_npz"]

ROWS_NAMED = ("x", "images", "data", "features")
LABELS_NAMED = ("y", "labels", "label", "targets", "target")
CAPTIONS_NAMED = ("captions", "caption")
SPLIT_WORDS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, SyntaxError, OverflowError, LookupError, struct.error,
    RuntimeError, TypeError, tokenize.TokenError,
)  # fmt: skip
SPARSE = {
    "csr": ("indptr", "indices"),
    "csc": ("indptr", "indices"),
    "coo": ("row", "col"),
}  # the parts, as scipy writes them


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: check the path.") from error
    except MemoryError as error:
        raise DataError(
            f"{path} takes more memory than is free: give fewer rows, or bytes in place of floats."
        ) from error
    except DAMAGED as error:
        raise DataError(f"{path} is cut short or damaged ({error}): copy or save it again.") from error
    except ValueError as error:
        if "pickle" in str(error):
            raise DataError(
                f"{path} holds pickled objects, which are never loaded: "
                "save plain arrays of numbers, all rows of one shape, with numpy.save or numpy.savez."
            ) from error
        raise DataError(f"{path} is no numpy file, or a damaged one ({error}): save it again.") from error


@contextmanager
def open_npz(path: str | Path) -> Iterator[Any]:
    """Opens an .npz file and turns whatever is wrong with it into a DataError."""
    with readable(path), Path(path).open("rb") as file:
        z = np.load(file, allow_pickle=False)
        if not isinstance(z, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is not an .npz archive: rename it to .npy or save it with numpy.savez.")
        with z:
            assert z.zip is not None
            announced = sum(info.file_size for info in z.zip.infolist())
            check_fits(announced, f"{path}, unpacked,")
            yield z


def check_header(stream: IO[bytes], path: str | Path, held: int) -> None:
    """Refuses an array whose header announces more than its file holds, or than there is memory for; the stream goes back.

    Arguments:
        stream: The file, at the start of the array.
        path: What it is called.
        held: The bytes of the file.
    """
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
        if dtype.hasobject:
            raise ValueError("it holds pickled objects")
        size = math.prod(shape) * dtype.itemsize
        if any(n < 0 for n in shape) or size > held:
            raise DataError(
                f"{path} is cut short or damaged: its header announces {size:,} bytes, and it has {held:,}: save it again."
            )
    finally:
        stream.seek(0)
    check_fits(size, f"{path}, an array of shape {shape} of {dtype},")


def read_npy(path: Path, white: float | None = None) -> Raw:
    """Reads one array.

    Raises:
        DataError: If the file is damaged, pickled, or no data set.
    """
    with readable(path), path.open("rb") as file:
        if file.read(6) == b"\x93NUMPY":
            file.seek(0)
            check_header(file, path, path.stat().st_size)
        file.seek(0)
        x = np.load(file, allow_pickle=False)
        if not isinstance(x, np.ndarray):
            x.close()
            raise DataError(f"{path} is an .npz archive: rename it to .npz.")
    return interpret(x, None, str(path), white=white)


def split_key(
    names: dict[str, str], stems: tuple[str, ...], words: tuple[str, ...], bare: bool
) -> str | None:
    for word in words:
        keys = [f"{a}_{b}" for stem in stems for a, b in ((stem, word), (word, stem))]
        for key in [*keys, word] if bare else keys:
            if key in names:
                return names[key]
    return None


def read_splits(z: Any, names: dict[str, str], where: str) -> Raw | None:
    keys = {split: split_key(names, ROWS_NAMED, words, True) for split, words in SPLIT_WORDS.items()}
    if keys["train"] is None or (keys["test"] is None and keys["validation"] is None):
        return None
    found = {split: key for split, key in keys.items() if key is not None}
    captions = {split: split_key(names, CAPTIONS_NAMED, SPLIT_WORDS[split], False) for split in found}
    if any(captions.values()):
        raw = join({s: z[k] for s, k in found.items()}, {}, where)
        parts = [texts_of(z, captions[s], len(raw.splits[s]), f"{where}: {k}") for s, k in found.items()]
        return with_captions(raw, [c for part in parts for c in part], where)
    labels = {split: split_key(names, LABELS_NAMED, SPLIT_WORDS[split], False) for split in found}
    named = {split: key for split, key in labels.items() if key is not None}
    if named and len(named) < len(found):
        bare = next(s for s in found if s not in named)
        raise DataError(
            f"{where} has labels for {next(iter(named))} but none for {bare}: add or remove them."
        )
    return join({s: z[k] for s, k in found.items()}, {s: z[k] for s, k in named.items()}, where)


def texts_of(z: Any, key: str | None, n: int, where: str) -> list[tuple[str, ...]]:
    """Reads the captions of n images."""
    if key is None:
        raise DataError(f"{where} has no captions where other splits have some: add or remove them.")
    x = z[key]
    if x.dtype.kind not in "US" or x.ndim not in (1, 2) or len(x) != n:
        raise DataError(
            f"{where} has {n:,} images, and {key} is {x.dtype} of shape {x.shape}: captions are strings, (N,) or (N, K)."
        )
    try:
        x = np.char.decode(x, "utf-8") if x.dtype.kind == "S" else x
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: {key} is not UTF-8: save it as an array of str.") from error
    rows = [tuple(t.strip() for t in row if t.strip()) for row in x.reshape(n, -1).tolist()]
    empty = [i for i, row in enumerate(rows, 1) if not row]
    if empty:
        raise DataError(
            f"{where}: {key} is empty in row {first_few(empty)}: write a caption, or drop the image."
        )
    return rows


def with_captions(raw: Raw, captions: list[tuple[str, ...]], where: str) -> Raw:
    if raw.kind != "images":
        raise DataError(f"{where} has captions beside {raw.kind}: captions are for images, (N, H, W[, C]).")
    return replace(raw, kind="captions", y=None, classes=(), captions=tuple(captions))


def dense(z: Any, path: Path) -> np.ndarray:
    """Reads a sparse matrix as scipy.sparse.save_npz writes it, in full, as float32.

    Raises:
        DataError: If it is of a form that is not known, or does not fit together.
    """
    shape = z["shape"].tolist()
    form = form_of(z, shape)
    if form not in SPARSE:
        raise DataError(
            f"{path} holds a sparse matrix of the form {form!r}: save matrix.tocsr(), or matrix.toarray()."
        )
    values = z["data"]
    parts = [z[name] for name in SPARSE[form]]
    if len(shape) != 2 or values.dtype.kind not in "biuf" or not fit_together(form, shape, values, *parts):
        raise DataError(f"{path} holds a sparse matrix whose parts do not fit together: save it again.")
    rows, columns = shape
    check_fits(
        4 * rows * columns, f"{path}, a sparse matrix of {rows:,} rows and {columns:,} columns, in full"
    )
    x = np.zeros((rows, columns), np.float32)
    major = parts[0] if form == "coo" else np.repeat(np.arange(len(parts[0]) - 1), np.diff(parts[0]))
    np.add.at(x, (parts[1], major) if form == "csc" else (major, parts[1]), values.astype(np.float32))
    return x


def is_sparse(names: Collection[str]) -> bool:
    """Tells whether arrays are the parts of a sparse matrix."""
    return {"data", "shape"} <= {*names} and (
        "format" in names or any({*p} <= {*names} for p in SPARSE.values())
    )


def form_of(z: Any, shape: list[int]) -> str:
    """Returns the form of a sparse matrix: as it is named, or as its parts tell."""
    if "format" in z.files:
        return bytes(z["format"].astype("S")).decode("ascii", "replace").strip("\0")
    if "row" in z.files:
        return "coo"
    return "csr" if len(z["indptr"]) - 1 == shape[0] else "csc"


def read_sparse(z: Any, path: Path, label: str | None) -> Raw:
    """Reads a sparse matrix in full, and the labels beside it."""
    parts = {"data", "shape", "format", "_is_array", *(name for pair in SPARSE.values() for name in pair)}
    others = [name for name in z.files if name not in parts]
    y = label or next((name for name in others if name.lower() in LABELS_NAMED), None)
    raw = interpret(dense(z, path), None if y is None else z[y], str(path))
    filled = 100 * len(z["data"]) / raw.x.size
    notes = [
        raw.note,
        f"a sparse matrix, {filled:.2g} % of it filled, read in full, {raw.x.nbytes / 1e6:,.3g} MB",
    ]
    unread = [name for name in others if name != y]
    notes += (
        [f"the arrays {first_few(unread)} beside it are not read (--label takes labels from one)"]
        if unread
        else []
    )
    return replace(raw, note="; ".join(filter(None, notes)))


def fit_together(
    form: str, shape: list[int], values: np.ndarray, first: np.ndarray, second: np.ndarray
) -> bool:
    """Tells whether the parts of a sparse matrix are those of one: the places of its values lie in it."""
    if any(a.ndim != 1 or a.dtype.kind not in "iu" for a in (first, second)) or values.ndim != 1:
        return False
    major, minor = shape if form != "csc" else shape[::-1]
    if len(second) != len(values) or not ((second >= 0) & (second < minor)).all():
        return False
    if form == "coo":
        return len(first) == len(values) and bool(((first >= 0) & (first < major)).all())
    counts = np.diff(first)
    return len(counts) == major and bool((counts >= 0).all()) and first[0] == 0 and first[-1] == len(values)


def read_npz(path: Path, label: str | None = None, white: float | None = None) -> Raw:
    """Reads an .npz archive.

    Arguments:
        path: The file.
        label: The name of the array of labels, where it is none of the usual.
        white: The level of a pixel that counts as white.

    Raises:
        DataError: If the file is damaged, pickled, or has no array to learn from.
    """
    with open_npz(path) as z:
        names = {name.lower(): name for name in z.files}
        held = ", ".join(z.files) or "nothing"
        if label is not None and label not in z.files:
            raise MissingLabel(f"{path} has no array {label!r} to take labels from; it holds {held}.")
        if is_sparse(z.files):
            return read_sparse(z, path, label)
        whole = None if label else read_splits(z, names, str(path))
        if whole is not None:
            return whole
        y = label or next((names[k] for k in LABELS_NAMED if k in names), None)
        x = next((names[k] for k in (*ROWS_NAMED, "train") if k in names), None)
        captions = None if label else next((names[k] for k in CAPTIONS_NAMED if k in names), None)
        y = None if captions else y
        others = [name for name in z.files if name not in (y, captions)]
        if x is None and len(others) == 1:
            x = others[0]
        if x is None:
            raise DataError(f"{path} has no array called x, images, data or features; it holds {held}.")
        raw = interpret(z[x], None if y is None else z[y], str(path), white=white)
        unread = [name for name in z.files if name not in (x, y, captions)]
        if unread:
            said = f"the arrays {first_few(unread)} beside {x} are not read"
            raw = replace(raw, note="; ".join(filter(None, (raw.note, said))))
        if captions is None:
            return raw
        return with_captions(raw, texts_of(z, captions, len(raw.x), str(path)), str(path))
