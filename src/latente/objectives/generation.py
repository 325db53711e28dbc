r"""Objectives with a critic of examples: generative adversarial networks, and autoencoders that a critic helps.

A critic sees real examples and made ones, and learns the log-odds :math:`T(x)` that one is real. Where it is optimal
:math:`T(x) = \log p_{data}(x) - \log p_G(x)`, so its loss estimates a divergence between the two (Jensen and Shannon's), though
neither density is known. The generator's turn is the *non-saturating* one: it maximises :math:`\log \mathrm{sigmoid}(T(G(z)))`,
whose gradient does not vanish where the critic is sure.

Two nets that chase each other may circle for ever. What stops them here is the :math:`R_1` penalty, the squared gradient of the
critic at real examples: once the generator is right, the critic has to be flat there. It is costly, and applied only every
few steps, with that many times its weight.

No loss of such a game tells which weights are best, for each is measured by the other player. So no term counts in validation and
the newest weights, or their average, are kept. What is watched instead is the *energy distance* of made and held-out examples,
:math:`2 \mathbb{E} \lVert x - g \rVert - \mathbb{E} \lVert x - x' \rVert - \mathbb{E} \lVert g - g' \rVert`, which is 0 for equal
distributions alone; not in nats, and blind to much of what an eye sees, but it needs no critic.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models import VAE
from ..nn import Critic
from ..schedules import Clock
from ..trace import Model, kl
from .base import Batches, Objective, Term, Turns
from .elbo import ELBO

__all__ = ["Generation", "LearnedSimilarity", "energy_distance", "r1"]


def r1(critic: nn.Module, x: Tensor) -> Tensor:
    r"""Returns :math:`\lVert \nabla T(x) \rVert^2` of each example, with shape :math:`(B)` and a gradient of its own.

    References:
        | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018)
        | https://arxiv.org/abs/1801.04406

    Example:
        >>> line = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
        >>> r1(line, torch.rand(4, 3)).allclose(line[0].weight.square().sum())
        True
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def energy_distance(x: Tensor, made: Tensor) -> Tensor:
    """Returns the contribution of each pair of an example and a made one, with shape (B); their mean is unbiased.

    References:
        | Energy statistics: A class of statistics based on distances (Székely and Rizzo, 2013)
        | https://doi.org/10.1016/j.jspi.2013.03.018

    Example:
        >>> a, b = torch.randn(500, 2), torch.randn(500, 2) + 3
        >>> energy_distance(a, b).mean() > 1, energy_distance(a, torch.randn(500, 2)).mean().abs() < 0.1
        (tensor(True), tensor(True))
    """
    a, b = x.flatten(1).float(), made.flatten(1).float()
    others = max(1, len(a) - 1)
    between = torch.cdist(a, b).mean(1) + torch.cdist(b, a).mean(1)
    return between - torch.cdist(a, a).sum(1) / others - torch.cdist(b, b).sum(1) / others


def real(odds: Tensor) -> Tensor:
    """Returns the critic's loss at examples labelled real."""
    return F.softplus(-odds)


def fake(odds: Tensor) -> Tensor:
    """Returns the critic's loss at examples labelled fake."""
    return F.softplus(odds)


class PenalisedCritic(nn.Module):
    """Is a critic with its R1 penalty."""

    def __init__(self, critic: Critic, weight: float, every: int) -> None:
        super().__init__()
        self.net, self.weight, self.every = critic, weight, every

    def penalty(self, x: Tensor, clock: Clock) -> dict[str, Term]:
        r"""Returns :math:`\frac{\gamma}{2} \lVert \nabla T(x) \rVert^2` where it is due."""
        if not self.weight or clock.step % self.every:
            return {}
        return {"r1": Term(r1(self.net, x), self.weight / 2 * self.every, held=0.0)}


class Generation(Objective):
    r"""Lets a critic move, then the generator: :math:`\mathbb{E} \log(1 + e^{-T(G(z))})`.

    References:
        | Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
        | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406

    Arguments:
        critic: Maps examples to log-odds.
        penalty: :math:`\gamma`, the weight of the :math:`R_1` penalty is half of it.
        every: The penalty is applied every so many steps, with that many times its weight.
    """

    def __init__(self, critic: Critic, penalty: float = 1.0, every: int = 16) -> None:
        super().__init__()
        self.critic = PenalisedCritic(critic, penalty, every)

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        return super().players(model) | {"critic": list(self.critic.parameters())}

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        made = model(size=len(x)).likelihood.mean
        terms = {"generator": Term(real(self.critic.net(made)), held=0.0)}
        if not model.training:
            terms["energy distance"] = Term(energy_distance(x, made), 0.0, monitor=True)
        return terms

    def turns(self, model: Model, batches: Batches, clock: Clock) -> Turns:
        x, _ = next(batches)
        critic = self.critic.net
        with torch.no_grad():
            made = model(size=len(x)).likelihood.mean
        loss = Term(real(critic(x)) + fake(critic(made)), held=0.0)
        yield "critic", {"critic": loss} | self.critic.penalty(x, clock)
        yield "model", self.terms(model, x, None, clock)


class LearnedSimilarity(Objective):
    r"""Measures a VAE's error in a layer :math:`h` of a critic: the encoder, the decoder and the critic each have a loss.

    .. math::
        L_{enc} &= \beta R + S, \qquad S = \tfrac{1}{2} \lVert h(x) - h(\tilde x) \rVert^2, \\
        L_{dec} &= \gamma S + \log(1 + e^{-T(\tilde x)}) + \log(1 + e^{-T(x_p)}), \\
        L_{critic} &= \log(1 + e^{-T(x)}) + \tfrac{1}{2} \log(1 + e^{T(\tilde x)}) + \tfrac{1}{2} \log(1 + e^{T(x_p)}),

    with :math:`\tilde x` the reconstruction and :math:`x_p` made of a draw of the prior. :math:`S` is the distortion of a
    Normal of variance 1 in that layer, so it is worth as much as the critic's features are large, and no bound of
    :math:`\log p(x)`: what is reported as the distortion is the model's own, in pixels, and nobody minimises it. As in the
    paper the encoder gets no gradient from the game; the critic's weights on real and on made examples are even.

    References:
        | Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016)
        | https://arxiv.org/abs/1512.09300

    Arguments:
        critic: Maps examples to features, and these to log-odds.
        beta: The weight of the rate :math:`\beta`.
        similarity: The weight :math:`\gamma` of the error in the decoder's loss.
        penalty: The weight of the :math:`R_1` penalty is half of it.
        every: The penalty is applied every so many steps, with that many times its weight.
    """

    def __init__(
        self,
        critic: Critic,
        beta: float = 1.0,
        similarity: float = 1.0,
        penalty: float = 1.0,
        every: int = 16,
    ) -> None:
        super().__init__()
        self.critic = PenalisedCritic(critic, penalty, every)
        self.elbo, self.similarity = ELBO(beta), similarity

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        assert isinstance(model, VAE)
        return {
            "encoder": list(model.posterior.parameters()),
            "decoder": list(model.likelihood.parameters()),
            "critic": list(self.critic.parameters()),
        }

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        trace = model(x)
        made = trace.likelihood.mean
        terms = {
            "distortion": Term(-trace.likelihood.log_prob(x).detach(), 0.0, monitor=True),
            "rate/z": Term(kl(trace.latents["z"]), self.elbo.weights(clock)["beta"], held=0.0),
            "similarity": Term(self.error(x, made), held=0.0),
            "decoder": Term(real(self.critic.net(made)), held=0.0),
        }
        if not model.training:
            terms["energy distance"] = Term(
                energy_distance(x, model(size=len(x)).likelihood.mean), 0.0, monitor=True
            )
        return terms

    def error(self, x: Tensor, made: Tensor) -> Tensor:
        """Returns half the squared error in the critic's layer, with shape (B)."""
        h = self.critic.net.features
        with torch.no_grad():
            target = h(x)
        return 0.5 * (h(made) - target).square().sum(1)

    def turns(self, model: Model, batches: Batches, clock: Clock) -> Turns:
        x, _ = next(batches)
        critic = self.critic.net
        with torch.no_grad():
            g = model(x).latents["z"]
            restored = model(size=len(x), given={"z": g.z}).likelihood.mean
            made = model(size=len(x)).likelihood.mean
        loss = real(critic(x)) + (fake(critic(restored)) + fake(critic(made))) / 2
        yield "critic", {"critic": Term(loss, held=0.0)} | self.critic.penalty(x, clock)

        terms = self.terms(model, x, None, clock)
        yield "encoder", {name: terms[name] for name in ("distortion", "rate/z", "similarity")}

        restored = model(size=len(x), given={"z": g.z}).likelihood.mean
        made = model(size=len(x)).likelihood.mean
        loss = real(critic(restored)) + real(critic(made))
        error = Term(self.error(x, restored), self.similarity, held=0.0)
        yield "decoder", {"similarity": error, "decoder": Term(loss, held=0.0)}

    @property
    def core(self) -> Objective:
        return self.elbo

    def weights(self, clock: Clock) -> dict[str, float]:
        return self.elbo.weights(clock)
