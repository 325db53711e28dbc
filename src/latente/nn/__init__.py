"""Networks: from a value and its context to the numbers that a conditional reads as a distribution."""

from .cells import LSTM, Cell, HyperLSTM, LayerNormLSTM
from .codes import SigmoidCode, SoftThreshold, TopK, UnitColumns, bound_columns
from .conv import ConvDecoder, ConvEncoder
from .mlp import MLP, ResidualMLP, join
from .normalised import NormalisedMeans
from .pixelcnn import PixelCNN
from .recurrent import SentenceDecoder, SentenceEncoder
from .strokes import StrokeDecoder, StrokeEncoder

__all__ = [
    "LSTM",
    "MLP",
    "Cell",
    "ConvDecoder",
    "ConvEncoder",
    "HyperLSTM",
    "LayerNormLSTM",
    "NormalisedMeans",
    "PixelCNN",
    "ResidualMLP",
    "SentenceDecoder",
    "SentenceEncoder",
    "SigmoidCode",
    "SoftThreshold",
    "StrokeDecoder",
    "StrokeEncoder",
    "TopK",
    "UnitColumns",
    "bound_columns",
    "join",
]
