"""The weights of a run that are kept: those of the best validation, and for how long there was no better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import TrainingError
from ..trace import Model
from . import processes
from .checkpoint import CHECKPOINTS, WEIGHTS, read_tensors, save_weights
from .progress import Progress
from .tensors import copy_into

__all__ = ["Keeper"]


class Keeper:
    """Keeps the weights that a run's model is to have, in a folder or in memory.

    Arguments:
        model: The model.
        out: The folder of the run; None for memory.
        patience: The validations without a better one after which training stops; None for no end.
        progress: Where a message goes if weights cannot be written.

    Attributes:
        best: The lowest loss of a validation so far.
        best_step: The step of the weights that are kept; 0 if there are none.
        stale: The validations since then.
    """

    def __init__(self, model: Model, out: Path | None, patience: int | None, progress: Progress) -> None:
        self.model, self.out, self.patience, self.progress = model, out, patience, progress
        self.best, self.best_step, self.stale = math.inf, 0, 0
        self.kept: dict[str, Tensor] = {}

    @property
    def is_patient(self) -> bool:
        return self.patience is None or self.stale < self.patience

    def judge(self, loss: float | None, step: int) -> None:
        """Keeps the weights in the model if they are the best so far.

        Arguments:
            loss: The validation's figure; None if the objective has none, and then the newest weights are the best.
            step: The step of the weights.
        """
        if loss is None:
            self.keep(step)
        elif math.isfinite(loss) and loss < self.best:
            self.best = loss
            self.keep(step)
        else:
            self.stale += 1

    def keep(self, step: int) -> None:
        """Keeps the weights that are in the model as the run's model."""
        self.best_step, self.stale = step, 0
        weights = {
            name: processes.full(t).detach().cpu().clone() for name, t in self.model.state_dict().items()
        }
        if self.out is None:
            self.kept = weights
        elif processes.rank() == 0:
            try:
                save_weights(self.out / WEIGHTS, weights, self.model.made_by)
            except OSError as error:
                self.progress.say(
                    f"step {step}: {WEIGHTS} cannot be written ({error.strerror}); training goes on"
                )

    def restore_best(self) -> None:
        """Puts the weights that were kept into the model.

        Raises:
            TrainingError: If none were, since no validation had a finite loss; the model has its newest weights then.
        """
        processes.together(None)  # the first process may still be writing
        if self.best_step == 0:
            newest = "the model" if self.out is None else f"the checkpoints in {self.out / CHECKPOINTS}"
            raise TrainingError(
                f"no validation of this run had a finite loss, so no weights are the best, and {newest} can only give the "
                "newest ones. Lower the learning rate (--lr), clip gradients (--clip 1), or look for extreme values in the "
                "validation data"
            )
        weights = self.kept if self.out is None else read_tensors(self.out / WEIGHTS)[0]
        copy_into(self.model.state_dict(), weights)

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def about(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "stale": self.stale}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        self.best, self.best_step, self.stale = about["best"], about["best_step"], about["stale"]
