r"""Joint models of data and labels, most of which are unknown.

The label :math:`y` is one more latent, of which a few values are known:

.. math:: p(x, y, z) = p(y) \, p(z) \, p_\theta(x | y, z), \qquad q(y, z | x) = q_\phi(y | x) \, q_\phi(z | x, y) .

The information in :math:`y` need not be in :math:`z`, which is left with the style. For an example with its label the bound
is that of :math:`\log p(x, y)`; without one it is that of :math:`\log p(x)`, and the sum over the :math:`K` classes is exact:

.. math::

    -\mathcal{L}(x, y) &= \mathbb{E}_{q(z | x, y)} [\log p(x | y, z)] - \mathrm{KL}(q(z | x, y) \,\|\, p(z)) + \log p(y) , \\
    -\mathcal{U}(x) &= \textstyle\sum_y q(y | x) \, (-\mathcal{L}(x, y)) + \mathrm{H}(q(y | x)) .

Given labels a model is the class-conditional one, with :math:`\log p(y)` as a factor; without, it draws or infers :math:`y`
as a one-hot latent group. The classes are the first dimension of one pass, and the first layer of the encoder reads :math:`x`
once.
"""

from __future__ import annotations

import abc
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    OneHotCategorical,
    TransformedDistribution,
)

from ..conditionals import Conditional
from ..trace import Model, Trace
from .labels import label_law
from .vae import VAE, OneHot

__all__ = ["Joint", "JointOnCodes", "Labelling"]


class Labelling(Model, abc.ABC):
    r"""Draws :math:`y` with :math:`x`, and infers it. Abstract: a model also defines `label`.

    Arguments:
        classes: The number of classes :math:`K`; :math:`p(y) = 1 / K`.
    """

    log_prior: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embed = OneHot(classes)
        uniform = torch.full((classes,), 1.0 / classes).log()
        self.register_buffer("log_prior", uniform, persistent=False)

    @abc.abstractmethod
    def label(self, x: Tensor) -> Categorical:
        r"""Returns :math:`q(y | x)`, with batch shape :math:`(B)`."""

    def filled(self, x: Tensor, y: Tensor) -> Tensor:
        """Puts the most probable label where none is known, which is written -1."""
        return torch.where(y < 0, self.label(x).probs.argmax(-1), y)

    def context(self, trace: Trace, q: Categorical | None, y: Tensor | None) -> Tensor:
        r"""Names the label to the trace and returns it, with shape :math:`(B, K)`."""
        if y is None:
            p = OneHotCategorical(logits=self.log_prior, validate_args=False)
            return trace.latent(
                "y", p, None if q is None else OneHotCategorical(logits=q.logits, validate_args=False)
            )
        context = self.embed(y)
        trace.factors["y"] = self.log_prior[y]
        return context


label_law.register(Labelling, lambda model: model.label)


class Joint(Labelling):
    r"""Draws :math:`y` and :math:`z`, and :math:`x` from :math:`p(x | y, z)`; infers :math:`y`, and then :math:`z`.

    References:
        | Semi-supervised Learning with Deep Generative Models (Kingma et al., 2014), whose model M2 this is
        | https://arxiv.org/abs/1406.5298

    Arguments:
        posterior: The conditional :math:`q(z | x, y)`; over all classes it is called with a context of shape :math:`(K, 1, K)`.
        prior: The conditional :math:`p(z)`.
        likelihood: The conditional :math:`p(x | z, y)`.
        classifier: The conditional :math:`q(y | x)`.
        classes: The number of classes :math:`K`.

    Example:
        >>> from latente import recipes
        >>> model = recipes.make("m2", shape=(6,), classes=3, latent=2, hidden=[8], labels=30).model
        >>> x = torch.randn(5, 6)
        >>> list(model(x).latents), list(model(x, torch.zeros(5).long()).latents), model.every(x).size
        (['y', 'z'], ['z'], torch.Size([3, 5]))
    """

    def __init__(
        self,
        posterior: nn.Module,
        prior: nn.Module,
        likelihood: nn.Module,
        classifier: Conditional,
        classes: int,
    ) -> None:
        super().__init__(classes)
        self.posterior, self.prior, self.likelihood = posterior, prior, likelihood
        self.classifier = classifier

    def label(self, x: Tensor) -> Categorical:
        q = self.classifier(x)
        assert isinstance(q, Categorical)
        return q

    def every(self, x: Tensor) -> Trace:
        r"""Passes once with each class: all that is per example has the shape :math:`(K, B)`."""
        classes = len(self.log_prior)
        y = torch.arange(classes, device=x.device).unsqueeze(1)
        return self(x, y, size=(classes, len(x)))

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        q = self.label(x) if x is not None and y is None else None
        context = self.context(trace, q, y)
        posterior = None if x is None else self.posterior(x, context)
        z = trace.latent("z", p=self.prior(None), q=posterior)
        return self.likelihood(z, context)


class Shared(TransformedDistribution):
    r"""Is a posterior :math:`q(z_1 | x)` whose draw other groups have read, so that no closed form of its divergence holds.

    Where :math:`p` depends on a :math:`z_2` that was inferred from the same :math:`z_1`, :math:`\mathrm{KL}(q \,\|\, p(z_1 |
    z_2))` would average over a :math:`z_1` that :math:`z_2` was not inferred from. Without a rule the estimate by the draw is
    taken.
    """

    def __init__(self, q: Distribution) -> None:
        super().__init__(q, [], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def expand(self, batch_shape: Any, _instance: object = None) -> Shared:
        return Shared(self.base_dist.expand(batch_shape))


class JointOnCodes(Labelling):
    r"""Draws the code :math:`z_1` of a VAE from a joint model of codes and labels, and :math:`x` from the VAE.

    .. math:: p(x, z_1, y, z_2) = p(x | z_1) \, p(z_1 | y, z_2) \, p(y) \, p(z_2), \qquad
        q = q(z_1 | x) \, q(y | x) \, q(z_2 | z_1, y)

    The label is inferred from the example itself, :math:`q(y | x)`, which has more information than :math:`q(y | z_1)` of the
    paper would; the model that draws is the paper's. The walk goes down from :math:`z_2`, while the posteriors go up from
    :math:`z_1`; so :math:`z_1` is drawn before it is named.

    References:
        | Semi-supervised Learning with Deep Generative Models (Kingma et al., 2014), whose model M1+M2 this is
        | https://arxiv.org/abs/1406.5298

    Arguments:
        vae: The VAE, M1: its :math:`q(z_1 | x)` and :math:`p(x | z_1)`; it is frozen, and its own prior is not used.
        codes: The joint model of codes and labels, M2; its classifier reads :math:`x`.
        classes: The number of classes :math:`K`.
    """

    def __init__(self, vae: VAE, codes: Joint, classes: int) -> None:
        super().__init__(classes)
        self.posterior = vae.posterior.requires_grad_(False)
        self.likelihood = vae.likelihood.requires_grad_(False)
        self.codes = codes

    def train(self, mode: bool = True) -> JointOnCodes:
        super().train(mode)
        self.posterior.eval()  # what is frozen drops no units
        self.likelihood.eval()
        return self

    def label(self, x: Tensor) -> Categorical:
        return self.codes.label(x)

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        q1, z1 = None, None
        if x is not None:
            q1, z1 = self.code(trace, x)
        q = self.label(x) if x is not None and y is None else None
        context = self.context(trace, q, y)
        q2 = None if z1 is None else self.codes.posterior(z1, context)
        z2 = trace.latent("z2", p=self.codes.prior(None), q=q2)
        q1 = Shared(q1) if isinstance(q1, Independent) else q1
        z1 = trace.latent("z1", p=self.codes.likelihood(z2, context), q=q1)
        return self.likelihood(z1, None)

    def code(self, trace: Trace, x: Tensor) -> tuple[Distribution, Tensor]:
        r"""Draws :math:`z_1` before it is named; the trace is given it."""
        given = trace.given.get("z1")
        q = given if isinstance(given, Distribution) else self.posterior(x)
        z = given if isinstance(given, Tensor) else trace.choose(q.expand(trace.size))
        trace.given = {**trace.given, "z1": z}
        return q, z
