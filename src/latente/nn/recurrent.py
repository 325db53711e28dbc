r"""Recurrent networks that read and write sentences.

An LSTM reads a sentence and its last state is the code's parameters; another, started by :math:`z`, predicts each word from
those before it. Bowman et al. (2015) found that the second soon does without the first, and weaken it: *word dropout* hides
a share of the words it is fed, all of them in the inputless decoder. Dieng et al. (2019) strengthen the code instead: by
*skip connections* it also enters each step and the prediction of each word.

Rows are cut at the longest sentence of a batch, and large batches are split by length. That and training batches of one length
(:meth:`latente.data.Examples.shuffled`) let the fused LSTM kernels of CPU and GPU run on whole tensors, which take half the
time of packed sequences.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions.words import END, UNKNOWN

__all__ = ["SentenceDecoder", "SentenceEncoder"]

LOG_ODDS = 1 << 24  # log-odds of one block of words: 64 MB
SEQUENCES = 128  # sequences of nearly one length that are read together


def trimmed(x: Tensor) -> tuple[Tensor, Tensor]:
    """Cuts rows at the longest sentence; returns them and the lengths, ends included."""
    lengths = (x > 0).sum(-1)
    return x[:, : int(lengths.max())].long(), lengths


def by_length(f: Callable[..., Tensor], lengths: Tensor, *tensors: Tensor) -> Tensor:
    """Applies a function to sequences, and what goes with each, in parts of nearly one length."""
    if len(lengths) <= SEQUENCES:
        return f(*tensors)
    order = lengths.argsort(stable=True)
    return torch.cat([f(*(t[i] for t in tensors)) for i in order.split(SEQUENCES)])[order.argsort()]


class SentenceEncoder(nn.Module):
    r"""Maps sentences to vectors by the last state of an LSTM.

    Arguments:
        vocabulary: The number of words :math:`V`, the end among them.
        outputs: The features of the output.
        embedding: The features of a word.
        hidden: The units of the LSTM.
        dropout: The share of a word's features that is dropped while training.

    Example:
        >>> SentenceEncoder(vocabulary=9, outputs=4, embedding=3, hidden=8)(torch.tensor([[3, 9, 1, 0], [5, 1, 0, 0]])).shape
        torch.Size([2, 4])
    """

    def __init__(
        self, vocabulary: int, outputs: int, embedding: int = 256, hidden: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embed = embedded(vocabulary, embedding)
        self.drop = nn.Dropout(dropout)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return by_length(self.read, (x > 0).sum(-1), x)

    def read(self, x: Tensor) -> Tensor:
        x, lengths = trimmed(x)
        states, _ = self.lstm(self.drop(self.embed(x)))
        return self.head(states[torch.arange(len(x), device=x.device), lengths - 1])


class SentenceDecoder(nn.Module):
    r"""Predicts each word of a sentence from :math:`z` and the words before it, by an LSTM.

    References:
        | Generating Sentences from a Continuous Space (Bowman et al., 2015)
        | https://arxiv.org/abs/1511.06349
        | Avoiding Latent Variable Collapse with Generative Skip Models (Dieng et al., 2019)
        | https://arxiv.org/abs/1807.04863

    Arguments:
        latent: The dimension of :math:`z`.
        vocabulary: The number of words :math:`V`, the end among them.
        embedding: The features of a word.
        hidden: The units of the LSTM.
        skip: Whether :math:`z` also enters every step and every prediction, not the first state alone.
        hide: The share of the words fed back that are hidden while training; 1 hides them always.
        dropout: The share of features of words and of states that is dropped while training.

    Example:
        >>> net = SentenceDecoder(latent=2, vocabulary=9, embedding=4, hidden=8)
        >>> net(torch.zeros(2, 2), torch.tensor([[3, 9, 1, 0], [5, 1, 0, 0]])).shape
        torch.Size([2])
    """

    def __init__(
        self,
        latent: int,
        vocabulary: int,
        embedding: int = 256,
        hidden: int = 256,
        skip: bool = False,
        hide: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.skip, self.hide = skip, hide
        more = latent if skip else 0
        self.embed = embedded(vocabulary, embedding)
        self.drop = nn.Dropout(dropout)
        self.start = nn.Linear(latent, 2 * hidden)
        self.lstm = nn.LSTM(embedding + more, hidden, batch_first=True)
        self.head = nn.Linear(hidden + more, vocabulary)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        return by_length(self.score, (x > 0).sum(-1), x, z)

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        x, _ = trimmed(x)
        states, _ = self.states(z, F.pad(x, (1, 0))[:, :-1], self.first(z))
        inside = x > 0
        states, words = states[inside], x[inside] - 1
        size = max(1, LOG_ODDS // self.head.out_features)
        parts = zip(states.split(size), words.split(size))
        scores = torch.cat([-F.cross_entropy(self.head(s), w, reduction="none") for s, w in parts])
        return scores.new_zeros(x.shape).masked_scatter(inside, scores).sum(-1)

    def write(self, z: Tensor, longest: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        x = torch.zeros(len(z), longest, dtype=torch.long, device=z.device)
        word, goes_on, memory = x[:, 0], torch.ones_like(x[:, 0], dtype=torch.bool), self.first(z)
        for t in range(longest):
            states, memory = self.states(z, word.unsqueeze(1), memory)
            word = x[:, t] = (choose(self.head(states.squeeze(1))) + 1) * goes_on
            goes_on = word > END
            if not goes_on.any():
                break
        return x

    def first(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the state that a sentence starts from."""
        h, c = self.start(z).unsqueeze(0).chunk(2, -1)
        return h.tanh(), c.contiguous()

    def states(
        self, z: Tensor, before: Tensor, memory: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Returns the features that predict the words after those of `before`, with shape :math:`(n, T)`; 0 is the start."""
        if self.hide and (self.training or self.hide == 1):
            hidden = (torch.rand(before.shape, device=before.device) < self.hide) & (before > 0)
            before = before.masked_fill(hidden, UNKNOWN)
        code = [z.unsqueeze(1).expand(-1, before.shape[1], -1)] if self.skip else []
        states, memory = self.lstm(torch.cat([self.drop(self.embed(before)), *code], -1), memory)
        return torch.cat([self.drop(states), *code], -1), memory


def embedded(vocabulary: int, features: int) -> nn.Embedding:
    """Embeds words, and 0: what stands before the first one."""
    table = nn.Embedding(1 + vocabulary, features)
    nn.init.uniform_(table.weight, -0.1, 0.1)
    return table
