r"""A density times the odds of a classifier: a noise-contrastive energy.

Let a classifier discriminate draws of :math:`q` from as many of :math:`p_0`. The best one is :math:`q / (p_0 + q)`, so its odds
are the ratio :math:`r = q / p_0`, and :math:`p_0(z) \, r(z)` is :math:`q`. With the odds :math:`e^{h(z)}` of a classifier that is
not the best one it is no density yet:

.. math:: p(z) = \frac{1}{Z} \, p_0(z) \, e^{h(z)}, \qquad Z = \mathbb{E}_{p_0} [e^{h(z)}] \approx \frac{1}{n} \sum_i e^{h(z_i)} .

:math:`Z` is an average over draws of :math:`p_0`: an estimate, whose relative error is :math:`\sqrt{\chi^2 / n}` with
:math:`\chi^2` the variance of :math:`e^h / Z`, so that :math:`n / (1 + \chi^2)` draws count; scores share its error as a
constant. A draw is made by *sampling importance resampling*: of :math:`S` draws of :math:`p_0` one is taken with probabilities in
proportion to :math:`e^h`. It is exact as :math:`S \to \infty`, and its error is of the order of :math:`\chi^2 / S`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from .traits import OF_DENSITY, OF_VALUES, Normaliser, normaliser, parts, passed_on, prefixed, register

__all__ = ["Reweighted"]

PROPOSED = 1 << 14  # draws of p_0 looked at together
FEW = 30  # effective draws: below, the error of a mean of weights is not known either


class Reweighted(Distribution):
    r"""Scores :math:`\log p_0(z) + h(z) - \log Z`, and draws by sampling importance resampling.

    References:
        | A Contrastive Learning Approach for Training Variational Autoencoder Priors (Aneja et al., 2021)
        | https://arxiv.org/abs/2010.02917
        | Using the SIR Algorithm to Simulate Posterior Distributions (Rubin, 1988)

    Arguments:
        base: :math:`p_0`, of vectors, without a batch.
        log_odds: :math:`h`, from values with shape (*, d) to (*).
        log_z: :math:`\log Z`, without dimensions.
        proposals: The draws :math:`S` of :math:`p_0` for each draw.
        se: The standard error of :math:`\log Z`.
        ess: The effective number of the draws behind it; infinite if it is known.

    Example:
        >>> from torch.distributions import Independent, Normal
        >>> unit = Independent(Normal(torch.zeros(1), 1.0), 1)
        >>> p = Reweighted(unit, lambda z: z.sum(-1), torch.tensor(0.5))  # e^z N(0, 1) is N(1, 1), with Z = e^½
        >>> p.log_prob(torch.ones(1)), Normal(1.0, 1.0).log_prob(torch.tensor(1.0))
        (tensor(-0.9189), tensor(-0.9189))
    """

    arg_constraints: ClassVar = {}
    has_rsample = False

    def __init__(
        self,
        base: Distribution,
        log_odds: Callable[[Tensor], Tensor],
        log_z: Tensor,
        proposals: int = 256,
        batch_shape: Sequence[int] = (),
        se: Tensor | float = 0.0,
        ess: Tensor | float = math.inf,
    ) -> None:
        self.base, self.log_odds, self.log_z, self.proposals = base, log_odds, log_z, proposals
        self.se, self.ess = se, ess
        super().__init__(torch.Size(batch_shape), base.event_shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> Reweighted:
        known = self.log_z, self.proposals, batch_shape, self.se, self.ess
        return Reweighted(self.base, self.log_odds, *known)

    @property
    def support(self) -> Any:
        return self.base.support

    def log_prob(self, value: Tensor) -> Tensor:
        found = self.base.log_prob(value) + self.log_odds(value) - self.log_z
        return found.expand(torch.broadcast_shapes(self.batch_shape, found.shape))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        left = shape.numel() // max(1, self.event_shape.numel())
        most, parts = max(1, PROPOSED // self.proposals), []
        with torch.no_grad():
            while left > 0:
                z = self.base.sample((min(left, most), self.proposals))
                taken = Categorical(logits=self.log_odds(z), validate_args=False).sample()
                parts.append(z[torch.arange(len(z), device=z.device), taken])
                left -= len(z)
            return torch.cat(parts).view(shape)

    @torch.no_grad()
    def partition(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        r"""Estimates :math:`\log Z` from n fresh draws of :math:`p_0`, its standard error, and how many of the draws count."""
        parts = [self.log_odds(self.base.sample((min(PROPOSED, n - i),))) for i in range(0, n, PROPOSED)]
        odds = torch.cat(parts).double()
        log_z = odds.logsumexp(0) - math.log(n)
        ess = (2 * odds.logsumexp(0) - (2 * odds).logsumexp(0)).exp()
        return log_z, (1 / ess - 1 / n).clamp_min(0).sqrt(), ess


def estimated(d: Reweighted) -> Normaliser:
    """Returns the estimate with its error."""
    ess = float(d.ess)
    known = ess if math.isfinite(ess) else None
    return Normaliser(d.log_z.item(), float(d.se), known, is_settled=ess >= FEW, of_chains=False)


register(normaliser, estimated, Reweighted)
passed_on(Reweighted, lambda d: d.base, (*OF_VALUES, *OF_DENSITY))
register(parts, lambda d: prefixed("base", parts(d.base)) | {"log_z": d.log_z}, Reweighted)
