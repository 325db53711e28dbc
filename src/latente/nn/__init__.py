"""Networks: from a value and its context to the numbers that a conditional reads as a distribution."""

from .conv import ConvDecoder, ConvEncoder
from .mlp import MLP, ResidualMLP, join

__all__ = ["MLP", "ConvDecoder", "ConvEncoder", "ResidualMLP", "join"]
