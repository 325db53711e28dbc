r"""Conditionals: modules that return a distribution.

A conditional :math:`p(a | b)` is a network that reads :math:`b`, and a reading of its output as the parameters of
a family. The posterior :math:`q_\phi(z | x)` and the likelihood :math:`p_\theta(x | z)` are both of this kind, so
the same classes serve both: `Diagonal` is the lecture's encoder (a mean and a diagonal covariance of :math:`z`)
and, with three event dimensions, its decoder (a mean and a variance for every pixel).

Every conditional takes the network as its argument, and passes to it whatever it is called with.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from . import distributions
from .distributions import BernoulliEvent, Delta, DiscretizedLogisticMixture, Levels, OptimalNormal

if TYPE_CHECKING:
    from .nn import MADE, PixelCNN, SentenceDecoder, StrokeDecoder

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "Committed",
    "Conditional",
    "ContinuousBernoulli",
    "Dequantised",
    "Diagonal",
    "Drawings",
    "FixedNormal",
    "Flow",
    "FullCovariance",
    "LogisticMixture",
    "OptimalScale",
    "Point",
    "Quantised",
    "Sentences",
    "SharedScale",
    "Spherical",
]


class Conditional(nn.Module, abc.ABC):
    r"""Reads the output of a network as a distribution. Abstract: a family defines `forward`.

    Arguments:
        net: The network, called with the context.
        event_dim: The number of event dimensions; 1 for vectors, 3 for images.
    """

    def __init__(self, net: nn.Module, event_dim: int = 1) -> None:
        super().__init__()
        self.net, self.event_dim = net, event_dim

    def read(self, *context: Tensor | None) -> Tensor:
        """Calls the network; the numbers a density is made of are at least float32, also under autocast."""
        output = self.net(*context)
        return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output

    def independent(self, base: Distribution) -> Independent:
        return Independent(base, self.event_dim, validate_args=False)

    @abc.abstractmethod
    def forward(self, *context: Tensor | None) -> Distribution: ...


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
        scale = log_scale.exp() + self.floor if self.floor else log_scale.exp()
        return self.independent(Normal(loc, scale, validate_args=False))


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

    def forward(self, *context: Tensor | None) -> MultivariateNormal:
        d = self.features
        loc, below, log_diagonal = self.read(*context).split([d, d * (d - 1) // 2, d], -1)
        factor = torch.diag_embed(log_diagonal.exp())
        factor[..., self.rows, self.columns] = below
        return MultivariateNormal(loc, scale_tril=factor, validate_args=False)


class Committed(Conditional):
    r"""Reads a Normal whose divergence from :math:`\mathcal{N}(0, 1)` is at least :math:`\delta` nats in each dimension.

    .. math:: \sigma = \sigma_l + (\sigma_u - \sigma_l) \, \mathrm{sigmoid}(a), \qquad
        \mu = \sqrt{2 \delta + 1 + \log \sigma^2 - \sigma^2 + \mathrm{max}(0, b)}

    with :math:`\sigma_l, \sigma_u` the two roots of :math:`\log \sigma^2 - \sigma^2 + 2 \delta + 1 = 0`. The rate cannot
    collapse; the code still can, where :math:`\mu` and :math:`\sigma` are the same for every example.

    References:
        | Preventing Posterior Collapse with delta-VAEs (Razavi et al., 2019), https://arxiv.org/abs/1901.03416

    Arguments:
        net: A network with :math:`2 d` outputs: :math:`b`, then :math:`a`.
        nats: :math:`\delta`, of each dimension.

    Raises:
        ValueError: If `nats` is not above 0.

    Example:
        >>> q = Committed(nn.Linear(8, 2 * 3), nats=0.1)(torch.randn(5, 8))
        >>> unit = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
        >>> bool((torch.distributions.kl_divergence(q, unit) >= 3 * 0.0999).all())
        True
    """

    def __init__(self, net: nn.Module, nats: float = 0.1) -> None:
        super().__init__(net)
        if not nats > 0:
            raise ValueError(f"nats is {nats}: a committed rate is above 0, e.g. 0.1")
        self.nats = nats
        self.low, self.high = scales_at(nats)

    def forward(self, *context: Tensor | None) -> Independent:
        beyond, within = self.read(*context).chunk(2, -1)
        scale = self.low + (self.high - self.low) * within.sigmoid()
        square = scale.square()
        least = (2 * self.nats + 1 + square.log() - square).clamp_min(0.0)
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


class Spherical(Conditional):
    r"""Reads a direction :math:`\mu` on each of some spheres, and how concentrated codes are around it, :math:`\kappa`.

    A learnt concentration is :math:`1 + \mathrm{softplus}(a)`, so that it cannot leave for the uniform distribution. With a
    fixed one the rate is a constant, and cannot collapse; the code still can, where :math:`\mu` is the same for every
    example or the decoder does not use it.

    References:
        | Hyperspherical Variational Auto-Encoders (Davidson et al., 2018), https://arxiv.org/abs/1804.00891
        | Spherical Latent Spaces for Stable Variational Autoencoders (Xu and Durrett, 2018), https://arxiv.org/abs/1808.10805

    Arguments:
        net: A network with :math:`g m` outputs, the directions before they are normalised; where the concentration is
            learnt, :math:`g` more, the :math:`a`.
        family: `distributions.VonMisesFisher` or `distributions.PowerSpherical`.
        spheres: The number of spheres :math:`g`.
        concentration: :math:`\kappa`; None to learn it.

    Raises:
        ValueError: If the concentration is not above 0.

    Example:
        >>> q = Spherical(nn.Linear(8, 2 * 3 + 2), spheres=2)(torch.randn(5, 8))
        >>> q.event_shape, q.base_dist.loc.norm(dim=-1).allclose(torch.ones(5, 2))
        (torch.Size([6]), True)
    """

    concentration: Tensor

    def __init__(
        self,
        net: nn.Module,
        family: type[distributions.Zonal] = distributions.VonMisesFisher,
        spheres: int = 1,
        concentration: float | None = None,
    ) -> None:
        super().__init__(net)
        if concentration is not None and not concentration > 0:
            raise ValueError(f"concentration is {concentration}: give a number above 0, or None to learn it")
        self.family, self.spheres, self.learnt = family, spheres, concentration is None
        self.register_buffer("concentration", torch.tensor(float(concentration or 0)), persistent=False)

    def forward(self, *context: Tensor | None) -> distributions.Spheres:
        output, concentration = self.read(*context), self.concentration
        if self.learnt:
            output, free = output[..., : -self.spheres], output[..., -self.spheres :]
            concentration = 1 + F.softplus(free)
        loc = F.normalize(output.unflatten(-1, (self.spheres, -1)), dim=-1)
        return distributions.Spheres(self.family(loc, concentration.to(loc.dtype), validate_args=False))


class Flow(Conditional):
    r"""Reads a mean, a log standard deviation and features, by which an invertible map of noise is conditioned.

    .. math:: z = \mu(x) + \sigma(x) \odot T(\epsilon; h(x)), \qquad \epsilon \sim \mathcal{N}(0, I)

    With masked autoregressive transforms :math:`T` this is the inverse autoregressive flow: a draw takes one pass, and its
    density is known with it. Where :math:`T` starts near the identity, :math:`q` starts near a Normal.

    References:
        | Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
        | https://arxiv.org/abs/1606.04934
        | Neural Spline Flows (Durkan et al., 2019)
        | https://arxiv.org/abs/1906.04032

    Arguments:
        net: A network with :math:`2 d` outputs, and those of the features after them.
        transform: A lazy transform of `zuko` from noise to :math:`u`, called with the features.
        features: The dimension :math:`d`.

    Example:
        >>> from latente.priors import import_zuko
        >>> maf = import_zuko().flows.MAF(3, context=4, transforms=2).transform
        >>> q = Flow(nn.Linear(8, 2 * 3 + 4), maf, 3)(torch.randn(5, 8))
        >>> q.log_prob(q.rsample()).shape
        torch.Size([5])
    """

    def __init__(self, net: nn.Module, transform: nn.Module, features: int) -> None:
        super().__init__(net)
        self.transform, self.features = transform, features

    def forward(self, *context: Tensor | None) -> distributions.Flow:
        loc, log_scale, features = self.read(*context).tensor_split((self.features, 2 * self.features), -1)
        return distributions.Flow(self.transform(features), loc, log_scale.exp())


class Dequantised(Conditional):
    r"""Reads a flow of vectors as a bound of :math:`\log P(x)` for images of :math:`K` levels, or as a density of vectors.

    Arguments:
        net: A lazy transform of `zuko` from data to noise.
        shape: The shape of an example.
        levels: The number of levels :math:`K` of an image; None for vectors, which are as they are.
        draws: The draws of the noise in evaluation, which are an example's own.

    Example:
        >>> from latente.priors import import_zuko
        >>> coupling = import_zuko().flows.MAF(16, passes=2).transform
        >>> p = Dequantised(coupling, (1, 4, 4), levels=2)(torch.empty(5, 0))
        >>> p.log_prob(p.sample()).shape
        torch.Size([5])
    """

    def __init__(
        self, net: nn.Module, shape: Sequence[int], levels: int | None = None, draws: int = 4
    ) -> None:
        super().__init__(net, event_dim=len(shape))
        self.shape, self.levels, self.draws = tuple(shape), levels, draws

    def forward(self, *context: Tensor | None) -> Distribution:
        z, *_ = context
        assert z is not None
        loc = z.new_zeros(*z.shape[:-1], math.prod(self.shape))
        density = distributions.Flow(self.net(None).inv, loc, torch.ones_like(loc))
        if self.levels is None:
            return density
        return distributions.Dequantised(density, self.shape, self.levels, 0 if self.training else self.draws)


class Categorical(Conditional):
    r"""Reads the log-odds of :math:`G` groups of categories; draws are relaxed in training, and one-hot in evaluation.

    Arguments:
        net: A network with :math:`G K` outputs.
        groups: The number of groups :math:`G`.
        temperature: The temperature of relaxed draws.
        straight: Whether they are rounded to one-hot vectors, with the gradient of what was rounded.

    Example:
        >>> Categorical(nn.Linear(8, 3 * 4), groups=3).eval()(torch.randn(5, 8)).sample().sum(-1)
        tensor([3., 3., 3., 3., 3.])
    """

    def __init__(self, net: nn.Module, groups: int, temperature: float = 0.5, straight: bool = False) -> None:
        super().__init__(net)
        self.groups, self.temperature, self.straight = groups, temperature, straight

    def forward(self, *context: Tensor | None) -> distributions.Categories:
        logits = self.read(*context).unflatten(-1, (self.groups, -1))
        temperature = self.temperature if self.training else None
        return distributions.Categories(logits, temperature, self.straight)


class Point(Conditional):
    r"""Reads a point mass :math:`\delta(z - f(x))`: the encoder of a plain autoencoder.

    Example:
        >>> Point(nn.Linear(8, 3))(torch.randn(5, 8)).rsample().shape
        torch.Size([5, 3])
    """

    def forward(self, *context: Tensor | None) -> Delta:
        return Delta(self.read(*context), self.event_dim)


class Bernoulli(Conditional):
    r"""Reads log-odds: :math:`p(x | z) = \prod_i \pi_i^{x_i} (1 - \pi_i)^{1 - x_i}` for binary data.

    Its log-density is linear in :math:`x`, so grey values in :math:`[0, 1]` score the expected value over their binary draws;
    as a likelihood of grey values it is not normalised (`ContinuousBernoulli` is).

    Example:
        >>> Bernoulli(nn.Linear(3, 8), 1)(torch.randn(5, 3)).sample().shape
        torch.Size([5, 8])
    """

    def forward(self, *context: Tensor | None) -> BernoulliEvent:
        return BernoulliEvent(self.read(*context), self.event_dim)


class ContinuousBernoulli(Conditional):
    r"""Reads log-odds of the continuous Bernoulli: the normalised density on :math:`[0, 1]` for grey values.

    The density of a pixel that is always black grows without bound with :math:`|l|`, so the log-odds stop at 255, where
    the density is as narrow as one of 256 grey levels.
    """

    def forward(self, *context: Tensor | None) -> distributions.ContinuousBernoulli:
        return distributions.ContinuousBernoulli(self.read(*context).clamp(-255, 255), self.event_dim)


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

    Adam moves a parameter by about the learning rate a step, which for a lone :math:`\log \sigma` would take thousands; so the
    parameter is a tenth of it.

    Arguments:
        net: A network from the context to :math:`\mu`.
        shape: The shape of the standard deviations, broadcast over the event: `()` for a single one, the
            event's shape for one a pixel or a column.
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


class Quantised(Conditional):
    r"""Reads the log-odds of :math:`K` levels for every position: a categorical likelihood of grey values.

    Arguments:
        net: A network whose output has :math:`K n` entries along the first event dimension, where the event has :math:`n`.
        levels: The number of levels :math:`K`; values are :math:`0, 1/(K-1), \dots, 1`.
        event_dim: The number of event dimensions.
    """

    def __init__(self, net: nn.Module, levels: int = 256, event_dim: int = 1) -> None:
        super().__init__(net, event_dim)
        self.levels = levels

    def forward(self, *context: Tensor | None) -> Levels:
        return Levels(self.read(*context).unflatten(-self.event_dim, (self.levels, -1)), self.event_dim)


class LogisticMixture(Conditional):
    r"""Reads a discretised mixture of logistics for images of 256 levels.

    Arguments:
        net: A network to :math:`K n` planes, where :math:`n` is `LogisticMixture.size(channels, components=1)`.
        channels: The number of channels of the image.
    """

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__(net, event_dim=3)
        self.channels = channels

    @staticmethod
    def size(channels: int, components: int) -> int:
        """Counts the planes that the network must give."""
        return components * DiscretizedLogisticMixture.size(channels)

    def forward(self, *context: Tensor | None) -> DiscretizedLogisticMixture:
        return DiscretizedLogisticMixture(self.read(*context), self.channels)


class Autoregressive(Conditional):
    r"""Reads every pixel's parameters from :math:`z` and the pixels before it, :math:`p(x | z) = \prod_i p(x_i | x_{<i}, z)`.

    A strong one explains the data without :math:`z`, whose posterior then collapses: limit what it sees, by small kernels.

    Arguments:
        net: The network: given images and codes it returns the parameters, and it draws.
        pixels: Reads parameters, with shape :math:`(B, P, H, W)`, or :math:`(B, P D)`, as a distribution of images, or vectors.

    Example:
        >>> from latente.nn import MLP, PixelCNN
        >>> net = PixelCNN((1, 4, 4), 1, features=3, planes=MLP((3,), (2, 4, 4)), maps=2)
        >>> p = Autoregressive(net, lambda logits: BernoulliEvent(logits, 3))(torch.randn(5, 3))
        >>> p.log_prob(p.sample()).shape
        torch.Size([5])
    """

    def __init__(self, net: PixelCNN | MADE, pixels: Callable[[Tensor], Distribution]) -> None:
        super().__init__(net, event_dim=len(net.shape))
        self.net: PixelCNN | MADE = net
        self.pixels = pixels

    def forward(self, *context: Tensor | None) -> distributions.Autoregressive:
        z, y = context[0], context[1] if len(context) > 1 else None
        assert z is not None
        return distributions.Autoregressive(self.read, self.net.draw, self.pixels, self.net.shape, z, y)


class Sentences(Conditional):
    r"""Lets a network write sentences word by word from :math:`z`, :math:`p(x | z) = \prod_t p(x_t | x_{<t}, z)`.

    Arguments:
        net: The network, e.g. :class:`~latente.nn.SentenceDecoder`.
        longest: The length :math:`L` of a row.

    Example:
        >>> from latente.nn import SentenceDecoder
        >>> p = Sentences(SentenceDecoder(latent=3, vocabulary=9), longest=7)(torch.randn(5, 3))
        >>> p.sample().shape
        torch.Size([5, 7])
    """

    def __init__(self, net: SentenceDecoder, longest: int) -> None:
        super().__init__(net)
        self.net: SentenceDecoder = net
        self.longest = longest

    def forward(self, *context: Tensor | None) -> distributions.Words:
        z, *_ = context
        assert z is not None
        return distributions.Words(self.net, z, self.longest)


class Drawings(Conditional):
    r"""Lets a network draw point by point from :math:`z`, :math:`p(x | z) = \prod_t p(x_t | x_{<t}, z)`.

    Arguments:
        net: The network, e.g. :class:`~latente.nn.StrokeDecoder`.
        longest: The rows :math:`L` of a drawing, of which the last is an end.

    Example:
        >>> from latente.nn import StrokeDecoder
        >>> p = Drawings(StrokeDecoder(latent=3, units=8), longest=7)(torch.randn(5, 3))
        >>> p.sample().shape
        torch.Size([5, 7, 3])
    """

    def __init__(self, net: StrokeDecoder, longest: int) -> None:
        super().__init__(net, event_dim=2)
        self.net: StrokeDecoder = net
        self.longest = longest

    def forward(self, *context: Tensor | None) -> distributions.Strokes:
        z, *_ = context
        assert z is not None
        return distributions.Strokes(self.net, z, self.longest)
