"""The trainer, its checkpoints and its logs, on PyTorch's own engine."""

from .trainer import Trainer

__all__ = ["Trainer"]
