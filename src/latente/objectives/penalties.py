r"""Penalties: terms that are added to a bound, and belong to no probability.

Two of the lecture's autoencoders are a bound and a penalty on the code :math:`z = f(x)`. The *contractive* one penalises the
encoder's Jacobian,

.. math:: \Big\| \frac{\partial z}{\partial x} \Big\|_F^2 = \sum_{j, i} \Big( \frac{\partial z_j}{\partial x_i} \Big)^2 ,

so that codes move little where reconstruction does not need them to. It is computed in three ways, which agree:

=======================  ====================================  ======================================================
class                    its value                             its cost
=======================  ====================================  ======================================================
`SigmoidJacobian`        closed form, of one sigmoid layer     nothing, next to the pass itself
`Jacobian`               exact, of any encoder                 a backward pass for each dimension of the code
`Hutchinson`             an unbiased estimate, of any encoder  a backward pass for each probe
=======================  ====================================  ======================================================

The *sparse* one with a target penalises codes in (0, 1) that are active more often, or less often, than asked (`Sparsity`).
"""

from __future__ import annotations

import abc

import torch
from torch import Tensor, nn

from ..trace import Trace

__all__ = ["Hutchinson", "Jacobian", "Penalty", "SigmoidJacobian", "Sparsity"]


class Penalty(abc.ABC):
    """Penalises a property of a pass. Abstract: a penalty defines `__call__`.

    Arguments:
        weight: Its weight, in nats per unit.
        held: Its weight in the figure by which validation chooses the best weights; by default the same.
    """

    def __init__(self, weight: float, held: float | None = None) -> None:
        self.weight, self.held = weight, weight if held is None else held

    @abc.abstractmethod
    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        """Returns the penalty of each example before its weight, with shape (B); `x` is what was encoded."""


class Jacobian(Penalty):
    r"""Penalises :math:`\| \partial z / \partial x \|_F^2`, exactly: the gradients of all :math:`z_j`, one after the other.

    They are not batched, which takes as long for fully connected encoders, four times as long for convolutions, and the
    memory of all of them at once.

    References:
        | Contractive Auto-Encoders: Explicit Invariance During Feature Extraction (Rifai et al., 2011)
        | https://icml.cc/2011/papers/455_icmlpaper.pdf

    Example:
        >>> from latente import recipes
        >>> from latente.objectives import ELBO
        >>> from latente.schedules import Clock
        >>> model = recipes.make("autoencoder", shape=(4,), latent=2).model
        >>> terms = ELBO(penalties={"contraction": Jacobian(0.1)}).terms(model, torch.randn(3, 4), None, Clock(0, 1))
        >>> terms["contraction"].value.shape, terms["contraction"].weight
        (torch.Size([3]), 0.1)
    """

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        z = code(trace)
        return sum(
            (squares(z, x, unit.expand_as(z)) for unit in torch.eye(z.shape[1]).to(z)), z.new_zeros(len(z))
        )


class Hutchinson(Penalty):
    r"""Penalises :math:`\| \partial z / \partial x \|_F^2` by random probes.

    .. math:: \Big\| \frac{\partial z}{\partial x} \Big\|_F^2 = \mathbb{E}_v \Big\| v^\top \frac{\partial z}{\partial x} \Big\|^2

    The estimate is unbiased, and so is its gradient, for any :math:`v` with :math:`\mathbb{E}[v v^\top] = I`; signs
    :math:`v_j = \pm 1` have the least variance.

    References:
        | A Stochastic Estimator of the Trace of the Influence Matrix for Laplacian Smoothing Splines (Hutchinson, 1989)
        | https://doi.org/10.1080/03610918908812806

    Arguments:
        weight: Its weight, in nats per unit.
        probes: The number of probes per example.
    """

    def __init__(self, weight: float, probes: int = 1) -> None:
        super().__init__(weight)
        self.probes = probes

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        z = code(trace)
        signs = (
            torch.empty(self.probes, *z.shape, dtype=z.dtype, device=z.device).bernoulli_().mul_(2).sub_(1)
        )
        return sum((squares(z, x, v) for v in signs), z.new_zeros(len(z))) / self.probes


class SigmoidJacobian(Penalty):
    r"""Penalises :math:`\| \partial z / \partial x \|_F^2` of one sigmoid layer, :math:`\sum_j (z_j (1 - z_j))^2 \| w_j \|^2`.

    References:
        | Contractive Auto-Encoders: Explicit Invariance During Feature Extraction (Rifai et al., 2011)
        | https://icml.cc/2011/papers/455_icmlpaper.pdf

    Arguments:
        weight: Its weight, in nats per unit.
        layer: The layer whose sigmoid is the code; it reads :math:`x` alone.
    """

    def __init__(self, weight: float, layer: nn.Linear) -> None:
        super().__init__(weight)
        self.layer = layer

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        z = code(trace)
        return (z * (1 - z)).square() @ self.layer.weight.square().sum(1)


class Sparsity(Penalty):
    r"""Penalises codes in :math:`(0, 1)` whose mean over the batch, :math:`\hat\rho_j`, is not the target :math:`\rho`.

    .. math:: \sum_j \mathrm{KL}(\rho \,\|\, \hat\rho_j)
        = \sum_j \rho \log \frac{\rho}{\hat\rho_j} + (1 - \rho) \log \frac{1 - \rho}{1 - \hat\rho_j}

    It is a figure of the batch (of a micro-batch, where there are several), the same for each of its examples.

    References:
        | Sparse Deep Belief Net Model for Visual Area V2 (Lee et al., 2008)
        | https://papers.nips.cc/paper/3313-sparse-deep-belief-net-model-for-visual-area-v2
        | Sparse Autoencoder, CS294A Lecture Notes (Ng, 2011)
        | https://web.stanford.edu/class/cs294a/sparseAutoencoder_2011new.pdf

    Arguments:
        weight: Its weight.
        target: The share of examples :math:`\rho` for which a unit is to be active.

    Raises:
        ValueError: If `target` is not between 0 and 1.
    """

    def __init__(self, weight: float, target: float = 0.05) -> None:
        super().__init__(weight)
        if not 0 < target < 1:
            raise ValueError(
                f"target is {target}: give the share of examples for which a unit is active, inside (0, 1)"
            )
        self.target = target

    def __call__(self, trace: Trace, x: Tensor) -> Tensor:
        z, rho = code(trace), self.target
        eps = torch.finfo(z.dtype).eps
        mean = z.mean(0).clamp(eps, 1 - eps)
        found = rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()
        return found.sum().expand(len(z))


def code(trace: Trace) -> Tensor:
    """Joins the latent groups of a pass to one code, with shape (B, d)."""
    return torch.cat([g.z.flatten(1) for g in trace.latents.values()], 1)


def squares(z: Tensor, x: Tensor, v: Tensor) -> Tensor:
    r"""Returns :math:`\| v^\top \partial z / \partial x \|^2` of each example, itself differentiable, with shape :math:`(B)`."""
    (row,) = torch.autograd.grad(z, x, v, create_graph=True)
    return row.flatten(1).square().sum(1)
