r"""Divergences of a latent group: penalties of a bound on a code in place of the plain KL.

A divergence takes a :class:`~latente.trace.Latent` and returns nats with shape :math:`(B)`. The rule of the house: what it
returns is always the *true* rate, also where its gradient is cut. Free bits (Kingma et al., 2016) are
:math:`\sum_g \max(\lambda, \mathrm{E}_x \, \mathrm{KL}_g)`, whose gradient is that of the KL above :math:`\lambda` and zero
below; here the value below stays the KL itself, and only its gradient is cut. So the ELBO that such a run reports is the ELBO.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from .trace import Latent, kl

__all__ = ["FreeBits", "by_dimension"]


class FreeBits:
    r"""Penalises a group's rate only where its mean over the batch is above a floor :math:`\lambda`.

    Below the floor the posterior is free, so the decoder learns the code before the code is penalised. A dimension that
    stays *at* the floor may still have no information on its example (a constant mean has the same rate as an informative
    one): read the active dimensions beside the rate.

    References:
        | Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
        | https://arxiv.org/abs/1606.04934
        | A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text (Li et al., 2019)
        | https://arxiv.org/abs/1909.00868

    Arguments:
        nats: The floor :math:`\lambda`, of the group; of each dimension where `by_dimension` is true.
        by_dimension: Whether each dimension has a floor of its own.
        by_example: Whether each example is held against the floor, in place of their mean.

    Raises:
        ValueError: If dimensions are to have floors, and the families are not independent over dimensions.

    Example:
        >>> from torch.distributions import Normal
        >>> q = Normal(torch.tensor([0.1, 3.0]), torch.ones(2), validate_args=False)
        >>> FreeBits(1.0)(Latent(q.loc, p=Normal(0.0, 1.0), q=q))
        tensor([0.0050, 4.5000])
    """

    def __init__(self, nats: float, by_dimension: bool = False, by_example: bool = False) -> None:
        self.nats, self.by_dimension, self.by_example = nats, by_dimension, by_example

    def __call__(self, g: Latent) -> Tensor:
        if self.by_dimension:
            rates = by_dimension(g)
            if rates is None:
                raise ValueError(
                    f"free bits by dimension need families that are independent over dimensions, and the KL of "
                    f"{type(g.q).__name__} and {type(g.p).__name__} does not split: give the group one floor"
                )
        else:
            rates = kl(g).unsqueeze(-1)
        leading = tuple(range(rates.dim() - 1))
        level = rates if self.by_example else rates.mean(leading, keepdim=True)
        return torch.where(level.detach() > self.nats, rates, rates.detach()).sum(-1)


def by_dimension(g: Latent) -> Tensor | None:
    """Returns the KL of each dimension, with shape (B, d), where both families are independent over dimensions."""
    assert g.q is not None
    if not (isinstance(g.q, Independent) and isinstance(g.p, Independent)):
        return None
    try:
        return kl_divergence(base(g.q), base(g.p)).flatten(len(g.q.batch_shape))
    except NotImplementedError:
        return None


def base(d: Distribution) -> Distribution:
    """Takes off what only declares dimensions to be one event."""
    while isinstance(d, Independent):
        d = d.base_dist
    return d
