"""Networks: from a value and its context to the numbers that a conditional reads as a distribution."""

from .codes import SigmoidCode, SoftThreshold, TopK, UnitColumns, bound_columns
from .conv import ConvDecoder, ConvEncoder
from .mlp import MLP, ResidualMLP, join
from .normalised import NormalisedMeans
from .pixelcnn import PixelCNN
from .recurrent import SentenceDecoder, SentenceEncoder

__all__ = [
    "MLP",
    "ConvDecoder",
    "ConvEncoder",
    "NormalisedMeans",
    "PixelCNN",
    "ResidualMLP",
    "SentenceDecoder",
    "SentenceEncoder",
    "SigmoidCode",
    "SoftThreshold",
    "TopK",
    "UnitColumns",
    "bound_columns",
    "join",
]
