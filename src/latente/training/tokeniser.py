r"""Trains a tokeniser before the prior over its codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..data.examples import Examples
from ..objectives import TokeniserLoss
from ..settings import Settings
from ..trace import Model
from .machine import mixed_seed
from .parts import fit_part
from .trainer import Trainer

__all__ = ["train_tokeniser"]


def train_tokeniser(
    model: Model,
    examples: Examples,
    steps: int,
    settings: Settings,
    folder: Path | None = None,
    progress: bool = False,
) -> None:
    """Trains a model with codes and a uniform prior, and freezes it.

    Arguments:
        model: The model.
        examples: The training examples.
        steps: The number of steps.
        settings: How it is trained otherwise; the seed is mixed with a number of its own.
        folder: Where checkpoints are kept, in the folder of the run; what is found there is gone on with. None to keep nothing.
        progress: Whether to show a progress bar.

    Raises:
        TrainingError: If losses or gradients stay non-finite.
        RunError: If it was interrupted or cannot be written.
    """
    own = replace(settings, steps=steps, epochs=None, shard=False, seed=mixed_seed(settings.seed, 0))
    model.requires_grad_(True)
    trainer = Trainer(model, TokeniserLoss(), out=folder, progress=progress, **vars(own))
    fit_part(trainer, examples, "the tokeniser first", None if folder is None else folder.parent)
    model.requires_grad_(False)
