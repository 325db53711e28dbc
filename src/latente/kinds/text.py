"""Text: sentences, a row of the numbers of their words each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..data.kind import Data, Kind, Source
from ..pictures import of_sentences

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.raw import Raw
    from ..data.text import Lexicon


class Text(Kind):
    """Sentences, word by word."""

    name, noun, nouns = "text", "sentence", "sentences"
    has = frozenset({"words"})
    pictures = of_sentences.PICTURES
    is_sized = False
    usual: ClassVar[Mapping[str, str]] = {"recipe": "text-vae", "data": "ptb"}
    hint = "ptb, or a text file with one sentence per line"
    smaller = "fewer --words"
    suffixes = (".txt",)
    forms = ("folders of texts",)
    sources: ClassVar[Mapping[str, Source]] = {
        "ptb": Source("Penn Treebank, 42,068 / 3,370 / 3,761 sentences, 10,000 words: from LATENTE_DATA"),
        "yelp": Source("Yelp reviews, 190,153 short sentences, negative or positive: from LATENTE_DATA"),
    }

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        from ..data import text

        return {"ptb": text.ptb, "yelp": text.yelp}

    def recognise(self, path: Path) -> bool:
        from ..data.text import is_text, is_text_folder

        return is_text_folder(path) if path.is_dir() else is_text(path)

    def read(self, path: Path, options: Any, label: str | None = None, columns: Sequence[str] = ()) -> Raw:
        from ..data.text import read_text, read_texts

        self.refuse_label(path, label)
        return read_texts(path) if path.is_dir() else read_text(path)

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: Any) -> Lexicon:
        from ..data.text import Lexicon, vocabulary

        return Lexicon(vocabulary(raw, rows, where), raw.x.shape[1])

    def learn_alone(self, raw: Raw, where: str) -> Lexicon:
        from ..data.text import Lexicon

        return Lexicon(raw.words, raw.x.shape[1])

    def restored(self, recorded: Mapping[str, Any]) -> Lexicon:
        from ..data.text import Lexicon

        return Lexicon(tuple(recorded["words"]), recorded["longest"])

    def record(self, data: Data) -> dict[str, Any]:
        return {"words": list(data.learned.words), "longest": data.learned.longest}

    def encoded(self, raw: Raw, learned: Lexicon) -> Raw:
        from ..data.text import renumbered

        raw = renumbered(raw, learned.words)
        return replace(raw, x=raw.x[:, : learned.longest])

    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: Lexicon) -> Examples:
        from ..data.text import sentence_examples

        return sentence_examples(raw, rows, learned)

    def answers(self, data: Data) -> dict[str, Any]:
        return super().answers(data) | {"vocabulary": max(1, len(data.learned.words) - 1)}

    def prepared(self, data: Data, plan: Any) -> Data:
        """Keeps as many words, and as long a beginning of each sentence, as the recipe asks for."""
        from ..data.text import abridged

        data = super().prepared(data, plan)
        return data if plan.sentences is None else abridged(data, *plan.sentences)

    def suffix(self, data: Data) -> str:
        from ..data.text import count_cut

        end = f", cut at {data.shape[0]}" if count_cut(data) else ""
        return f", {len(data.learned.words) - 1:,} words{end}"

    def remarks(self, data: Data) -> list[str]:
        from ..data.text import census

        return [census(data)]

    def write(
        self, path: Path, x: Tensor, data: Data, note: str, rows: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Writes a .txt with a sentence a line, too."""
        if path.suffix != ".txt":
            super().write(path, x, data, note, rows)
            return
        path.write_text("\n".join([*data.learned.sentences(x), ""]), encoding="utf-8")
