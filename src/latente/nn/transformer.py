r"""A transformer block that keeps what it has computed.

Every place has a query :math:`Q`, every place that it may attend to a key and a value, and the values are averaged:

.. math:: \mathrm{softmax}(Q K^\top / \sqrt{d} + M) \, V .

Keys and values of earlier places do not change while a sequence is sampled, so they are kept and each new place costs one pass.
Normalisation comes before attention and before the two-layer net, not after (Xiong et al., 2020).

References:
    | Attention Is All You Need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
    | On Layer Normalization in the Transformer Architecture (Xiong et al., 2020), https://arxiv.org/abs/2002.04745
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Block", "heads_of"]

Kept = tuple[Tensor, Tensor]  # keys and values (B, heads, L, d)


class Block(nn.Module):
    """Attends, then applies a two-layer net, each added to what comes in.

    Arguments:
        features: The features of a place.
        heads: The number of heads; it divides the features.
        dropout: The share of features of each addend that is dropped in training.

    Example:
        >>> block, x = Block(features=8, heads=2), torch.randn(2, 5, 8)
        >>> whole, _ = block(x, causal=True)
        >>> first, kept = block(x[:, :3], causal=True)
        >>> rest, _ = block(x[:, 3:], kept, look=torch.tensor([[True] * 4 + [False], [True] * 5]))
        >>> whole.allclose(torch.cat([first, rest], 1), atol=1e-6)
        True
    """

    def __init__(self, features: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if features % heads:
            raise ValueError(f"{heads} heads do not divide {features} features: give a divisor")
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(features), nn.LayerNorm(features)
        self.ask, self.answer = nn.Linear(features, 3 * features, bias=False), nn.Linear(features, features)
        self.wide, self.narrow = nn.Linear(features, 4 * features), nn.Linear(4 * features, features)

    def forward(
        self, x: Tensor, kept: Kept | None = None, look: Tensor | None = None, causal: bool = False
    ) -> tuple[Tensor, Kept]:
        r"""Returns the new states of places (B, L, D), and the keys and values of these and of those kept.

        Arguments:
            x: The states.
            kept: Keys and values of earlier places.
            look: The attention mask, True where a place may be attended to, broadcast to (B, heads, L, earlier + L).
            causal: Whether each place attends to itself and those before it alone, without `kept` and `look`.
        """
        q, k, v = self.ask(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if kept is not None:
            k, v = torch.cat([kept[0], k], 2), torch.cat([kept[1], v], 2)
        seen = F.scaled_dot_product_attention(q, k, v, look, is_causal=causal)
        x = x + self.drop(self.answer(seen.transpose(1, 2).flatten(2)))
        return x + self.drop(self.narrow(F.gelu(self.wide(self.between(x)), approximate="tanh"))), (k, v)

    def drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


def heads_of(features: int) -> int:
    """Returns a number of heads that divides the features, of 32 features each or the next more.

    Example:
        >>> heads_of(96), heads_of(80), heads_of(6)
        (3, 2, 1)
    """
    return next(heads for heads in range(max(1, features // 32), 0, -1) if features % heads == 0)
