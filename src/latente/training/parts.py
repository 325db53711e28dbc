"""Trains one stage of a run in a subfolder, resumable with it."""

from __future__ import annotations

from pathlib import Path

from ..commands import command
from ..data.examples import Examples
from ..errors import RunError
from .checkpoint import CHECKPOINTS, newest
from .trainer import Trainer

__all__ = ["fit_part"]


def fit_part(trainer: Trainer, examples: Examples, name: str, run: Path | None) -> None:
    """Trains a part to its end, from what its folder holds of it already.

    Arguments:
        trainer: The part's own trainer.
        examples: The examples of the part.
        name: Its name in messages.
        run: The folder of the run, which is what a user resumes; None if nothing is kept.

    Raises:
        TrainingError: If losses or gradients stay non-finite.
        RunError: If it was interrupted or cannot be written.
    """
    if trainer.progress.wanted:
        trainer.progress.say(name)
    out = trainer.out
    try:
        trainer.fit(examples, resume=out is not None and any(newest(out / CHECKPOINTS)))
    except RunError as error:
        said = str(error).replace(command("resume", out), command("resume", run))
        raise type(error)(f"{name}: {said}") from None
