"""What recipes of captioned images have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError

if TYPE_CHECKING:
    from ..nn import CaptionEncoder

Vocabulary = Annotated[int, Field(ge=2, le=1 << 22, description="number of words of the captions")]
CaptionLength = Annotated[
    int, Field(ge=1, le=1 << 20, description="tokens of the longest caption of the data")
]
Encoder = Annotated[
    Literal["bag", "bilstm", "transformer", "minilm"],
    Field(
        description="what reads captions: a bag of words, a bidirectional LSTM, a transformer, or frozen MiniLM (latente[minilm])"
    ),
]
CaptionFeatures = Annotated[
    int, Field(ge=2, le=1 << 12, description="features of a word once the caption is read")
]
Flip = Annotated[
    bool, Field(description="mirror images at random in training, where no caption tells left from right")
]
Tokens = Annotated[
    Literal["word", "char", "bpe"],
    Field(description="what captions are made of: words, characters, or pieces of words (byte-level BPE)"),
]
Side = Annotated[
    int | None,
    Field(
        ge=4,
        le=1 << 10,
        description="pixels a side: images of a folder with captions are cropped to squares and brought to this size",
    ),
]


LONGEST = 512  # tokens that a transformer reads


def captions_of(kind: str, vocabulary: int, features: int, longest: int) -> CaptionEncoder:
    """Makes what reads captions of a vocabulary, padding among it; a transformer has places for the longest one.

    Raises:
        RunError: If the features do not fit it.
    """
    from .. import nn

    words = vocabulary - 1  # padding is no word
    if kind == "bag":
        return nn.Bag(words, features)
    if kind == "minilm":
        return nn.MiniLM(features)
    if features % 2:
        raise RunError(
            f"caption features are {features}: two directions or several heads share them, so give an even number"
        )
    if kind == "bilstm":
        return nn.BiLSTM(words, features, features)
    return nn.CaptionTransformer(words, features, heads=nn.heads_of(features), longest=min(longest, LONGEST))
