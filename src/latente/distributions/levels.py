r"""Likelihoods of quantised data: values :math:`0, \frac{1}{K-1}, \dots, 1`, as in 8-bit images (:math:`K = 256`).

A density on pixel values that were rounded to 256 levels can be made as high as one likes; a probability
of the level cannot, and it is what a code length, in bits per dimension, is about. `Levels` gives every level its own
probability. `DiscretizedLogisticMixture` spreads a few logistic densities and integrates each over the bin of the
level. With :math:`a, b` the standardised upper and lower edges of a bin, its mass is

.. math:: \sigma(a) - \sigma(b) = \sigma(a) \, \sigma(-b) \, (1 - e^{b - a}),

whose logarithm needs neither a threshold nor a density as a substitute: it is exact for every scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import Take, coded, is_mass, levels, no_code, nothing, parts, register, yes

__all__ = ["DiscretizedLogisticMixture", "Levels"]


class Levels(Distribution):
    r"""Gives each of :math:`K` equally spaced levels of :math:`[0, 1]` its own probability, independently by position.

    Arguments:
        logits: The log-odds, with shape :math:`(B, K, *)`.
        event_dim: How many of the last dimensions, the levels left aside, are one event.

    Example:
        >>> p = Levels(torch.zeros(4, 2, 3), event_dim=1)
        >>> p.log_prob(torch.ones(4, 3)).exp()
        tensor([0.1250, 0.1250, 0.1250, 0.1250])
    """

    arg_constraints: ClassVar = {}
    support = constraints.unit_interval
    has_rsample = False

    def __init__(self, logits: Tensor, event_dim: int) -> None:
        self.axis = -1 - event_dim
        self.logits = logits.log_softmax(self.axis)
        self.levels = logits.shape[self.axis]
        super().__init__(
            logits.shape[: self.axis], logits.shape[logits.dim() - event_dim :], validate_args=False
        )

    @property
    def mean(self) -> Tensor:
        values = torch.linspace(0, 1, self.levels, dtype=self.logits.dtype, device=self.logits.device)
        return torch.tensordot(self.logits.exp().movedim(self.axis, -1), values, dims=1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        categorical = torch.distributions.Categorical(
            logits=self.logits.movedim(self.axis, -1), validate_args=False
        )
        return categorical.sample(torch.Size(sample_shape)) / (self.levels - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        index = (value * (self.levels - 1)).round().long().unsqueeze(self.axis)
        shape = torch.broadcast_shapes(self.logits.shape[: self.axis], index.shape[: self.axis])
        logits = self.logits.expand(*shape, *self.logits.shape[self.axis :])
        index = index.expand(*shape, *index.shape[self.axis :])
        return logits.gather(self.axis, index).flatten(self.axis).sum(-1)


class DiscretizedLogisticMixture(Distribution):
    r"""Integrates a mixture of logistics over the bins of quantised images, channels one after the other.

    .. math:: p(x) = \prod_{h, w} \sum_k \pi_k \prod_c \big[ \sigma(a_{kc}) - \sigma(b_{kc}) \big],
        \qquad \mu_{kc} = m_{kc} + \sum_{j < c} r_{kcj} x_j

    References:
        | PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood (Salimans et al., 2017)
        | https://arxiv.org/abs/1701.05517

    Arguments:
        parameters: The network's output, with shape :math:`(B, K n, H, W)`, where :math:`n` is
            `DiscretizedLogisticMixture.size(channels)`.
        channels: The number of channels :math:`C`.
        levels: The number of levels of a channel.

    Example:
        >>> size = DiscretizedLogisticMixture.size(channels=3)
        >>> p = DiscretizedLogisticMixture(torch.zeros(2, 5 * size, 8, 8), channels=3)
        >>> p.sample().shape, p.log_prob(torch.rand(2, 3, 8, 8)).shape
        (torch.Size([2, 3, 8, 8]), torch.Size([2]))
    """

    arg_constraints: ClassVar = {}
    support = constraints.unit_interval
    has_rsample = False

    def __init__(self, parameters: Tensor, channels: int, levels: int = 256) -> None:
        self.levels, size = levels, self.size(channels)
        if parameters.shape[-3] % size:
            raise ValueError(
                f"{parameters.shape[-3]} planes do not make whole components of {size}: "
                f"give a multiple of DiscretizedLogisticMixture.size({channels})"
            )
        height, width = parameters.shape[-2:]
        pairs = channels * (channels - 1) // 2
        split = parameters.unflatten(-3, (-1, size)).split([1, channels, channels, pairs], dim=-3)
        self.log_weights = split[0].squeeze(-3).log_softmax(-3)
        self.loc, self.log_scale, self.regression = split[1], split[2].clamp_min(-7), split[3].tanh()
        super().__init__(parameters.shape[:-3], torch.Size((channels, height, width)), validate_args=False)

    @staticmethod
    def size(channels: int) -> int:
        r"""Counts the planes of one component: :math:`1 + 2 C + C (C - 1) / 2`."""
        return 1 + 2 * channels + channels * (channels - 1) // 2

    def _conditional_mean(self, c: int, x: Tensor) -> Tensor:
        """Returns the means of channel `c` given the channels before it, all in [-1, 1]: `x` is (…, K or 1, C, H, W)."""
        first = c * (c - 1) // 2
        regression = self.regression[..., first : first + c, :, :]
        return self.loc[..., c, :, :] + (regression * x[..., :c, :, :]).sum(-3)

    def log_prob(self, value: Tensor) -> Tensor:
        x = (2 * value - 1).unsqueeze(-4)
        means = torch.stack([self._conditional_mean(c, x) for c in range(self.event_shape[0])], -3)
        log_mass = self._log_mass(means, self.log_scale, value.unsqueeze(-4))
        return torch.logsumexp(self.log_weights + log_mass.sum(-3), -3).sum((-2, -1))

    def log_mass(self, c: int, before: Tensor, value: Tensor) -> Tensor:
        """Returns the log-probability of a value in channel c by each component, with shape (B, K, H, W).

        Arguments:
            c: The channel.
            before: Images whose channels before it are known, with shape (B, C, H, W).
            value: The value, without dimensions.
        """
        means = self._conditional_mean(c, (2 * before - 1).unsqueeze(-4))
        return self._log_mass(means, self.log_scale[..., c, :, :], value)

    def _log_mass(self, means: Tensor, log_scale: Tensor, value: Tensor) -> Tensor:
        x, precision, half = 2 * value - 1, torch.exp(-log_scale), 1 / (self.levels - 1)
        upper, lower = precision * (x + half - means), precision * (x - half - means)
        # log(1 - e^(b - a)); at the first and the last level the bin is open and the factors of that edge are 1
        step = 2 * half * precision
        narrow = math.log(2 * half) - log_scale - step / 2  # where e^(b - a) is 1 to rounding
        width = torch.where(step < 1e-6, narrow, torch.log(-torch.expm1(-step.clamp_min(1e-6))))
        is_first, is_last = value < half / 2, value > 1 - half / 2
        return (
            torch.where(is_last, 0.0, F.logsigmoid(upper))
            + torch.where(is_first, 0.0, F.logsigmoid(-lower))
            + torch.where(is_first | is_last, 0.0, width)
        )

    def _channel_by_channel(self, loc: Tensor, scale: Tensor | None, regression: Tensor) -> Tensor:
        channels: list[Tensor] = []
        for c in range(self.event_shape[0]):
            first = c * (c - 1) // 2
            value = loc[..., c, :, :]
            for j, before in enumerate(channels):
                value = value + regression[..., first + j, :, :] * before
            if scale is not None:
                u = torch.rand_like(value).clamp(1e-6, 1 - 1e-6)
                value = value + scale[..., c, :, :] * torch.logit(u)
                value = ((value.clamp(-1, 1) + 1) / 2 * (self.levels - 1)).round() / (self.levels - 1) * 2 - 1
            channels.append(value.clamp(-1, 1))
        return (torch.stack(channels, -3) + 1) / 2

    @property
    def mean(self) -> Tensor:
        """The mean of the mixture before it is cut into bins, each channel given the means before it."""
        weights = self.log_weights.exp().unsqueeze(-3)
        return self._channel_by_channel(
            (weights * self.loc).sum(-4), None, (weights * self.regression).sum(-4)
        )

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with torch.no_grad():
            weights = self.log_weights.movedim(-3, -1)
            shape = torch.Size(sample_shape)
            index = torch.distributions.Categorical(logits=weights, validate_args=False).sample(shape)
            index = index.unsqueeze(-3).unsqueeze(-3)  # (*sample, *B, 1, 1, H, W)

            def picked(t: Tensor) -> Tensor:
                t = t.expand(*shape, *t.shape)
                return t.gather(-4, index.expand(*index.shape[:-3], *t.shape[-3:])).squeeze(-4)

            return self._channel_by_channel(
                picked(self.loc), picked(self.log_scale).exp(), picked(self.regression)
            )


register(is_mass, yes, Levels, DiscretizedLogisticMixture)


def coded_levels(d: Levels, take: Take) -> Tensor:
    table = d.logits.movedim(d.axis, -1).flatten(1, -2).exp()
    symbols = take(table, torch.arange(table.shape[1]))
    return (symbols.to(table.dtype) / (d.levels - 1)).view(*d.batch_shape, *d.event_shape)


def coded_mixture(d: DiscretizedLogisticMixture, take: Take) -> Tensor:
    """Goes through the channels: each has the probabilities that its components have left, given the channels before it."""
    channels, pixels = d.event_shape[0], d.event_shape[1:].numel()
    values = torch.linspace(0, 1, d.levels, dtype=d.loc.dtype)
    weights, known = d.log_weights, d.loc.new_zeros(*d.batch_shape, *d.event_shape)
    for c in range(channels):
        logs = torch.stack([d.log_mass(c, known, value) for value in values], -1)
        table = (weights.unsqueeze(-1) + logs).logsumexp(-4).softmax(-1).flatten(1, 2)
        symbols = take(table, c * pixels + torch.arange(pixels)).view(-1, *d.event_shape[1:])
        known[:, c] = symbols.to(known.dtype) / (d.levels - 1)
        chosen = symbols.unsqueeze(1).unsqueeze(-1).expand(*logs.shape[:-1], 1)
        weights = weights + logs.gather(-1, chosen).squeeze(-1)
    return known


register(coded, coded_levels, Levels)
register(coded, coded_mixture, DiscretizedLogisticMixture)
register(no_code, nothing, Levels, DiscretizedLogisticMixture)
register(levels, lambda d: d.levels, Levels, DiscretizedLogisticMixture)
register(parts, lambda d: {"logits": d.logits}, Levels)
LOGISTIC = ("log_weights", "loc", "log_scale", "regression")
register(parts, lambda d: {name: getattr(d, name) for name in LOGISTIC}, DiscretizedLogisticMixture)
