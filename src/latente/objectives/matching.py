r"""Penalties on the aggregate posterior, the distribution of all codes together, where the rate is one on each code alone.

The rate of a bound splits (Hoffman and Johnson, 2016; Chen et al., 2018) into the mutual information of code and example, the
total correlation of the dimensions, and the divergence of each dimension from its prior,

.. math:: \mathrm{E}_x \mathrm{KL}(q(z | x) \,\|\, p(z)) = I_q(x; z)
    + \mathrm{KL}\big(q(z) \,\|\, \textstyle\prod_j q(z_j)\big) + \sum_j \mathrm{KL}(q(z_j) \,\|\, p(z_j)) ,

with :math:`q(z) = \mathrm{E}_x \, q(z | x)`. The KL punishes the first part with the others, which is one way to lose a code. The
objectives below put other weights on the parts:

=====================  ===================================================================================
objective              parts
=====================  ===================================================================================
WAE-MMD                `ELBO(beta=0, penalties={"mmd": Discrepancy(weight)})`
InfoVAE                `ELBO(beta=1 - alpha, penalties={"mmd": Discrepancy(alpha + lambda - 1)})`
β-TC-VAE               `ELBO(penalties={"total correlation": TotalCorrelation(beta - 1)})`
more information       `ELBO(penalties={"information": Information(-gamma)})`
=====================  ===================================================================================

All of them estimate from a batch, so their figures depend on its size: they are penalties. The information in the codes of a
trained model is measured by the evaluation, on thousands of examples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..divergences import base, moment_kl
from ..trace import Latent, Trace, rsample
from .penalties import Penalty

__all__ = ["Discrepancy", "Information", "Moments", "TotalCorrelation"]

RIDGE = 1e-6  # a variance of codes that all share
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Discrepancy(Penalty):
    r"""Penalises the maximum mean discrepancy between codes and draws of the prior, by inverse multiquadratic kernels.

    .. math:: \mathrm{MMD}^2 = \mathrm{E} \, k(z, z') + \mathrm{E} \, k(\tilde z, \tilde z') - 2 \, \mathrm{E} \, k(z, \tilde z),
        \qquad k(a, b) = \sum_s \frac{s C}{s C + \lVert a - b \rVert^2}

    with :math:`z \sim q(z)`, :math:`\tilde z \sim p(z)` and :math:`C = 2 \, \mathrm{E} \lVert \tilde z - \mathrm{E} \tilde z
    \rVert^2`, the mean squared distance of two draws of the prior. The estimate is unbiased, so it may be below zero.

    References:
        | Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558
        | InfoVAE: Balancing Learning and Inference in Variational Autoencoders (Zhao et al., 2019)
        | https://arxiv.org/abs/1706.02262

    Arguments:
        weight: Its weight.
        group: The latent group.

    Raises:
        ValueError: On a batch of one example.
    """

    def __init__(self, weight: float, group: str = "z") -> None:
        super().__init__(weight)
        self.group = group

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        g = trace.latents[self.group]
        z = g.z.flatten(1)
        if len(z) == 1 and not torch.is_grad_enabled():  # what is left over of a validation
            return z.new_zeros(1)
        return discrepancy(z, draws_of(g).flatten(1)).expand(len(z))


class Moments(Penalty):
    r"""Holds codes against the prior in validation: the KL between the Normals with the moments of both, in nats.

    It is no part of training. It says which weights are best where the objective has a divergence that is not one number over
    time, as that of a critic which learns on.

    Arguments:
        group: The latent group.
    """

    def __init__(self, group: str = "z") -> None:
        super().__init__(0.0, held=1.0)
        self.group = group

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        g = trace.latents[self.group]
        z = g.z.detach().flatten(1)
        found = (
            moment_kl(z, draws_of(g).flatten(1), RIDGE) if len(z) > 1 else None
        )  # one is left over of a validation
        return z.new_full((len(z),), 0.0 if found is None else found)


def discrepancy(z: Tensor, reference: Tensor) -> Tensor:
    """Returns the unbiased squared discrepancy of two samples of n rows each, a scalar."""
    n = len(z)
    if n < 2:
        raise ValueError("the discrepancy of codes and prior needs at least two examples per batch")
    unit = 2 * reference.var(0).sum()
    within = (
        similarity(z, z, unit).fill_diagonal_(0).sum()
        + similarity(reference, reference, unit).fill_diagonal_(0).sum()
    )
    return within / (n * (n - 1)) - 2 * similarity(z, reference, unit).mean()


def similarity(a: Tensor, b: Tensor, unit: Tensor) -> Tensor:
    """Returns the kernel of all pairs, summed over its scales, with shape (n, m)."""
    squares = (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T).clamp_min(0.0)
    return sum((scale * unit / (scale * unit + squares) for scale in SCALES), start=torch.zeros_like(squares))


def draws_of(g: Latent) -> Tensor:
    """Draws from a group's prior, once per example."""
    return rsample(g.p if g.p.batch_shape == g.z.shape[:1] else g.p.expand(g.z.shape[:1]))


class TotalCorrelation(Penalty):
    r"""Penalises the total correlation of the code, :math:`\mathrm{KL}(q(z) \,\|\, \prod_j q(z_j))`.

    Both densities are averages of :math:`q(\cdot | x)` over the batch, and the estimate is up to a constant.

    References:
        | Isolating Sources of Disentanglement in VAEs (Chen et al., 2018), https://arxiv.org/abs/1802.04942

    Arguments:
        weight: Its weight beyond that of the rate: :math:`\beta - 1`.
        group: The latent group.

    Raises:
        ValueError: If the posterior has no density, or is not independent over dimensions.
    """

    def __init__(self, weight: float, group: str = "z") -> None:
        super().__init__(weight)
        self.group = group

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        g = trace.latents[self.group]
        each = by_pairs(g)
        n = math.log(len(each))
        joint = each.flatten(2).sum(2).logsumexp(1) - n
        return joint - (each.flatten(2).logsumexp(1) - n).sum(1)


class Information(Penalty):
    r"""Penalises (with a negative weight: rewards) the mutual information of code and example, within the batch.

    .. math:: I = \mathrm{E} \log q(z | x) - \log \frac{1}{B} \sum_j q(z | x_j)

    It cannot be above :math:`\log B`.

    Arguments:
        weight: Its weight: negative to reward it.
        group: The latent group.

    Raises:
        ValueError: If the posterior has no density.
    """

    def __init__(self, weight: float, group: str = "z") -> None:
        super().__init__(weight)
        self.group = group

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        g = trace.latents[self.group]
        assert g.q is not None
        each = g.q.log_prob(g.z.unsqueeze(1))
        return each.diagonal() - each.logsumexp(1) + math.log(len(each))


def by_pairs(g: Latent) -> Tensor:
    r"""Returns :math:`\log q(z_{ij} | x_k)` of all pairs by dimension, with shape (B, B, *): i first, then k."""
    assert g.q is not None
    family: Distribution = base(g.q)
    if family.event_shape or family.batch_shape != g.z.shape:
        raise ValueError(
            f"this penalty takes a posterior that is independent over dimensions, and it is {type(family).__name__}: "
            "use a diagonal one"
        )
    return family.log_prob(g.z.unsqueeze(1))
