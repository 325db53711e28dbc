"""Examples in memory: one tensor, indexed by batches.

Images stay the bytes they came as and become numbers in [0, 1] batch by batch: 60,000 digits are 47 MB and
never 188. A grey level may also be read as a probability. Then there are three different benchmarks, whose
log-likelihoods do not compare:

* `none`: the grey levels themselves;
* `static`: every pixel was drawn once, x ~ Bernoulli(grey level), and the draw is the data;
* `dynamic`: every pixel is drawn anew whenever it is looked at. Validation and test are drawn once even so,
  with fixed seeds, so that two evaluations of one model agree.

The draw of a batch is on the hot path of training, and four fifths of it would be random floats. Sixteen
random bits are enough: with u uniform on 0 … 65534 the event u < 257 v has probability v/255, since 65535 =
255 · 257. Here u is uniform on 0 … 65535 and its last value counted with the one before, which moves a
probability by less than 2e-5 and keeps black and white exact; one 64-bit draw serves four pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from latente.data.catalogue import CAVEATS, SOURCES
from latente.data.vocabulary import Vocabulary
from latente.distributions.strokes import lengths_of
from latente.distributions.words import END, UNKNOWN
from latente.errors import DataError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Binarise", "Data", "Examples", "Kind", "spoken"]

Binarise = Literal["none", "static", "dynamic"]
Kind = Literal["images", "table", "vectors", "text", "drawings"]

_ROWS = 4096  # drawn at once by `fixed`: 30 MB of work space for digits
_SHARE = 0.2  # of a batch that has labels, where they are fewer than that: see `FewLabels`
_POOL = 50  # batches whose sentences or drawings are sorted by length together


def _bernoulli(grey: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws 0. or 1. with the grey level as the probability, for bytes 0..255 or floats in [0, 1]."""
    out = torch.empty(grey.shape, device=grey.device)
    if grey.dtype != torch.uint8:
        return torch.lt(torch.rand(grey.shape, generator=generator, device=grey.device), grey, out=out)
    words = torch.empty((grey.numel() + 3) // 4, dtype=torch.int64, device=grey.device)
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[: grey.numel()]
    bits = bits.view(grey.shape).clamp_(max=32766)
    return torch.lt(bits, grey.to(torch.int16).mul_(257).add_(-32768), out=out)


def _one_of(captions: Tensor) -> Tensor:
    """Picks one of the captions of each image, (B, K, L) to (B, L)."""
    there = captions[..., 0] > 0
    which = torch.rand(there.shape, device=captions.device).masked_fill_(~there, -1).argmax(1)
    return captions[torch.arange(len(captions), device=captions.device), which]


@dataclass(frozen=True, eq=False)
class Examples:
    """Holds the rows of one split and hands them out in batches.

    Arguments:
        x: The data, shape (N, *shape): uint8 0..255 for images kept as they came, int32 for sentences, else float32;
            only drawings have shape (N, L, 3).
        y: The labels, int64 of shape (N,), -1 where one is not known; or the captions, int32 of shape (N, L) or, several an
            image, (N, K, L), filled up with zeros; or None.
        binarise: `dynamic` draws x ~ Bernoulli(x) at each `batch`; `static` says that x is such a draw
            already.
        augment: Changes each batch at random, as for training; `fixed` leaves it out.
        redraw: Makes that many fresh examples, x as uint8 and y, in place of the rows asked for: of data that is composed.
            It draws from torch's global generator on the CPU; `fixed` leaves it out.

    Raises:
        DataError: If x and y differ in length, or captions are not whole numbers of 32 bits.

    Example:
        >>> x = torch.tensor([[0], [255], [51]], dtype=torch.uint8)
        >>> examples = Examples(x, y=torch.tensor([0, 1, 1]))
        >>> examples.batch(torch.tensor([2, 1]))
        (tensor([[0.2000],
                [1.0000]]), tensor([1, 1]))
    """

    x: Tensor
    y: Tensor | None = None
    binarise: Binarise = "none"
    augment: Callable[[Tensor], Tensor] | None = None
    redraw: Callable[[int], tuple[Tensor, Tensor]] | None = None

    def __post_init__(self) -> None:
        if self.y is not None and len(self.y) != len(self.x):
            raise DataError(f"x has {len(self.x)} rows and y has {len(self.y)}: give each row one label.")
        if self.y is not None and (self.y.dim() > 1) != (self.y.dtype == torch.int32):
            raise DataError(
                f"y is {self.y.dtype} of shape {tuple(self.y.shape)}: give labels as int64 of shape (N,), or captions as "
                "int32 of shape (N, L) or (N, K, L)."
            )

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor | None]:
        """Returns the rows of an index, bytes scaled to [0, 1], and their labels or captions.

        Of several captions one is picked at random. This, a dynamic draw and an augmentation take their bits from torch's
        global generator.

        Arguments:
            index: Row numbers, int64 of shape (B,), or a slice.
        """
        y: Tensor | None
        if self.redraw is not None:
            n = len(range(len(self))[index]) if isinstance(index, slice) else len(index)
            fresh = self.redraw(n)
            x, y = fresh[0].to(self.x.device), fresh[1].to(self.x.device)
        elif isinstance(index, slice):
            x, y = self.x[index], None if self.y is None else self.y[index]
        else:
            x = self.x.index_select(0, index)
            y = None if self.y is None else self.y.index_select(0, index)
        if y is not None and y.dim() == 3:
            y = _one_of(y)
        if self.binarise == "dynamic":
            return _bernoulli(x), y
        if self.augment is not None:
            return self.augment(x), y
        return (x.div(255) if x.dtype == torch.uint8 else x), y

    @cached_property
    def lengths(self) -> Tensor | None:
        """The words of each sentence or the points of each drawing, on the CPU; None for examples of one size."""
        if self.x.dtype == torch.int32:
            return (self.x > 0).sum(1).cpu()
        return lengths_of(self.x).cpu() if self.x.dim() == 3 else None

    @cached_property
    def told(self) -> Tensor | None:
        """Which labels are known, on the CPU, where not all are; else None."""
        if self.y is None or self.y.dtype != torch.int64 or bool((self.y >= 0).all()):
            return None
        return (self.y >= 0).cpu()

    def shuffled(self, batch: int, generator: torch.Generator) -> Tensor:
        """Returns the rows in random order; the sentences or drawings of a batch are of nearly one length.

        Where few labels are known, each batch has the same number of them, a fifth or more; they come again and again.

        Arguments:
            batch: The rows of a batch. Those that fill no batch come last.
            generator: What the order is drawn from.
        """
        if self.told is not None:
            return mixed(self.told, batch, generator)
        order = torch.randperm(len(self), generator=generator)
        lengths = self.lengths
        if lengths is None:
            return order
        whole = len(self) // batch * batch
        pools = order[:whole].split(_POOL * batch)
        batches = torch.cat([pool[lengths[pool].argsort(stable=True)] for pool in pools]).view(-1, batch)
        return torch.cat(
            [batches[torch.randperm(len(batches), generator=generator)].flatten(), order[whole:]]
        )

    def fixed(self, seed: int = 0) -> Examples:
        """Makes the dynamic draw once, with a generator of its own, and keeps it as bytes 0 or 255.

        Examples that are not drawn dynamically are returned as they are. Either way there is no augmentation, nothing is
        composed afresh, and of several captions the first stays. The global generator is not touched, and the draw is the
        same on every device.
        """
        y = self.y[:, 0] if self.y is not None and self.y.dim() == 3 else self.y
        if self.binarise != "dynamic":
            still = self.augment is None and self.redraw is None and y is self.y
            return self if still else replace(self, y=y, augment=None, redraw=None)
        generator = torch.Generator().manual_seed(seed)
        x = torch.empty(self.x.shape, dtype=torch.uint8)
        for grey, drawn in zip(self.x.split(_ROWS), x.split(_ROWS), strict=True):
            drawn.copy_(_bernoulli(grey.cpu(), generator).mul_(255))
        return Examples(x.to(self.x.device), y, "static")

    def to(self, device: torch.device | str) -> Examples:
        """Moves the tensors to a device."""
        return replace(self, x=self.x.to(device), y=None if self.y is None else self.y.to(device))

    def subset(self, n: int, seed: int = 0) -> Examples:
        """Returns n rows of a fixed permutation, or all rows where there are fewer; what is composed afresh stays so.

        Never the first n: the test rows of static MNIST, for one, are sorted by digit.

        Raises:
            DataError: If n is not positive.
        """
        if n < 1:
            raise DataError(f"A subset needs at least one row, not {n}.")
        if n >= len(self):
            return self
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        rows = order[:n].to(self.x.device)
        return replace(self, x=self.x[rows], y=None if self.y is None else self.y[rows])


def mixed(told: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Returns rows in an order in which each batch has as many that are told, spread over it evenly.

    Arguments:
        told: Which rows are.
        batch: The rows of a batch.
        generator: What the order is drawn from.

    Example:
        >>> told = torch.arange(20) < 3
        >>> mixed(told, 5, torch.Generator().manual_seed(0)).view(4, 5).lt(3).sum(1)
        tensor([1, 1, 1, 1])
    """
    batches = len(told) // batch
    share = max(_SHARE, told.double().mean().item())
    of_each = {True: min(batch, max(1, round(share * batch)))}
    of_each[False] = batch - of_each[True]
    parts = []
    for kind, n in of_each.items():
        rows = (told == kind).nonzero().flatten()
        rounds = -(-batches * n // len(rows)) if len(rows) else 0
        drawn = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)]
        parts.append(torch.cat([rows[:0], *drawn])[: batches * n].view(batches, n))
    places = torch.cat([(torch.arange(n) + 0.5) / max(1, n) for n in of_each.values()])
    return torch.cat(parts, 1)[:, places.argsort(stable=True)].flatten()


def spoken(classes: Sequence[str], where: str) -> tuple[str, ...]:
    """Writes the names of classes as captions, "night_heron" as "night heron".

    Raises:
        DataError: If a name holds nothing else.
    """
    texts = tuple(" ".join(name.replace("_", " ").replace("-", " ").split()) for name in classes)
    if "" in texts:
        raise DataError(
            f"{where}: the class {classes[texts.index('')]!r} is no caption: give it a name of words."
        )
    return texts


@dataclass(frozen=True, eq=False)
class Data:
    """Holds a data set: three splits, what its columns and labels mean, and how it was scaled.

    Arguments:
        name: A short name for figures, as "mnist".
        source: The name or path it was loaded from, as given.
        train: The examples to learn from.
        validation: The examples to choose by.
        test: The examples to report.
        kind: `images` (shape C, H, W), `table` (named columns), `vectors` (shape D), `text` (shape L) or `drawings`
            (shape L, 3).
        classes: The names of the labels, indexed by y; empty without labels.
        columns: The names of a table's features; empty otherwise.
        location: What was subtracted from each feature, float64 of shape (D,): the training split's mean.
            None where x was not standardised.
        scale: What it was then divided by, float64 of shape (D,): the training split's standard deviation,
            and 1 for a feature that is constant there. Both directions of a pen have one.
        fingerprint: The SHA-256 of the content as loaded.
        indices: The split: the rows in the source that each of "train", "validation" and "test" took.
        words: The words of a text by number, three marks before them; empty otherwise.
        note: What was done to the source's examples before they were split, or what was held out of them; empty otherwise.
        captions: How the captions y are numbered; None where y is not captions.
        scenes: The name of the grammar that images and captions are composed by, see :mod:`latente.data.scenes`; empty
            otherwise.
    """

    name: str
    source: str
    train: Examples
    validation: Examples
    test: Examples
    kind: Kind
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    location: Tensor | None
    scale: Tensor | None
    fingerprint: str
    indices: dict[str, np.ndarray]
    words: tuple[str, ...] = ()
    note: str = ""
    captions: Vocabulary | None = None
    scenes: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example: (C, H, W) for images, (L,) for sentences, (L, 3) for drawings, (D,) otherwise."""
        return tuple(self.train.x.shape[1:])

    @property
    def benchmark(self) -> str:
        """The name a figure on this data goes by, as "mnist, dynamic binarisation"."""
        caveat = CAVEATS.get(self.source, "") if self.source == self.name else "own files"
        name = f"{self.name} ({caveat})" if caveat and self.name in SOURCES else self.name
        if self.kind == "text":
            return f"{name}, {len(self.words) - 1:,} words" + (
                f", cut at {self.shape[0]}" if self.cut else ""
            )
        if self.kind != "images":
            return name
        return f"{name}, {'no' if self.train.binarise == 'none' else self.train.binarise} binarisation"

    @property
    def cut(self) -> int:
        """The number of sentences that were cut, in all splits: those that fill their row without an end."""
        return sum(int((e.x[:, -1] > END).sum()) for e in (self.train, self.validation, self.test))

    def abridged(self, words: int, longest: int) -> Data:
        """Keeps the most frequent words of a text, the others being unknown, and the first ones of long sentences.

        Arguments:
            words: The number of words, the end and the unknown word among them.
            longest: The length of a row.
        """

        def kept(e: Examples) -> Examples:
            x = e.x[:, :longest]
            return replace(e, x=x.where(x <= words, UNKNOWN).contiguous())

        splits = (kept(e) for e in (self.train, self.validation, self.test))
        train, validation, test = splits
        return replace(self, train=train, validation=validation, test=test, words=self.words[: 1 + words])

    def captioned(self, vocabulary: Vocabulary | None = None) -> Data:
        """Takes the names of the classes for captions, where there are no others.

        Arguments:
            vocabulary: How the names are numbered; by default by their own words.

        Raises:
            DataError: If there are neither captions nor labels, or the name of a class holds no word.

        Example:
            >>> from latente.data import from_arrays
            >>> x = torch.arange(20 * 4, dtype=torch.uint8).reshape(20, 2, 2).numpy()
            >>> data = from_arrays(x, ["night_heron", "owl"] * 10).captioned()
            >>> sorted(set(data.captions.decode(data.train.y)))
            ['night heron', 'owl']
        """
        if self.captions is not None:
            return self
        if not self.classes or self.train.y is None:
            raise DataError(
                f"{self.name} has neither captions nor labels to draw from: give a folder of images with a captions.csv, "
                "or with a sub-folder for each class."
            )
        texts = spoken(self.classes, self.name)
        numbering = Vocabulary.learn(texts, least=1) if vocabulary is None else vocabulary
        table = torch.from_numpy(numbering.encode(texts))

        def told(e: Examples) -> Examples:
            return e if e.y is None else replace(e, y=table.to(e.y.device)[e.y])

        train, validation, test = (told(e) for e in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test, classes=(), captions=numbering)

    def census(self) -> str:
        """Says how many words of a text the vocabulary does not know, and how many sentences are cut."""
        words = torch.cat([e.x[e.x > END] for e in (self.train, self.validation, self.test)])
        unknown = (words == UNKNOWN).double().mean().item()
        return f"{unknown:.2%} of {len(words):,} words are <unk>; {self.cut:,} sentences are cut at {self.shape[0]} words"

    def sentences(self, x: Tensor) -> list[str]:
        """Writes out the sentences of a text, shape (N, L); one without an end goes on with an ellipsis."""
        rows = (([self.words[i] for i in row if i > END], row[-1] > END) for row in x.tolist())
        return [" ".join([*words, "…"] if goes_on else words) for words, goes_on in rows]

    def binarised(self, how: Binarise) -> Data:
        """Reads grey levels as probabilities, in one of the three ways of the module.

        Data that is binary as it comes is `static` already and stays as it is under "none" and "static".

        Arguments:
            how: "none", "static" (one seeded draw of everything) or "dynamic" (the training split is drawn
                anew at each batch, the others once).

        Raises:
            DataError: If the data is not images, or was binarised otherwise before.
        """
        if how not in ("none", "static", "dynamic"):
            raise DataError(f"binarise is one of none, static and dynamic, not {how!r}.")
        now = self.train.binarise
        if how == now or (how, now) == ("none", "static"):
            return self
        if how == "none":
            raise DataError(f"{self.name} was binarised dynamically; load it again to have its grey levels.")
        if self.kind != "images":
            raise DataError(
                f"{self.name} is a {self.kind.removesuffix('s')}, not images, and has no grey levels "
                "to binarise: use binarise=none and a likelihood for real numbers."
            )
        if now != "none":
            raise DataError(
                f"{self.name} is already binary ({now}), so a {how} draw would change nothing: "
                f"use binarise={now}, or load grey levels."
            )
        train, validation, test = (
            replace(e, binarise="dynamic") for e in (self.train, self.validation, self.test)
        )
        train = train.fixed(0) if how == "static" else train
        return replace(self, train=train, validation=validation.fixed(1), test=test.fixed(2))

    def describe(self) -> dict[str, Any]:
        """Returns what a run records of its data, ready for JSON; `read` takes it as `like`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "shape": list(self.shape),
            "sizes": {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)},
            "classes": list(self.classes),
            "columns": list(self.columns),
            "words": list(self.words),
            "location": None if self.location is None else self.location.tolist(),
            "scale": None if self.scale is None else self.scale.tolist(),
            "fingerprint": self.fingerprint,
            "binarise": self.train.binarise,
            "note": self.note,
            "captions": None if self.captions is None else self.captions.spec,
            "scenes": self.scenes,
        }

    def inverse(self, x: Tensor) -> Tensor:
        """Takes standardised features back to the user's units, x · scale + location.

        Arguments:
            x: Any tensor that ends in the features, shape (..., D).

        Returns:
            A float64 tensor on the CPU, since a date or a price may need more digits than float32 has; x
            itself where nothing was standardised.
        """
        if self.location is None or self.scale is None:
            return x
        return x.cpu().double() * self.scale + self.location
