"""Networks: from a value and its context to the numbers that a conditional reads as a distribution."""

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
    "join",
]
