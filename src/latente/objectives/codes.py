r"""The bounds of models with discrete codes: of the tokeniser that makes them, and of the prior over them.

A tokeniser is trained by its bound, whose rate is the constant :math:`n \log K`, and by the commitment and codebook losses. The
*codebook usage* is reported beside it: the codes that occur in a batch, and :math:`\exp H` of their frequencies, the
*perplexity*. A prior is
then trained on the codes alone, by the rate :math:`-\log p(z | y)`, which is its exact negative log-likelihood.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..distributions import Code
from ..models.vq import VQVAE
from ..schedules import Clock
from ..trace import Latent, Model, Trace, kl
from .base import Objective, Term
from .elbo import ELBO

__all__ = ["FitCodes", "TokeniserLoss", "codebook_perplexity"]


def codebook_perplexity(codes: Tensor) -> Tensor:
    """Returns the exponential of the entropy of code frequencies: the number of codes, were they equally frequent.

    Example:
        >>> codebook_perplexity(torch.tensor([[0, 1], [2, 2]])).item()
        2.828427...
    """
    share = torch.bincount(codes.flatten()).double() / codes.numel()
    return torch.special.entr(share).sum().exp()


class TokeniserLoss(ELBO):
    """Minimises the bound of a model with codes and its codebook losses; reports the codebook usage."""

    def bound(self, trace: Trace, x: Tensor, clock: Clock, learn: bool) -> dict[str, Term]:
        terms = super().bound(trace, x, clock, learn)
        for name, g in trace.latents.items():
            if not isinstance(g.q, Code):
                continue
            if g.q.far is not None:
                terms[f"far/{name}"] = Term(g.q.far)
            met = codebook_perplexity(g.z).to(x.dtype).expand(len(x))
            terms[f"perplexity/{name}"] = Term(met, monitor=True)
            terms[f"used/{name}"] = Term(torch.full_like(met, len(g.z.unique())), monitor=True)
        return terms


class FitCodes(Objective):
    r"""Minimises :math:`-\log p(z | y)` of the codes :math:`z` of a tokeniser that stays as it is.

    References:
        | Neural Discrete Representation Learning (van den Oord et al., 2017)
        | https://arxiv.org/abs/1711.00937

    Raises:
        ValueError: On the first batch, if the model is no :class:`~latente.models.VQVAE`, or misses captions.
    """

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        if not isinstance(model, VQVAE):
            raise ValueError(f"a prior of codes is that of a VQVAE, and this is a {type(model).__name__}")
        with torch.no_grad():
            for part in (model.encoder, model.quantiser):  # what is frozen follows nothing
                part.eval()
            q = model.codes(x)
        return {"rate/z": Term(kl(Latent(q.value, model.prior(model.read(y)), q)))}
