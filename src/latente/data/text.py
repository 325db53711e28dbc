"""The user's sentences: text files with one sentence per line, and the sets of sentences that have a name.

A word is what white space separates; nothing else is split, joined or lowered, so a text that needs it is tokenised
first. A line is a sentence, blank lines are none. A sentence becomes a row of numbers (:mod:`latente.distributions.words`):
its words, the mark of its end, and zeros.

The vocabulary is that of the training split, the most frequent word first. A word that occurs there only once is
unknown, so that a model meets `<unk>` before the words of tomorrow do; a text that marks its unknown words itself, as
the Penn Treebank does, keeps all of its words.

Marcus, Santorini and Marcinkiewicz, Building a Large Annotated Corpus of English: the Penn Treebank, 1993,
https://aclanthology.org/J93-2004, in the form of Mikolov et al., Recurrent neural network based language model, 2010;
Shen et al., Style Transfer from Non-Parallel Text by Cross-Alignment, 2017, https://arxiv.org/abs/1705.09655 (Yelp).
"""

from __future__ import annotations

import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..distributions.words import END, MARKS, UNKNOWN
from ..errors import DataError
from .examples import Examples
from .kind import Data
from .looks import WordRows
from .named import locate
from .raw import Raw
from .rows import Rows

__all__ = [
    "LONGEST",
    "Lexicon",
    "abridged",
    "census",
    "count_cut",
    "is_text",
    "is_text_folder",
    "numbered",
    "ptb",
    "read_text",
    "read_texts",
    "renumbered",
    "sentence_examples",
    "vocabulary",
    "yelp",
]

LONGEST = 256  # words and end of a sentence: what is longer is cut
UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress}
SPLIT_OF = {"train": "train", "valid": "validation", "validation": "validation", "val": "validation"}
SPLIT_OF |= {"dev": "validation", "test": "test"}
DROPPED = {"<pad>", "<s>", "</s>"}


def is_text(path: Path) -> bool:
    """Recognises a text file by its name: .txt, packed by gzip or xz or not."""
    return path.name.removesuffix(".gz").removesuffix(".xz").endswith(".txt")


def split_of_file(path: Path) -> str | None:
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((split for word, split in SPLIT_OF.items() if word in words), None)


def text_files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and is_text(path) and (split := split_of_file(path)):
            found.setdefault(split, []).append(path)
    return found


def is_text_folder(folder: Path) -> bool:
    """Recognises a folder with a text file of a training split, and no folder in it."""
    return "train" in text_files(folder) and not any(path.is_dir() for path in folder.iterdir())


def lines_in_file(path: Path) -> list[str]:
    try:
        content = UNPACK.get(path.suffix, bytes)(path.read_bytes())
        marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = content.decode("utf-16" if marked else "utf-8-sig")
        if "\0" in text:
            raise DataError(
                f"{path} holds NUL characters, so it is no text, or UTF-16 without a mark: save it as UTF-8."
            )
        return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): copy or save it again.") from error


def padded_rows(sentences: Sequence[Sequence[int]]) -> np.ndarray:
    """Ends each sentence and fills it up with zeros, or cuts it."""
    width = min(LONGEST, 1 + max(map(len, sentences)))
    lengths = np.array([min(width, 1 + len(s)) for s in sentences])
    flat = np.fromiter(
        (i for s in sentences for i in (*s[:width], END)[:width]), np.int32, int(lengths.sum())
    )
    x = np.zeros((len(sentences), width), np.int32)
    x[np.arange(width) < lengths[:, None]] = flat
    return x


def numbered_raw(parts: Iterable[tuple[str, Path]], where: str) -> tuple[Raw, dict[str, np.ndarray]]:
    """Numbers the words of files as they come, and returns the rows of each part, too."""
    index = {mark: i for i, mark in enumerate(MARKS)}
    sentences: list[list[int]] = []
    rows: dict[str, list[np.ndarray]] = {}
    names: list[str | int] = []
    parts = list(parts)
    for part, path in parts:
        start = len(sentences)
        for number, line in enumerate(lines_in_file(path), 1):
            if words := [index.setdefault(w, len(index)) for w in line.split() if w not in DROPPED]:
                sentences.append(words)
                names.append(number if len(parts) == 1 else f"{path.name}:{number}")
        if len(sentences) == start:
            raise DataError(f"{path} holds no sentence: write one a line.")
        rows.setdefault(part, []).append(np.arange(start, len(sentences)))
    rows_named = Rows(names=() if names == [*range(1, len(names) + 1)] else tuple(names))
    return Raw(padded_rows(sentences), None, "text", words=tuple(index), rows=rows_named), {
        part: np.concatenate(found) for part, found in rows.items()
    }


def read_text(path: Path) -> Raw:
    """Reads a file with a sentence a line.

    Raises:
        DataError: If it is empty, damaged, or not UTF-8.
    """
    return numbered_raw([("", path)], str(path))[0]


def read_texts(folder: Path) -> Raw:
    """Reads the text files of a folder as the splits of their names: train, valid (dev) and test.

    Raises:
        DataError: If a file is empty, damaged, or not UTF-8.
    """
    parts = [(split, path) for split, paths in text_files(folder).items() for path in paths]
    raw, splits = numbered_raw(parts, str(folder))
    return replace(raw, splits=splits)


def ptb() -> Raw:
    """Reads the Penn Treebank: 42,068, 3,370 and 3,761 sentences.

    Raises:
        DataError: If the files are not there.
    """
    return read_texts(locate("ptb", ("text_ptb", "ptb"), "ptb.train.txt.xz").parent)


def yelp() -> Raw:
    """Reads 190,153 short sentences of Yelp reviews, labelled negative or positive; they have no split here.

    Raises:
        DataError: If the files are not there.
    """
    folder = locate("yelp", ("text_yelp_sentences", "yelp"), "sentiment.test.0.txt.xz").parent
    classes = ("negative", "positive")
    parts = [
        (c, folder / f"sentiment.{s}.{i}.txt.xz") for s in ("dev", "test") for i, c in enumerate(classes)
    ]
    raw, rows = numbered_raw(parts, str(folder))
    y = np.zeros(len(raw.x), np.int64)
    y[rows["positive"]] = 1
    return replace(raw, y=y, classes=classes)


def vocabulary(raw: Raw, rows: np.ndarray, where: str) -> tuple[str, ...]:
    """Returns the words of some rows by frequency, after the marks.

    Raises:
        DataError: If no word is left.
    """
    counts = np.bincount(raw.x[rows].reshape(-1), minlength=len(raw.words))
    least = 1 if counts[UNKNOWN] else 2
    known = [i for i in range(len(MARKS), len(counts)) if counts[i] >= least]
    if not known:
        raise DataError(f"{where}: no word occurs twice in the training split: give more sentences.")
    return (*MARKS, *(raw.words[i] for i in sorted(known, key=lambda i: (-counts[i], raw.words[i]))))


def numbered(sentences: Sequence[str], words: Sequence[str], longest: int) -> np.ndarray:
    """Writes sentences as rows of the numbers of a vocabulary.

    Example:
        >>> numbered(["so good", "bad"], (*MARKS, "good", "bad"), 9)
        array([[2, 3, 1],
               [4, 1, 0]], dtype=int32)
    """
    index = {word: i for i, word in enumerate(words)}
    return padded_rows([[index.get(word, UNKNOWN) for word in text.split()] for text in sentences])[
        :, :longest
    ]


def renumbered(raw: Raw, words: Sequence[str]) -> Raw:
    """Gives the words of a source the numbers of a vocabulary.

    Example:
        >>> raw = Raw(np.array([[3, 4, 3, 1, 0]], np.int32), None, "text", words=(*MARKS, "so", "good"))
        >>> renumbered(raw, (*MARKS, "very", "good")).x
        array([[2, 4, 2, 1, 0]], dtype=int32)
    """
    index = {word: i for i, word in enumerate(words)}
    table = np.array([index.get(word, UNKNOWN) for word in raw.words], np.int32)
    return replace(raw, x=table[raw.x], words=tuple(words))


@dataclass(frozen=True)
class Lexicon:
    """Holds the words of a text and the length of its rows.

    Arguments:
        words: The words by number, three special tokens before them.
        longest: The length of a row: what is longer is cut.
    """

    words: tuple[str, ...]
    longest: int

    def sentences(self, x: Tensor) -> list[str]:
        """Writes out sentences, shape (N, L); one without an end goes on with an ellipsis."""
        rows = (([self.words[i] for i in row if i > END], row[-1] > END) for row in x.tolist())
        return [" ".join([*words, "…"] if goes_on else words) for words, goes_on in rows]


def sentence_examples(raw: Raw, rows: np.ndarray | slice, lexicon: Lexicon) -> Examples:
    """Returns sentences as examples, in rows of the length of a lexicon."""
    x = raw.x[rows]
    x = np.pad(x, ((0, 0), (0, max(0, lexicon.longest - x.shape[1]))))
    y = None if raw.y is None else torch.from_numpy(np.ascontiguousarray(raw.y[rows]))
    return Examples(torch.from_numpy(np.ascontiguousarray(x)), y, WordRows())


def abridged(data: Data, words: int, longest: int) -> Data:
    """Keeps the most frequent words of a text, the others being unknown, and the first ones of long sentences.

    Arguments:
        data: The text.
        words: The number of words, the end and the unknown word among them.
        longest: The length of a row.
    """

    def kept(e: Examples) -> Examples:
        x = e.x[:, :longest]
        return replace(e, x=x.where(x <= words, UNKNOWN).contiguous())

    known = data.learned.words[: 1 + words]
    return replace(data.splits(kept), learned=Lexicon(known, min(longest, data.learned.longest)))


def count_cut(data: Data) -> int:
    """Counts the sentences that are cut, in all splits: those that fill their row without an end."""
    return sum(int((e.x[:, -1] > END).sum()) for e in (data.train, data.validation, data.test))


def census(data: Data) -> str:
    """Counts the words of a text that are out of vocabulary, and the sentences that are cut."""
    words = torch.cat([e.x[e.x > END] for e in (data.train, data.validation, data.test)])
    unknown = (words == UNKNOWN).double().mean().item()
    cut = count_cut(data)
    return (
        f"{unknown:.2%} of {len(words):,} words are <unk>; {cut:,} sentences are cut at {data.shape[0]} words"
    )
