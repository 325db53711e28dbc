r"""Controllers: weights of the rate that watch the run, where a schedule only watches the clock.

A weight :math:`\beta` that is right for one model and data set is wrong for the next. What one knows beforehand is rather how
many nats the code may have, or how good the reconstruction has to be. Both are constraints, and :math:`\beta` is what enforces
them:

=====================  ====================================================  ==========================================
controller             problem                                               weight of the rate
=====================  ====================================================  ==========================================
`Capacity`             least :math:`D + \gamma |R - C_t|`                     :math:`\gamma \, \mathrm{sign}(R - C_t)`
`RateTarget`           least :math:`D + R` with :math:`R \geq r`              :math:`1 - u`, with a damped multiplier :math:`u`
`DistortionTarget`     least :math:`R` with :math:`D \leq d`                  :math:`1 / \lambda`
=====================  ====================================================  ==========================================

Their state is part of the objective, so it is saved and resumed with the run. Each process follows its own share of the batch.
Validation chooses weights by the same problem: first those that meet the constraint, to a twentieth of it, or miss it least, and
among them those with the least of what is to be least.
"""

from __future__ import annotations

import abc

import torch
from torch import Tensor, nn

from ..schedules import Clock, Schedule

__all__ = ["Capacity", "Controller", "DistortionTarget", "RateTarget"]

MISSED = 1000.0  # nats that each nat beyond a constraint counts when weights are chosen
SLACK = 0.05  # of the constraint


class Controller(nn.Module, abc.ABC):
    """Sets the weight of the rate by the terms of a batch. Abstract: a controller defines `control`."""

    beta: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("beta", torch.ones(()))

    def forward(self, distortion: Tensor, rate: Tensor, clock: Clock, learn: bool) -> Tensor:
        """Returns the weight for means in nats, both scalars; it moves only where `learn` is true."""
        if learn:
            self.beta.copy_(self.control(distortion.detach().float(), rate.detach().float(), clock))
        return self.beta.clone()

    @abc.abstractmethod
    def control(self, distortion: Tensor, rate: Tensor, clock: Clock) -> Tensor:
        """Returns the next weight."""

    @abc.abstractmethod
    def cost(self, distortion: float, rate: float) -> float:
        """Returns the figure by which weights are chosen, of held-out means in nats: the constraint weighs most."""


class Capacity(Controller):
    r"""Holds the rate at a capacity :math:`C_t` that rises on a schedule, by the penalty :math:`\gamma |R - C_t|`.

    References:
        | Understanding disentangling in beta-VAE (Burgess et al., 2018)
        | https://arxiv.org/abs/1804.03599

    Arguments:
        capacity: The capacity :math:`C_t` in nats, as a schedule.
        gamma: The weight :math:`\gamma` of the penalty.
    """

    def __init__(self, capacity: Schedule, gamma: float = 10.0) -> None:
        super().__init__()
        self.capacity, self.gamma = capacity, gamma

    def control(self, distortion: Tensor, rate: Tensor, clock: Clock) -> Tensor:
        return self.gamma * (rate - self.capacity(clock)).sign()

    def cost(self, distortion: float, rate: float) -> float:
        return distortion + missed(abs(rate - self.capacity.limit), self.capacity.limit)


class RateTarget(Controller):
    r"""Keeps the rate at or above :math:`r` by a multiplier: :math:`\beta = 1 - (u + \rho (r - R) / r)_+`.

    A step is :math:`u \leftarrow (u + \eta (r - R) / r)_+`. Where the bound alone spends :math:`r` nats, the multiplier
    falls to zero and nothing is changed. Without :math:`\rho`, the penalty of the augmented Lagrangian, rate and multiplier chase
    each other in ever wider circles wherever the rate has no cost.

    References:
        | Effective Estimation of Deep Generative Language Models (Pelsmaeker and Aziz, 2020)
        | https://arxiv.org/abs/1904.08194
        | Multiplier and Gradient Methods (Hestenes, 1969), https://doi.org/10.1007/BF00927673

    Arguments:
        nats: The least rate :math:`r`.
        speed: :math:`\eta`: how fast the multiplier follows.
        damping: :math:`\rho`, the damping: added to the multiplier at once where the rate is 0.
    """

    multiplier: Tensor

    def __init__(self, nats: float, speed: float = 0.01, damping: float = 1.0) -> None:
        super().__init__()
        self.nats, self.speed, self.damping = nats, speed, damping
        self.register_buffer("multiplier", torch.zeros(()))

    def control(self, distortion: Tensor, rate: Tensor, clock: Clock) -> Tensor:
        missing = 1 - rate / self.nats
        self.multiplier.add_(self.speed * missing).clamp_(0.0, 10.0)
        return 1 - (self.multiplier + self.damping * missing).clamp_min(0.0)

    def cost(self, distortion: float, rate: float) -> float:
        return distortion + rate + missed(self.nats - rate, self.nats)


class DistortionTarget(Controller):
    r"""Minimises the rate under a distortion of at most :math:`d` (GECO).

    The Lagrangian :math:`R + \lambda (D - d)` is divided by :math:`\lambda`, so that the weight of the rate is
    :math:`\beta = 1 / \lambda`, with :math:`\lambda \leftarrow \lambda \exp(\eta \, \overline{D - d})` over a moving average.

    References:
        | Taming VAEs (Rezende and Viola, 2018)
        | https://arxiv.org/abs/1810.00597

    Arguments:
        nats: The distortion :math:`d`.
        speed: :math:`\eta`, for a difference as large as :math:`d` itself.
        memory: The decay of the moving average.
    """

    excess: Tensor

    def __init__(self, nats: float, speed: float = 0.1, memory: float = 0.9) -> None:
        super().__init__()
        self.nats, self.speed, self.memory = nats, speed, memory
        self.register_buffer("excess", torch.zeros(()))

    def control(self, distortion: Tensor, rate: Tensor, clock: Clock) -> Tensor:
        now = (distortion - self.nats) / abs(self.nats)
        self.excess.lerp_(now, 1 - self.memory if clock.step else 1.0)
        return (self.beta * (-self.speed * self.excess).exp()).clamp(1e-4, 1e4)

    def cost(self, distortion: float, rate: float) -> float:
        return rate + missed(distortion - self.nats, self.nats)


def missed(by: float, constraint: float) -> float:
    """Returns what it costs to miss a constraint.

    Example:
        >>> missed(1.0, 20.0), missed(3.0, 20.0)
        (0.0, 2000.0)
    """
    return MISSED * max(0.0, by - SLACK * abs(constraint))
