r"""Products of densities in full precision, whatever autocast does to those of networks.

Under `torch.autocast` the matrix products of a network are taken in bf16, with 8 bits of precision. A log-density that is a sum
of 784 products would then be off by nats, and the weights :math:`w = p(x, z) / q(z | x)` are exponentials of such sums.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["dot", "exactly"]


def is_cut(t: Tensor) -> bool:
    """Returns whether products on a tensor's device are taken in fewer bits."""
    on = t.device.type
    return torch.amp.is_autocast_available(on) and torch.is_autocast_enabled(on)


def exactly(t: Tensor) -> AbstractContextManager:
    """Leaves all that is computed on a tensor's device in its own precision, for a while."""
    return torch.autocast(t.device.type, enabled=False) if is_cut(t) else nullcontext()


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Sums the products over the last dimension.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     dot(torch.tensor([1 + 2**-10]), torch.ones(1)).item()
        1.0009765625
    """
    return (a * b).sum(-1) if is_cut(a) else torch.linalg.vecdot(a, b)
