r"""The variational autoencoder: one latent group, and three parts.

.. math:: p(x, z | y) = p_\theta(x | z, y) \, p_\theta(z | y), \qquad q_\phi(z | x, y)

With a point-mass posterior and a flat prior the same class is the plain autoencoder; with a label :math:`y` it is the
conditional VAE. Which one it is, is a matter of the parts, never of a flag.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from ..nn.context import reads
from ..trace import Model, Trace

__all__ = ["VAE", "OneHot"]


class OneHot(nn.Module):
    r"""Turns labels :math:`0, \dots, K - 1`, with shape :math:`(B)`, into context vectors, with shape :math:`(B, K)`.

    Raises:
        ValueError: If a label is not one of them.
    """

    one: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        try:
            return F.one_hot(y, self.classes).to(self.one.dtype)
        except RuntimeError as error:
            raise ValueError(f"labels must be integers from 0 to {self.classes - 1}: {error}") from None


reads.register(OneHot, lambda module: "labels")


class VAE(Model):
    r"""Draws :math:`z` from :math:`p(z | y)` and :math:`x` from :math:`p(x | z, y)`; infers :math:`z` by :math:`q(z | x, y)`.

    References:
        | Auto-Encoding Variational Bayes (Kingma and Welling, 2013)
        | https://arxiv.org/abs/1312.6114

    Arguments:
        posterior: The conditional :math:`q(z | x, y)`, called with :math:`x` and the context.
        prior: The conditional :math:`p(z | y)`, called with the context.
        likelihood: The conditional :math:`p(x | z, y)`, called with :math:`z` and the context.
        embed: Turns labels into the context, e.g. `OneHot(10)`; None for a model of :math:`x` alone.

    Raises:
        ValueError: On a pass without labels, if the model is conditional.

    Example:
        >>> from latente.conditionals import Bernoulli, Diagonal
        >>> from latente.nn import MLP
        >>> from latente.priors import Standard
        >>> vae = VAE(
        ...     posterior=Diagonal(MLP((1, 28, 28), (2 * 20,))),
        ...     prior=Standard(20),
        ...     likelihood=Bernoulli(MLP((20,), (1, 28, 28)), event_dim=3),
        ... )
        >>> trace = vae(size=64)
        >>> trace.likelihood.sample().shape
        torch.Size([64, 1, 28, 28])
    """

    def __init__(
        self, posterior: nn.Module, prior: nn.Module, likelihood: nn.Module, embed: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.posterior, self.prior, self.likelihood, self.embed = posterior, prior, likelihood, embed

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        if self.embed is None:
            y = None
        elif y is None:
            raise ValueError("this model is conditional: give it labels, e.g. model(x, y) or model(y=labels)")
        else:
            y = self.embed(y)
        z = trace.latent("z", p=self.prior(y), q=None if x is None else self.posterior(x, y))
        return self.likelihood(z, y)
