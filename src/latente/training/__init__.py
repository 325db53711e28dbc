"""The trainer, its checkpoints and its logs, on PyTorch's own engine."""

from .layerwise import Layer, train_layers
from .trainer import Trainer

__all__ = ["Layer", "Trainer", "train_layers"]
