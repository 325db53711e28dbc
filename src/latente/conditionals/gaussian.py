"""Normals: with a diagonal or a full covariance, with a least rate, and with scales that do not depend on the context."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from ..distributions import Correlated, OptimalNormal, scale_of
from .base import Conditional

__all__ = ["Diagonal", "FixedNormal", "FullCovariance", "MinimumRate", "OptimalScale", "SharedScale"]


class Diagonal(Conditional):
    r"""Reads a mean and a log standard deviation, :math:`\mathcal{N}(\mu, \mathrm{diag}(\sigma^2))`.

    References:
        | Auto-Encoding Variational Bayes (Kingma and Welling, 2013)
        | https://arxiv.org/abs/1312.6114

    Arguments:
        net: A network whose output has :math:`2 n` entries along the first event dimension: :math:`\mu`, then
            :math:`\log \sigma`.
        event_dim: The number of event dimensions; 1 for vectors, 3 for images.
        floor: The least standard deviation. As a likelihood of data that has few distinct values a Normal needs
            one: its density is unbounded where a pixel is always black.

    Example:
        >>> q = Diagonal(nn.Linear(8, 2 * 3))(torch.randn(5, 8))
        >>> q.batch_shape, q.event_shape
        (torch.Size([5]), torch.Size([3]))
    """

    def __init__(self, net: nn.Module, event_dim: int = 1, floor: float = 0.0) -> None:
        super().__init__(net, event_dim)
        self.floor = floor

    def forward(self, *context: Tensor | None) -> Independent:
        loc, log_scale = self.read(*context).chunk(2, -self.event_dim)
        return self.independent(Normal(loc, scale_of(log_scale, self.floor), validate_args=False))


class FullCovariance(Conditional):
    r"""Reads a mean and a Cholesky factor, :math:`\mathcal{N}(\mu, L L^\top)`.

    Arguments:
        net: A network with :math:`d (d + 3) / 2` outputs: :math:`\mu`, the lower triangle of :math:`L` below its
            diagonal, and the logarithm of its diagonal.
        features: The dimension :math:`d`.

    Example:
        >>> q = FullCovariance(nn.Linear(8, FullCovariance.size(3)), 3)(torch.randn(5, 8))
        >>> q.covariance_matrix.shape
        torch.Size([5, 3, 3])
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, net: nn.Module, features: int) -> None:
        super().__init__(net)
        self.features = features
        rows, columns = torch.tril_indices(features, features, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    @staticmethod
    def size(features: int) -> int:
        r"""Counts the network's outputs, :math:`d (d + 3) / 2`."""
        return features * (features + 3) // 2

    def forward(self, *context: Tensor | None) -> Correlated:
        d = self.features
        loc, below, log_diagonal = self.read(*context).split([d, d * (d - 1) // 2, d], -1)
        factor = torch.diag_embed(scale_of(log_diagonal))
        factor[..., self.rows, self.columns] = below
        return Correlated(loc, factor)


class MinimumRate(Conditional):
    r"""Reads the posterior of the δ-VAE, a Normal at least :math:`\delta` nats from :math:`\mathcal{N}(0, 1)` in each dimension.

    .. math:: \sigma = \sigma_l + (\sigma_u - \sigma_l) \, \mathrm{sigmoid}(a), \qquad
        \mu = \sqrt{2 \delta + 1 + \log \sigma^2 - \sigma^2 + \mathrm{max}(0, b)}

    with :math:`\sigma_l, \sigma_u` the two roots of :math:`\log \sigma^2 - \sigma^2 + 2 \delta + 1 = 0`. The rate cannot
    collapse; the code still can, where :math:`\mu` and :math:`\sigma` are the same for every example.

    References:
        | Preventing Posterior Collapse with delta-VAEs (Razavi et al., 2019), https://arxiv.org/abs/1901.03416

    Arguments:
        net: A network with :math:`2 d` outputs: :math:`b`, then :math:`a`.
        delta: :math:`\delta`, in nats per dimension.

    Raises:
        ValueError: If `delta` is not above 0.

    Example:
        >>> q = MinimumRate(nn.Linear(8, 2 * 3), delta=0.1)(torch.randn(5, 8))
        >>> unit = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
        >>> bool((torch.distributions.kl_divergence(q, unit) >= 3 * 0.0999).all())
        True
    """

    def __init__(self, net: nn.Module, delta: float = 0.1) -> None:
        super().__init__(net)
        if not delta > 0:
            raise ValueError(f"delta is {delta}: give a least rate above 0 nats per dimension, e.g. 0.1")
        self.delta = delta
        self.low, self.high = scales_at(delta)

    def forward(self, *context: Tensor | None) -> Independent:
        beyond, within = self.read(*context).chunk(2, -1)
        scale = self.low + (self.high - self.low) * within.sigmoid()
        square = scale.square()
        least = (2 * self.delta + 1 + square.log() - square).clamp_min(0.0)
        loc = (least + beyond.relu()).clamp_min(1e-8).sqrt()
        return self.independent(Normal(loc, scale, validate_args=False))


def scales_at(nats: float) -> tuple[float, float]:
    r"""Returns the two :math:`\sigma` at which :math:`\mathcal{N}(0, \sigma^2)` is `nats` away from :math:`\mathcal{N}(0, 1)`.

    Example:
        >>> [round(sigma, 4) for sigma in scales_at(0.1)]
        [0.7023, 1.3313]
    """

    def away(sigma: float) -> float:
        return (sigma * sigma - 1) / 2 - math.log(sigma)

    roots = []
    for near, far in ((1.0, math.exp(-nats - 1)), (1.0, 2.0 + 2 * nats)):
        for _ in range(100):
            middle = (near + far) / 2
            near, far = (middle, far) if away(middle) < nats else (near, middle)
        roots.append(near)
    return roots[0], roots[1]


class FixedNormal(Conditional):
    r"""Reads a mean, :math:`\mathcal{N}(\mu, \sigma^2 I)` with a given :math:`\sigma`.

    Its distortion is the squared error over :math:`2 \sigma^2`, up to a constant.
    """

    scale: Tensor

    def __init__(self, net: nn.Module, scale: float, event_dim: int = 1) -> None:
        super().__init__(net, event_dim)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, *context: Tensor | None) -> Independent:
        loc = self.read(*context)
        base = Normal(loc, self.scale.to(loc.dtype).expand_as(loc), validate_args=False)
        return self.independent(base)


class SharedScale(Conditional):
    r"""Reads a mean, and learns standard deviations that do not depend on :math:`z`.

    Adam moves a parameter by about the learning rate per step, which for a lone :math:`\log \sigma` would take thousands; so the
    parameter is a tenth of it.

    Arguments:
        net: A network from the context to :math:`\mu`.
        shape: The shape of the standard deviations, broadcast over the event: `()` for a single one, the
            event's shape for one per pixel or column.
        event_dim: The number of event dimensions.
        floor: The least standard deviation.
    """

    def __init__(
        self, net: nn.Module, shape: tuple[int, ...] = (), event_dim: int = 1, floor: float = 0.0
    ) -> None:
        super().__init__(net, event_dim)
        self.floor = floor
        self.tenth_log_scale = nn.Parameter(torch.zeros(shape))

    def forward(self, *context: Tensor | None) -> Independent:
        loc = self.read(*context)
        scale = (10 * self.tenth_log_scale).exp() + self.floor
        return self.independent(Normal(loc, scale.expand_as(loc), validate_args=False))


class OptimalScale(Conditional):
    r"""Reads a mean; the one :math:`\sigma` is the best one for the batch while training, its running mean after.

    References:
        | Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021)
        | https://arxiv.org/abs/2006.13202
    """

    variance: Tensor
    batches: Tensor

    def __init__(self, net: nn.Module, event_dim: int = 1, memory: int = 100) -> None:
        super().__init__(net, event_dim)
        self.memory = memory
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("batches", torch.tensor(0.0))

    def forward(self, *context: Tensor | None) -> OptimalNormal:
        loc = self.read(*context)
        momentum = None
        if self.training and torch.is_grad_enabled():
            self.batches += 1
            momentum = self.batches.reciprocal().clamp_min(1 / self.memory)
        return OptimalNormal(loc, self.variance, self.event_dim, momentum)
