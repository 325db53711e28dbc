"""Images that have captions, numbered by a vocabulary; classes whose names are captions; scenes that are composed afresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DataError, RunError
from .examples import Examples
from .kind import Data, Kind
from .looks import Captioned
from .pixels import pixel_examples
from .raw import Raw
from .scenes import scenes_of
from .vocabulary import Vocabulary

__all__ = [
    "CaptionNumbering",
    "caption_examples",
    "captions_of_classes",
    "class_captions",
    "composed_afresh",
    "learn_words",
    "numbered_captions",
]


@dataclass(frozen=True)
class CaptionNumbering:
    """Holds how captions are numbered.

    Arguments:
        vocabulary: Their vocabulary.
        scenes: The name of the grammar that images and captions are composed by, see :mod:`latente.data.scenes`; empty
            otherwise.
    """

    vocabulary: Vocabulary
    scenes: str = ""


def learn_words(raw: Raw, rows: np.ndarray, tokens: str) -> CaptionNumbering:
    """Learns the vocabulary of the captions of some rows."""
    texts = (text for i in rows.tolist() for text in raw.captions[i])
    return CaptionNumbering(Vocabulary.learn(texts, tokens), raw.scenes)  # type: ignore[arg-type]


def numbered_captions(raw: Raw, vocabulary: Vocabulary) -> Raw:
    """Writes the captions as numbers, in the place of the labels."""
    most = max(map(len, raw.captions))
    flat = vocabulary.encode([text for c in raw.captions for text in c])
    y = np.zeros((len(raw.captions), most, flat.shape[1]), np.int32)
    y[np.arange(most) < np.array([[len(c)] for c in raw.captions])] = flat
    return replace(raw, y=y if most > 1 else y[:, 0], classes=())


def caption_examples(raw: Raw, rows: np.ndarray | slice) -> Examples:
    """Returns rows as images with captions."""
    found = pixel_examples(raw, rows)
    return replace(found, look=Captioned(found.look))


def composed_afresh(data: Data) -> Data:
    """Lets every batch of the training split be composed afresh."""
    scenes = scenes_of(data.learned.scenes, "train")
    every = scenes.captions() + scenes.captions(held_out=True)
    numbers = torch.from_numpy(data.learned.vocabulary.encode(every))

    def wide(e: Examples) -> Examples:
        assert e.y is not None
        return replace(e, y=F.pad(e.y, (0, numbers.shape[1] - e.y.shape[1])))

    def redraw(n: int) -> tuple[Tensor, Tensor]:
        x, index = scenes.draw(n)
        return x, numbers[index]

    data = data.splits(wide)
    assert isinstance(data.train.look, Captioned)
    return replace(data, train=replace(data.train, look=replace(data.train.look, redraw=redraw)))


def class_captions(classes: Sequence[str], where: str) -> tuple[str, ...]:
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


def captions_of_classes(data: Data, kind: Kind, vocabulary: Vocabulary | None = None) -> Data:
    """Takes the names of the classes of images for captions.

    Arguments:
        data: The images.
        kind: The kind of images with captions.
        vocabulary: How the names are numbered; by default by their own words.

    Raises:
        DataError: If there are no labels, or the name of a class holds no word.
    """
    if not data.classes or data.train.y is None:
        raise DataError(
            f"{data.name} has neither captions nor labels to draw from: give a folder of images with a captions.csv, "
            "or with a sub-folder for each class."
        )
    texts = class_captions(data.classes, data.name)
    numbering = Vocabulary.learn(texts, least=1) if vocabulary is None else vocabulary
    table = torch.from_numpy(numbering.encode(texts))

    def captioned(e: Examples) -> Examples:
        return e if e.y is None else replace(e, y=table.to(e.y.device)[e.y], look=Captioned(e.look))

    return replace(data.splits(captioned), kind=kind, classes=(), learned=CaptionNumbering(numbering))


def check_wordpieces(data: Data) -> None:
    """Refuses captions that are not numbered as MiniLM reads them.

    Raises:
        RunError: If they are numbered otherwise.
    """
    if data.learned.vocabulary != Vocabulary.minilm():
        raise RunError(
            f"caption_encoder is 'minilm', which reads wordpieces of its own, and the captions of {data.name} are numbered "
            "otherwise by the run that this one builds on: choose another caption_encoder, or build on a run of minilm"
        )
