"""Networks: from a value and its context to the numbers that a conditional reads as a distribution."""

from .attention import Aligned, AroundMean, Filters, Heard, MeanOfWords, Reader, Window, Writer
from .captions import Bag, BiLSTM, Caption, CaptionEncoder, CaptionTransformer, Pooled
from .cells import LSTM, Cell, HyperLSTM, LayerNormLSTM
from .codes import SigmoidCode, SoftThreshold, TopK, UnitColumns, bound_columns
from .conv import ConvDecoder, ConvEncoder, ConvFromPlanes, ConvToPlanes
from .minilm import MiniLM
from .mlp import MLP, ResidualMLP, join
from .normalised import NormalisedMeans
from .pixelcnn import PixelCNN
from .quantisers import FSQ, VQ, Quantiser, Rounded
from .recurrent import SentenceDecoder, SentenceEncoder
from .strokes import StrokeDecoder, StrokeEncoder
from .transformer import Block, heads_of
from .writer import CodeWriter

__all__ = [
    "FSQ",
    "LSTM",
    "MLP",
    "VQ",
    "Aligned",
    "AroundMean",
    "Bag",
    "BiLSTM",
    "Block",
    "Caption",
    "CaptionEncoder",
    "CaptionTransformer",
    "Cell",
    "CodeWriter",
    "ConvDecoder",
    "ConvEncoder",
    "ConvFromPlanes",
    "ConvToPlanes",
    "Filters",
    "Heard",
    "HyperLSTM",
    "LayerNormLSTM",
    "MeanOfWords",
    "MiniLM",
    "NormalisedMeans",
    "PixelCNN",
    "Pooled",
    "Quantiser",
    "Reader",
    "ResidualMLP",
    "Rounded",
    "SentenceDecoder",
    "SentenceEncoder",
    "SigmoidCode",
    "SoftThreshold",
    "StrokeDecoder",
    "StrokeEncoder",
    "TopK",
    "UnitColumns",
    "Window",
    "Writer",
    "bound_columns",
    "heads_of",
    "join",
]
