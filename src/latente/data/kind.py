"""A data set, and the kind it is of: what a kind of data answers for all others.

All that is special about images, sentences or drawings is in their kind, one file in :mod:`latente.kinds`: which options they are
loaded by, which sets have a name, how a path is recognised, read and cleaned, what is learned of the training rows, how examples
look to a model, how new data is read like a run's, what is said and written of them. Whoever loads, trains, judges or shows data
asks the kind, and names none.

Importing this file imports neither torch nor numpy, so that `latente --help` may list kinds and sets at once.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .. import registry
from ..errors import DataError, MissingLabel
from ..notebook import table
from .rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .examples import Examples
    from .raw import Raw
    from .vocabulary import Vocabulary

__all__ = [
    "TABLES",
    "Data",
    "Kind",
    "LabelUse",
    "NoOptions",
    "Source",
    "Suggestion",
    "Survey",
    "caveats",
    "check_values",
    "default",
    "kinds",
    "owners",
    "sources",
]


TABLES = (".csv", ".parquet", ".npz")  # as which `Kind.write` writes examples, whatever they are
LabelUse = Literal["none", "known", "all"]  # which labels of new examples a model reads


def kinds() -> Mapping[str, Kind]:
    """Returns all kinds by name, the general ones first. They lie above what asks for them here, so they are looked up."""
    found: Mapping[str, Kind] = import_module("latente.kinds").KINDS
    return found


@dataclass(frozen=True)
class Source:
    """Holds the description of a named data set.

    Arguments:
        line: What it is, in a line.
        caveat: Where a figure on it cannot be held against the literature's, and why: part of the benchmark's name.
        is_ink: Whether grey levels are read as probabilities of ink, as its benchmark is, whatever they look like.
    """

    line: str
    caveat: str = ""
    is_ink: bool = False


@dataclass(frozen=True)
class Suggestion:
    """Holds arguments that data suggests.

    Arguments:
        arguments: The arguments, to recipes that take them all.
        also: Those that go with them where a recipe takes them, too.
        why: What was seen, to be said; empty where it goes without saying.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class NoOptions:
    """Is for kinds without options of loading."""


@dataclass(frozen=True)
class Survey:
    """Holds what was found in a folder without loading it.

    Arguments:
        lines: What it is, in sentences.
        draw: Draws the model's input, and writes it to a file.
    """

    lines: Sequence[str]
    draw: Callable[[Path], Path]


class Kind(ABC):
    """Answers what is special about one kind of data. Abstract: a kind defines its facts, `readers`, `read` and `examples`.

    A class of :mod:`latente.kinds` derives from it, and is final.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    nouns: ClassVar[str]
    unit: ClassVar[str] = "nats"  # of the validation loss
    has: ClassVar[frozenset[str]] = frozenset()  # what an example has, asked by pictures and figures
    is_general: ClassVar[bool] = False  # read by recipes that ask for no kind
    parent: ClassVar[str] = ""  # a kind whose recipes read this one as well
    stands_for: ClassVar[frozenset[str]] = frozenset()  # other kinds that new examples of a run may be of
    is_sized: ClassVar[bool] = True  # whether examples have one shape, that new ones must have
    usual: ClassVar[Mapping[str, str]] = {}  # the recipe and the data to suggest
    shown_by: ClassVar[Mapping[str, Any]] = {}  # arguments of that recipe, where `latente demo` trains it
    hint: ClassVar[str] = ""  # how such data is given
    smaller: ClassVar[str] = "fewer columns,"  # what to ask for, where a model takes too much memory
    suffixes: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[tuple[str, ...]] = ()  # how else such data is given
    elsewhere: ClassVar[
        Mapping[str, str]
    ] = {}  # other suffixes that such data may have, and how it is converted
    sources: ClassVar[Mapping[str, Source]] = {}
    pictures: ClassVar[
        Sequence[Any]
    ] = ()  # its own versions of pictures and those that only it has: entries of latente.pictures
    of_folders: ClassVar[frozenset[str]] = (
        frozenset()
    )  # those of the options that say something of files in a folder alone
    of_source: ClassVar[frozenset[str]] = (
        frozenset()
    )  # those that say something of one source, not of new data like it
    Options: ClassVar[type] = NoOptions  # a frozen dataclass of annotated fields: how such data is loaded

    @property
    def summary(self) -> str:
        """Describes it in a line."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    # ------------------------------------------------------------------------------------------- reading

    def recognise(self, path: Path) -> bool:
        """Returns whether a file or folder is read by this kind; those that come later in the list are asked first."""
        name = path.name.lower()
        for packed in (".gz", ".xz"):
            name = name.removesuffix(packed)
        return not path.is_dir() and name.endswith(self.suffixes or ("\0",))

    @abstractmethod
    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        """Returns how each of `sources` is read."""

    @abstractmethod
    def read(self, path: Path, options: Any, label: str | None = None, columns: Sequence[str] = ()) -> Raw:
        """Reads a path that was recognised; what it holds may turn out to be of another kind, which `Raw.kind` says.

        Arguments:
            path: The file or folder.
            options: How it is loaded, of the class `Options`.
            label: The column or array that holds the labels.
            columns: The columns to take, in this order.

        Raises:
            DataError: If it cannot be read, or an option or the label does not go with it.
        """

    def refuse_label(self, path: Path, label: str | None) -> None:
        """Refuses the name of a column where there are no columns."""
        if label is not None:
            raise MissingLabel(
                f"{path} has no columns, so {label!r} cannot name its labels: leave --label out."
            )

    def read_named(self, name: str, options: Any) -> Raw:
        """Reads one of `sources`."""
        return self.readers()[name]()

    def refusal(self, source: str, option: str, owner: Kind) -> DataError:
        """Returns why an option of another kind does not go with a source of this one."""
        return owner.not_for(source, option)

    def not_for(self, source: str, option: str) -> DataError:
        """Returns why an option of this kind does not go with a source of another one."""
        return DataError(f"{source} holds no {self.nouns}: leave {option} (--{option}) out.")

    def clean(self, raw: Raw, where: str, options: Any) -> Raw:
        """Leaves out or mends degenerate examples, and notes it in the source.

        Arguments:
            raw: The source.
            where: What it is called in messages.
            options: How it is loaded.
        """
        return raw

    # ------------------------------------------------------------------------------------------ learning

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: Any) -> Any:
        """Learns from the training rows how examples are read: words, a scale; None where there is nothing to learn."""
        return None

    def learn_alone(self, raw: Raw, where: str) -> Any:
        """Returns what examples are read by where there is no run and no split, but one row or more."""
        import numpy as np

        return self.learn(raw, np.arange(len(raw.x)), where, self.Options())

    def restored(self, recorded: Mapping[str, Any]) -> Any:
        """Returns what a run recorded as learned."""
        return None

    def vocabulary(self, recorded: Mapping[str, Any]) -> Vocabulary | None:
        """Returns how captions are numbered, of what a run recorded as learned; None where examples have none."""
        return None

    def record(self, data: Data) -> dict[str, Any]:
        """Returns what was learned, and how examples look, ready for JSON; `restored` and `reopened` read it."""
        return {}

    def encoded(self, raw: Raw, learned: Any) -> Raw:
        """Writes all rows by what was learned, where that cannot be done block by block."""
        return raw

    @abstractmethod
    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: Any) -> Examples:
        """Returns rows as examples, with their look."""

    def finished(self, data: Data) -> Data:
        """Gives the finished splits what only one of them has."""
        return data

    def taken(self, data: Data, options: Any, recorded: Mapping[str, Any] | None = None) -> Data:
        """Takes data of another kind for this one, where that can be done, for a recipe that reads this kind.

        Arguments:
            data: The data, of any kind.
            options: How it is loaded.
            recorded: What a run recorded as learned, to be used again.

        Raises:
            LatenteError: If it should be possible, but is not.
        """
        return data

    # ----------------------------------------------------------------------------------------- for a run

    def answers(self, data: Data) -> dict[str, Any]:
        """Returns what recipes ask of their data."""
        return {"shape": list(data.shape), "classes": len(data.classes)}

    def suggests(self, data: Data) -> Suggestion:
        """Returns arguments that the data suggests."""
        return Suggestion()

    def set_aside(self, raw: Raw, wanted: Kind | None) -> Raw:
        """Takes a source for what else it is, where its own kind is not the one that is wanted."""
        return raw

    def binarised(self, data: Data, how: str) -> Data:
        """Reads grey levels as probabilities.

        Raises:
            DataError: If there are none.
        """
        if how not in ("none", "static", "dynamic"):
            raise DataError(f"binarise is one of none, static and dynamic, not {how!r}.")
        if how == "none":
            return data
        raise DataError(
            f"{data.name} holds {self.nouns}, not images, and has no grey levels "
            "to binarise: use binarise=none and a likelihood for real numbers."
        )

    def prepared(self, data: Data, plan: Any) -> Data:
        """Reads data as the plan of a recipe asks for."""
        return self.binarised(data, plan.binarise)

    def reopened(self, data: Data, about: Mapping[str, Any]) -> Data:
        """Reads data as a run did.

        Arguments:
            data: The data as it was loaded.
            about: What the run recorded of it.
        """
        return data

    def is_read_alike(self, data: Data, about: Mapping[str, Any]) -> bool:
        """Returns whether numbers mean the same in data as in that of a run, which is other data."""
        return True

    def read_columns(self, about: Mapping[str, Any]) -> Sequence[str]:
        """Returns the columns to take of a new table, as a run took them."""
        return ()

    def check_like(self, raw: Raw, about: Mapping[str, Any], source: str) -> None:
        """Refuses examples that a run of this kind cannot read.

        Raises:
            DataError: If they are of another kind or shape.
        """
        found, expected = tuple(raw.x.shape[1:]), tuple(about["shape"])
        alike = raw.kind == self.name or raw.kind in self.stands_for
        if not alike or (self.is_sized and found != expected):
            raise DataError(
                f"{source} holds {raw.kind} of shape {found} where the run was trained on {self.name} "
                f"of shape {expected}: give data of that shape."
            )

    def labelled_like(self, raw: Raw, about: Mapping[str, Any], source: str, labels: LabelUse) -> Raw:
        """Numbers the labels of a source as a run of this kind numbered its own.

        Arguments:
            raw: The source.
            about: What the run recorded.
            source: What the source is called in messages.
            labels: Which of them are asked for.

        Raises:
            DataError: If all are asked for, and one is unknown, or is none of the run's classes.
        """
        return replace(raw, y=labels_like(raw, about["classes"], source, labels))

    def read_like(self, raw: Raw, about: Mapping[str, Any], source: str) -> Examples:
        """Returns all rows of a source as examples, the way a run of this kind saw its own.

        Arguments:
            raw: The source, held against the run's data by `check_like`, its labels numbered by `labelled_like`.
            about: What the run recorded.
            source: What the source is called in messages.
        """
        learned = self.restored(about["learned"])
        return self.examples(self.encoded(raw, learned), slice(None), learned)

    def empty(self, about: Mapping[str, Any]) -> Data:
        """Returns the data of a run without its examples: what it learned of them."""
        import torch

        from .examples import Examples

        none = Examples(torch.empty(0, *about["shape"]))
        learned = self.restored(about["learned"])
        named = about["benchmark"]
        return Data(
            about["name"], "", none, none, none, self, tuple(about["classes"]), learned, "", {}, named=named
        )

    # ---------------------------------------------------------------------------------- saying and writing

    def suffix(self, data: Data) -> str:
        """Returns the end of a benchmark's name: what else figures on this data depend on."""
        return ""

    def remarks(self, data: Data) -> list[str]:
        """Returns remarks on the data after training."""
        return []

    def inverse(self, x: Tensor, learned: Any) -> Tensor:
        """Takes the model's input back to the user's units."""
        return x

    def write(
        self, path: Path, x: Tensor, data: Data, note: str, rows: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Writes decoded or drawn examples: an array as .npz, or a table of their numbers.

        Arguments:
            path: The file; its ending says what is written.
            x: The examples, in the user's units.
            data: The data of the model that they are of.
            note: Where they are from.
            rows: Columns that say which examples they are, where there are such.

        Raises:
            LatenteError: If the ending is unknown, or the file cannot be written.
        """
        from .table_files import joined, write_table

        if path.suffix == ".npz":
            write_table(path, {"x": x.numpy(), **(rows or {})})
        else:
            numbers = zip(self.columns(data, x[0].numel()), x.flatten(1).numpy().T)
            write_table(path, joined(rows or {}, dict(numbers), str(path)))

    def suffix_of(self, content: bytes) -> str:
        """Returns the ending by which a file of such data is known, where new examples come without a name.

        Arguments:
            content: The file's content.
        """
        known = {b"PK": ".npz", b"\x93NUMPY": ".npy", b"PAR1": ".parquet"}
        found = next((suffix for magic, suffix in known.items() if content.startswith(magic)), None)
        return found or next(iter(self.suffixes), ".csv")

    def columns(self, data: Data, many: int) -> Sequence[str]:
        """Returns the names of the columns of a table of examples."""
        return [f"x_{j}" for j in range(many)]

    def columns_of_score(self, x: Tensor, elbo: Tensor) -> dict[str, Tensor]:
        """Returns further columns of `latente score`.

        Arguments:
            x: The examples.
            elbo: Their bounds, in nats.
        """
        return {}

    def costliest(self, cost: Tensor, data: Data) -> str:
        """Says which parts of an example cost most.

        Arguments:
            cost: What each costs beyond its mean over all examples, in nats, with the shape of an example.
            data: The data that it is of.
        """
        names, flat = self.columns(data, cost.numel()), cost.flatten()
        most = [j for j in flat.argsort(descending=True)[:3].tolist() if flat[j] > 0]
        return ", ".join(f"{names[j]} {flat[j]:+.1f}" for j in most)

    def compared(
        self, data: Data, x: Tensor, expected: Tensor, cost: Tensor | None, names: Sequence[str], title: str
    ) -> Any:
        """Returns a picture of examples beside what a model expected in their place; None where there is none.

        Arguments:
            data: The data that they are of.
            x: The examples, as a model reads them.
            expected: What was expected.
            cost: What each part costs beyond its mean; None where that is not known.
            names: What each is called.
            title: What they are.
        """
        return None

    def survey(self, path: Path, options: Any) -> Survey | None:
        """Looks at a folder of the user's without loading it; None where it is to be loaded."""
        return None

    def preview(self, data: Data) -> Callable[[Path], Path] | None:
        """Returns what draws some examples as a model sees them; None where that is no picture."""
        return None

    def preview_of(self, about: Mapping[str, Any]) -> Any:
        """Returns what draws files of the user's beside the model's input, from a run's record; or None."""
        return None


@dataclass(frozen=True, eq=False)
class Data:
    """Holds a data set: three splits, what its labels mean, and what its kind learned of the training rows.

    Arguments:
        name: A short name for figures, as "mnist".
        source: The name or path it was loaded from, as given.
        train: The examples to learn from.
        validation: The examples to choose by.
        test: The examples to report.
        kind: What it is.
        classes: The names of the labels, indexed by y; empty without labels.
        learned: What its kind learned: names, location and scale of columns; words; None for images.
        fingerprint: The SHA-256 of the content as loaded.
        indices: The split: the rows in the source that each of "train", "validation" and "test" took.
        note: What was done to the source's examples before they were split, or what was held out of them; empty otherwise.
        rows: What the rows of the source are called, to which `indices` point.
        named: The name of the benchmark, where there are no examples to tell it by.
    """

    name: str
    source: str
    train: Examples
    validation: Examples
    test: Examples
    kind: Kind
    classes: tuple[str, ...]
    learned: Any
    fingerprint: str
    indices: dict[str, np.ndarray]
    note: str = ""
    rows: Rows = field(default_factory=Rows)
    named: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example: (C, H, W) for images, (L,) for sentences, (L, 3) for drawings, (D,) otherwise."""
        return tuple(self.train.x.shape[1:])

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns; none where examples have no columns."""
        return tuple(self.kind.columns(self, self.shape[0])) if "columns" in self.kind.has else ()

    @property
    def benchmark(self) -> str:
        """The name a figure on this data goes by, as "mnist, dynamic binarisation"."""
        if self.named:
            return self.named
        caveat = caveats().get(self.source, "") if self.source == self.name else "own files"
        name = f"{self.name} ({caveat})" if caveat and self.name in sources() else self.name
        return name + self.kind.suffix(self)

    def _repr_html_(self) -> str:
        rows: list[tuple[str, object]] = [("kind", self.kind.name), ("shape", self.shape)]
        rows += [(name, f"{len(examples):,} {self.kind.nouns}") for name, examples in self.named_splits()]
        rows += [("classes", ", ".join(self.classes))] if self.classes else []
        rows += (
            [("columns", ", ".join(self.columns[:20]) + ", …" * (len(self.columns) > 20))]
            if self.columns
            else []
        )
        return table(self.benchmark, rows, self.note)

    def named_splits(self) -> tuple[tuple[str, Examples], ...]:
        """Lists the splits with their names."""
        return ("train", self.train), ("validation", self.validation), ("test", self.test)

    def splits(self, change: Callable[[Examples], Examples]) -> Data:
        """Changes the examples of every split."""
        train, validation, test = (change(e) for e in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)

    def binarised(self, how: str) -> Data:
        """Reads grey levels as probabilities, in one of three ways, whose log-likelihoods do not compare.

        Data that is binary as it comes is `static` already and stays as it is under "none" and "static".

        Arguments:
            how: "none", "static" (one seeded draw of everything) or "dynamic" (the training split is drawn
                anew at each batch, the others once).

        Raises:
            DataError: If the data has no grey levels, or was binarised otherwise before.
        """
        return self.kind.binarised(self, how)

    def describe(self) -> dict[str, Any]:
        """Returns what a run records of its data, ready for JSON; `read` takes it as `like`."""
        return {
            "name": self.name,
            "kind": self.kind.name,
            "shape": list(self.shape),
            "sizes": {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)},
            "classes": list(self.classes),
            "fingerprint": self.fingerprint,
            "note": self.note,
            "learned": self.kind.record(self),
        }

    def inverse(self, x: Tensor) -> Tensor:
        """Takes the model's input back to the user's units: standardised features, shape (..., D), become x · scale + location.

        Returns:
            A float64 tensor on the CPU, since a date or a price may need more digits than float32 has; x
            itself where nothing was standardised.
        """
        return self.kind.inverse(x, self.learned)


def labels_like(raw: Raw, classes: Sequence[str], source: str, labels: LabelUse) -> np.ndarray | None:
    """Returns the labels of a source by the numbers that a run gave its classes, -1 where a label is unknown.

    Raises:
        DataError: If all are asked for, and one is unknown, or is none of the run's classes.
    """
    import numpy as np

    if raw.y is None or not classes or labels == "none":
        return None
    new = [name for name in raw.classes if name not in classes]
    if new and labels == "all":
        raise DataError(
            f"{source} has the class {new[0]!r}, which is none of the run's classes: {', '.join(classes)}; and its model "
            "reads labels."
        )
    unknown = np.flatnonzero(raw.y < 0)
    if len(unknown) and labels == "all":
        raise DataError(
            f"{source}: the label of {raw.rows.column} {raw.rows.called(int(unknown[0]))} is unknown, and the model reads "
            "labels: fill it in, or drop that row."
        )
    numbers = {name: i for i, name in enumerate(classes)}
    return np.array([*(numbers.get(name, -1) for name in raw.classes), -1], dtype=np.int64)[raw.y]


def sources() -> dict[str, str]:
    """Returns the data sets that have a name, with a line about each."""
    return {name: source.line for kind in kinds().values() for name, source in kind.sources.items()}


def caveats() -> dict[str, str]:
    """Returns where a figure on a set cannot be held against the literature's, and why."""
    return {n: s.caveat for kind in kinds().values() for n, s in kind.sources.items() if s.caveat}


def check_values(options: Mapping[str, Any], among: Iterable[Kind]) -> None:
    """Refuses options of loading that are of a wrong type or out of range.

    Raises:
        RunError: If one is.
    """
    for kind in among:
        known = registry.parameters(kind.Options)
        own = {n: v for n, v in options.items() if n in known}
        registry.checked(registry.schema(known), own, f"data of kind {kind.name!r}")


def default(kind: Kind, option: str) -> Any:
    """Returns what an option of a kind is where it is not given."""
    return next(f.default for f in dataclasses.fields(kind.Options) if f.name == option)


def owners(option: str, among: Iterable[Kind] | None = None) -> list[Kind]:
    """Returns the kinds that have an option of loading."""
    found = kinds().values() if among is None else among
    return [kind for kind in found if option in {f.name for f in dataclasses.fields(kind.Options)}]
