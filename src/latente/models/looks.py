"""What only some models have to show: one question each, answered beside the class of the models that do.

A Boltzmann machine has chains that forget their start, and weights that serve both ways; DRAW has a canvas after every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch

from torch import Tensor
from torch.distributions import Distribution

from ..trace import Model, Trace

__all__ = ["Chains", "canvases", "chains", "shared_weights"]

Canvases = Callable[[Trace, Tensor | None], Iterator[tuple[Distribution, Tensor | None]]]


@dataclass(frozen=True)
class Chains:
    """Holds how Gibbs chains run.

    Arguments:
        noise: Draws starts that know nothing of data, like the ones that are given, with shape (n, D).
        visited: Yields the means of the visible units after so many steps, from starts with shape (n, D).
    """

    noise: Callable[[Tensor], Tensor]
    visited: Callable[[Tensor, Sequence[int]], Iterator[Tensor]]


@singledispatch
def chains(model: Model) -> Chains | None:
    """Returns how the Gibbs chains of a model run; None where it has none."""
    return None


@singledispatch
def canvases(model: Model) -> Canvases | None:
    """Returns what walks down a trace, given captions, and yields for each step the likelihood and the attention to each word.

    None where a model does not draw step by step; there is no attention without a caption.
    """
    return None


@singledispatch
def shared_weights(model: Model) -> Tensor | None:
    """Returns weights between units and an example that serve both ways, with shape (units, D); None where there are none."""
    return None
