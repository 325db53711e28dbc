r"""Better training of the encoder: objectives for a posterior that lags behind.

Early in training the decoder changes fast, and one step of the encoder per step of the decoder does not keep up: the approximate
posterior lags behind the true one, the code is noise to the decoder, and the rate goes where nobody reads it, to zero. Three
remedies: let the encoder move alone until it lags no more, refine its posterior of each example by gradient steps, or train
it first as that of an autoencoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from ..distributions import scale_of
from ..divergences import base
from ..schedules import Clock
from ..trace import Latent, Model, Trace, kl, mean
from .base import Batches, Objective, Term, Turns
from .elbo import ELBO

__all__ = ["Aggressive", "Reconstruction", "SemiAmortised", "refine"]

REFERENCE = 2048  # examples that the mutual information is measured on


class Aggressive(Objective):
    r"""Moves the encoder alone until its loss stops falling, then the decoder once, as long as that raises the information.

    While it is active a step is: encoder steps on fresh batches, at most `most` of them, until the mean loss of a block of
    `block` steps is worse than that of the block before; then one decoder step. The mutual information of code and example is
    measured now and then; when it has not risen `patience` times, and at the latest after `longest`, both move together from
    then on. A step of this phase costs about twenty times a plain one, and a whole run about four times.

    The information of a Normal posterior is measured as :math:`R - \mathrm{KL}(\mathcal{N}(m, S) \,\|\, p)`, where :math:`m`
    and :math:`S` are the moments of the aggregate posterior: an upper bound of it, without the noise of sampling and without a
    ceiling at the logarithm of a batch; the estimator in use elsewhere cannot see information beyond :math:`\log 32 = 3.5` nats,
    and stops by chance. That of other posteriors is bounded from below by :math:`\log q(z_i | x_i) - \log \bar q(z_i)` over the
    same examples.

    References:
        | Lagging Inference Networks and Posterior Collapse in Variational Autoencoders (He et al., 2019)
        | https://arxiv.org/abs/1901.05534

    Arguments:
        objective: The loss of both.
        encoder: The encoder: a module of the model, e.g. `vae.posterior`.
        most: The most encoder steps per step.
        block: The encoder steps per block.
        every: The time between measurements of the information: a share of the run, or a number of steps, e.g. those of an
            epoch.
        patience: How many measurements may fail to rise.
        longest: The time after which the phase ends in any case: a share of the run, or a number of steps.
    """

    active: Tensor
    best: Tensor
    misses: Tensor

    def __init__(
        self,
        objective: Objective,
        encoder: nn.Module,
        most: int = 30,
        block: int = 10,
        every: int | float = 0.05,
        patience: int = 3,
        longest: int | float = 0.15,
    ) -> None:
        super().__init__()
        self.objective, self.most, self.block = objective, most, block
        self.every, self.patience, self.longest = every, patience, longest
        self.own = {id(p) for p in encoder.parameters()}
        self.judged = -1
        self.register_buffer("active", torch.tensor(True))
        self.register_buffer("best", torch.tensor(-math.inf))
        self.register_buffer("misses", torch.tensor(0))

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        players = self.objective.players(model)
        both = players.pop("model")
        encoder = [p for p in both if id(p) in self.own]
        return {"encoder": encoder, "decoder": [p for p in both if id(p) not in self.own], **players}

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        return self.objective.terms(model, x, y, clock)

    def turns(self, model: Model, batches: Batches, clock: Clock) -> Turns:
        if clock.part(self.longest) >= 1:
            self.active.fill_(False)
        if not self.active:
            x, y = next(batches)
            yield "encoder decoder", self.terms(model, x, y, clock)
            return
        first = x, y = next(batches)
        before, total = math.inf, 0.0
        for step in range(1, self.most + 1):
            loss = yield "encoder", self.terms(model, x, y, clock)
            total += loss()
            if step % self.block == 0:
                if total > before:
                    break
                before, total = total, 0.0
            x, y = next(batches)
        yield "decoder", self.terms(model, *first, clock)
        every = self.every if isinstance(self.every, int) else max(1, round(self.every * clock.steps))
        if (clock.step + 1) % every == 0:
            answer = yield "", {"information": Term(self.information(model, batches, len(first[0])))}
            self.judge(answer(), clock)

    def judge(self, information: float, clock: Clock) -> None:
        """Takes a measurement into account: once per step, however many micro-batches have it."""
        if self.judged == clock.step:
            return
        self.judged = clock.step
        self.misses += information <= self.best
        self.best.clamp_(min=information)
        self.active.fill_(bool(self.misses < self.patience))

    @torch.no_grad()
    def information(self, model: Model, batches: Batches, size: int) -> Tensor:
        """Returns the mutual information on fresh examples, in nats, with shape (1)."""
        model.eval()
        groups = [first_group(model(*next(batches))) for _ in range(math.ceil(REFERENCE / size))]
        model.train()
        found = upper_information(groups) if is_normal(groups[0].q) else lower_information(groups)
        return found.clamp_min(0.0).view(1)

    @property
    def core(self) -> Objective:
        return self.objective.core

    def weights(self, clock: Clock) -> dict[str, float]:
        return self.objective.weights(clock) | {"aggressive": float(self.active)}


def is_normal(q: Distribution | None) -> bool:
    return isinstance(base(q), Normal | MultivariateNormal) if q is not None else False


def upper_information(groups: Sequence[Latent]) -> Tensor:
    r"""Returns :math:`R - \mathrm{KL}(\mathcal{N}(m, S) \,\|\, p)`, with the moments of the aggregate posterior."""
    posteriors = [g.q for g in groups if g.q is not None]
    means = torch.cat([q.mean.flatten(1) for q in posteriors])
    within = torch.cat([covariances(q) for q in posteriors]).mean(0)
    aggregate = MultivariateNormal(
        means.mean(0), means.T.cov().view(within.shape) + within, validate_args=False
    )
    p = groups[0].p
    try:
        mismatch = kl_divergence(aggregate, p)
    except NotImplementedError:
        z = aggregate.sample((REFERENCE,))
        mismatch = aggregate.log_prob(z) - p.log_prob(z)
    return torch.cat([kl(g) for g in groups]).mean() - mismatch.mean()


def covariances(q: Distribution) -> Tensor:
    """Returns the covariance of each example's posterior, with shape (B, d, d)."""
    inner = base(q)
    return (
        inner.covariance_matrix
        if isinstance(inner, MultivariateNormal)
        else q.variance.flatten(1).diag_embed()
    )


def lower_information(groups: Sequence[Latent]) -> Tensor:
    r"""Returns the mean of :math:`\log q(z_i | x_i) - \log \frac{1}{N} \sum_j q(z_i | x_j)`."""
    z = torch.cat([g.z for g in groups]).unsqueeze(1)
    table = torch.cat([g.q.log_prob(z) for g in groups if g.q is not None], 1)
    return (table.diagonal() - table.logsumexp(1)).mean() + math.log(len(table))


class SemiAmortised(Objective):
    r"""Refines each posterior by gradient steps from that of the encoder, and learns through them.

    With :math:`\lambda_0 = (\mu, \log \sigma)` from the encoder, `steps` steps of gradient descent with momentum lower the ELBO's
    loss of each example alone; the model minimises the loss at the last :math:`\lambda`, and its gradient flows back through all
    steps into decoder and encoder. The codes of a trained model are those of the encoder; `refine` gives the refined ones.

    References:
        | Semi-Amortized Variational Autoencoders (Kim et al., 2018), https://arxiv.org/abs/1802.02550

    Arguments:
        objective: The bound.
        steps: The number of steps.
        lr: The length of a step.
        momentum: The share of the last step in the next.
        clip: The largest norm of an example's gradient.

    Raises:
        ValueError: On the first batch, if the model has several latent groups or its posterior is not a diagonal Normal.
    """

    def __init__(
        self, objective: ELBO, steps: int = 10, lr: float = 1.0, momentum: float = 0.5, clip: float = 5.0
    ) -> None:
        super().__init__()
        self.objective, self.steps, self.lr, self.momentum, self.clip = objective, steps, lr, momentum, clip

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        weight = self.objective.weights(clock)["beta"]
        # the fused recurrent kernels of cuDNN have no second derivative, and none at all in evaluation
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            q, name = refined(
                model,
                x,
                y,
                self.steps,
                self.lr,
                self.momentum,
                self.clip,
                weight,
                create_graph=model.training,
            )
        trace = model(y=y, size=len(x), given={name: q})
        return self.objective.bound(trace, x, clock, model.training) | self.objective.penalised(
            trace, x, model.training
        )

    @property
    def core(self) -> Objective:
        return self.objective

    def weights(self, clock: Clock) -> dict[str, float]:
        return self.objective.weights(clock)


class Reconstruction(Objective):
    r"""Minimises :math:`-\log p(x | \mathbb{E}_q[z | x])`: a model with posterior and prior, trained as an autoencoder.

    The scale of the posterior is left alone, where the ELBO at :math:`\beta = 0` would drive it to zero.

    Example:
        >>> from latente import recipes
        >>> vae = recipes.make("vae", shape=(4,), latent=2).model
        >>> list(Reconstruction().terms(vae, torch.randn(3, 4), None, Clock(0, 1)))
        ['distortion']
    """

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        return {"distortion": Term(-model(x, y, choose=mean).likelihood.log_prob(x))}


def refine(
    model: Model, x: Tensor, y: Tensor | None = None, steps: int = 100, lr: float = 0.1
) -> dict[str, Independent]:
    r"""Moves each example's posterior to a better one by Adam, the model fixed: stochastic variational inference.

    The gain in the ELBO is the amortisation gap. The posteriors can be given to a pass, `model(x, given=refine(model, x))`.

    References:
        | Inference Suboptimality in Variational Autoencoders (Cremer et al., 2018), https://arxiv.org/abs/1801.03558

    Arguments:
        model: The model, of one latent group with a diagonal Normal posterior.
        x: The data, with shape (B, \*).
        y: The condition of the model, or None.
        steps: The number of steps.
        lr: The length of a step; it falls to a tenth along a cosine.
    """
    with torch.no_grad():
        name, loc, log_scale = start(model(x, y))
    loc, log_scale = loc.clone().requires_grad_(), log_scale.clone().requires_grad_()
    optimizer = torch.optim.Adam([loc, log_scale], lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, lr / 10)
    with torch.enable_grad():
        for _ in range(steps):
            loss = cost(model, x, y, name, normal(loc, log_scale), 1.0).sum()
            loc.grad, log_scale.grad = torch.autograd.grad(loss, (loc, log_scale))
            optimizer.step()
            schedule.step()
    return {name: normal(loc.detach(), log_scale.detach())}


def refined(
    model: Model,
    x: Tensor,
    y: Tensor | None,
    steps: int,
    lr: float,
    momentum: float,
    clip: float,
    beta: float,
    create_graph: bool,
) -> tuple[Independent, str]:
    """Takes the steps of semi-amortised inference; returns the last posterior and the name of its group."""
    name, *at = start(model(x, y))
    speeds = [torch.zeros_like(value) for value in at]
    for _ in range(steps):
        loss = cost(model, x, y, name, normal(*at), beta).sum()
        gradients = torch.autograd.grad(loss, at, create_graph=create_graph)
        flat = torch.cat([g.flatten(1) for g in gradients], 1)
        share = (clip / flat.norm(dim=1).clamp_min(1e-12)).clamp_max(1.0).detach()
        share = share.view(-1, *(1,) * (at[0].dim() - 1))
        speeds = [momentum * speed + share * g for speed, g in zip(speeds, gradients)]
        at = [value - lr * speed for value, speed in zip(at, speeds)]
    return normal(*at), name


def start(trace: Trace) -> tuple[str, Tensor, Tensor]:
    r"""Returns the name of the only group, and :math:`\mu` and :math:`\log \sigma` of its posterior."""
    if len(trace.latents) != 1:
        raise ValueError(f"refining takes one latent group, and the model has {', '.join(trace.latents)}")
    ((name, g),) = trace.latents.items()
    assert g.q is not None
    q = base(g.q)
    if not isinstance(q, Normal):
        raise ValueError(
            f"refining moves mean and log sigma of a diagonal Normal; the posterior is {type(q).__name__}"
        )
    return name, q.loc, q.scale.log()


def normal(loc: Tensor, log_scale: Tensor) -> Independent:
    return Independent(
        Normal(loc, scale_of(log_scale), validate_args=False), loc.dim() - 1, validate_args=False
    )


def cost(model: Model, x: Tensor, y: Tensor | None, name: str, q: Independent, beta: float) -> Tensor:
    """Returns the loss of each example under a posterior of its own; the encoder is not called."""
    trace = model(y=y, size=len(x), given={name: q})
    return beta * kl(trace.latents[name]) - trace.likelihood.log_prob(x)


def first_group(trace: Trace) -> Latent:
    return next(iter(trace.latents.values()))
