"""The caption encoder that recipes of captioned images share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..errors import RunError
from .about import AboutCaptions
from .loading import LoadingOptions

if TYPE_CHECKING:
    from ..nn import CaptionEncoder

CaptionReader = Annotated[
    Literal["bag", "bilstm", "transformer", "minilm"],
    Field(
        description="caption encoder: bag of words, bidirectional LSTM, transformer, or frozen MiniLM (latente[minilm])"
    ),
]
CaptionWidth = Annotated[int, Field(ge=2, le=1 << 12, description="features per word of the caption encoder")]
Mirror = Annotated[
    bool, Field(description="augmentation: random horizontal flips; not where captions name left and right")
]
LONGEST_CAPTION = 512  # tokens that a transformer reads

__all__ = ["CaptionReading", "Mirror"]


@dataclass(frozen=True)
class CaptionReading(LoadingOptions):
    """Holds the caption encoder. MiniLM reads its own wordpieces, whatever the data's are to be."""

    caption_encoder: CaptionReader = "bilstm"
    caption_features: CaptionWidth = 96

    def loading(self) -> dict[str, Any]:
        return {"tokens": "minilm"} if self.caption_encoder == "minilm" else {}

    def encoder(self, about: AboutCaptions) -> CaptionEncoder:
        """Makes the encoder of captions of a vocabulary, padding among it; a transformer has positions for the longest one.

        Raises:
            RunError: If the features do not fit it.
        """
        from .. import nn

        kind, features = self.caption_encoder, self.caption_features
        words = about.vocabulary - 1  # padding is no word
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
        longest = min(about.caption_length, LONGEST_CAPTION)
        return nn.CaptionTransformer(words, features, heads=nn.heads_of(features), longest=longest)
