"""Standard deviations, read of a network's output."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["scale_of"]

SHARPEST, LARGE = math.exp(-15), 2.0


def scale_of(log_scale: Tensor, floor: float = 0.0) -> Tensor:
    r"""Returns a standard deviation: :math:`e^a` up to :math:`a = 2`, from there on its tangent, and never below :math:`e^{-15}`.

    A network's output has no bound. Far from the data :math:`e^a` would be 0 or infinity, and the score of an outlier no number;
    so scores stay finite, and the further an outlier is the lower.

    Arguments:
        log_scale: A network's output :math:`a`.
        floor: What is added to it, in place of the bound below.

    Example:
        >>> scale_of(torch.tensor([-1000.0, 0.0, 2.0, 1000.0]))
        tensor([3.0590e-07, 1.0000e+00, 7.3891e+00, 7.3817e+03])
    """
    below = log_scale.clamp_max(LARGE)
    scale = torch.add(below.exp(), log_scale - below, alpha=math.exp(LARGE))
    return scale + floor if floor else scale.clamp_min(SHARPEST)
