"""Captions: images, each with a sentence or several that describe it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..data.kind import Data, Kind, LabelUse, Source, Suggestion
from ..errors import DataError
from ..pictures import of_captions

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.numbering import CaptionNumbering
    from ..data.raw import Raw
    from ..data.vocabulary import Vocabulary


@dataclass(frozen=True)
class CaptionOptions:
    """Holds the tokens of captions, and the size of their images."""

    tokens: Annotated[
        Literal["word", "char", "bpe", "minilm"],
        Field(description="tokens of captions: words, characters, byte-level BPE, or MiniLM's wordpieces"),
    ] = "word"
    side: Annotated[
        int | None,
        Field(
            ge=4,
            le=1024,
            description="side in pixels: images of a folder with captions are cropped to squares and resized to it",
        ),
    ] = None


class Captions(Kind):
    """Images with captions."""

    name, noun, nouns = "captions", "image with captions", "images with captions"
    has = frozenset({"pixels", "caption"})
    pictures = of_captions.PICTURES
    parent = "images"
    stands_for = frozenset({"images"})
    usual: ClassVar[Mapping[str, str]] = {"recipe": "text-to-image", "data": "captions-mnist"}
    hint = "captions-mnist, or a folder of images with captions.csv"
    smaller = "smaller images, --network conv where the recipe has it,"
    forms = (".json and .jsonl of captions",)
    sources: ClassVar[Mapping[str, Source]] = {
        "captions-mnist": Source(
            "one or two MNIST digits, 32x32, with a sentence: composed afresh for every batch, 10,000 / 2,000 / 2,000"
        ),
        "captions-mnist-60": Source("the same on 60x60, as in alignDRAW"),
        "shapes": Source(
            "one or two coloured shapes, 32x32, with a sentence: composed afresh for every batch, needs no download"
        ),
        "flickr8k": Source(
            "Flickr8k, 32x32 colour, 6,090 / 1,000 / 1,000 photos of five captions each: from LATENTE_DATA"
        ),
    }
    of_folders = frozenset({"side"})
    Options = CaptionOptions

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        from ..data import named, scenes

        return {
            "captions-mnist": scenes.captions_mnist,
            "captions-mnist-60": scenes.captions_mnist_60,
            "shapes": scenes.shapes,
            "flickr8k": named.flickr8k,
        }

    def refusal(self, source: str, option: str, owner: Kind) -> DataError:
        if option == "grey":
            return DataError(f"{source} has captions, and its images stay as they are: leave --grey out.")
        return super().refusal(source, option, owner)

    def recognise(self, path: Path) -> bool:
        from ..data.captions import find_captions

        return find_captions(path) is not None

    def read_named(self, name: str, options: CaptionOptions) -> Raw:
        if options.side is not None:
            raise DataError(
                f"only folders of images are resized or made grey, and {name} is none: leave side (--side) and grey (--grey) out."
            )
        return super().read_named(name, options)

    def read(
        self, path: Path, options: CaptionOptions, label: str | None = None, columns: Sequence[str] = ()
    ) -> Raw:
        from ..data.captions import find_captions, read_captions

        file = find_captions(path) or path
        if label is not None:
            raise DataError(f"{file} has captions in place of labels: leave --label out.")
        return read_captions(file, options.side)

    def clean(self, raw: Raw, where: str, options: CaptionOptions) -> Raw:
        from ..data.scenes import scenes_of

        return replace(raw, note=scenes_of(raw.scenes, "train").note) if raw.scenes else raw

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: CaptionOptions) -> CaptionNumbering:
        from ..data.numbering import learn_words

        return learn_words(raw, rows, options.tokens)

    def restored(self, recorded: Mapping[str, Any]) -> CaptionNumbering:
        from ..data.numbering import CaptionNumbering

        return CaptionNumbering(self.vocabulary(recorded), recorded["scenes"])

    def vocabulary(self, recorded: Mapping[str, Any]) -> Vocabulary:
        from ..data.vocabulary import Vocabulary

        return Vocabulary(recorded["captions"])

    def record(self, data: Data) -> dict[str, Any]:
        from ..data.pixels import how_binarised

        learned: CaptionNumbering = data.learned
        return {
            "captions": learned.vocabulary.spec,
            "scenes": learned.scenes,
            "binarise": how_binarised(data.train),
        }

    def encoded(self, raw: Raw, learned: CaptionNumbering) -> Raw:
        from ..data.numbering import numbered_captions

        return numbered_captions(raw, learned.vocabulary) if raw.captions else raw

    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: CaptionNumbering) -> Examples:
        from ..data.numbering import caption_examples

        return caption_examples(raw, rows)

    def finished(self, data: Data) -> Data:
        from ..data.numbering import composed_afresh

        return composed_afresh(data) if data.learned.scenes else data

    def taken(self, data: Data, options: CaptionOptions, recorded: Mapping[str, Any] | None = None) -> Data:
        """Takes the names of the classes of images for captions, numbered as the recipe's encoder of captions reads them."""
        from ..data.numbering import captions_of_classes, check_wordpieces
        from ..data.vocabulary import Vocabulary

        if data.kind.name == "images":
            known = Vocabulary.minilm() if options.tokens == "minilm" else None
            known = known if recorded is None else Vocabulary(recorded["captions"])
            return captions_of_classes(data, self, known)
        if data.kind is self and options.tokens == "minilm":
            check_wordpieces(data)
        return data

    def answers(self, data: Data) -> dict[str, Any]:
        learned: CaptionNumbering = data.learned
        y = data.train.y
        assert y is not None
        return super().answers(data) | {"vocabulary": len(learned.vocabulary), "caption_length": y.shape[-1]}

    def suggests(self, data: Data) -> Suggestion:
        how = self.record(data)["binarise"]
        return Suggestion({"binarise": how} if how == "static" else {})

    def set_aside(self, raw: Raw, wanted: Kind | None) -> Raw:
        """Takes images in class folders for such, where captions are not read."""
        if wanted is self or raw.y is None or not raw.captions:
            return raw
        said = "captions were found beside the images, and left aside: class folders are the labels"
        note = "; ".join(filter(None, [raw.note, said]))
        return replace(raw, kind=self.parent, captions=(), note=note)

    def binarised(self, data: Data, how: str) -> Data:
        from ..data.pixels import binarised

        return binarised(data, how)

    def reopened(self, data: Data, about: Mapping[str, Any]) -> Data:
        return self.binarised(data, about["learned"]["binarise"])

    def labelled_like(self, raw: Raw, about: Mapping[str, Any], source: str, labels: LabelUse) -> Raw:
        """Leaves labels as they are: the names of classes are captions where there are no others."""
        return raw

    def read_like(self, raw: Raw, about: Mapping[str, Any], source: str) -> Examples:
        """Numbers captions as a run did; the names of classes are captions where there are no others."""
        from ..data.numbering import class_captions
        from ..data.pixels import seen_like

        if not raw.captions and raw.y is not None:
            texts = class_captions(raw.classes, source)
            raw = replace(raw, captions=tuple((texts[i],) for i in raw.y.tolist()))
        learned = self.restored(about["learned"])
        raw = self.encoded(replace(raw, y=None), learned)
        return seen_like(self.examples(raw, slice(None), learned), about["learned"]["binarise"], raw.binary)

    def suffix(self, data: Data) -> str:
        how = self.record(data)["binarise"]
        return f", {'no' if how == 'none' else how} binarisation"

    def write(
        self, path: Path, x: Tensor, data: Data, note: str, rows: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Writes a .png of the images, too."""
        if path.suffix != ".png":
            super().write(path, x, data, note, rows)
            return
        from ..pictures.drawing import views

        views.grid(x).save(path)

    def preview(self, data: Data) -> Callable[[Path], Path] | None:
        from ..pictures.drawing import views

        return None if data.shape[0] not in (1, 3) else lambda picture: views.some(data).save(picture)
