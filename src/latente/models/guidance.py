"""The guidance that images of captions are drawn with by default: a question, answered beside the class of each model."""

from __future__ import annotations

from functools import singledispatch

from ..trace import Model

__all__ = ["usual_guidance"]


@singledispatch
def usual_guidance(model: Model) -> float:
    """Returns the scale of classifier-free guidance that a model draws with by default: 1, which is none, where it takes none."""
    return 1.0
