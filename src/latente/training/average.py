r"""An exponential moving average of the weights, :math:`\bar\theta \leftarrow d \bar\theta + (1 - d) \theta`.

Its decay rises from 0.1 to the given one, so that the random start is soon forgotten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .tensors import copy_into

__all__ = ["Average"]


class Average:
    """Averages the weights of a model over the steps of its training.

    Arguments:
        model: The model.
        decay: The share of the average that is left after a step; None for no average, and `weights` are none.
        shard: Whether the model is sharded over processes.
    """

    def __init__(self, model: nn.Module, decay: float | None, shard: bool = False) -> None:
        self.model, self.decay, self.shard = model, decay, shard
        self.weights: dict[str, Tensor] = {}
        if decay is not None:
            self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes the weights after a step into the average."""
        if self.decay is None:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        parameters = [p.detach() for p in self.model.parameters()]
        if self.shard:
            for mean, p in zip(self.weights.values(), parameters):
                mean.lerp_(p, 1 - decay)
        else:
            torch._foreach_lerp_(list(self.weights.values()), parameters, 1 - decay)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averaged weights in the model for a while."""
        if self.decay is None:
            yield
            return
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            now = {name: p.detach().clone() for name, p in parameters.items()}
            for name, p in parameters.items():
                p.copy_(self.weights[name])
            try:
                yield
            finally:
                for name, p in parameters.items():
                    p.copy_(now[name])

    def tensors(self) -> dict[str, Tensor]:
        return self.weights

    def about(self) -> dict[str, Any]:
        return {}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        copy_into(self.weights, tensors)
