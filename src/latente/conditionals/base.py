"""The parts of every conditional: a network, and a reading of its output in at least float32."""

from __future__ import annotations

import abc

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

__all__ = ["Conditional"]


class Conditional(nn.Module, abc.ABC):
    r"""Reads the output of a network as a distribution. Abstract: a family defines `forward`.

    Arguments:
        net: The network, called with the context.
        event_dim: The number of event dimensions; 1 for vectors, 3 for images.
    """

    def __init__(self, net: nn.Module, event_dim: int = 1) -> None:
        super().__init__()
        self.net, self.event_dim = net, event_dim

    def read(self, *context: Tensor | None) -> Tensor:
        """Calls the network; the numbers a density is made of are at least float32, also under autocast."""
        output = self.net(*context)
        return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output

    def independent(self, base: Distribution) -> Independent:
        return Independent(base, self.event_dim, validate_args=False)

    @abc.abstractmethod
    def forward(self, *context: Tensor | None) -> Distribution: ...
