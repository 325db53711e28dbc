r"""Sentences, and a distribution that writes them word by word.

A sentence of :math:`n` words is a row of :math:`L` integers: its words, 1 for its end, and zeros. The chain rule gives any
distribution over sentences as

.. math:: p(x | z) = \prod_{t=1}^{L} p(x_t | x_1, \dots, x_{t-1}, z), \qquad p(0 | \dots, 1, 0, \dots, 0, z) = 1:

what follows the end is certain, costs nothing, and is not computed. A row of :math:`L` words without an end stands for all
sentences that begin so; with these, the masses of all rows sum to one. One network predicts every next word, so a
likelihood of this kind can do without :math:`z`: it is the strong decoder against which posteriors collapse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import (
    LIKELIEST,
    family,
    is_autoregressive,
    is_mass,
    no_bits,
    of_names,
    parts,
    register,
    view,
    yes,
)

__all__ = ["END", "MARKS", "UNKNOWN", "PredictsWords", "Words", "as_words"]

END, UNKNOWN = 1, 2
MARKS = ("<pad>", "</s>", "<unk>")  # the numbers 0, 1 and 2; words begin at 3


class PredictsWords(Protocol):
    """Predicts each word of sentences from a code and the words before it."""

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        r"""Returns :math:`\log p(x | z)`, with shape :math:`(n)`, of codes :math:`(n, d)` and rows :math:`(n, L)`."""

    def write(self, z: Tensor, longest: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Writes rows, with shape :math:`(n, L)`; `choose` takes indices from log-odds, with shape :math:`(n, V)`."""


class Words(Distribution):
    r"""Writes sentences word by word, :math:`p(x | z) = \prod_t p(x_t | x_{<t}, z)`.

    References:
        | Generating Sentences from a Continuous Space (Bowman et al., 2015)
        | https://arxiv.org/abs/1511.06349

    Arguments:
        net: Predicts each word.
        z: The codes, with shape :math:`(B, d)`.
        longest: The length :math:`L` of a row.

    Example:
        >>> from latente.nn import SentenceDecoder
        >>> p = Words(SentenceDecoder(latent=2, vocabulary=9, embedding=4, hidden=8), torch.zeros(5, 2), longest=7)
        >>> p.log_prob(p.sample()).shape, p.mode.shape
        (torch.Size([5]), torch.Size([5, 7]))
    """

    arg_constraints: ClassVar = {}
    support = constraints.independent(constraints.nonnegative_integer, 1)
    has_rsample = False

    def __init__(self, net: PredictsWords, z: Tensor, longest: int) -> None:
        self.net, self.z, self.longest = net, z, longest
        super().__init__(z.shape[:-1], torch.Size((longest,)), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Words:
        return Words(self.net, self.z.expand(*batch_shape, -1), self.longest)

    def log_prob(self, value: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(self.batch_shape, value.shape[:-1])
        z, x = (t.expand(*shape, t.shape[-1]).reshape(-1, t.shape[-1]) for t in (self.z, value))
        return self.net(z, x).view(shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.write(1.0, sample_shape)

    @property
    def mode(self) -> Tensor:
        """The sentence of which each word is the likeliest after those before it."""
        return self.write(0.0)

    @torch.no_grad()
    def write(self, temperature: float, sample_shape: Sequence[int] = (), *, known: bool = False) -> Tensor:
        """Draws each word from the softmax of its log-odds over a temperature; 0 takes the likeliest, `known` no `<unk>`."""
        shape = (*sample_shape, *self.batch_shape)
        z = self.z.expand(*shape, -1).reshape(-1, self.z.shape[-1])

        def choose(logits: Tensor) -> Tensor:
            if known:
                logits[:, UNKNOWN - 1] = -torch.inf
            if temperature == 0:
                return logits.argmax(-1)
            return torch.multinomial((logits / temperature).softmax(-1), 1).squeeze(-1)

        return self.net.write(z, self.longest, choose).view(*shape, self.longest)


def as_words(d: Distribution) -> Words:
    """Takes a law that is to be one of sentences for that.

    Raises:
        TypeError: If it is of something else.
    """
    if isinstance(d, Words):
        return d
    raise TypeError(f"a likelihood of sentences is needed, and this one is {family(d)}: use Words")


register(view, lambda d: LIKELIEST, Words)
register(is_mass, yes, Words)
register(of_names, yes, Words)
register(is_autoregressive, yes, Words)
register(no_bits, lambda d, x: "sentences differ in length: see the perplexity", Words)
register(parts, lambda d: {"z": d.z}, Words)
