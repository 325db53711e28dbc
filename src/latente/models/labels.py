r"""Inference of labels: one question, answered beside the class of each model that does."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

from torch import Tensor
from torch.distributions import Categorical

from ..trace import Model

__all__ = ["LabelLaw", "label_law"]

LabelLaw = Callable[[Tensor], Categorical]


@singledispatch
def label_law(model: Model) -> LabelLaw | None:
    r"""Returns how labels are inferred: :math:`x`, with shape :math:`(B, *)`, to :math:`q(y | x)`; None where they are not."""
    return None
