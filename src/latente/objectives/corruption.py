"""What an objective corrupts its examples by: one question, answered beside the class of each objective that does."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

from torch import Tensor

from .base import Objective

__all__ = ["corruption"]


@singledispatch
def corruption(objective: Objective) -> Callable[[Tensor], Tensor] | None:
    """Returns what an objective corrupts what is encoded by; None if it leaves it clean."""
    return None
