r"""Sharpening against a critic: a refiner must be near what is true, and look like it.

A reconstruction has an image that it should become, so its loss is the distance from it; a draw from the prior has none, and
its loss is adversarial, by a critic of real images. The first alone gives nothing new, the second alone forgets the caption.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.refined import Refined, SharpnessCritic
from ..schedules import Clock
from ..trace import Model
from .base import Batches, Objective, Term, Turns

__all__ = ["Sharpening"]


class Sharpening(Objective):
    r"""Moves a critic, then the refiner, :math:`\| x - x' \|_1 + \gamma \log(1 + e^{-T(x'_p, y)})` for :math:`x'_p` of the prior.

    References:
        | Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks (Denton et al., 2015)
        | https://arxiv.org/abs/1506.05751

    Arguments:
        critic: Discriminates real images of captions from refined ones.
        weight: The weight :math:`\gamma` of the adversarial loss, in nats, against the L1 distance of all pixels.

    Raises:
        ValueError: On the first batch, if the model is no :class:`~latente.models.Refined`.
    """

    def __init__(self, critic: SharpnessCritic, weight: float) -> None:
        super().__init__()
        self.critic, self.weight = critic, weight

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        return super().players(model) | {"critic": list(self.critic.parameters())}

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        if not isinstance(model, Refined):
            raise ValueError(f"sharpening trains a Refined model, and this is a {type(model).__name__}")
        model.base.eval()
        with torch.no_grad():
            near, free = model.base(x, y).likelihood.mean, model.base(y=y).likelihood.mean
        words = model.embed(y).pooled
        sharp = model.net(torch.cat([near, free]), words.repeat(2, 1))
        away = (sharp[: len(x)] - x).abs().flatten(1).sum(1)
        adversarial = F.softplus(-self.critic(sharp[len(x) :], words.detach()))
        before = (near - x).abs().flatten(1).sum(1)
        return {
            "distance": Term(away),
            "adversarial": Term(
                adversarial, self.weight, held=0.0
            ),  # the critic of one validation is not that of the next
            "distance/before": Term(before, monitor=True),
        }

    def turns(self, model: Model, batches: Batches, clock: Clock) -> Turns:
        x, y = next(batches)
        assert isinstance(model, Refined)
        model.base.eval()
        with torch.no_grad():
            words = model.embed(y).pooled
            sharp = model.net(model.base(y=y).likelihood.mean, words)
        real, other = self.critic(x, words), self.critic(sharp, words)
        yield "critic", {"critic": Term(F.softplus(-real) + F.softplus(other))}
        yield "model", self.terms(model, x, y, clock)
