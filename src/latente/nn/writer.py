r"""A transformer as autoregressive prior over grids of codes, given a caption.

The words of the caption, as states of any :class:`~latente.nn.CaptionEncoder`, come first and attend to each other; then a start
and the codes in reading order, each of which attends to the words and the codes before it. All predictions are made in one pass.
In sampling, keys and values are kept: each code costs one pass of a single position.

*Guidance.* A model trained with caption dropout also predicts codes without one. Log-odds can then be extrapolated from there
along the direction to those of the caption (classifier-free guidance, :class:`~latente.distributions.codes.Sampling`).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions.codes import Sampling
from .captions import SCALE, Caption
from .transformer import Block, Kept, heads_of

__all__ = ["CodeTransformer"]


class CodeTransformer(nn.Module):
    r"""Predicts each code of a grid, :math:`p(z_i | z_{<i}, y)`.

    Arguments:
        codes: The number of codes :math:`K`.
        positions: The codes of a grid.
        words: The features of a word's state; 0 for a model that reads no captions.
        features: The features of a place.
        depth: The number of blocks.
        dropout: The share of features dropped in training.

    Example:
        >>> from latente.nn import Bag
        >>> net, captions = CodeTransformer(codes=7, positions=6, words=4, features=8), Bag(9, 4)
        >>> caption = captions(torch.tensor([[3, 9, 0], [5, 0, 0]]))
        >>> written = net.write(caption, 2, Sampling())
        >>> written.shape, net(caption, written).shape
        (torch.Size([2, 6]), torch.Size([2]))
    """

    def __init__(
        self,
        codes: int,
        positions: int,
        words: int = 0,
        features: int = 128,
        depth: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.codes, self.positions = codes, positions
        self.embed = nn.Embedding(1 + codes, features)  # the last one is the start
        self.places = nn.Parameter(torch.randn(positions, features) * SCALE)
        nn.init.normal_(self.embed.weight, std=SCALE)
        self.embed_words = nn.Linear(words, features) if words else None
        self.blocks = nn.ModuleList(Block(features, heads_of(features), dropout) for _ in range(depth))
        self.last, self.head = nn.LayerNorm(features), nn.Linear(features, codes)

    def attended(self, caption: Caption | None) -> tuple[list[Kept | None], Tensor | None]:
        """Returns the keys and values of the words in every block, and which words there are, (n, 1, 1, L)."""
        if self.embed_words is None or caption is None:
            return [None] * len(self.blocks), None
        h = self.embed_words(caption.states)
        nobody = ~caption.mask.any(1, keepdim=True)  # words that nobody looks at may look at each other
        look = (caption.mask | nobody)[:, None, None, :]
        kept: list[Kept | None] = []
        for block in self.blocks:
            h, pair = block(h, look=look)
            kept.append(pair)
        return kept, caption.mask[:, None, None, :]

    def forward(self, caption: Caption | None, codes: Tensor) -> Tensor:
        r"""Returns :math:`\log p(z | y)`, with shape (n), of codes (n, positions)."""
        return -F.cross_entropy(self.logits(caption, codes).transpose(1, 2), codes, reduction="none").sum(1)

    def logits(self, caption: Caption | None, codes: Tensor) -> Tensor:
        """Returns the log-odds of every code given those before it, (n, positions, K)."""
        n, length = codes.shape
        before = F.pad(codes[:, :-1], (1, 0), value=self.embed.num_embeddings - 1)
        h = self.embed(before) + self.places
        kept, words = self.attended(caption)
        look = None
        if words is not None:
            causal = torch.ones(length, length, dtype=torch.bool, device=codes.device).tril()
            look = torch.cat([words.expand(n, 1, length, -1), causal.expand(n, 1, -1, -1)], -1)
        for block, pair in zip(self.blocks, kept):
            h, _ = block(h, pair, look, causal=look is None)
        return self.head(self.last(h))

    @torch.no_grad()
    def write(self, caption: Caption | None, n: int, draw: Sampling) -> Tensor:
        """Draws n grids of codes, (n, positions)."""
        guided = draw.guidance != 1 and caption is not None and self.embed_words is not None
        if guided:
            assert caption is not None
            empty = Caption(
                torch.zeros_like(caption.states),
                torch.zeros_like(caption.mask),
                torch.zeros_like(caption.pooled),
            )
            caption = Caption(
                torch.cat([caption.states, empty.states]),
                torch.cat([caption.mask, empty.mask]),
                torch.cat([caption.pooled, empty.pooled]),
            )
        kept, words = self.attended(caption)
        rows = n * (1 + guided)
        codes = torch.empty(n, self.positions, dtype=torch.long, device=self.places.device)
        last = codes.new_full((rows, 1), self.embed.num_embeddings - 1)
        for i in range(self.positions):
            h = self.embed(last) + self.places[i]
            look = None if words is None else F.pad(words, (0, i + 1), value=True)
            for j, block in enumerate(self.blocks):
                h, kept[j] = cast(Block, block)(h, kept[j], look)
            logits = self.head(self.last(h[:, 0]))
            if guided:
                conditional, unconditional = logits.chunk(2)
                logits = unconditional + draw.guidance * (conditional - unconditional)
            codes[:, i] = draw(logits)
            last = codes[:, i : i + 1].repeat(1 + guided, 1)
        return codes
