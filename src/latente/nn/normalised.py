r"""Batch normalisation of the posterior's means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["NormalisedMeans"]


class NormalisedMeans(nn.Module):
    r"""Normalises an encoder's means over the batch to a fixed standard deviation :math:`\gamma`, as in BN-VAE.

    Over a batch :math:`\mathrm{E}[\mu_j^2] = \gamma^2 + b_j^2`, with a learned shift :math:`b`, so the rate is at least
    :math:`d \gamma^2 / 2` nats, and the means differ between examples, which a floor on the rate alone does not see to.

    The floor holds for the true variance alone. The usual guard against division by zero, :math:`10^{-5}`, is a way out of it:
    an encoder that makes its means small enough is no longer normalised. So the guard here is :math:`10^{-16}`.

    References:
        | A Batch Normalized Inference Network Keeps the KL Vanishing Away (Zhu et al., 2020)
        | https://arxiv.org/abs/2004.12585

    Arguments:
        net: An encoder with :math:`2 d` outputs: :math:`\mu`, then :math:`\log \sigma`.
        features: :math:`d`.
        gamma: :math:`\gamma`; below 1, so that the aggregate posterior can be near :math:`\mathcal{N}(0, I)`.

    Example:
        >>> net = NormalisedMeans(nn.Bilinear(3, 2, 2 * 4), features=4, gamma=0.6)
        >>> loc, log_scale = net(torch.randn(100, 3), torch.randn(100, 2)).chunk(2, -1)
        >>> loc.std(0, correction=0).round(decimals=2)
        tensor([0.6000, 0.6000, 0.6000, 0.6000], grad_fn=<RoundBackward1>)
    """

    def __init__(self, net: nn.Module, features: int, gamma: float = 0.6) -> None:
        super().__init__()
        self.net, self.gamma = net, gamma
        self.norm = nn.BatchNorm1d(features, eps=1e-16, affine=False)
        self.shift = nn.Parameter(torch.zeros(features))

    def forward(self, *context: Tensor | None) -> Tensor:
        loc, log_scale = self.net(*context).chunk(2, -1)
        return torch.cat([self.gamma * self.norm(loc) + self.shift, log_scale], -1)
