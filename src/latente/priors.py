r"""Priors :math:`p(z)`, or :math:`p(z | y)`: conditionals of a context that may be empty.

The lecture's prior is `Standard`, :math:`\mathcal{N}(0, I)`. Any lazy distribution is a prior too:
`zuko.flows.NSF(20)` works as it is, and so does :class:`~latente.conditionals.Diagonal` over a network of
:math:`y`. Where :math:`\mathrm{KL}(q \,\|\, p)` has a closed form it is used; for mixtures and flows it is
estimated by the sample that the pass drew.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, distributions, nn
from torch.distributions import (
    AffineTransform,
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    TransformedDistribution,
)

from . import distributions as own
from .distributions.traits import is_normal

__all__ = [
    "Categories",
    "Energy",
    "Flat",
    "FlowMatching",
    "FullMixture",
    "Laplace",
    "Mixture",
    "Standard",
    "Standardised",
    "UniformSphere",
    "Vamp",
    "import_zuko",
]


class Standard(nn.Module):
    r"""The standard Normal :math:`\mathcal{N}(0, I)`.

    Example:
        >>> Standard(3)().sample((5,)).shape
        torch.Size([5, 3])
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(features), persistent=False)
        self.register_buffer("scale", torch.ones(features), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.StandardNormal:
        return own.StandardNormal(self.loc, self.scale)


class UniformSphere(nn.Module):
    r"""The uniform distribution on a sphere in :math:`\mathbb{R}^m`, or on several.

    Arguments:
        features: The dimension :math:`m` of the space around each sphere.
        spheres: Their number :math:`g`; a draw has :math:`g m` entries.

    Example:
        >>> UniformSphere(3, spheres=2)().sample((5,)).shape
        torch.Size([5, 6])
    """

    center: Tensor

    def __init__(self, features: int, spheres: int = 1) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(spheres, features), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.Spheres:
        return own.Spheres(own.UniformSphere(self.center))


class Flat(nn.Module):
    """The flat measure of a plain autoencoder: it adds nothing to the loss and cannot be sampled."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, y: Tensor | None = None) -> own.Flat:
        return own.Flat((self.features,))


class Categories(nn.Module):
    r"""All categories of each of :math:`G` groups alike: a divergence from it is at most :math:`G \log K`.

    Arguments:
        groups: The number of groups :math:`G`.
        categories: The number of categories of each, :math:`K`.
    """

    logits: Tensor

    def __init__(self, groups: int, categories: int) -> None:
        super().__init__()
        self.register_buffer("logits", torch.zeros(groups, categories), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.Categories:
        return own.Categories(self.logits)


class Laplace(nn.Module):
    r"""Independent Laplace distributions, :math:`-\log p(z) = \sum_j |z_j| / b + \log 2 b`: an L1 price on codes."""

    loc: Tensor
    scale: Tensor

    def __init__(self, features: int, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(features), persistent=False)
        self.register_buffer("scale", torch.full((features,), float(scale)), persistent=False)

    def forward(self, y: Tensor | None = None) -> Independent:
        base = distributions.Laplace(self.loc, self.scale, validate_args=False)
        return Independent(base, 1, validate_args=False)


class Mixture(nn.Module):
    r"""A learned mixture of diagonal Normals, :math:`p(z) = \sum_k \pi_k \mathcal{N}(z | m_k, \mathrm{diag}(s_k^2))`.

    Arguments:
        features: The dimension of :math:`z`.
        components: The number of Normals; their means start as draws from :math:`\mathcal{N}(0, I)`.
    """

    def __init__(self, features: int, components: int = 10) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, features))
        self.log_scale = nn.Parameter(torch.zeros(components, features))

    def forward(self, y: Tensor | None = None) -> Distribution:
        normals = Independent(
            Normal(self.loc, self.log_scale.exp(), validate_args=False), 1, validate_args=False
        )
        weights = Categorical(logits=self.logits, validate_args=False)
        return MixtureSameFamily(weights, normals, validate_args=False)


class FullMixture(nn.Module):
    r"""A mixture of Normals with full covariances, :math:`p(z) = \sum_k \pi_k \mathcal{N}(z | m_k, L_k L_k^\top)`.

    The likelihood of a mixture has no upper end, since a Normal may shrink to a point; so :math:`L_k` has a least diagonal.

    References:
        | From Variational to Deterministic Autoencoders (Ghosh et al., 2020), which fits one to the codes of an autoencoder
        | https://arxiv.org/abs/1903.12436

    Arguments:
        features: The dimension of :math:`z`.
        components: The number of Normals.
        floor: The least entry of the diagonal of :math:`L_k`, in the units of :math:`z`.

    Example:
        >>> p = FullMixture(2, components=3)
        >>> p.fit(torch.randn(100, 2) * torch.tensor([1.0, 2.0]))
        >>> p().sample((5,)).shape
        torch.Size([5, 2])
    """

    def __init__(self, features: int, components: int = 50, floor: float = 1e-3) -> None:
        super().__init__()
        self.floor = floor
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, features))
        self.factor = nn.Parameter(torch.zeros(components, features, features))  # its diagonal in logarithms

    def forward(self, y: Tensor | None = None) -> MixtureSameFamily:
        diagonal = self.factor.diagonal(dim1=-2, dim2=-1).exp() + self.floor
        scale_tril = self.factor.tril(-1) + torch.diag_embed(diagonal)
        normals = MultivariateNormal(self.loc, scale_tril=scale_tril, validate_args=False)
        weights = Categorical(logits=self.logits, validate_args=False)
        return MixtureSameFamily(weights, normals, validate_args=False)

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0) -> None:
        """Takes the best likelihood that EM finds from the clusters of k-means.

        Arguments:
            z: Codes, with shape :math:`(N, d)`; at least as many as there are components.
            seed: The seed of k-means.

        Raises:
            ImportError: If `scikit-learn` is not installed.
        """
        try:
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.mixture import GaussianMixture
            from threadpoolctl import threadpool_limits  # which scikit-learn stands on
        except ImportError as error:
            raise ImportError(
                "mixtures are fitted by scikit-learn: pip install 'latente[mixtures]'"
            ) from error
        em = GaussianMixture(
            len(self.logits), reg_covar=(10 * self.floor) ** 2, init_params="k-means++", random_state=seed
        )
        with threadpool_limits(torch.get_num_threads()), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what is left is small, and training goes on
            em.fit(z.double().cpu().numpy())
        factor = torch.linalg.cholesky(torch.from_numpy(em.covariances_))
        diagonal = factor.diagonal(dim1=-2, dim2=-1)
        diagonal.copy_((diagonal - self.floor).log())
        self.logits.copy_(torch.from_numpy(em.weights_).log())
        self.loc.copy_(torch.from_numpy(em.means_))
        self.factor.copy_(factor)


class Standardised(nn.Module):
    r"""A prior of :math:`u = (z - m) / s`, as one of :math:`z`: codes of a frozen network have any place and scale.

    Arguments:
        prior: The prior of :math:`u`.
        features: The dimension of :math:`z`.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, prior: nn.Module, features: int) -> None:
        super().__init__()
        self.prior = prior
        self.register_buffer("loc", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, y: Tensor | None = None) -> TransformedDistribution:
        affine = AffineTransform(self.loc, self.scale, event_dim=1)
        return TransformedDistribution(self.prior(y), [affine], validate_args=False)

    @torch.no_grad()
    def fit(self, z: Tensor) -> Tensor:
        """Takes mean and standard deviation of codes, with shape :math:`(N, d)`, and returns them standardised."""
        self.loc.copy_(z.mean(0))
        spread = z.std(0)
        self.scale.copy_(torch.where(spread > 1e-6 * z.abs().amax(0), spread, 1.0))
        return self.standardise(z)

    def standardise(self, z: Tensor) -> Tensor:
        return (z - self.loc) / self.scale


class Within(torch.autograd.Function):
    """Clamps to an interval; of the gradient only what would lead further out is cut, so what came out comes back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,), (x,), (low, high) = grads, ctx.saved_tensors, ctx.bounds
        outward = ((x <= low) & (grad > 0)) | ((x >= high) & (grad < 0))  # a step is one against the gradient
        return grad.masked_fill(outward, 0.0), None, None


class Vamp(nn.Module):
    r"""Mixes the posteriors of :math:`K` learned pseudo-inputs, :math:`p(z) = \frac{1}{K} \sum_k q_\phi(z | u_k)`.

    The prior that maximises the ELBO is the aggregated posterior :math:`\frac{1}{N} \sum_n q_\phi(z | x_n)`; this one keeps
    :math:`K` of its :math:`N` terms, and learns which. All pseudo-inputs are encoded in one pass of each step.

    References:
        | VAE with a VampPrior (Tomczak and Welling, 2018)
        | https://arxiv.org/abs/1705.07120

    Arguments:
        posterior: The model's own :math:`q(z | x)`, called with the pseudo-inputs. The model registers it, the prior does not.
        shape: The shape of an example.
        components: The number of pseudo-inputs :math:`K`.
        bounds: The range of the data, which pseudo-inputs do not leave; None for data without one.

    Example:
        >>> from latente.conditionals import Diagonal
        >>> p = Vamp(Diagonal(nn.Linear(8, 2 * 3)), shape=(8,), components=5)
        >>> p().sample((4,)).shape, [name for name, _ in p.named_parameters()]
        (torch.Size([4, 3]), ['inputs'])
    """

    def __init__(
        self,
        posterior: nn.Module,
        shape: Sequence[int],
        components: int = 500,
        bounds: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        super().__init__()
        self.shared = (posterior,)  # a tuple registers nothing; a copy of the model copies it too
        self.bounds = (-math.inf, math.inf) if bounds is None else bounds
        middle, noise = (0.0, 1.0) if bounds is None else (sum(bounds) / 2, 0.02 * (bounds[1] - bounds[0]))
        self.inputs = nn.Parameter(middle + noise * torch.randn(components, *shape))

    @torch.no_grad()
    def start(self, x: Tensor, noise: float = 0.01) -> None:
        """Lets the pseudo-inputs start at examples, with shape (N, *), gone round where they are too few, and a little noise."""
        rows = torch.arange(len(self.inputs)) % len(x)
        self.inputs.copy_(x[rows.to(x.device)])
        self.inputs.add_(noise * torch.randn_like(self.inputs))

    def forward(self, y: Tensor | None = None) -> MixtureSameFamily:
        components = self.shared[0](Within.apply(self.inputs, *self.bounds))
        weights = Categorical(logits=self.inputs.new_zeros(len(self.inputs)), validate_args=False)
        family = own.NormalMixture if is_normal(components) else MixtureSameFamily
        return family(weights, components, validate_args=False)


class FlowMatching(nn.Module):
    r"""The density that a velocity field makes of :math:`\mathcal{N}(0, I)`: see :mod:`latente.distributions.probability_flow`.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2023)
        | https://arxiv.org/abs/2210.02747

    Arguments:
        velocity: The field :math:`v(z, t)`.
        features: The dimension of :math:`z`.

    Example:
        >>> from latente.nn import VelocityNet
        >>> FlowMatching(VelocityNet(3), 3)().sample((5,)).shape
        torch.Size([5, 3])
    """

    zero: Tensor

    def __init__(self, velocity: nn.Module, features: int) -> None:
        super().__init__()
        self.velocity = velocity
        self.register_buffer("zero", torch.zeros(features), persistent=False)

    def forward(self, y: Tensor | None = None) -> own.ProbabilityFlow:
        return own.ProbabilityFlow(self.velocity, self.zero)


class Energy(nn.Module):
    r"""A Normal with full covariance, times the odds of a classifier: see :mod:`latente.distributions.reweighted`.

    References:
        | A Contrastive Learning Approach for Training Variational Autoencoder Priors (Aneja et al., 2021)
        | https://arxiv.org/abs/2010.02917

    Arguments:
        odds: A network from :math:`z` to the log-odds :math:`h(z)`, with shape :math:`(*, 1)`.
        features: The dimension of :math:`z`.
        ridge: What is added to the diagonal of the covariance.

    Attributes:
        log_z: The estimate of :math:`\log Z` that the last :meth:`refresh` made.

    Example:
        >>> p = Energy(nn.Linear(2, 1), 2)
        >>> p.fit(torch.randn(100, 2))
        >>> p.refresh()
        >>> p().sample((5,)).shape
        torch.Size([5, 2])
    """

    loc: Tensor
    scale_tril: Tensor
    log_z: Tensor

    def __init__(self, odds: nn.Module, features: int, ridge: float = 1e-3) -> None:
        super().__init__()
        self.odds, self.ridge = odds, ridge
        self.register_buffer("loc", torch.zeros(features))
        self.register_buffer("scale_tril", torch.eye(features))
        self.register_buffer("log_z", torch.zeros(()))

    def forward(self, y: Tensor | None = None) -> own.Reweighted:
        base = MultivariateNormal(self.loc, scale_tril=self.scale_tril, validate_args=False)
        return own.Reweighted(base, lambda z: self.odds(z).squeeze(-1), self.log_z)

    @torch.no_grad()
    def fit(self, z: Tensor) -> None:
        """Takes mean and covariance of codes, with shape :math:`(N, d)`, for those of the Normal."""
        covariance = torch.atleast_2d(z.double().T.cov())
        covariance = covariance + self.ridge * torch.eye(len(covariance), device=z.device)
        self.loc.copy_(z.mean(0))
        self.scale_tril.copy_(torch.linalg.cholesky(covariance))

    @torch.no_grad()
    def refresh(self, draws: int = 1 << 15) -> None:
        r"""Estimates :math:`\log Z` of the odds as they are now."""
        self.log_z.copy_(self().partition(draws))


def import_zuko() -> ModuleType:
    """Imports `zuko`, and gives PyTorch's distributions their validation back, which importing it switches off.

    Raises:
        ImportError: If `zuko` is not installed.
    """
    before = Distribution._validate_args, Distribution.arg_constraints
    try:
        zuko = importlib.import_module("zuko")
        for family in vars(zuko.distributions).values():  # which declare no constraints to validate
            if isinstance(family, type) and family.__module__ == zuko.distributions.__name__:
                family._validate_args = False  # type: ignore[attr-defined]
        return zuko
    except ImportError as error:
        raise ImportError("flow priors need zuko: pip install 'latente[flows]'") from error
    finally:
        Distribution._validate_args, Distribution.arg_constraints = before  # type: ignore[method-assign]
