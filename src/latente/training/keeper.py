"""The weights of a run that are kept: those of the best validation, and for how long there was no better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..commands import command
from ..errors import RunError, TrainingError
from ..trace import Model
from . import processes
from .checkpoint import WEIGHTS, read_tensors, save_weights
from .progress import Progress
from .tensors import copy_into

__all__ = ["Keeper"]


class Keeper:
    """Keeps the weights that a run's model is to have, in memory and as a part of each checkpoint, and writes them to a folder.

    The file is written anew where the disk refused it, and where it is not what the checkpoint says: what is said of the best
    weights is what is on the disk.

    Arguments:
        model: The model.
        out: The folder of the run; None for memory alone.
        patience: The validations without a better one after which training stops; None for no end.
        progress: Where a message goes if weights cannot be written.

    Attributes:
        best: The lowest loss of a validation so far.
        best_step: The step of the weights that are kept; 0 if there are none.
        is_finite: Whether they are the best of a validation; else they are those of the newest, none of which was finite.
        stale: The validations since then.
    """

    def __init__(self, model: Model, out: Path | None, patience: int | None, progress: Progress) -> None:
        self.model, self.out, self.patience, self.progress = model, out, patience, progress
        self.best, self.best_step, self.stale, self.is_finite = math.inf, 0, 0, False
        self.kept: dict[str, Tensor] = {}
        self.refused: OSError | None = None

    @property
    def is_patient(self) -> bool:
        return self.patience is None or self.stale < self.patience

    def judge(self, loss: float | None, step: int) -> None:
        """Keeps the weights in the model if they are the best so far, or if none were good.

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
            if not self.is_finite:
                self.keep(step, is_finite=False)

    def keep(self, step: int, is_finite: bool = True) -> None:
        """Keeps the weights that are in the model as the run's model."""
        self.best_step, self.is_finite = step, is_finite
        self.stale = 0 if is_finite else self.stale
        self.kept = {
            name: processes.full(t).detach().cpu().clone() for name, t in self.model.state_dict().items()
        }
        self.write()

    def write(self) -> None:
        """Writes what is kept; a disk that refuses is told, and asked again by `settle`."""
        if self.out is None or processes.rank() != 0:
            return
        try:
            save_weights(self.out / WEIGHTS, self.kept, self.model.made_by)
            self.refused = None
        except OSError as error:
            self.refused = error
            self.progress.say(
                f"step {self.best_step}: {WEIGHTS} cannot be written ({error.strerror}); training goes on"
            )

    def settle(self) -> None:
        """Writes what the disk refused before, if it did."""
        if self.refused is not None:
            self.write()

    def restore_best(self) -> None:
        """Puts the weights that were kept into the model.

        Raises:
            TrainingError: If none of them had a finite loss; the model has the newest weights then.
            RunError: If they cannot be written.
        """
        processes.together(None)  # the first process may still be writing
        copy_into(self.model.state_dict(), self.kept)
        self.settle()
        if self.refused is not None:
            raise RunError(
                f"the best weights, of step {self.best_step}, cannot be written to {self.out} ({self.refused.strerror}): the "
                "checkpoint has them. Free some space or mend the permissions, then: "
                f"{command('resume', self.out)}"
            )
        if not self.is_finite:
            raise TrainingError(
                f"no validation of this run had a finite loss, so no weights are the best, and the newest were kept, of "
                f"step {self.best_step}. Lower the learning rate (--lr), clip gradients (--clip 1), or look for extreme "
                "values in the validation data"
            )

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.kept)

    def about(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_step": self.best_step,
            "stale": self.stale,
            "is_finite": self.is_finite,
        }

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        self.best, self.best_step, self.stale = about["best"], about["best_step"], about["stale"]
        self.is_finite, self.kept = about["is_finite"], dict(tensors)
        if self.kept and self.out is not None and not holds(self.out / WEIGHTS, self.kept):
            self.write()


def holds(path: Path, weights: Mapping[str, Tensor]) -> bool:
    """Tells whether a file of weights is whole and holds these."""
    try:
        found = read_tensors(path)[0]
    except RunError:
        return False
    same = found.keys() == weights.keys()
    return same and all(t.dtype == found[n].dtype and t.equal(found[n]) for n, t in weights.items())
