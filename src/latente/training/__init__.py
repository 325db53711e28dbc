"""The trainer, its checkpoints and its logs, on PyTorch's own engine."""

from .encoder_first import train_encoder_first
from .layerwise import Layer, train_layers
from .tokeniser import train_tokeniser
from .trainer import Trainer

__all__ = ["Layer", "Trainer", "train_encoder_first", "train_layers", "train_tokeniser"]
