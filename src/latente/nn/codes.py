r"""Layers that turn the output of an encoder into a code of a kind, and a bound that keeps a code's scale honest.

A penalty on a code, be it L1 or the norm of its Jacobian, can be dodged: an encoder that gives :math:`z / c` to a decoder that
multiplies by :math:`c` has a penalty :math:`c` times smaller for the same reconstruction. What is multiplied by must therefore be
bounded. :class:`UnitColumns` does so in every layer of a decoder, as dictionary learning does with its one layer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["SigmoidCode", "SoftThreshold", "TopK", "UnitColumns", "bound_columns"]


class SigmoidCode(nn.Module):
    r"""Gives codes in :math:`(0, 1)`, :math:`z = 1 / (1 + e^{-f(x) - a})`.

    Arguments:
        net: The encoder :math:`f`, called with :math:`x` and the context.
        start: The code at :math:`f = 0`, which sets the constant :math:`a`. Sparse codes are not reached from ½: while
            activations shrink, the decoder learns to ignore them.

    Example:
        >>> SigmoidCode(nn.Identity(), start=0.05)(torch.zeros(1, 3))
        tensor([[0.0500, 0.0500, 0.0500]])
    """

    def __init__(self, net: nn.Module, start: float = 0.5) -> None:
        super().__init__()
        self.net, self.offset = net, math.log(start / (1 - start))

    def forward(self, *context: Tensor | None) -> Tensor:
        return (self.net(*context) + self.offset).sigmoid()


class SoftThreshold(nn.Module):
    r"""Gives codes with exact zeros, :math:`z_j = \mathrm{sign}(f_j(x)) \max(|f_j(x)| - \theta_j, 0)`.

    It is the proximal map of L1: the minimum of :math:`\frac{1}{2} (z - f)^2 + \theta |z|`. A linear code of gradient descent
    only hovers around zero. The thresholds :math:`\theta` are learned, and cannot turn negative.

    References:
        | Learning Fast Approximations of Sparse Coding (Gregor and LeCun, 2010)
        | https://icml.cc/Conferences/2010/papers/449.pdf

    Arguments:
        net: The encoder :math:`f`, called with :math:`x` and the context.
        features: The dimension of the code.
        threshold: Where each :math:`\theta_j` starts.

    Example:
        >>> SoftThreshold(nn.Identity(), 3, threshold=0.5)(torch.tensor([[-2.0, 0.4, 1.0]]))
        tensor([[-1.5000,  0.0000,  0.5000]], grad_fn=<SubBackward0>)
    """

    def __init__(self, net: nn.Module, features: int, threshold: float = 0.1) -> None:
        super().__init__()
        self.net = net
        self.log_threshold = nn.Parameter(torch.full((features,), math.log(threshold)))

    def forward(self, *context: Tensor | None) -> Tensor:
        f, threshold = self.net(*context), self.log_threshold.exp()
        return f - f.clamp(-threshold, threshold)


class TopK(nn.Module):
    r"""Keeps the :math:`k` largest values of a code and sets the others to zero.

    References:
        | k-Sparse Autoencoders (Makhzani and Frey, 2013)
        | https://arxiv.org/abs/1312.5663

    Arguments:
        net: The encoder, called with :math:`x` and the context.
        k: How many values are kept.

    Example:
        >>> TopK(nn.Identity(), 2)(torch.tensor([[3.0, -4.0, 1.0, 2.0]]))
        tensor([[3., 0., 0., 2.]])
    """

    def __init__(self, net: nn.Module, k: int) -> None:
        super().__init__()
        self.net, self.k = net, k

    def forward(self, *context: Tensor | None) -> Tensor:
        f = self.net(*context)
        largest, where = f.topk(self.k, -1)
        return torch.zeros_like(f).scatter(-1, where, largest)


class UnitColumns(nn.Module):
    r"""Holds the columns of a weight within the unit ball, :math:`\| w_j \| \leq 1`: a parametrisation.

    A column is what one input unit gives to all outputs; for a convolution, to all outputs and places of the kernel.

    References:
        | Online Learning for Matrix Factorization and Sparse Coding (Mairal et al., 2010)
        | https://www.jmlr.org/papers/v11/mairal10a.html

    Example:
        >>> UnitColumns()(torch.tensor([[3.0, 0.3], [4.0, 0.4]]))
        tensor([[0.6000, 0.3000],
                [0.8000, 0.4000]])
    """

    def forward(self, weight: Tensor) -> Tensor:
        outwards = [d for d in range(weight.dim()) if d != 1]
        return weight / torch.linalg.vector_norm(weight, dim=outwards, keepdim=True).clamp_min(1)


def bound_columns(net: nn.Module) -> None:
    """Registers :class:`UnitColumns` on every linear and convolutional layer of a network."""
    for layer in list(net.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            parametrize.register_parametrization(layer, "weight", UnitColumns())
