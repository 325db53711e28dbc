r"""Products of densities in full precision, whatever autocast does to those of networks.

Under `torch.autocast` the matrix products of a network are taken in bf16, with 8 bits of precision. A log-density that is a sum
of 784 products would then be off by nats, and the weights :math:`w = p(x, z) / q(z | x)` are exponentials of such sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["dot", "exactly"]


def exactly(t: Tensor) -> torch.autocast:
    """Leaves all that is computed on a tensor's device in its own precision, for a while."""
    return torch.autocast(t.device.type, enabled=False)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Sums the products over the last dimension.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     dot(torch.tensor([1 + 2**-10]), torch.ones(1)).item()
        1.0009765625
    """
    if torch.is_autocast_enabled(a.device.type):
        return (a * b).sum(-1)
    return torch.linalg.vecdot(a, b)
