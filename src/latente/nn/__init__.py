"""Networks: from a value and its context to the numbers that a conditional reads as a distribution."""

from .attention import Aligned, AroundMean, Attended, Filters, MeanOfWords, Reader, Window, Writer
from .broadcast import BentConv, BroadcastMLP, DropoutMLP
from .captions import Bag, BiLSTM, Caption, CaptionEncoder, CaptionTransformer, Pooled
from .cells import LSTM, Cell, HyperLSTM, LayerNormLSTM
from .codes import SigmoidCode, SoftThreshold, TopK, UnitColumns, bound_columns
from .context import Given, reads
from .conv import ConvDecoder, ConvEncoder, ConvFromPlanes, ConvToPlanes
from .critic import Critic
from .grid import CodePixelCNN
from .ladder import ConvLadder, DenseLadder, Ladder, Rung
from .made import MADE
from .minilm import MiniLM
from .mlp import MLP, ResidualMLP, with_context
from .normalised import NormalisedMeans
from .pixelcnn import PixelCNN
from .quantisers import FSQ, VQ, Quantiser, Rounded
from .recurrent import SentenceDecoder, SentenceEncoder
from .strokes import StrokeDecoder, StrokeEncoder
from .transformer import Block, heads_of
from .unet import TimedMLP, UNet
from .velocity import VelocityNet
from .writer import CodeTransformer

__all__ = [
    "FSQ",
    "LSTM",
    "MADE",
    "MLP",
    "VQ",
    "Aligned",
    "AroundMean",
    "Attended",
    "Bag",
    "BentConv",
    "BiLSTM",
    "Block",
    "BroadcastMLP",
    "Caption",
    "CaptionEncoder",
    "CaptionTransformer",
    "Cell",
    "CodePixelCNN",
    "CodeTransformer",
    "ConvDecoder",
    "ConvEncoder",
    "ConvFromPlanes",
    "ConvLadder",
    "ConvToPlanes",
    "Critic",
    "DenseLadder",
    "DropoutMLP",
    "Filters",
    "Given",
    "HyperLSTM",
    "Ladder",
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
    "Rung",
    "SentenceDecoder",
    "SentenceEncoder",
    "SigmoidCode",
    "SoftThreshold",
    "StrokeDecoder",
    "StrokeEncoder",
    "TimedMLP",
    "TopK",
    "UNet",
    "UnitColumns",
    "VelocityNet",
    "Window",
    "Writer",
    "bound_columns",
    "heads_of",
    "reads",
    "with_context",
]
