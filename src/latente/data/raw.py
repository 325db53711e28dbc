"""What a source holds, before it is split: one array, its labels, and what they mean.

Each file of this folder reads one kind of source into a `Raw`. Here an array is taken for what its type and
shape say:

* (N, H, W), (N, C, H, W) and (N, H, W, C) with C in 1, 3, 4 are images (where both fit, the
  reading with square images, else the last). Whole numbers 0..255 are kept as bytes, fractions must lie in
  [0, 1]; an image set of two values only is kept as bytes 0 and 255.
* (N, D) are vectors, or a table where the columns have names.

Sentences are rows of whole numbers (N, L) from the start, see :mod:`latente.data.text`; drawings are rows of points (N, L, 3),
see :mod:`latente.data.strokes`.

Nothing here makes a second copy of the data as floats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError
from .labels import note_on_labels, numbered_labels
from .rows import Rows

__all__ = [
    "CHANNELS",
    "Raw",
    "blocks",
    "checked_images",
    "first_few",
    "interpret",
    "join",
    "vectors",
]

CHANNELS = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class Raw:
    """Holds a whole source.

    Arguments:
        x: uint8 or float32 images (N, C, H, W), float vectors (N, D), int32 sentences (N, L), or float32 drawings (N, L, 3).
        y: int64 labels (N,), or None.
        kind: The name of the kind of data that it is.
        classes: The names of the labels.
        columns: The names of a table's features.
        splits: The rows of the splits that the source itself fixes, by name.
        binary: Whether x are images of two values only.
        unit: Whether 1 was taken for white where they were read, and not 255.
        words: The words of a text, by number.
        rows: Which rows of the source the examples are.
        captions: One or more captions of each image; empty without. They take the place of labels.
        scenes: The name of the grammar the images were composed by; empty otherwise.
        note: What was done to the examples when they were read or cleaned; empty otherwise.
        groups: What each example belongs to, where those of one group are to stay in one split.
    """

    x: np.ndarray
    y: np.ndarray | None
    kind: str
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    splits: dict[str, np.ndarray] = field(default_factory=dict)
    binary: bool = False
    unit: bool = False
    words: tuple[str, ...] = ()
    rows: Rows = field(default_factory=Rows)
    captions: tuple[tuple[str, ...], ...] = ()
    scenes: str = ""
    note: str = ""
    groups: np.ndarray | None = None


def blocks(x: np.ndarray, rows: int = 4096) -> Iterator[np.ndarray]:
    """Yields the rows of an array block by block, so that a pass over it needs little memory."""
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def first_few(items: Sequence[object], most: int = 3) -> str:
    """Lists the first of some things, and says how many more there are.

    Example:
        >>> first_few(["a.png", "b.png", "c.png", "d.png"])
        'a.png, b.png, c.png and 1 more'
    """
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(map(str, items[:most])) + more


def check_finite(x: np.ndarray, where: str, columns: tuple[str, ...] = ()) -> None:
    if x.dtype.kind != "f":
        return
    bad, first, seen = 0, None, 0
    for block in blocks(x):
        finite = np.isfinite(block)
        bad += int(finite.size - np.count_nonzero(finite))
        if first is None and bad:
            position = np.argwhere(~finite)[0]
            first = (int(position[0]) + seen, int(position[1]))
        seen += len(block)
    if first is None:
        return
    row, column = first
    place = f"row {row + 1}"
    if x.ndim == 2:
        place += f", column {columns[column]!r}" if columns else f", column {column + 1}"
    values = "1 value that is" if bad == 1 else f"{bad:,} values that are"
    raise DataError(f"{where}: {values} missing or not finite, the first in {place}; fill or drop such rows.")


def bounds_of(x: np.ndarray) -> tuple[float, float]:
    return float(x.min()), float(x.max())


def is_two_valued(x: np.ndarray, high: float) -> bool:
    return all(bool(((b == 0) | (b == high)).all()) for b in blocks(x))


def is_whole(x: np.ndarray) -> bool:
    return all(bool((b == np.round(b)).all()) for b in blocks(x))


def as_pixels(x: np.ndarray, where: str, is_file: bool = False) -> tuple[np.ndarray, bool, bool]:
    """Returns images as bytes or float32, whether they hold two values only, and whether 1 was taken for white.

    The levels of a file of images are what its format says; those of an array are guessed.
    """
    check_finite(x, where)
    low, high = bounds_of(x)
    if is_file and x.dtype == np.uint8:
        return x, is_two_valued(x, 255), False
    if high <= 1 and low >= 0 and is_two_valued(x, 1):
        return x.astype(np.uint8) * np.uint8(255), True, True
    if x.dtype == np.uint8:
        return x, is_two_valued(x, 255), False
    if low >= 0 and high <= 255 and (x.dtype.kind in "iu" or is_whole(x)):
        x = x.astype(np.uint8)
        return x, is_two_valued(x, 255), False
    if x.dtype.kind == "f" and low >= 0 and high <= 1:
        return x.astype(np.float32, copy=False), False, True
    hint = ""
    if x.dtype.kind == "f" and x.shape[1] == 1:
        hint = f" If these are no images, give vectors: reshape the array to ({len(x)}, {x[0].size})."
    raise DataError(
        f"{where}: pixels lie between {low:g} and {high:g}; give whole numbers 0..255 or fractions in [0, 1], or say "
        f"what counts as white, as --white 4095 for 12 bits.{hint}"
    )


def channels_last(shape: tuple[int, ...], where: str) -> bool:
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if not (first or last):
        raise DataError(
            f"{where}: an array of shape {shape} is no set of images: "
            "its second or its last axis must hold 1, 3 or 4 channels."
        )
    return last and not (first and shape[2] == shape[3])


def checked_images(
    x: np.ndarray, where: str, is_file: bool = False, white: float | None = None
) -> tuple[np.ndarray, bool, bool]:
    """Returns images as (N, C, H, W), bytes or float32, whether they hold two values only, and whether 1 was taken for white.

    Raises:
        DataError: If the array is not a set of images.
    """
    if x.ndim == 3:
        x = x[:, None]
    elif channels_last(x.shape, where):
        x = x.transpose(0, 3, 1, 2)
    if white is not None:
        x = scaled_to(x, white, where, is_file)
    pixels, binary, unit = as_pixels(x, where, is_file)
    return np.ascontiguousarray(pixels), binary, unit


def scaled_to(x: np.ndarray, white: float, where: str, is_file: bool) -> np.ndarray:
    """Returns levels as fractions of that which counts as white.

    Raises:
        DataError: If some are negative or above it.
    """
    if is_file and x.dtype != np.uint8:
        x = x * np.float64(65535)  # a file of 16 bits was read as fractions
    low, high = bounds_of(x)
    if low < 0 or high > white * (1 + 1e-6):
        raise DataError(
            f"{where}: pixels lie between {low:g} and {high:g}, and {white:g} is to be white (--white)."
        )
    return (x / white).clip(0, 1).astype(np.float32)


def float_for(dtype: np.dtype) -> type:
    """Returns the floats that hold numbers of a type: float64 for those that float32 would round."""
    return np.float64 if dtype.itemsize > 4 or (dtype.kind in "iu" and dtype.itemsize == 4) else np.float32


def vectors(x: np.ndarray, where: str, columns: tuple[str, ...] = ()) -> np.ndarray:
    """Returns vectors (N, D) as floats, checked to be finite."""
    x = x if x.dtype.kind == "f" and x.dtype.itemsize in (4, 8) else x.astype(float_for(x.dtype))
    check_finite(x, where, columns)
    return x


def interpret(
    x: np.ndarray,
    y: np.ndarray | None,
    where: str,
    splits: dict[str, np.ndarray] | None = None,
    *,
    is_file: bool = False,
    white: float | None = None,
    columns: tuple[str, ...] = (),
) -> Raw:
    """Takes an array for images or vectors, by its shape, and numbers its labels; vectors whose columns have names are a table.

    Raises:
        DataError: If it is neither, is empty, or the labels do not fit.

    Example:
        >>> raw = interpret(np.zeros((12, 4, 4, 3), dtype=np.uint8), None, "faces.npy")
        >>> raw.kind, raw.x.shape
        ('images', (12, 3, 4, 4))
    """
    if x.dtype.kind not in "biuf":
        raise DataError(
            f"{where}: an array of type {x.dtype} holds no numbers; save plain integers or floats."
        )
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{where}: an array of shape {x.shape} is no data set: "
            "give (N, D) vectors, as x.reshape(N, -1), or (N, H, W[, C]) images."
        )
    if x.size == 0:
        raise DataError(f"{where}: the array of shape {x.shape} is empty; save at least ten rows.")
    if y is not None and (not y.ndim or len(y) != len(x)):
        many = f"{len(y):,} labels" if y.ndim else "one label"
        raise DataError(f"{where}: {len(x):,} rows but {many}; give each row one label.")
    codes, classes = (None, ()) if y is None else numbered_labels(y, where)
    note = note_on_labels(codes, classes)
    codes = codes if classes else None
    splits = splits or {}
    if x.ndim == 2:
        kind = "table" if columns else "vectors"
        return Raw(vectors(x, where, columns), codes, kind, classes, columns, splits, note=note)
    pixels, binary, unit = checked_images(x, where, is_file, white)
    said = "" if is_file else doubtful(x)
    note = "; ".join(filter(None, (note, said)))
    return Raw(pixels, codes, "images", classes, splits=splits, binary=binary, unit=unit, note=note)


def doubtful(x: np.ndarray) -> str:
    """Says how to have vectors where an array of three axes is an image of an unusual form, as a window of a series is."""
    if x.ndim != 3 or (min(x.shape[1:]) >= 8 and max(x.shape[1:]) < 4 * min(x.shape[1:])):
        return ""
    n, height, width = x.shape
    return f"taken for images of {height} x {width} grey pixels: for vectors, reshape the array to ({n}, {height * width})"


def join(xs: dict[str, np.ndarray], ys: dict[str, np.ndarray], where: str) -> Raw:
    """Joins the splits of a source into one array, and remembers which rows each split has.

    Takes the parts out of `xs` one by one, so that two copies of the data are the most there ever is.

    Raises:
        DataError: If the parts differ in shape, or in length from their labels.
    """
    for split, x in xs.items():
        if x.shape[1:] != xs["train"].shape[1:]:
            raise DataError(
                f"{where}: a row of {split} has shape {x.shape[1:]}, of train {xs['train'].shape[1:]}; "
                "the splits must have one shape."
            )
        if ys and len(ys[split]) != len(x):
            raise DataError(
                f"{where}: {split} has {len(x):,} rows but {len(ys[split]):,} labels; give each row one."
            )
    ends = np.cumsum([len(x) for x in xs.values()])
    splits = {s: np.arange(end - len(xs[s]), end) for s, end in zip(xs, ends, strict=True)}
    y = np.concatenate(list(ys.values())) if ys else None
    joined = np.empty(
        (int(ends[-1]), *xs["train"].shape[1:]), np.result_type(*(x.dtype for x in xs.values()))
    )
    for split, end in zip(tuple(xs), ends, strict=True):
        x = xs.pop(split)
        joined[end - len(x) : end] = x
    return interpret(joined, y, where, splits)
