"""Remedies for posterior collapse, against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.testing import assert_close

from latente import recipes
from latente.conditionals import Diagonal, FixedNormal, MinimumRate
from latente.data import Examples
from latente.divergences import FreeBits
from latente.errors import RunError
from latente.models import VAE
from latente.nn import NormalisedMeans
from latente.objectives import (
    ELBO,
    IWAE,
    Adversarial,
    Aggressive,
    Capacity,
    Discrepancy,
    DistortionTarget,
    Information,
    RateTarget,
    Reconstruction,
    SemiAmortised,
    TotalCorrelation,
    prior_draws,
    refine,
    shuffled,
)
from latente.objectives.matching import discrepancy
from latente.priors import Standard
from latente.schedules import Clock, constant, linear
from latente.settings import settings
from latente.trace import Latent, Trace, kl
from latente.training import Trainer, train_encoder_first
from test_objectives import linear_vae, solved

CLOCK = Clock(0, 10)
VALUES = torch.tensor([9.0, 4.0, 2.0, 1.2, 0.8, 0.5, 0.5, 0.5], dtype=torch.float64)


def latent(loc, scale, draw=None):
    q = Independent(Normal(loc, scale), 1)
    return Latent(q.rsample() if draw is None else draw, p=Standard(loc.shape[-1])(), q=q)


def traced(g):
    trace = Trace(g.z.shape[:1])
    trace.latents["z"] = g
    return trace


@pytest.fixture
def gaussian():
    """Points of a Gaussian whose spectrum is known, and the basis it stands in."""
    torch.manual_seed(0)
    vectors = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    x = torch.randn(4000, 8, dtype=torch.float64) @ (VALUES.sqrt()[:, None] * vectors.T)
    return x, vectors


# ------------------------------------------------------------------------------------------------- the rate


@pytest.mark.parametrize("by_dimension", [False, True])
@pytest.mark.parametrize("by_example", [False, True])
def test_free_bits_report_the_rate_and_cut_its_gradient(by_dimension, by_example):
    loc = torch.tensor([[0.1, 2.0], [0.2, 0.4]], requires_grad=True)
    scale = torch.ones(2, 2)
    each = loc.detach().square() / 2
    rates = each if by_dimension else each.sum(1, keepdim=True)
    level = rates if by_example else rates.mean(0, keepdim=True).expand_as(rates)
    value = FreeBits(0.5, by_dimension, by_example)(latent(loc, scale))
    assert_close(value, each.sum(1))
    (gradient,) = torch.autograd.grad(value.sum(), loc)
    assert_close(gradient, torch.where(level > 0.5, loc.detach(), 0.0))


def test_free_bits_by_dimension_need_dimensions():
    q = MultivariateNormal(torch.zeros(3, 2), torch.eye(2))
    with pytest.raises(ValueError, match=r"MultivariateNormal.*one floor"):
        FreeBits(0.1, by_dimension=True)(Latent(q.mean, p=Standard(2)(), q=q))


@pytest.mark.parametrize("nats", [0.05, 0.1, 0.2])
def test_posteriors_of_the_delta_vae_keep_their_rate_whatever_the_network_says(nats):
    outputs = torch.cat([1e3 * torch.randn(2000, 8), torch.randn(2000, 8), torch.zeros(1, 8)]).double()
    q = MinimumRate(nn.Identity(), nats)(outputs)
    rate = kl_divergence(q.base_dist, Normal(0.0, 1.0))
    assert rate.isfinite().all() and rate.min() > nats - 1e-7
    assert rate.min() < nats + 1e-6 and q.stddev.min() < 1 < q.stddev.max()
    low, high = {0.05: (0.7854, 1.2314), 0.1: (0.7023, 1.3313), 0.2: (0.5915, 1.4761)}[nats]
    assert_close(q.stddev.min().item(), low, atol=1e-4, rtol=0)
    assert_close(q.stddev.max().item(), high, atol=1e-4, rtol=0)


def test_normalised_means_bound_the_rate_of_a_batch():
    net = NormalisedMeans(nn.Linear(5, 2 * 32), features=32, gamma=0.6)
    nn.init.normal_(net.net.weight)
    q = Diagonal(net)(torch.randn(256, 5))
    assert kl(Latent(q.mean, Standard(32)(), q)).mean() >= 32 * 0.36 / 2 - 1e-3
    assert q.mean.std(0, correction=0)[0].item() == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
def test_small_means_do_not_slip_under_the_floor(size):
    net = NormalisedMeans(nn.Linear(5, 2 * 4, bias=False), features=4, gamma=0.6)
    nn.init.normal_(net.net.weight, std=size)
    loc = net(torch.randn(256, 5)).chunk(2, -1)[0]
    assert_close(loc.std(0, correction=0), torch.full((4,), 0.6), rtol=1e-3, atol=0)


def vae_of(x, vectors, variance):
    """A linear VAE whose variance is fixed, started away from its optimum."""
    torch.manual_seed(1)
    model = solved(VALUES, vectors, torch.zeros(8, dtype=torch.float64), 5, variance)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.0 + 0.1 * torch.randn_like(p))
    return model


def settled(model, objective, x, steps=1500):
    history = Trainer(model, objective, steps=steps, lr=1e-2, batch=1000, log_every=100, threads=1).fit(x)
    return history[-1]


def rate_at(s):
    kept = VALUES[:5][VALUES[:5] > s]
    return 0.5 * (kept / s).log().sum().item()


@pytest.mark.parametrize("nats", [2.0, 6.0])
def test_a_rate_target_is_reached_where_the_bound_spends_less_and_left_alone_where_it_spends_more(
    gaussian, nats
):
    x, vectors = gaussian
    own = rate_at(0.5)
    assert 2.0 < own < 6.0
    last = settled(vae_of(x, vectors, 0.5), ELBO(beta=RateTarget(nats, speed=0.02)), x)
    assert last["rate/z"] == pytest.approx(max(own, nats), rel=0.04)
    assert (last["beta"] < 0.9) == (nats > own)


def test_a_rate_that_costs_nothing_is_held_without_swings(gaussian):
    x, vectors = gaussian
    model = vae_of(x, vectors, 0.5)
    with torch.no_grad():
        model.likelihood.net.weight.zero_()  # the decoder is deaf: nothing but the target asks for a rate
    model.likelihood.requires_grad_(False)
    trainer = Trainer(
        model, ELBO(beta=RateTarget(5.0)), steps=600, lr=1e-2, lr_schedule="constant", log_every=10, threads=1
    )
    rates = [line["rate/z"] for line in trainer.fit(x)][30:]
    assert min(rates) > 4.0 and max(rates) < 6.0


def test_a_distortion_target_is_reached_at_the_least_rate(gaussian):
    x, vectors = gaussian
    s = 1.0  # the price at which the linear VAE stops: reverse water-filling
    squares = torch.cat([VALUES[:5].clamp_max(s), VALUES[5:]]).sum().item()
    distortion = 4 * math.log(2 * math.pi * 0.5) + squares / (2 * 0.5)
    last = settled(vae_of(x, vectors, 0.5), ELBO(beta=DistortionTarget(distortion, speed=0.05)), x, 2500)
    assert last["distortion"] == pytest.approx(distortion, rel=0.02)
    assert last["rate/z"] == pytest.approx(rate_at(s), rel=0.05)
    assert last["beta"] == pytest.approx(2.0, rel=0.1)


def test_a_capacity_holds_the_rate(gaussian):
    x, vectors = gaussian
    last = settled(vae_of(x, vectors, 0.5), ELBO(beta=Capacity(linear(500, end=2.5), gamma=5.0)), x)
    assert last["rate/z"] == pytest.approx(2.5, rel=0.05)


def test_controllers_learn_only_while_training_and_are_saved(gaussian, tmp_path):
    x, vectors = gaussian
    objective = ELBO(beta=RateTarget(5.0, speed=0.1))
    model = vae_of(x, vectors, 0.5)
    before = objective.state_dict()["beta.beta"].clone()
    objective.terms(model.eval(), x[:100], None, CLOCK)
    assert objective.beta.beta.equal(before)
    objective.terms(model.train(), x[:100], None, CLOCK)
    assert not objective.beta.beta.equal(before)

    def train(out, steps, **more):
        trainer = Trainer(
            vae_of(x, vectors, 0.5),
            ELBO(beta=RateTarget(5.0, speed=0.1)),
            out=out,
            steps=steps,
            lr_schedule="constant",
            checkpoint_every=5,
            batch=100,
            threads=1,
        )
        trainer.fit(x, **more)
        return trainer.objective.beta.beta

    train(tmp_path / "parts", 5)
    assert train(tmp_path / "parts", 10, resume=True).equal(train(tmp_path / "whole", 10))


# ------------------------------------------------------------------------------------- importance weights


def encoder_gradient(model, x, objective, seed):
    torch.manual_seed(seed)
    terms = objective.terms(model, x, None, CLOCK)
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(terms["bound"].value.mean(), model.posterior.parameters())]
    )


@pytest.mark.parametrize("power", [1, 2])
def test_without_the_score_the_encoder_rests_at_the_exact_posterior(gaussian, power):
    x, vectors = gaussian
    model = solved(VALUES, vectors, torch.zeros(8, dtype=torch.float64), 5, 0.5)
    x = x[:50]
    assert encoder_gradient(model, x, IWAE(5, power), 0).abs().max() < 1e-6
    assert encoder_gradient(model, x, IWAE(5), 0).abs().max() > 1e-3


def test_the_doubly_reparameterised_gradient_is_that_of_the_bound(gaussian):
    x, vectors = gaussian
    model = vae_of(x, vectors, 0.5)
    few = x[:5]
    plain, doubly = (
        torch.stack([encoder_gradient(model, few.repeat(40, 1), IWAE(4, power), i) for i in range(100)])
        for power in (None, 2)
    )
    error = ((plain.var(0) + doubly.var(0)) / 100).sqrt()
    assert ((plain.mean(0) - doubly.mean(0)).abs() < 5 * error + 1e-12).all()
    assert doubly.var(0).sum() < 0.5 * plain.var(0).sum()
    decoder = [
        torch.autograd.grad(
            (torch.manual_seed(0), IWAE(4, power).terms(model, few, None, CLOCK))[1]["bound"].value.sum(),
            model.likelihood.parameters(),
        )
        for power in (None, 2)
    ]
    for one, other in zip(*decoder):
        assert_close(one, other)


# --------------------------------------------------------------------------------- the aggregate posterior


def kernel_mean(v, squared, unit, d):
    """E of the kernel over differences N(delta, v I), by its mixture of Gaussians."""
    total = 0.0
    for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = scale * unit
        total += integrate.quad(
            lambda t, c=c: (
                c * math.exp(-c * t) * (1 + 2 * v * t) ** (-d / 2) * math.exp(-t * squared / (1 + 2 * v * t))
            ),
            0,
            math.inf,
        )[0]
    return total


def test_the_discrepancy_has_its_population_value():
    torch.manual_seed(0)
    d, m, s, n = 8, 0.3, 0.5, 300
    z = m + math.sqrt(s) * torch.randn(60, n, d, dtype=torch.float64)
    reference = torch.randn(60, n, d, dtype=torch.float64)
    found = torch.stack([discrepancy(a, b) for a, b in zip(z, reference)])
    unit = 2 * d
    expected = (
        kernel_mean(2 * s, 0.0, unit, d)
        + kernel_mean(2.0, 0.0, unit, d)
        - 2 * kernel_mean(1 + s, d * m * m, unit, d)
    )
    assert abs(found.mean().item() - expected) < 5 * found.std().item() / math.sqrt(60) + 1e-3
    null = torch.stack([discrepancy(a, b) for a, b in zip(reference[:30], reference[30:])])
    assert abs(null.mean()) < 5 * null.std() / math.sqrt(30) and null.min() < 0
    loc = torch.zeros(16, 2, requires_grad=True)
    price = Discrepancy(3.0)(traced(latent(loc, torch.ones(16, 2))), None)
    assert price.shape == (16,) and torch.autograd.grad(price.sum(), loc)[0].abs().sum() > 0


def test_parts_of_the_rate_by_hand():
    torch.manual_seed(0)
    loc, scale = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, 3, dtype=torch.float64) + 0.1
    g = latent(loc, scale)
    for i in range(6):
        each = np.array(
            [[Normal(loc[k, j], scale[k, j]).log_prob(g.z[i, j]).item() for j in range(3)] for k in range(6)]
        )
        joint = math.log(np.exp(each.sum(1)).mean())
        product = sum(math.log(np.exp(each[:, j]).mean()) for j in range(3))
        assert TotalCorrelation(1.0)(traced(g), None)[i].item() == pytest.approx(joint - product)
        assert Information(-1.0)(traced(g), None)[i].item() == pytest.approx(each[i].sum() - joint)
    apart = latent(100.0 * torch.arange(6.0)[:, None], torch.ones(6, 1))
    assert_close(Information(1.0)(traced(apart), None), torch.full((6,), math.log(6)))
    q = MultivariateNormal(torch.zeros(3, 2), torch.eye(2))
    with pytest.raises(ValueError, match=r"MultivariateNormal.*diagonal"):
        TotalCorrelation(1.0)(traced(Latent(q.mean, Standard(2)(), q)), None)


class Squares(nn.Module):
    """Features in which the log-odds of two Gaussians are linear."""

    def __init__(self):
        super().__init__()
        self.odds = nn.Linear(2, 1)

    def forward(self, z):
        return self.odds(torch.cat([z, z.square()], -1))


class Still(nn.Module):
    """An encoder that says N(1, .5²) whatever it sees."""

    def __init__(self):
        super().__init__()
        self.says = nn.Parameter(torch.tensor([1.0, math.log(0.5)]))

    def forward(self, x, y=None):
        return self.says.expand(len(x), 2)


class Plain(nn.Linear):
    def forward(self, z, y=None):
        return super().forward(z)


def test_the_critic_learns_the_jensen_shannon_divergence():
    torch.manual_seed(0)
    objective = Adversarial(Squares(), weight=0.0)
    model = VAE(Diagonal(Still()), Standard(1), FixedNormal(Plain(1, 1), 1.0))
    for p in model.parameters():
        p.requires_grad_(False)
    model.likelihood.net.weight.requires_grad_()  # somebody must play
    history = Trainer(model, objective, steps=800, lr=0.02, batch=2000, log_every=200, threads=1).fit(
        torch.zeros(2000, 1)
    )
    assert history[-1]["critic"] == pytest.approx(2 * math.log(2) - 2 * 0.2239837765, abs=0.01)


def test_critic_and_model_take_turns():
    torch.manual_seed(0)
    plan = recipes.make("vae", shape=(6,), latent=3, hidden=[8])
    objective = Adversarial(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)), beta=0.0)
    batches = iter([(torch.randn(16, 6), None)])
    turns = objective.turns(plan.model, batches, CLOCK)
    player, terms = next(turns)
    assert player == "critic"
    terms["critic"].value.mean().backward()
    assert all(p.grad is None for p in plan.model.parameters())
    assert all(p.grad is not None for p in objective.critic.parameters())
    player, terms = turns.send(lambda: 0.0)
    assert player == "model" and set(terms) == {"distortion", "rate/z", "adversarial"}
    assert terms["rate/z"].weight == 0.0
    terms["adversarial"].value.mean().backward()
    assert any(p.grad is not None and p.grad.ne(0).any() for p in plan.model.posterior.parameters())
    players = objective.players(plan.model)
    assert not {id(p) for p in players["model"]} & {id(p) for p in players["critic"]}


def test_shuffled_codes_keep_their_margins():
    g = latent(torch.randn(50, 3), torch.ones(50, 3))
    mixed = shuffled(g)
    assert_close(mixed.sort(0).values, g.z.sort(0).values)
    assert not mixed.equal(g.z) and prior_draws(g).shape == (50, 3)


# --------------------------------------------------------------------------------------------- the encoder


def test_aggressive_turns_and_when_they_end():
    torch.manual_seed(0)
    plan = recipes.make("vae", shape=(6,), latent=3, hidden=[8])
    objective = Aggressive(
        plan.objective, plan.model.posterior, most=6, block=2, every=1, patience=2, longest=8
    )
    players = objective.players(plan.model)
    assert {id(p) for p in players["encoder"]} == {id(p) for p in plan.model.posterior.parameters()}
    assert len(players["encoder"]) + len(players["decoder"]) == len(list(plan.model.parameters()))

    def step(losses, information, at):
        asked = []
        turns = objective.turns(plan.model, iter([(torch.randn(512, 6), None)] * 100), Clock(at, 10))
        player, _ = next(turns)
        losses = iter(losses)
        while True:
            asked.append(player)
            value = next(losses) if player == "encoder" else information
            try:
                player, _ = turns.send(lambda value=value: value)
            except StopIteration:
                return asked

    assert step([3, 2, 1, 1, 1, 1], 1.0, 0) == ["encoder"] * 6 + ["decoder", ""]
    assert step([3, 2, 4, 4], 2.0, 1) == ["encoder"] * 4 + ["decoder", ""]
    assert step([3, 2, 4, 4], 1.5, 2)[-1] == "" and objective.active
    step([3, 2, 4, 4], 1.9, 3)
    assert not objective.active and objective.best == 2.0
    assert step([], 0.0, 4) == ["encoder decoder"]
    objective.active.fill_(True)
    assert step([3, 2, 4, 4], 2.5, 7)[0] == "encoder"
    assert step([], 0.0, 8) == ["encoder decoder"] and not objective.active


def test_the_information_has_no_ceiling():
    torch.manual_seed(0)
    noise = torch.tensor([1e-6, 1e-4, 0.1], dtype=torch.float64)
    x = torch.randn(4096, 3, dtype=torch.float64)
    encoder = torch.diag((1 - noise).sqrt())
    model = linear_vae(
        torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 1.0, encoder, noise
    )
    found = Aggressive(ELBO(), model.posterior).information(
        model, iter([(x[:2048], None), (x[2048:], None)]), 1024
    )
    assert found.item() == pytest.approx(-0.5 * noise.log().sum().item(), rel=0.02)


def test_an_aggressive_run_is_resumed_exactly(tmp_path):
    x = torch.rand(600, 1, 4, 4).round()

    def run(out, steps, **more):
        torch.manual_seed(0)
        plan = recipes.make("vae", shape=(1, 4, 4), latent=3, hidden=[8])
        objective = Aggressive(
            plan.objective, plan.model.posterior, most=4, block=2, every=3, patience=1, longest=9
        )
        settings = {"lr_schedule": "constant", "checkpoint_every": 4, "batch": 32, "threads": 1}
        Trainer(plan.model, objective, out=out, steps=steps, **settings).fit(x, **more)
        return plan.model.state_dict(), objective.state_dict()

    whole = run(tmp_path / "whole", 12)
    run(tmp_path / "parts", 4)
    parts = run(tmp_path / "parts", 12, resume=True)
    for one, other in zip(whole, parts):
        assert all(one[name].equal(other[name]) for name in one)


def lagging(vectors):
    model = solved(VALUES, vectors, torch.zeros(8, dtype=torch.float64), 5, 0.5)
    with torch.no_grad():
        model.posterior.net.weight.zero_()
        model.posterior.net.bias.zero_()
    return model


def test_refining_finds_the_exact_posterior(gaussian):
    x, vectors = gaussian
    x = x[:20]
    torch.manual_seed(0)
    model = lagging(vectors)
    exact = solved(VALUES, vectors, torch.zeros(8, dtype=torch.float64), 5, 0.5)(x).latents["z"].q
    better = refine(model, x.repeat(50, 1), steps=300, lr=0.1)["z"]
    loc = better.mean.view(50, 20, 5)
    assert_close(loc.mean(0), exact.mean, atol=0.05, rtol=0)
    assert_close(better.stddev.view(50, 20, 5).mean(0), exact.stddev.expand(20, 5), atol=0.05, rtol=0)


def test_semi_amortised_gradients_flow_through_the_steps(gaussian):
    x, vectors = gaussian
    model, x = lagging(vectors).train(), x[:10]
    objective = SemiAmortised(ELBO(), steps=4, lr=0.02, clip=1e9)

    def loss():
        torch.manual_seed(0)
        terms = objective.terms(model, x, None, CLOCK)
        return sum(term.value.mean() for term in terms.values())

    for p in (model.posterior.net.weight, model.likelihood.net.weight):
        (gradient,) = torch.autograd.grad(loss(), p)
        for index in ((0, 1), (4, 2)):
            with torch.no_grad():
                p[index] += 1e-5
                above = loss().item()
                p[index] -= 2e-5
                below = loss().item()
                p[index] += 1e-5
            assert gradient[index].item() == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-7)
    assert loss() < sum(term.value.mean() for term in ELBO().terms(model, x, None, CLOCK).values())


def test_an_encoder_goes_first(tmp_path):
    x = Examples(torch.rand(300, 1, 4, 4).round())
    how = settings(lr_schedule="constant", checkpoint_every=5, batch=32, threads=1)

    def prepared(steps, folder=None):
        torch.manual_seed(0)
        model = recipes.make("vae", shape=(1, 4, 4), latent=3, hidden=[8], prior="mixture").model
        before = {name: t.clone() for name, t in model.state_dict().items()}
        train_encoder_first(model, (model.likelihood, model.prior), x, steps, how, folder)
        return before, model.state_dict()

    before, whole = prepared(20, tmp_path / "whole")
    for name, t in whole.items():
        assert t.equal(before[name]) == (not name.startswith("posterior")), name
    prepared(10, tmp_path / "parts")
    _, parts = prepared(20, tmp_path / "parts")
    assert all(parts[name].equal(whole[name]) for name in whole)
    assert all(t.equal(whole[name]) for name, t in prepared(20)[1].items())


def test_an_interrupted_encoder_names_the_run(tmp_path, monkeypatch):
    model = recipes.make("vae", shape=(4,), latent=2, hidden=[8]).model
    monkeypatch.setattr(Trainer, "interrupted", lambda t: t.step == 3)
    says = rf"^the encoder first: interrupted at step 3 of 20; .* latente resume {tmp_path}/run$"
    with pytest.raises(RunError, match=says):
        folder = tmp_path / "run" / "pretraining"
        parts = (model.likelihood, model.prior)
        train_encoder_first(model, parts, Examples(torch.rand(60, 4)), 20, settings(threads=1), folder)


def test_reconstruction_is_learnt_by_the_means_alone(gaussian):
    x, vectors = gaussian
    model = vae_of(x, vectors, 0.5)
    with torch.no_grad():
        model.posterior.net.weight.mul_(0.01)
    decoder = [p.clone() for p in model.likelihood.parameters()]

    def error():
        return Reconstruction().terms(model, x, None, CLOCK)["distortion"].value.mean().item()

    before, scale = error(), model.posterior(x[:1], None).stddev
    Trainer(model, Reconstruction(), steps=300, lr=1e-2, batch=500, threads=1).fit(x)
    assert error() < before - 1
    assert model.posterior(x[:1], None).stddev.equal(scale)  # no noise was there to be brought down
    assert not all(p.equal(q) for p, q in zip(model.likelihood.parameters(), decoder))


def test_what_cannot_be_refined():
    plan = recipes.make("vae", shape=(6,), latent=3, hidden=[8], posterior="full")
    with pytest.raises(ValueError, match=r"diagonal Normal.*Correlated"):
        refine(plan.model, torch.randn(4, 6))


def test_every_remedy_trains():
    """One step of each moves the model and reports the unweighted bound."""
    x = torch.rand(64, 1, 4, 4).round()
    for objective in (
        ELBO(divergence=FreeBits(0.5)),
        ELBO(beta=Capacity(constant(2.0))),
        ELBO(beta=0.0, penalties={"mmd": Discrepancy(10.0)}),
        ELBO(penalties={"total correlation": TotalCorrelation(5.0), "information": Information(-1.0)}),
        Adversarial(nn.Linear(3, 1), weight=2.0, beta=1.0, reference=shuffled, ratio=True),
        SemiAmortised(ELBO(), steps=2),
        IWAE(3, power=2),
    ):
        torch.manual_seed(0)
        model = recipes.make("vae", shape=(1, 4, 4), latent=3, hidden=[8]).model
        before = {name: t.clone() for name, t in model.state_dict().items()}
        history = Trainer(model, objective, steps=3, batch=32, log_every=1, threads=1).fit(x, x)
        assert all(math.isfinite(v) for line in history for v in line.values() if isinstance(v, float))
        assert all(not model.state_dict()[name].equal(t) for name, t in before.items()), objective
        assert all(line["rate/z"] >= 0 for line in history)
