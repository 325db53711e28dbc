r"""Stacks: single layers, trained one by one, unrolled into a deep autoencoder.

A trained layer has a way up, :math:`h = s(W x + b)`, and a way down, :math:`x = t(W' h + b')`. One layer upon the other, the ways
up make a deep encoder, and the ways down, in the opposite order, its decoder:

.. math:: z = W_n \, s(\cdots s(W_1 x + b_1) \cdots) + b_n, \qquad
    \mathbb{E}[x] = t(W'_1 \, s(\cdots s(W'_n z + b'_n) \cdots) + b'_1) .

The ways of a restricted Boltzmann machine are its two conditional means, with one matrix for both, :math:`W' = W^\top`; those
of an autoencoder are its encoder and its decoder. Before any fine-tuning the unrolled net computes what the layers do one after
the other, and from then on encoder and decoder move apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..nn import MLP

__all__ = ["Affine", "Ways", "affine_layers", "unroll"]


@dataclass(frozen=True)
class Affine:
    """Holds a weight, with shape (out, in), and a bias, with shape (out)."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Ways:
    """Holds the way up and the way down of one layer, each before its activation."""

    up: Affine
    down: Affine


def affine_layers(net: MLP) -> list[nn.Linear]:
    """Lists the affine layers of a net, the first one first."""
    return [layer for layer in net.layers if isinstance(layer, nn.Linear)]


@torch.no_grad()
def unroll(layers: Sequence[Ways], encoder: MLP, decoder: MLP) -> None:
    """Copies the ways up into an encoder and the ways down into its decoder.

    Arguments:
        layers: The layers, the lowest first.
        encoder: The net from the data to the code.
        decoder: The net from the code to the data.

    Raises:
        ValueError: If the nets are not as deep as there are layers.

    Example:
        >>> encoder, decoder = MLP((4,), (2,), hidden=[3]), MLP((2,), (4,), hidden=[3])
        >>> W, V = torch.randn(4, 3), torch.randn(3, 2)
        >>> def ways(W):
        ...     return Ways(up=Affine(W.T, torch.zeros(W.shape[1])), down=Affine(W, torch.ones(W.shape[0])))
        >>> unroll([ways(W), ways(V)], encoder, decoder)
        >>> x = torch.randn(5, 4)
        >>> encoder(x).allclose((x @ W).relu() @ V)
        True
    """
    ups, downs = affine_layers(encoder), affine_layers(decoder)[::-1]
    if not len(ups) == len(downs) == len(layers):
        raise ValueError(
            f"there are {len(layers)} layers for an encoder of {len(ups)} and a decoder of {len(downs)}: "
            "give one for each"
        )
    for ways, up, down in zip(layers, ups, downs):
        for to, by in ((up, ways.up), (down, ways.down)):
            to.weight.copy_(by.weight)
            to.bias.copy_(by.bias)
