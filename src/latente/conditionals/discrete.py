"""Bits, categories and grey levels."""

from __future__ import annotations

from torch import Tensor, nn

from .. import distributions
from ..distributions import BernoulliEvent, DiscretizedLogisticMixture, Levels
from .base import Conditional

__all__ = ["Bernoulli", "Categorical", "ContinuousBernoulli", "LogisticMixture", "Quantised", "WordCounts"]


class Bernoulli(Conditional):
    r"""Reads log-odds: :math:`p(x | z) = \prod_i \pi_i^{x_i} (1 - \pi_i)^{1 - x_i}` for binary data.

    Its log-density is linear in :math:`x`, so grey values in :math:`[0, 1]` score the expected value over their binary draws;
    as a likelihood of grey values it is not normalised (`ContinuousBernoulli` is).

    Example:
        >>> import torch
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


class WordCounts(Conditional):
    """Reads log-odds of the words of a vocabulary: the multinomial of a document's counts, with shape :math:`(B, V)`.

    Example:
        >>> import torch
        >>> WordCounts(nn.Linear(3, 8))(torch.randn(5, 3)).log_prob(torch.ones(5, 8)).shape
        torch.Size([5])
    """

    def forward(self, *context: Tensor | None) -> distributions.WordCounts:
        return distributions.WordCounts(self.read(*context))


class Categorical(Conditional):
    r"""Reads the log-odds of :math:`G` groups of categories; draws are relaxed in training, and one-hot in evaluation.

    Arguments:
        net: A network with :math:`G K` outputs.
        groups: The number of groups :math:`G`.
        temperature: The temperature of relaxed draws.
        straight: Whether they are rounded to one-hot vectors, with the gradient of what was rounded.

    Example:
        >>> import torch
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
