"""From a name or a path to `Data`: find the reader, split, standardise.

A source that fixes its own split keeps it. Otherwise the rows are dealt out by one seeded permutation,
never in the order of the file, which is often sorted. Tables and vectors are standardised by the training
split alone, with location its mean and scale its standard deviation, in float64 before they become float32,
so that a column of dates keeps its digits; vectors that lie in [0, 1] are left as they are. A run records
the indices and the fingerprint of its data, and with them gets the same split again or an error that says
that the content changed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from latente.data import captions, folders, idx, named
from latente.data.arrays import read_npy, read_npz
from latente.data.catalogue import SOURCES
from latente.data.digits import digits
from latente.data.examples import Data, Examples, spoken
from latente.data.mnist import fashion, mnist
from latente.data.named import cifar10, flickr8k, frey, omniglot, utkface64
from latente.data.raw import Raw, blocks, interpret
from latente.data.scenes import captions_mnist, captions_mnist_60, scenes_of, shapes
from latente.data.static_mnist import static_mnist
from latente.data.strokes import (
    cleaned,
    is_ndjson,
    is_strokes,
    omniglot_strokes,
    quickdraw,
    read_ndjson,
    read_strokes,
    sheep,
    simplified_all,
    write_strokes,
)
from latente.data.svg import is_svg_folder, kanji, read_svg, read_svgs
from latente.data.tables import read_csv, read_parquet
from latente.data.text import (
    is_text,
    is_text_folder,
    ptb,
    read_text,
    read_texts,
    renumbered,
    yelp,
)
from latente.data.text import vocabulary as words_of
from latente.data.vocabulary import Tokens, Vocabulary
from latente.distributions.strokes import FINISHED, LIFTED
from latente.errors import DataError

__all__ = ["convert", "from_arrays", "holds_images", "load", "read"]

_NAMED: dict[str, Callable[[], Raw]] = {
    "digits": digits,
    "mnist": mnist,
    "mnist-static": static_mnist,
    "fashion": fashion,
    "omniglot": omniglot,
    "frey": frey,
    "cifar10": cifar10,
    "utkface64": utkface64,
    "ptb": ptb,
    "yelp": yelp,
    "kanji": kanji,
    "sheep": sheep,
    "omniglot-strokes": omniglot_strokes,
    "quickdraw": quickdraw,
    "captions-mnist": captions_mnist,
    "captions-mnist-60": captions_mnist_60,
    "shapes": shapes,
    "flickr8k": flickr8k,
}
_SPLITS = ("train", "validation", "test")
_LEAST = 10
LONGEST = 250  # points of a drawing
_KNOWN = (
    ".npy, .npz, .csv, .tsv, .parquet, .txt, .svg, .ndjson, idx files (packed by gzip or not), .json and .jsonl of captions, and "
    "folders of images, of texts or of SVG files"
)


def _unknown(source: str) -> DataError:
    near = difflib.get_close_matches(source.lower(), SOURCES, n=1, cutoff=0.5)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"check the path; the sets with a name are {', '.join(SOURCES)}."
    )
    return DataError(f"there is no file, folder or data set {source!r}: {hint}")


def _not_for(source: str) -> DataError:
    return DataError(
        f"{source} is no folder of images, which alone are resized or made grey: leave side (--side) and grey (--grey) out."
    )


def _read_path(path: Path, label: str | None, wanted: Sequence[str], side: int | None, grey: bool) -> Raw:
    told = captions.find_captions(path)
    if told is not None:
        if grey:
            raise DataError(f"{told} has captions, and its images stay as they are: leave --grey out.")
        if label is not None:
            raise DataError(f"{told} has captions in the place of labels: leave --label out.")
        return captions.read_captions(told, side)
    if (side is not None or grey) and (not path.is_dir() or is_text_folder(path) or is_svg_folder(path)):
        raise _not_for(str(path))
    suffix = "" if path.is_dir() else Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_csv(path, label, wanted)
    if suffix in (".parquet", ".pq"):
        return read_parquet(path, label, wanted)
    if suffix == ".npz" and not is_strokes(path):
        return read_npz(path, label)
    if label is not None:
        raise DataError(f"{path} has no columns, so {label!r} cannot name its labels: leave --label out.")
    if path.is_dir():
        if is_text_folder(path):
            return read_texts(path)
        if is_svg_folder(path):
            return read_svgs(path)
        sheets = named.sheets_of(path)
        if sheets is not None and side is None and not grey:
            return sheets()
        return folders.read_folder(path, side, grey)
    if suffix == ".npz":
        return read_strokes(path)
    if suffix == ".svg":
        return read_svg(path)
    if is_ndjson(path):
        return read_ndjson(path)
    if is_text(path):
        return read_text(path)
    if suffix == ".npy":
        return read_npy(path)
    if idx.is_idx(path) or path.suffix == ".gz" or not suffix:
        return idx.read(path)
    raise DataError(f"{path} is of an unknown kind ({suffix}); latente reads {_KNOWN}.")


def holds_images(folder: Path) -> bool:
    """Tells whether a folder is read as image files, without captions."""
    if captions.find_captions(folder) is not None or is_text_folder(folder) or is_svg_folder(folder):
        return False
    if named.sheets_of(folder) is not None or any(p.is_file() and idx.is_idx(p) for p in folder.iterdir()):
        return False
    return bool(folders.files(folder))


def _read(
    source: str, label: str | None, wanted: Sequence[str] = (), side: int | None = None, grey: bool = False
) -> Raw:
    if source in _NAMED:
        if side is not None or grey:
            raise _not_for(source)
        if label is not None:
            raise DataError(f"The data set {source} has labels of its own: leave --label out.")
        return _NAMED[source]()
    path = os.path.expanduser(source)
    if not os.path.exists(path):
        raise _unknown(source)
    return _read_path(Path(path), label, wanted, side, grey)


def _name(source: str) -> str:
    if source in _NAMED:
        return source
    path = Path(os.path.expanduser(source)).resolve()
    path = path.parent if path.name in captions.NAMES else path
    return path.name if path.is_dir() else path.name.split(".")[0] or path.name


def _fingerprint(raw: Raw) -> str:
    header = [raw.kind, str(raw.x.dtype), list(raw.x.shape), list(raw.classes), list(raw.columns)]
    header += raw.words
    digest = hashlib.sha256(json.dumps(header).encode())
    for array in (raw.x, raw.y):
        if array is not None:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    if raw.captions:
        digest.update(json.dumps(raw.captions).encode())
    return digest.hexdigest()


def _check_fractions(validation: float, test: float) -> None:
    for name, value in (("validation", validation), ("test", test)):
        if not 0 < value < 1:
            raise DataError(f"{name} is the fraction of rows set aside, between 0 and 1, not {value}.")
    if validation + test >= 1:
        raise DataError(f"validation={validation} and test={test} leave nothing to train on: lower them.")


def _deal(raw: Raw, validation: float, test: float, seed: int) -> dict[str, np.ndarray]:
    """Deals out the rows the source leaves open; what it fixes stays."""
    _check_fractions(validation, test)
    split = {name: np.asarray(rows, dtype=np.int64) for name, rows in raw.splits.items()}
    pool = split.pop("train", np.arange(len(raw.x)))
    order = pool[np.random.default_rng(seed).permutation(len(pool))]
    start = 0
    for name, share in (("test", test), ("validation", validation)):
        if name not in split:
            count = max(1, round(len(pool) * share))
            split[name] = np.sort(order[start : start + count])
            start += count
    split["train"] = np.sort(order[start:])
    return {name: split[name] for name in _SPLITS}


def _recorded(raw: Raw, indices: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    split = {name: np.asarray(indices.get(name, ()), dtype=np.int64) for name in _SPLITS}
    for name, rows in split.items():
        if not len(rows) or rows.min() < 0 or rows.max() >= len(raw.x):
            raise DataError(
                f"The recorded split {name} does not fit {source}, which has {len(raw.x):,} rows: "
                "put back the data the run was made with, or start a new run."
            )
    return split


def _moments(x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of some rows in float64; 1 for the latter of a constant column."""
    count = len(rows)
    parts = list(blocks(rows))
    mean = sum((x[part].sum(axis=0, dtype=np.float64) for part in parts), np.zeros(x.shape[1])) / count
    square = sum((((x[part] - mean) ** 2).sum(axis=0) for part in parts), np.zeros(x.shape[1]))
    low = np.min([x[part].min(axis=0) for part in parts], axis=0)
    high = np.max([x[part].max(axis=0) for part in parts], axis=0)
    constant = low == high
    return np.where(constant, low, mean), np.where(constant, 1.0, np.sqrt(square / count))


def _standardised(x: np.ndarray, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
    out = np.empty(x.shape, dtype=np.float32)
    for target, block in zip(blocks(out), blocks(x), strict=True):
        target[...] = (block - location) / scale
    return out


def _lies_in_unit(x: np.ndarray) -> bool:
    return bool(x.min() >= 0 and x.max() <= 1)


@dataclass(frozen=True)
class _Scaling:
    location: np.ndarray
    scale: np.ndarray


def _scaling(raw: Raw, rows: np.ndarray, where: str) -> _Scaling | None:
    if raw.kind in ("images", "text") or (raw.kind == "vectors" and _lies_in_unit(raw.x)):
        return None
    if raw.kind == "drawings":
        return _pen_scaling(raw.x[rows], where)
    with np.errstate(over="ignore", invalid="ignore"):
        location, scale = _moments(raw.x, rows)
    if not (np.isfinite(location).all() and np.isfinite(scale).all()):
        column = int(np.argmin(np.isfinite(location) & np.isfinite(scale)))
        name = repr(raw.columns[column]) if raw.columns else str(column + 1)
        raise DataError(f"{where}: the values of column {name} are too large to square; rescale or drop it.")
    return _Scaling(location, scale)


def _pen_scaling(x: np.ndarray, where: str) -> _Scaling:
    """Returns one scale for both directions: the standard deviation of all moves."""
    scale = x[x[..., 2] < FINISHED][:, :2].std(dtype=np.float64)
    if not 0 < scale < np.inf:
        raise DataError(
            f"{where}: all moves are alike, so they have no deviation to be scaled by: give more drawings."
        )
    return _Scaling(np.zeros(3), np.array([scale, scale, 1.0]))


def _by_own_moves(x: np.ndarray) -> np.ndarray:
    """Scales each drawing to moves whose root mean square is 1 in either direction."""
    inside = x[..., 2:] < FINISHED
    square = (x[..., :2] ** 2 * inside).sum((1, 2), keepdims=True) / (2 * inside.sum((1, 2), keepdims=True))
    return np.concatenate([x[..., :2] / np.sqrt(square), x[..., 2:]], -1)


def _examples(raw: Raw, rows: np.ndarray | slice, scaling: _Scaling | None) -> Examples:
    x = raw.x[rows]
    if scaling is not None:
        x = _standardised(x, scaling.location, scaling.scale)
    elif raw.kind not in ("images", "text"):
        x = x.astype(np.float32, copy=False)
    y = None if raw.y is None else torch.from_numpy(np.ascontiguousarray(raw.y[rows]))
    return Examples(torch.from_numpy(np.ascontiguousarray(x)), y, "static" if raw.binary else "none")


def _told(raw: Raw, vocabulary: Vocabulary) -> Raw:
    """Writes the captions as numbers, in the place of the labels."""
    most = max(map(len, raw.captions))
    flat = vocabulary.encode([text for c in raw.captions for text in c])
    y = np.zeros((len(raw.captions), most, flat.shape[1]), np.int32)
    y[np.arange(most) < np.array([[len(c)] for c in raw.captions])] = flat
    return replace(raw, y=y if most > 1 else y[:, 0], classes=())


def _composed(data: Data, vocabulary: Vocabulary) -> Data:
    """Lets every batch of the training split be composed afresh."""
    scenes = scenes_of(data.scenes, "train")
    numbers = torch.from_numpy(vocabulary.encode(scenes.captions() + scenes.captions(held_out=True)))

    def wide(e: Examples) -> Examples:
        assert e.y is not None
        return replace(e, y=torch.nn.functional.pad(e.y, (0, numbers.shape[1] - e.y.shape[1])))

    def redraw(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, index = scenes.draw(n)
        return x, numbers[index]

    train, validation, test = (wide(e) for e in (data.train, data.validation, data.test))
    return replace(data, train=replace(train, redraw=redraw), validation=validation, test=test)


def _prepare(
    raw: Raw,
    name: str,
    source: str,
    split: dict[str, np.ndarray],
    fingerprint: str,
    note: str = "",
    tokens: Tokens = "word",
    known: str | None = None,
) -> Data:
    numbering: Vocabulary | None = None
    if raw.captions:
        texts = (text for i in split["train"].tolist() for text in raw.captions[i])
        numbering = Vocabulary.learn(texts, tokens) if known is None else Vocabulary(known)
        raw = _told(raw, numbering)
    if raw.kind == "text":
        raw = renumbered(raw, words_of(raw, split["train"], source))
    scaling = _scaling(raw, split["train"], source)
    train, validation, test = (_examples(raw, split[s], scaling) for s in _SPLITS)
    data = Data(
        name=name,
        source=source,
        train=train,
        validation=validation,
        test=test,
        kind=raw.kind,
        classes=raw.classes,
        columns=raw.columns,
        location=None if scaling is None else torch.from_numpy(scaling.location),
        scale=None if scaling is None else torch.from_numpy(scaling.scale),
        fingerprint=fingerprint,
        indices=split,
        words=raw.words,
        note=note,
        captions=numbering,
        scenes=raw.scenes,
    )
    return data if numbering is None or not raw.scenes else _composed(data, numbering)


def _check_rows(raw: Raw, source: str) -> None:
    if len(raw.x) < _LEAST:
        noun = {"text": "sentence", "drawings": "drawing"}.get(raw.kind, "row")
        rows = f"1 {noun}" if len(raw.x) == 1 else f"{len(raw.x)} {noun}s"
        raise DataError(f"{source} has {rows}: give at least {_LEAST}, to train, choose and test on.")


def load(
    source: str | os.PathLike[str],
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    label: str | None = None,
    indices: Mapping[str, np.ndarray] | None = None,
    fingerprint: str | None = None,
    longest: int = LONGEST,
    bad: Literal["drop", "refuse"] = "drop",
    tokens: Tokens = "word",
    vocabulary: str | None = None,
    side: int | None = None,
    grey: bool = False,
) -> Data:
    """Loads a named data set, a file or a folder, and splits it.

    Arguments:
        source: A name of `SOURCES`, or a path: .npy, .npz, .csv, .tsv, .parquet, .txt (a sentence a line),
            .ndjson, .svg, an idx file, a .csv, .jsonl or COCO .json of captions beside images, or a folder of these, of
            images or SVG files (sub-folders are classes), of idx files or of train.txt, valid.txt and test.txt. A name
            wins over a file of that name; write ./mnist for the latter.
        validation: The fraction of rows to choose by. This, `test` and `seed` are for what the source
            leaves open: the official splits of mnist, mnist-static, fashion, omniglot and cifar10 are not
            touched.
        test: The fraction of rows to report.
        seed: Of the permutation the rows are dealt out by.
        label: The column of a table, or the array of an .npz, that holds the labels.
        indices: The split that a run recorded, to be used instead of a new one.
        fingerprint: The fingerprint that a run recorded.
        longest: The most points of a drawing; longer ones are simplified.
        bad: Whether drawings from which nothing can be learnt are left out ("drop") or an error ("refuse").
        tokens: What captions are cut into: words ("word"), characters ("char") or pieces of bytes ("bpe"), as the captions
            of the training split have them, or the wordpieces that MiniLM reads ("minilm").
        vocabulary: The vocabulary of captions that a run recorded, to be used instead of a new one.
        side: The side of a square that the images of a folder are cropped and shrunk or enlarged to, in pixels.
        grey: Whether the images of a folder are made grey.

    Raises:
        DataError: If the source is unknown, missing, unreadable or no data set, or its content is not what
            a run recorded.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "faces.npy"
        ...     np.save(path, np.arange(20 * 64, dtype=np.uint8).reshape(20, 8, 8))
        ...     data = load(path, validation=0.2)
        >>> data.name, data.shape, len(data.train), len(data.validation), len(data.test)
        ('faces', (1, 8, 8), 14, 4, 2)
    """
    source = os.fspath(source)
    raw = _read(source, label, side=side, grey=grey)
    note = raw.note
    now = _fingerprint(raw)
    if raw.kind == "drawings":
        raw, note = cleaned(raw, source, longest, bad)
    if raw.scenes:
        note = scenes_of(raw.scenes, "train").note
    _check_rows(raw, f"{source} ({note})" if note else source)
    if fingerprint is not None and fingerprint != now:
        raise DataError(
            f"{source} has changed since the run was made (fingerprint {fingerprint[:12]} then, "
            f"{now[:12]} now): put back the data it was made with, or start a new run."
        )
    split = _deal(raw, validation, test, seed) if indices is None else _recorded(raw, indices, source)
    return _prepare(raw, _name(source), source, split, now, note, tokens, vocabulary)


def convert(
    source: str,
    file: Path,
    longest: int = LONGEST,
    tolerance: float = 0.0,
    bad: Literal["drop", "refuse"] = "drop",
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> str:
    """Reads drawings, simplifies them, splits them and writes them as an .npz; returns a sentence about them.

    Arguments:
        source: A name or a path, as for `load`.
        file: The .npz to write.
        longest: The most points of a drawing.
        tolerance: How far a simplified line may be off, in the units of the drawings.
        bad: What to do with bad drawings, as for `load`.
        validation: The fraction of drawings to choose by, where the source does not say.
        test: The fraction of drawings to report, where the source does not say.
        seed: Of the permutation the drawings are dealt out by.

    Raises:
        DataError: If the source holds no drawings, or the file cannot be written.
    """
    raw = _read(source, None)
    if raw.kind != "drawings":
        raise DataError(
            f"{source} holds {raw.kind}: give SVG files, an .ndjson of Quick, Draw! or an .npz of strokes."
        )
    if tolerance:
        raw = simplified_all(raw, tolerance)
    raw, note = cleaned(raw, source, longest, bad)
    _check_rows(raw, f"{source} ({note})" if note else source)
    raw = replace(raw, splits=_deal(raw, validation, test, seed))
    write_strokes(file, raw)
    lengths, lines = (raw.x[..., 2] < FINISHED).sum(1), (raw.x[..., 2] == LIFTED).sum(1)
    sizes = " / ".join(f"{len(raw.splits[name]):,}" for name in _SPLITS)
    scale = _pen_scaling(raw.x[raw.splits["train"]], source).scale[0]
    return (
        f"{file}: {sizes} drawings of {lengths.mean():.1f} points ({lengths.max()} at most) in {lines.mean():.1f} lines, moves "
        f"of standard deviation {scale:.4g}" + (f"; {note}" if note else "")
    )


def from_arrays(
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    name: str = "arrays",
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Data:
    """Splits arrays in memory as `load` does those of a file.

    Arguments:
        x: Images (N, H, W), (N, C, H, W) or (N, H, W, C), or vectors (N, D).
        y: Labels (N,), whole numbers or words, or None.
        name: What the data is called in figures and messages.
        validation: The fraction of rows to choose by.
        test: The fraction of rows to report.
        seed: Of the permutation the rows are dealt out by.

    Raises:
        DataError: If the arrays are no data set.

    Example:
        >>> data = from_arrays(np.linspace(-1, 1, 60).reshape(20, 3))
        >>> data.kind, len(data.train), data.location.tolist() == data.describe()["location"]
        ('vectors', 16, True)
    """
    raw = interpret(np.asarray(x), None if y is None else np.asarray(y), name)
    _check_rows(raw, name)
    return _prepare(raw, name, name, _deal(raw, validation, test, seed), _fingerprint(raw))


def _check_like(raw: Raw, like: Mapping[str, Any], source: str) -> None:
    found, expected = list(raw.x.shape[1:]), list(like["shape"])
    if raw.kind == like["kind"] and raw.kind in ("text", "drawings"):
        return
    if (
        any((raw.kind == k) != (like["kind"] == k) for k in ("images", "text", "drawings"))
        or found != expected
    ):
        raise DataError(
            f"{source} holds {raw.kind} of shape {tuple(found)} where the run was trained on {like['kind']} "
            f"of shape {tuple(expected)}: give data of that shape."
        )


def _codes_like(raw: Raw, classes: Sequence[str], source: str) -> np.ndarray | None:
    if raw.y is None or not classes:
        return None
    new = [name for name in raw.classes if name not in classes]
    if new:
        raise DataError(
            f"{source} has the class {new[0]!r}, which the run does not know; "
            f"its classes are {', '.join(classes)}."
        )
    return np.array([classes.index(name) for name in raw.classes], dtype=np.int64)[raw.y]


def _pixels_like(raw: Raw, binarise: str) -> Examples:
    examples = _examples(raw, slice(None), None)
    if binarise != "none" and not raw.binary:
        return replace(examples, binarise="dynamic").fixed(0)
    return examples


def _captions_like(raw: Raw, spec: str, source: str) -> Raw:
    """Numbers captions as a run did; the names of classes are captions where there are no others."""
    if not raw.captions and raw.y is not None:
        texts = spoken(raw.classes, source)
        raw = replace(raw, captions=tuple((texts[i],) for i in raw.y.tolist()))
    return _told(raw, Vocabulary(spec)) if raw.captions else raw


def read(
    source: str | os.PathLike[str],
    label: str | None = None,
    like: Mapping[str, Any] | None = None,
    side: int | None = None,
) -> Examples:
    """Reads all rows of a source, in their order and without a split, the way a run saw its data.

    Arguments:
        source: A name or a path, as for `load`; one row is enough.
        label: The column or array of labels, as for `load`.
        like: What the run recorded, `Data.describe()`. Columns are taken by name, whatever else the table
            has; its standardisation, its numbering of classes and of captions, and its binarisation (one seeded draw)
            are applied. Where it has no location, each drawing is scaled by its own moves.
        side: The side of a square that the images of a folder are made, as for `load`; the run's where it has one.

    Raises:
        DataError: If the source cannot be read, or is not like the run's data.

    Example:
        >>> import tempfile
        >>> run = from_arrays(np.arange(60.0).reshape(20, 3)).describe()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "new.npy"
        ...     np.save(path, np.array([run["location"]]))
        ...     read(path, like=run).x
        tensor([[0., 0., 0.]])
    """
    source = os.fspath(source)
    if like is None:
        raw = _read(source, label, side=side)
        return _examples(raw, slice(None), _scaling(raw, np.arange(len(raw.x)), source))
    grey = bool(like.get("grey")) and os.path.isdir(source)
    if side is None and os.path.isdir(source):
        side = like.get("side")
    raw = _read(source, label, tuple(like["columns"]), side, grey)
    _check_like(raw, like, source)
    if raw.kind == "drawings":
        width = like["shape"][0]
        raw, _ = cleaned(raw, source, width - 1, "refuse", simplify=False)
        x = np.full((len(raw.x), width, 3), (0, 0, FINISHED), np.float32)
        x[:, : raw.x.shape[1]] = raw.x
        raw = replace(raw, x=x)
    if like.get("captions"):
        raw = _captions_like(raw, like["captions"], source)
    else:
        raw = replace(raw, y=_codes_like(raw, like["classes"], source))
    if raw.kind == "text":
        raw, width = renumbered(raw, like["words"]), like["shape"][0]
        x = np.pad(raw.x[:, :width], ((0, 0), (0, max(0, width - raw.x.shape[1]))))
        return _examples(replace(raw, x=x), slice(None), None)
    if raw.kind == "images":
        return _pixels_like(raw, like["binarise"])
    if like["location"] is not None:
        return _examples(raw, slice(None), _Scaling(np.array(like["location"]), np.array(like["scale"])))
    if raw.kind == "drawings":
        return _examples(replace(raw, x=_by_own_moves(raw.x)), slice(None), _Scaling(np.zeros(3), np.ones(3)))
    if not _lies_in_unit(raw.x):
        raise DataError(
            f"{source} has values between {raw.x.min():g} and {raw.x.max():g} where the run was trained "
            "on values in [0, 1]: scale them as before."
        )
    return _examples(raw, slice(None), None)
