r"""A second stage that sharpens the images of a model of captions.

A likelihood that is independent from pixel to pixel shows means, and means are soft. A refiner is a small net :math:`r` that
reads such an image :math:`m` and its caption and adds what is missing, :math:`x' = m + r(m, y)`. It is trained against a critic
of sharp images. The model that made :math:`m` stays as it is, so its latents do too, and the likelihood of the
sharpened image is still one: a bound can be had for it. It is worse, for a sharp guess at a stroke is wrong more often than a
soft one.

References:
    | Generating Images from Captions with Attention (Mansimov et al., 2015), https://arxiv.org/abs/1511.02793
    | Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks (Denton et al., 2015)
    | https://arxiv.org/abs/1506.05751
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from ..conditionals import Conditional
from ..nn.captions import CaptionEncoder
from ..trace import Model, Trace
from .guidance import usual_guidance

__all__ = ["Refined", "Sharpener", "SharpnessCritic"]


class Sharpener(nn.Module):
    """Adds a residual to images, by their captions: a plane that the caption draws, and three convolutions.

    The last one starts at zero, so that a fresh net changes nothing.

    Arguments:
        shape: The shape of an image, (C, H, W).
        words: The features of a caption's pooled vector.
        channels: The channels between.

    Example:
        >>> x = torch.rand(2, 1, 8, 8)
        >>> Sharpener((1, 8, 8), words=6, channels=4)(x, torch.randn(2, 6)).equal(x)
        True
    """

    def __init__(self, shape: Sequence[int], words: int, channels: int = 32) -> None:
        super().__init__()
        planes, *self.size = shape
        self.plane = nn.Linear(words, self.size[0] * self.size[1])
        self.net = nn.Sequential(
            nn.Conv2d(planes + 1, channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(channels, planes, 5, padding=2),
        )
        for parameter in self.net[-1].parameters():
            nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        plane = F.leaky_relu(self.plane(words), 0.2).unflatten(-1, (1, *self.size))
        together = torch.cat([x, plane], -3).contiguous(memory_format=torch.channels_last)
        return (x + self.net(together)).clamp(0, 1)


class SharpnessCritic(nn.Module):
    """Discriminates images of a caption from refined ones: log-odds, with shape (n).

    Arguments:
        shape: The shape of an image, (C, H, W).
        words: The features of a caption's pooled vector.
        channels: The channels of the first stage.
    """

    def __init__(self, shape: Sequence[int], words: int, channels: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(shape[0], channels, 4, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.caption, self.odds = nn.Linear(words, 2 * channels), nn.Linear(2 * channels, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        h = self.net(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))
        return (self.odds(h) + (self.caption(words) * h).mean(1, keepdim=True)).squeeze(1)


class Refined(Model):
    r"""Draws as another model does, and sharpens the mean of its likelihood.

    Arguments:
        base: The model, which stays as it is.
        net: Sharpens its means.
        embed: Reads captions, for the net.
        likelihood: The conditional :math:`p(x | x')`, called with sharpened images.
    """

    def __init__(self, base: Model, net: Sharpener, embed: CaptionEncoder, likelihood: Conditional) -> None:
        super().__init__()
        self.base, self.net, self.embed, self.likelihood = base, net, embed, likelihood

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        soft = self.base.walk(trace, x, y).mean
        words = self.embed(y).pooled
        shape = soft.shape
        flat = soft.reshape(-1, *shape[-3:])
        sharp = self.net(flat, words.repeat(len(flat) // len(words), 1))
        return self.likelihood(sharp.view(shape))


usual_guidance.register(Refined, lambda model: usual_guidance(model.base))


class LogOdds(nn.Module):
    """Returns the log-odds of means, kept away from certainty."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.logit(x, 1e-3)
