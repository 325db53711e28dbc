"""Learned mixtures: of Normals, and of the model's own posteriors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

from .. import distributions as own
from ..distributions.traits import is_normal

__all__ = ["FullMixture", "Mixture", "Vamp"]


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
