r"""A generator without a likelihood: :math:`z \sim p(z)`, :math:`x = G(z)`, and no way back.

All that it shares with the other models is the way down. It has no posterior, so nothing is encoded or reconstructed, and no
density, so nothing is scored; it is learnt from a critic (:class:`latente.objectives.Generation`), and judged by its samples.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions import Implicit
from ..trace import Model, Trace

__all__ = ["GAN"]


class GAN(Model):
    r"""Draws :math:`z`, and makes an example of it.

    References:
        | Generative Adversarial Networks (Goodfellow et al., 2014)
        | https://arxiv.org/abs/1406.2661

    Arguments:
        prior: The conditional :math:`p(z)`, called with None.
        generator: Maps :math:`z` to an example, with shape :math:`(B, *)`.
        event_dim: The number of event dimensions; 1 for vectors, 3 for images.
        limits: The least and the largest value of an example, to which it is cut once training is over. In training nothing is
            cut or squashed: where all pixels are at a limit no gradient would be left, as of an all-black start.

    Raises:
        ValueError: On a pass with examples, of which it can make nothing.

    Example:
        >>> from latente.nn import MLP
        >>> from latente.priors import Standard
        >>> gan = GAN(Standard(2), MLP((2,), (1, 4, 4)), event_dim=3)
        >>> gan(size=5).likelihood.sample().shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(
        self,
        prior: nn.Module,
        generator: nn.Module,
        event_dim: int,
        limits: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.prior, self.generator, self.event_dim, self.limits = prior, generator, event_dim, limits

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        if x is not None:
            raise ValueError(
                "a GAN has no encoder: it draws examples, and neither encodes, reconstructs nor scores any; "
                "generate with model(size=64)"
            )
        z = trace.latent("z", p=self.prior(None))
        made = self.generator(z)
        if self.limits is not None and not self.training:
            made = made.clamp(*self.limits)
        return Implicit(made, self.event_dim)
