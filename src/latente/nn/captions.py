r"""Captions as context: from rows of word numbers to a state for each word, and one vector for all of them.

A caption is a row of numbers, padded with zeros at its end. Whatever reads it returns a :class:`Caption`: states of its words
:math:`(B, L, D)`, a mask of the words, and a pooled vector :math:`(B, D)`. Padding never changes a number: states of
padding are zero, no sum or attention counts them, and the backward direction of a recurrent net starts at the last word.
A caption without words is allowed (guidance needs it); its states and its pooled vector are those of no word.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .context import reads
from .transformer import Block

__all__ = ["Bag", "BiLSTM", "Caption", "CaptionEncoder", "CaptionTransformer", "Pooled"]

SCALE = 0.02  # standard deviation of the first embeddings of a transformer


@dataclass(frozen=True)
class Caption:
    r"""Holds an encoded caption.

    Arguments:
        states: One vector per word, with shape :math:`(B, L, D)`; zeros where there is none.
        mask: Which places are words, with shape :math:`(B, L)`.
        pooled: One vector for the caption, with shape :math:`(B, D)`.
    """

    states: Tensor
    mask: Tensor
    pooled: Tensor

    def repeat(self, k: int) -> Caption:
        """Repeats a batch of captions `k` times, one after the other."""
        if k == 1:
            return self
        return Caption(self.states.repeat(k, 1, 1), self.mask.repeat(k, 1), self.pooled.repeat(k, 1))


def averaged(states: Tensor, mask: Tensor) -> Tensor:
    """Averages over the words; zeros without any. States of padding are zero already."""
    return states.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)


class CaptionEncoder(nn.Module, abc.ABC):
    """Reads captions. Abstract: an encoder defines `read`.

    Arguments:
        features: The dimension :math:`D` of its states.
        longest: The most words it reads; None for all.
    """

    def __init__(self, features: int, longest: int | None = None) -> None:
        super().__init__()
        self.features, self.longest = features, longest

    def forward(self, y: Tensor | None) -> Caption:
        r"""Reads word numbers, with shape :math:`(B, L)`.

        Raises:
            ValueError: If there are none.
        """
        if y is None or y.dim() != 2:
            found = "none" if y is None else f"something of the shape {tuple(y.shape)}"
            raise ValueError(
                f"this model reads captions, rows of word numbers with shape (B, L), and was given {found}: "
                "give y, e.g. model(y=vocabulary.encode(['a red circle']))"
            )
        mask = y > 0
        longest = max(1, int(mask.sum(1).max()))
        return self.read(y[:, :longest].long(), mask[:, :longest])

    @abc.abstractmethod
    def read(self, words: Tensor, mask: Tensor) -> Caption:
        """Reads words that are cut at the longest caption of the batch."""


reads.register(CaptionEncoder, lambda module: "captions")


class Bag(CaptionEncoder):
    """Embeds each word, whatever their order: a bag of words.

    Arguments:
        vocabulary: The number of words, padding left aside.
        features: The features of a word.

    Example:
        >>> caption = Bag(vocabulary=9, features=4)(torch.tensor([[3, 9, 1], [5, 0, 0]]))
        >>> caption.states.shape, caption.pooled[1].equal(caption.states[1, 0])
        (torch.Size([2, 3, 4]), True)
    """

    def __init__(self, vocabulary: int, features: int = 64) -> None:
        super().__init__(features)
        self.embed = nn.Embedding(1 + vocabulary, features)

    def read(self, words: Tensor, mask: Tensor) -> Caption:
        states = self.embed(words) * mask.unsqueeze(-1)
        return Caption(states, mask, averaged(states, mask))


class BiLSTM(CaptionEncoder):
    r"""Reads a caption forwards and backwards; the state of a word is both directions side by side.

    Both start from one learned output and an empty memory, and share no other weight. The pooled vector is the last state of
    each direction.

    References:
        | Generating Images from Captions with Attention (Mansimov et al., 2015)
        | https://arxiv.org/abs/1511.02793

    Arguments:
        vocabulary: The number of words, padding left aside.
        features: The dimension of a state: an even number, half of it for each direction.
        embedding: The features of a word.

    Example:
        >>> net = BiLSTM(vocabulary=9, features=8)
        >>> short, long = (net(torch.tensor([[3, 9, 1] + [0] * n])) for n in (0, 5))
        >>> short.states.allclose(long.states, atol=1e-6), short.pooled.allclose(long.pooled, atol=1e-6)
        (True, True)
    """

    def __init__(self, vocabulary: int, features: int = 64, embedding: int = 64) -> None:
        super().__init__(features)
        if features % 2:
            raise ValueError(f"features is {features}: two directions share them, so give an even number")
        self.embed = nn.Embedding(1 + vocabulary, embedding)
        self.start = nn.Parameter(torch.zeros(features // 2))
        self.forth = nn.LSTM(embedding, features // 2, batch_first=True)
        self.back = nn.LSTM(embedding, features // 2, batch_first=True)

    def read(self, words: Tensor, mask: Tensor) -> Caption:
        n, longest = words.shape
        lengths = mask.sum(1, keepdim=True)
        places = torch.arange(longest, device=words.device)
        mirrored = (lengths - 1 - places).clamp_min(0)  # where the t-th last word is; of padding anything
        embedded = self.embed(words)
        h = self.start.expand(1, n, -1).contiguous()
        state = h, torch.zeros_like(h)
        with torch.autocast(words.device.type, enabled=False):  # no kernel of a CPU takes half of the bits
            forth, _ = self.forth(embedded, state)
            back, _ = self.back(embedded.gather(1, at_places(mirrored, embedded)), state)
        last = (lengths - 1).clamp_min(0)
        inside = mask.unsqueeze(-1)
        states = torch.cat([forth, back.gather(1, at_places(mirrored, back))], -1) * inside
        pooled = torch.cat([side.gather(1, at_places(last, side)) for side in (forth, back)], -1)
        return Caption(states, mask, (pooled * inside[:, :1]).squeeze(1))


def at_places(index: Tensor, x: Tensor) -> Tensor:
    """Shapes places in a sequence, (B, T), to gather whole states from `x`, (B, L, D)."""
    return index.unsqueeze(-1).expand(-1, -1, x.shape[-1])


class CaptionTransformer(CaptionEncoder):
    """Encodes the words of a caption by self-attention.

    Arguments:
        vocabulary: The number of words, padding left aside.
        features: The features of a state.
        depth: The number of blocks.
        heads: The heads of each.
        longest: The most words of a caption; what follows them is not read.
        dropout: The share of features dropped in training.

    Example:
        >>> net = CaptionTransformer(vocabulary=9, features=8, heads=2).eval()
        >>> net(torch.tensor([[3, 9, 1, 0], [5, 0, 0, 0]])).states.shape
        torch.Size([2, 3, 8])
    """

    def __init__(
        self,
        vocabulary: int,
        features: int = 64,
        depth: int = 2,
        heads: int = 4,
        longest: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(features, longest)
        self.embed = nn.Embedding(1 + vocabulary, features)
        self.places = nn.Parameter(torch.randn(longest, features) * SCALE)
        nn.init.normal_(self.embed.weight, std=SCALE)
        self.blocks = nn.ModuleList(Block(features, heads, dropout) for _ in range(depth))
        self.last = nn.LayerNorm(features)

    def read(self, words: Tensor, mask: Tensor) -> Caption:
        words, mask = words[:, : self.longest], mask[:, : self.longest]
        h = self.embed(words) + self.places[: words.shape[1]]
        nobody = ~mask.any(1, keepdim=True)  # an empty caption looks at its padding, and is set to zero below
        look = (mask | nobody)[:, None, None, :]
        for block in self.blocks:
            h, _ = block(h, look=look)
        states = self.last(h) * mask.unsqueeze(-1)
        return Caption(states, mask, averaged(states, mask))


class Pooled(nn.Module):
    """Reads captions to one vector each, with shape (B, D): the context of a VAE.

    Arguments:
        captions: Their encoder.
    """

    def __init__(self, captions: CaptionEncoder) -> None:
        super().__init__()
        self.captions = captions

    def forward(self, y: Tensor | None) -> Tensor:
        return self.captions(y).pooled
