"""Drawings as points: lines of points to offsets and back, simplification, and the files of this and other projects.

A drawing is kept as rows (dx, dy, p), see :mod:`latente.distributions.strokes`; many of them as one array of rows, one drawing
after the other, and the offsets at which each begins. That is also the file format: an .npz without a pickle, with `strokes` and
`offsets`, and beside them, where there are any, `split` (0 train, 1 validation, 2 test), `label` and `class_names`. Also read are

* .npz files with `train` and `train_offsets`, `valid` and `test` likewise;
* the .npz files of sketch-rnn, whose pickle is read but not run (:mod:`latente.data.pickled`);
* the .ndjson files of Quick, Draw!: simplified drawings as they are, raw ones after Google's recipe.

Google's recipe for raw drawings (https://github.com/googlecreativelab/quickdraw-dataset): to the origin, the longer side to 255,
a point every unit, then Ramer, Douglas and Peucker's simplification with a tolerance of 2.
"""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..commands import command
from ..distributions.strokes import FINISHED, LIFTED
from ..errors import DataError
from .labels import numbered_labels
from .named import locate
from .pickled import arrays
from .raw import Raw
from .rows import Rows

__all__ = [
    "LONGEST",
    "SIDE",
    "TOLERANCE",
    "cleaned",
    "drawing_of",
    "fitted_lines",
    "is_ndjson",
    "is_strokes",
    "joined_splits",
    "lines_of",
    "omniglot_strokes",
    "padded",
    "quickdraw",
    "raw_of",
    "rdp",
    "read_ndjson",
    "read_strokes",
    "sheep",
    "simplified",
    "simplified_all",
    "write_strokes",
]

PenLines = Sequence[np.ndarray]
SIDE, TOLERANCE = 255.0, 2.0  # of Google's recipe
LONGEST = 250  # points of a drawing
LARGEST = 8 << 30  # bytes of all drawings of a source, each as long as the longest
SPLIT_KEYS = {"train": "train", "valid": "validation", "test": "test"}
DAMAGED_FILE = (
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)  # RuntimeError: it is encrypted


def drawing_of(lines: PenLines) -> np.ndarray:
    """Writes lines, each of points (n, 2), as rows (dx, dy, p), float64.

    The first point is the origin and is not kept. Where it is a line of its own, a dot, a move of length 0 keeps its lift.

    Example:
        >>> drawing_of([np.array([[0, 0], [3, 0]]), np.array([[3, 1], [5, 1]])]).tolist()
        [[3.0, 0.0, 1.0], [0.0, 1.0, 0.0], [2.0, 0.0, 1.0]]
    """
    lines = [np.asarray(line, np.float64).reshape(-1, 2) for line in lines if len(line)]
    if not lines:
        return np.empty((0, 3))
    if len(lines[0]) == 1:
        lines = [lines[0].repeat(2, 0), *lines[1:]]
    points = np.concatenate(lines)
    lifted = np.zeros(len(points))
    lifted[np.cumsum([len(line) for line in lines]) - 1] = LIFTED
    return np.column_stack([np.diff(points, axis=0), lifted[1:]])


def lines_of(drawing: np.ndarray) -> list[np.ndarray]:
    """Returns the lines of rows (dx, dy, p), each of points (n, 2), in the units of the rows; what follows an end is left out.

    Example:
        >>> [line.tolist() for line in lines_of(np.array([[3, 0, 1], [0, 1, 0], [2, 0, 1], [0, 0, 2]]))]
        [[[0.0, 0.0], [3.0, 0.0]], [[3.0, 1.0], [5.0, 1.0]]]
    """
    drawing = np.asarray(drawing, np.float64)
    drawing = drawing[: int((drawing[:, 2] < FINISHED).sum())]
    points = np.concatenate([np.zeros((1, 2)), drawing[:, :2].cumsum(0)])
    ends = np.flatnonzero(drawing[:, 2] == LIFTED) + 2
    return [line for line in np.split(points, ends) if len(line)]


def rdp(line: np.ndarray, tolerance: float) -> np.ndarray:
    """Drops points of a line that lie within a tolerance of what is left (Ramer, 1972; Douglas and Peucker, 1973)."""
    try:
        from simplification.cutil import simplify_coords
    except ImportError:
        raise DataError(
            "simplifying drawings takes simplification: pip install 'latente[drawings]'."
        ) from None
    return (
        np.asarray(simplify_coords(np.ascontiguousarray(line, np.float64), tolerance))
        if len(line) > 2
        else line
    )


def fitted_lines(lines: PenLines) -> list[np.ndarray]:
    """Moves lines to the origin, and scales them to a longer side of 255."""
    points = np.concatenate(lines)
    low, extent = points.min(0), np.ptp(points, axis=0).max()
    return [(line - low) * (SIDE / extent if extent else 1.0) for line in lines]


def simplified(drawing: np.ndarray, longest: int) -> np.ndarray:
    """Simplifies a drawing until it has at most so many rows, or as far as a tolerance of a tenth of its size goes.

    Arguments:
        drawing: Rows (dx, dy, p).
        longest: The most rows.
    """
    lines = lines_of(drawing)
    extent = float(np.ptp(np.concatenate(lines), axis=0).max())
    tolerance = extent / 1000
    while len(drawing) > longest and 0 < tolerance <= extent / 10:
        drawing = drawing_of([rdp(line, tolerance) for line in lines])
        tolerance *= 1.25
    return drawing


def simplified_all(raw: Raw, tolerance: float) -> Raw:
    """Simplifies all drawings with one tolerance; those with gaps are left as they are."""
    found = [
        drawing_of([rdp(line, tolerance) for line in lines_of(x)])
        if np.isfinite(x).all()
        else x[x[:, 2] < FINISHED]
        for x in raw.x
    ]
    return replace(raw, x=padded(np.concatenate(found), np.cumsum([0, *map(len, found)])))


def padded(rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Lays drawings of one array out as (N, L, 3), float32, each with at least one end."""
    lengths = np.diff(offsets)
    x = np.zeros((len(lengths), int(lengths.max(initial=0)) + 1, 3), np.float32)
    x[..., 2] = FINISHED
    x[np.arange(x.shape[1]) < lengths[:, None]] = rows
    return x


def raw_of(drawings: Sequence[np.ndarray], where: str, **about: Any) -> Raw:
    """Makes a source of drawings, each of rows (dx, dy, p).

    A first row of no length whose pen stays down is left out: the density of what is always 0 has no bound.

    Raises:
        DataError: If there are none, or their third column says anything but 0 and 1.
    """
    if not drawings:
        raise DataError(f"{where} holds no drawings.")
    for i, drawing in enumerate(drawings):
        if drawing.ndim != 2 or drawing.shape[1] != 3:
            raise DataError(
                f"{where}: drawing {i + 1} has shape {drawing.shape}; give rows (dx, dy, pen lifted), shape (n, 3)."
            )
    drawings = [d[1:] if len(d) > 1 and not d[0].any() else d for d in drawings]
    longest = max(map(len, drawings))
    if (size := 12 * len(drawings) * longest) > LARGEST:
        raise DataError(
            f"{where}: {len(drawings):,} drawings, of which the longest has {longest:,} points, take {size / 1e9:.1f} GB: "
            "take the long ones out, or simplify them."
        )
    rows = np.concatenate(drawings).astype(np.float32)
    offsets = np.cumsum([0, *map(len, drawings)])
    odd = ~np.isin(rows[:, 2], (0, LIFTED))
    if odd.any():
        row = int(odd.argmax())
        number = int(np.searchsorted(offsets, row, "right"))
        raise DataError(
            f"{where}: the third column of drawing {number} has a {rows[row, 2]:g}: it is 1 where the pen is lifted after a "
            "point, else 0."
        )
    return Raw(padded(rows, offsets), about.pop("y", None), "drawings", **about)


def faults(x: np.ndarray, longest: int, simplify: bool) -> dict[str, np.ndarray]:
    """Returns the defects of drawings (N, L, 3), and the rows that have them."""
    lengths = (x[..., 2] < FINISHED).sum(1)
    return {
        "a number that is missing or not finite": ~np.isfinite(x).all((1, 2)),
        "no line": lengths < 1,
        f"more than {longest} points{', however simplified' if simplify else ''}": lengths > longest,
        "all points in one place": (lengths > 0) & ~(x[..., :2] != 0).any((1, 2)),
    }


def cleaned(raw: Raw, where: str, longest: int, bad: str, *, simplify: bool = True) -> Raw:
    """Simplifies drawings that are too long, and leaves out degenerate ones.

    Arguments:
        raw: The drawings.
        where: What they are called in messages.
        longest: The most points of a drawing.
        bad: "drop" leaves bad drawings out, "refuse" makes them an error.
        simplify: Whether drawings that are too long are simplified; else they are bad.

    Returns:
        The drawings that are kept, in as few columns as the longest one needs; their note is a sentence about the others.

    Raises:
        DataError: If there are bad ones and `bad` is "refuse".
    """
    x = raw.x
    long = np.flatnonzero(((x[..., 2] < FINISHED).sum(1) > longest) & np.isfinite(x).all((1, 2)))
    long = long if simplify else long[:0]
    notes = []
    fate = "no use" if bad == "refuse" else "left out"
    if len(long):
        x = x.copy()
        for i in long:
            rows = simplified(x[i], longest)
            x[i] = (0, 0, FINISHED)
            x[i, : len(rows)] = rows
        notes.append(f"{len(long):,} drawings of more than {longest} points were simplified")
    wrong, reasons = np.zeros(len(x), bool), dict[int, str]()
    for what, rows in faults(x, longest, simplify).items():
        found = np.flatnonzero(rows & ~wrong)
        reasons |= dict.fromkeys(found.tolist(), f"has {what}")
        wrong |= rows
        if len(found):
            which = ", ".join(raw.rows.name(i) for i in found[:5])
            which += ", …" if len(found) > 5 else ""
            notes.append(f"{len(found):,} with {what} ({which}) {'are' if len(found) > 1 else 'is'} {fate}")
    if wrong.any() and bad == "refuse":
        tools = (
            ""
            if simplify
            else f" ({command('drawings', where, '--longest', longest)} simplifies and leaves out)"
        )
        raise DataError(f"{where}, of {len(x):,} drawings: {'; '.join(notes)}: mend or remove them{tools}.")
    kept = np.flatnonzero(~wrong)
    place = np.cumsum(~wrong) - 1
    width = int((x[kept, :, 2] < FINISHED).sum(1).max(initial=0)) + 1
    splits = {name: place[rows[~wrong[rows]]] for name, rows in raw.splits.items()}
    y = None if raw.y is None else raw.y[kept]
    note = "; ".join(notes)
    if empty := [name for name, rows in splits.items() if not len(rows)]:
        raise DataError(f"{where}: no drawing of {' and '.join(empty)} is left: {note}.")
    left = raw.rows.without(reasons, len(x)) if reasons else raw.rows
    note = "; ".join(filter(None, [raw.note, note]))
    return replace(raw, x=x[kept, :width], y=y, splits=splits, note=note, rows=left)


def widened(raw: Raw, width: int) -> Raw:
    """Fills drawings up with ends to rows of so many points."""
    x = np.full((len(raw.x), width, 3), (0, 0, FINISHED), np.float32)
    x[:, : raw.x.shape[1]] = raw.x
    return replace(raw, x=x)


# ------------------------------------------------------------------------------------------------- .npz


def is_strokes(path: Path) -> bool:
    """Recognises an .npz of drawings: with offsets, or with arrays of arrays."""
    try:
        with zipfile.ZipFile(path) as z:
            names = {name.removesuffix(".npy") for name in z.namelist()}
            if {"strokes", "offsets"} <= names or {"train", "train_offsets"} <= names:
                return True
            return "train" in names and npz_member(z, "train")[0].hasobject
    except (*DAMAGED_FILE, ValueError):
        return False  # what is wrong with it is said where it is read as an array


def npz_member(z: zipfile.ZipFile, name: str) -> tuple[np.dtype, bytes]:
    """Returns the type of a member of an .npz, and its content."""
    with z.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return read(file)[2], file.read()


def read_strokes(path: Path) -> Raw:
    """Reads an .npz of drawings, of this project or of sketch-rnn.

    Raises:
        DataError: If it is damaged, or holds something else than drawings.
    """
    try:
        with zipfile.ZipFile(path) as z:
            names = {name.removesuffix(".npy") for name in z.namelist()}
            if "strokes" not in names and "train_offsets" not in names:
                return joined_splits(
                    {s: arrays(npz_member(z, s)[1]) for s in SPLIT_KEYS if s in names}, str(path)
                )
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as z:
            if "strokes" in names:
                return read_one_array(dict(z), str(path))
            parts = {s: cut(z[s], z[f"{s}_offsets"], s) for s in SPLIT_KEYS if s in names}
            return joined_splits(parts, str(path))
    except DataError:
        raise
    except (*DAMAGED_FILE, ValueError, IndexError, MemoryError) as error:
        raise DataError(
            f"{path} is no file of drawings, or a damaged one ({error}): save it again."
        ) from None


def joined_splits(parts: dict[str, list[np.ndarray]], where: str) -> Raw:
    """Joins the splits of a source."""
    ends = np.cumsum([len(part) for part in parts.values()])
    splits = {SPLIT_KEYS[s]: np.arange(end - len(parts[s]), end) for s, end in zip(parts, ends)}
    splits = {name: rows for name, rows in splits.items() if len(rows)}
    return raw_of([drawing for part in parts.values() for drawing in part], where, splits=splits)


def cut(rows: np.ndarray, offsets: np.ndarray, name: str) -> list[np.ndarray]:
    """Cuts rows into drawings."""
    if (
        offsets.ndim != 1
        or len(offsets) < 2
        or offsets[0]
        or offsets[-1] != len(rows)
        or (np.diff(offsets) < 0).any()
    ):
        raise ValueError(f"the offsets of {name} do not go from 0 to {len(rows)}")
    return np.split(rows, offsets[1:-1].astype(np.int64))


def read_one_array(z: dict[str, np.ndarray], where: str) -> Raw:
    """Reads drawings that lie in one array, whose split and classes may be given by number."""
    drawings = cut(z["strokes"], z["offsets"], "strokes")
    for name in ("label", "split"):
        if name in z and z[name].shape != (len(drawings),):
            raise ValueError(f"{name} has shape {z[name].shape} for {len(drawings)} drawings")
    if "split" in z and not np.isin(z["split"], range(len(SPLIT_KEYS))).all():
        raise ValueError("split holds other numbers than 0, 1 and 2")
    y, classes = numbered_labels(z["label"], where) if "label" in z else (None, ())
    if "class_names" in z:
        classes = tuple(str(z["class_names"][int(c)]) for c in classes)
    splits = {}
    if "split" in z:
        splits = {name: np.flatnonzero(z["split"] == i) for i, name in enumerate(SPLIT_KEYS.values())}
        splits = {name: rows for name, rows in splits.items() if len(rows)}
    return raw_of(drawings, where, y=y, classes=classes, splits=splits)


def write_strokes(path: Path, raw: Raw) -> None:
    """Writes drawings with their split and their labels.

    Raises:
        DataError: If the file cannot be written, or is no .npz.
    """
    if path.suffix != ".npz":
        raise DataError(f"{path} ends in {path.suffix or 'nothing'}: drawings are written as .npz.")
    inside = raw.x[..., 2] < FINISHED
    content = {"strokes": raw.x[inside], "offsets": np.concatenate([[0], inside.sum(1).cumsum()])}
    if raw.splits:
        content["split"] = np.zeros(len(raw.x), np.uint8)
        for i, name in enumerate(SPLIT_KEYS.values()):
            content["split"][raw.splits[name]] = i
    if raw.y is not None:
        content |= {"label": raw.y, "class_names": np.array(raw.classes)}
    part = path.with_name(f".part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(part, **content)  # type: ignore[arg-type]
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None


# ---------------------------------------------------------------------------------------------- .ndjson


def is_ndjson(path: Path) -> bool:
    """Recognises a file of Quick, Draw! by its name: .ndjson, packed by gzip or not."""
    return path.name.removesuffix(".gz").endswith(".ndjson")


def read_ndjson(path: Path, recognised: bool = False) -> Raw:
    """Reads the drawings of a Quick, Draw! file; their words are the labels, where there are several.

    Arguments:
        path: The file.
        recognised: Whether those are left out that the game did not recognise.

    Raises:
        DataError: If the file is damaged, or a line is no drawing.
    """
    drawings, words, numbers = [], [], []
    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): copy or save it again.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            about = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            if recognised and about.get("recognized") is False:
                continue
            drawings.append(quick(about["drawing"]))
            words.append(str(about.get("word", "")))
            numbers.append(number)
        except DataError:
            raise
        except (
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise DataError(f"{path}, line {number} is no drawing ({error}): remove it.") from None
    if not drawings:
        raise DataError(f"{path} holds no drawings.")
    y, classes = numbered_labels(np.array(words), str(path)) if len(set(words)) > 1 else (None, ())
    rows = Rows(names=tuple(numbers) if numbers != [*range(1, len(numbers) + 1)] else ())
    return raw_of(drawings, str(path), y=y, classes=classes, rows=rows)


def quick(strokes: Iterable[Sequence[Sequence[float]]]) -> np.ndarray:
    """Reads the strokes of one drawing; those with times are raw and are simplified."""
    strokes = list(strokes)
    lines = [np.column_stack([np.asarray(s[0], np.float64), np.asarray(s[1], np.float64)]) for s in strokes]
    if not lines:
        return np.empty((0, 3))
    if len(strokes[0]) > 2:
        lines = [rdp(resampled(line), TOLERANCE).round() for line in fitted_lines(lines)]
    return drawing_of(lines)


def resampled(line: np.ndarray) -> np.ndarray:
    """Puts a point at every unit of the way along a line, and at its end."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], steps.cumsum()])
    if along[-1] == 0:
        return line[:1]
    places = np.append(np.arange(0, along[-1]), along[-1])
    return np.column_stack([np.interp(places, along, column) for column in line.T])


# ----------------------------------------------------------------------------------------------- named sets


def sheep() -> Raw:
    """Reads the sheep of Aaron Koblin's Sheep Market: 7,400, 300 and 300 drawings.

    Raises:
        DataError: If the file is not there.
    """
    return read_strokes(locate("sheep", ("sketch_sheep", "sheep"), "aaron_sheep.npz"))


def omniglot_strokes() -> Raw:
    """Reads the strokes of Omniglot: 30,000, 1,000 and 1,000 characters.

    Raises:
        DataError: If the file is not there.
    """
    return read_strokes(locate("omniglot-strokes", ("sketch_omniglot", "omniglot"), "omniglot_strokes.npz"))


def quickdraw() -> Raw:
    """Reads 10,541 drawings of Quick, Draw!, of 345 classes.

    Raises:
        DataError: If the file is not there.
    """
    return read_strokes(locate("quickdraw", ("quickdraw345", "quickdraw"), "quickdraw345_strokes.npz"))
