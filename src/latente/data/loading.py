"""From a name or a path to `Data`: find its kind, split, learn from the training rows.

What is special about a kind of data is asked of the kind, see :mod:`latente.data.kind`. A source that fixes its own split keeps
it. A run records the indices and the fingerprint of its data, and with them gets the same split again or an error that says that
the content changed.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import DataError, MissingLabel
from .captions import NAMES
from .columns import notes_on
from .examples import Examples
from .given import array_of, columns_of, labels_of
from .kind import Data, Kind, LabelUse, default, kinds, owners, sources
from .raw import Raw, interpret
from .rows import Rows, printable
from .split import SPLITS, deal, recorded_split

__all__ = ["Reading", "from_arrays", "load", "read", "read_raw"]

LEAST = 10


def load(
    source: str | os.PathLike[str],
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    split: Literal["random", "time"] = "random",
    label: str | None = None,
    indices: Mapping[str, np.ndarray] | None = None,
    fingerprint: str | None = None,
    reads: str | None = None,
    learned: Mapping[str, Any] | None = None,
    **options: Any,
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
        split: How rows are dealt out: at random, or "time": in their order, the last to report.
        label: The column of a table, or the array of an .npz, that holds the labels.
        indices: The split that a run recorded, to be used instead of a new one.
        fingerprint: The fingerprint that a run recorded.
        reads: The kind that is wanted: for "captions", the names of classes are captions where there are no others.
        learned: What a run recorded as learned, to be used again.
        options: How data of its kind is loaded, such as `side` and `grey` of images: see the `Options` of each kind.

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
    source = path_of(source)
    wanted = None if reads is None else kinds()[reads]
    raw = read_raw(source, options, label, wanted=wanted)
    now = fingerprint_of(raw)
    kind = kinds()[raw.kind]
    raw = kind.clean(raw, source, options_of(kind, options))
    check_rows(raw, kind, f"{source} ({raw.note})" if raw.note else source)
    if fingerprint is not None and fingerprint != now:
        raise DataError(
            f"{source} has changed since the run was made (fingerprint {fingerprint[:12]} then, "
            f"{now[:12]} now): put back the data it was made with, or start a new run."
        )
    dealt = (
        deal(raw, validation, test, seed, split) if indices is None else recorded_split(raw, indices, source)
    )
    known = learned if wanted in (None, kind) else None
    data = assembled(raw, kind, name_of(source), source, dealt, now, options_of(kind, options), known)
    return data if wanted is None else wanted.taken(data, options_of(wanted, options), learned)


def from_arrays(
    x: Any,
    y: Any = None,
    *,
    name: str = "arrays",
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Data:
    """Splits arrays in memory as `load` does those of a file.

    Arguments:
        x: Images (N, H, W), (N, C, H, W) or (N, H, W, C), or vectors (N, D): an array, a tensor, lists, or a table of pandas or
            polars, whose columns keep their names.
        y: Labels (N,), whole numbers or words, or None.
        name: What the data is called in figures and messages.
        validation: The fraction of rows to choose by.
        test: The fraction of rows to report.
        seed: Of the permutation the rows are dealt out by.

    Raises:
        DataError: If the arrays are no data set.

    Example:
        >>> data = from_arrays(np.linspace(-1, 1, 60).reshape(20, 3))
        >>> data.kind.name, len(data.train), data.learned.location.tolist() == data.describe()["learned"]["location"]
        ('vectors', 16, True)
    """
    columns = columns_of(x)
    raw = interpret(array_of(x, name), None if y is None else labels_of(y, name), name, columns=columns)
    if raw.columns:
        raw = replace(raw, note="; ".join([*filter(None, (raw.note,)), *notes_on(raw.x, columns)]))
    kind = kinds()[raw.kind]
    check_rows(raw, kind, name)
    split = deal(raw, validation, test, seed)
    return assembled(raw, kind, name, name, split, fingerprint_of(raw), kind.Options())


@dataclass(frozen=True, eq=False)
class Reading:
    """Holds all examples of a source, in their order, and what they are called.

    Arguments:
        examples: The examples, the way a run saw its own.
        rows: Which rows of the source they are, and which hold no example.
        labels: Of each example the label that the source gives it, as it is written there, and "" where it is unknown; empty
            where the source has no labels.
        note: What was done to the examples when they were read; empty otherwise.
    """

    examples: Examples
    rows: Rows
    labels: tuple[str, ...] = ()
    note: str = ""

    def __len__(self) -> int:
        return len(self.examples)


def read(
    source: str | os.PathLike[str],
    label: str | None = None,
    like: Mapping[str, Any] | None = None,
    labels: LabelUse = "known",
    **options: Any,
) -> Reading:
    """Reads all rows of a source, in their order and without a split, the way a run saw its data.

    Arguments:
        source: A name or a path, as for `load`; one row is enough.
        label: The column or array of labels, as for `load`.
        like: What the run recorded, `Data.describe()`. Columns are taken by name, whatever else the table
            has; its standardisation, its numbering of classes and of captions, and its binarisation (one seeded draw)
            are applied. Where it has no location, each drawing is scaled by its own moves.
        labels: Which labels of a source the run's model reads: none, those that are known, or all. The column of labels may be
            absent unless all are read, and hold other classes than the run's.
        options: As for `load`; those of the run for a folder of files, where they are not given.

    Raises:
        DataError: If the source cannot be read, or is not like the run's data.

    Example:
        >>> import tempfile
        >>> run = from_arrays(np.arange(60.0).reshape(20, 3)).describe()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "new.npy"
        ...     np.save(path, np.array([run["learned"]["location"]]))
        ...     read(path, like=run).examples.x
        tensor([[0., 0., 0.]])
    """
    source = path_of(source)
    if like is None:
        raw = read_raw(source, options, label)
        kind = kinds()[raw.kind]
        learned = kind.learn_alone(raw, source)
        return reading(kind.examples(kind.encoded(raw, learned), slice(None), learned), raw)
    kind = kinds()[like["kind"]]
    of_run = inherited(like.get("options", {}), source)
    given = {n: v for n, v in options.items() if v is not None}
    asked, columns = {**of_run, **given}, kind.read_columns(like)
    try:
        raw = read_raw(source, asked, label, columns, kind)
    except MissingLabel:
        if labels == "all":
            raise
        raw = read_raw(source, asked, None, columns, kind)
    kind.check_like(raw, like, source)
    return reading(kind.read_like(kind.labelled_like(raw, like, source, labels), like, source), raw)


def path_of(source: Any) -> str:
    """Returns a source as text.

    Raises:
        DataError: If it is no path, but the data itself.
    """
    try:
        return os.fspath(source)
    except TypeError:
        raise DataError(
            "source is no name and no path: give one; data in memory is for from_arrays(x, y)."
        ) from None


def reading(examples: Examples, raw: Raw) -> Reading:
    """Says of examples which rows of a source they are, and what it labels them."""
    names = () if raw.y is None or not raw.classes else tuple([*raw.classes, ""][i] for i in raw.y.tolist())
    return Reading(examples, raw.rows, names, raw.note)


def read_raw(
    source: str,
    options: Mapping[str, Any],
    label: str | None = None,
    columns: Sequence[str] = (),
    wanted: Kind | None = None,
) -> Raw:
    """Reads a name or a path, by the kind that knows it.

    Arguments:
        source: The name or path.
        options: How it is loaded: options of any kind, of which those of another kind than this one are refused.
        label: The column or array that holds the labels.
        columns: The columns to take.
        wanted: The kind that is wanted, whose options are never refused.

    Raises:
        DataError: If no kind knows it, it cannot be read, or an option does not go with it.
    """
    known = kinds()
    reader = next((kind for kind in known.values() if source in kind.sources), None)
    if reader is not None:
        if label is not None:
            raise DataError(f"The data set {source} has labels of its own: leave --label out.")
        check_options(options, source, reader, reader, wanted)
        return reader.read_named(source, options_of(reader, options))
    place = os.path.expanduser(source)
    if not os.path.exists(place):
        raise unknown_source(source)
    path = Path(place)
    reader = next((kind for kind in reversed([*known.values()]) if kind.recognise(path)), None)
    if reader is None:
        raise unknown_form(path)
    raw = reader.read(path, options_of(reader, options), label, columns)
    raw = known[raw.kind].set_aside(raw, wanted)
    check_options(options, str(path), reader, known[raw.kind], wanted)
    return raw


def inherited(options: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Returns the options of other data that go with a source: those of files in a folder go with folders alone."""
    is_folder = os.path.isdir(os.path.expanduser(source))
    other = {
        n for kind in kinds().values() for n in (*kind.of_source, *(() if is_folder else kind.of_folders))
    }
    return {n: v for n, v in options.items() if n not in other}


def options_of(kind: Kind, options: Mapping[str, Any]) -> Any:
    """Returns those of the options that a kind has."""
    own = {f.name for f in dataclasses.fields(kind.Options)}
    return kind.Options(**{n: v for n, v in options.items() if n in own})


def check_options(
    options: Mapping[str, Any], source: str, reader: Kind, kind: Kind, wanted: Kind | None
) -> None:
    """Refuses options that do not apply to a source."""
    readers = [reader, kind] if wanted is None else [reader, kind, wanted]
    for name, value in options.items():
        others = owners(name)
        if not others:
            raise DataError(f"{name} is no option of loading data.")
        if not owners(name, readers) and value != default(others[0], name):
            raise reader.refusal(source, name, others[0])


def unknown_source(source: str) -> DataError:
    names = sources()
    near = difflib.get_close_matches(source.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"check the path; the named sets are {', '.join(names)}."
    return DataError(f"there is no file, folder or data set {source!r}: {hint}")


def unknown_form(path: Path) -> DataError:
    known = kinds().values()
    suffixes = dict.fromkeys(suffix for kind in known for suffix in kind.suffixes)
    *forms, last = dict.fromkeys(form for kind in known for form in kind.forms)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    hint = next((kind.elsewhere[suffix] for kind in known if suffix in kind.elsewhere), "")
    if hint:
        return DataError(f"{path} is of a kind that latente does not read ({suffix}): {hint}.")
    return DataError(
        f"{path} is of an unknown kind ({suffix}); latente reads {', '.join([*suffixes, *forms])}, and {last}."
    )


def name_of(source: str) -> str:
    """Names data by its source, for figures."""
    if source in sources():
        return source
    path = Path(os.path.expanduser(source)).resolve()
    path = path.parent if path.name in NAMES else path
    return printable(path.name if path.is_dir() else path.name.split(".")[0] or path.name)


def fingerprint_of(raw: Raw) -> str:
    """Returns the SHA-256 of all that was read."""
    header = [raw.kind, str(raw.x.dtype), list(raw.x.shape), list(raw.classes), list(raw.columns)]
    header += raw.words
    digest = hashlib.sha256(json.dumps(header).encode())
    for array in (raw.x, raw.y):
        if array is not None:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    if raw.captions:
        digest.update(json.dumps(raw.captions).encode())
    return digest.hexdigest()


def check_rows(raw: Raw, kind: Kind, source: str) -> None:
    if len(raw.x) < LEAST:
        rows = f"1 {kind.noun}" if len(raw.x) == 1 else f"{len(raw.x)} {kind.nouns}"
        raise DataError(f"{source} has {rows}: give at least {LEAST}, to train, choose and test on.")


def assembled(
    raw: Raw,
    kind: Kind,
    name: str,
    source: str,
    split: dict[str, np.ndarray],
    fingerprint: str,
    options: Any,
    recorded: Mapping[str, Any] | None = None,
) -> Data:
    """Learns from the training rows, or takes what a run has learned, and makes examples of all splits."""
    learned = (
        kind.learn(raw, split["train"], source, options) if recorded is None else kind.restored(recorded)
    )
    raw = kind.encoded(raw, learned)
    train, validation, test = (kind.examples(raw, split[s], learned) for s in SPLITS)
    data = Data(
        name=name,
        source=source,
        train=train,
        validation=validation,
        test=test,
        kind=kind,
        classes=raw.classes,
        learned=learned,
        fingerprint=fingerprint,
        indices=split,
        note=raw.note,
        rows=raw.rows,
    )
    return kind.finished(data)
