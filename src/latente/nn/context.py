"""The context that a module reads: labels, captions, or nothing that a user gives."""

from __future__ import annotations

from functools import singledispatch
from typing import Literal

from torch import nn

__all__ = ["Given", "reads"]

Given = Literal["labels", "captions"]


@singledispatch
def reads(module: nn.Module) -> Given | None:
    """Returns which context a module reads beside the data; a class that reads some registers its answer.

    Example:
        >>> reads(nn.Linear(2, 3)) is None
        True
    """
    return None
