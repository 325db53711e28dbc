"""Densities and masses, their gradients, and the divergences between them."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch.autograd import gradcheck, gradgradcheck
from torch.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Independent,
    Laplace,
    MultivariateNormal,
    Normal,
    StudentT,
    kl_divergence,
)
from torch.testing import assert_close

from latente.distributions import (
    BernoulliEvent,
    ContinuousBernoulli,
    Delta,
    DiscretizedLogisticMixture,
    Flat,
    Levels,
    OptimalNormal,
    StandardNormal,
)
from latente.trace import Latent, kl


def every_value(levels, *event):
    places = math.prod(event)
    rows = list(itertools.product(range(levels), repeat=places))
    return torch.tensor(rows, dtype=torch.get_default_dtype()).reshape(-1, *event) / (levels - 1)


def mixture(channels, levels=256, components=3, height=1, width=1, spread=1.0):
    planes = components * DiscretizedLogisticMixture.size(channels)
    return DiscretizedLogisticMixture(spread * torch.randn(1, planes, height, width), channels, levels)


@pytest.mark.parametrize(("levels", "event"), [(2, (3,)), (3, (2, 2)), (5, (1, 1, 2)), (4, (3, 1, 1))])
def test_levels_sum_to_one_and_are_categorical(float64, levels, event):
    logits = torch.randn(levels, *event)
    p = Levels(logits[None], len(event))
    x = every_value(levels, *event)
    assert p.event_shape == event and p.batch_shape == (1,)
    assert_close(p.log_prob(x).exp().sum(), torch.tensor(1.0))
    index = (x * (levels - 1)).round().long()
    expected = Categorical(logits=logits.movedim(0, -1)).log_prob(index).flatten(1).sum(1)
    assert_close(p.log_prob(x), expected)
    assert_close(p.mean[0], (p.log_prob(x).exp().view(-1, *[1] * len(event)) * x).sum(0))


def test_levels_broadcast_draws_over_examples(float64):
    logits, x = torch.randn(4, 3, 5, 2), torch.randint(5, (3, 2)) / 4.0
    whole = Levels(logits, 1).log_prob(x)
    assert_close(whole, torch.stack([Levels(draw, 1).log_prob(x) for draw in logits]))


@pytest.mark.parametrize("make", [lambda: Levels(torch.randn(1, 4, 2), 1), lambda: mixture(2, levels=4)])
def test_draws_of_levels_come_as_often_as_they_should(float64, agrees, make):
    p = make()
    x = every_value(4, *p.event_shape)
    draws = p.sample((40000,))[:, 0]
    agrees((draws[:, None] == x).flatten(2).all(-1).double(), p.log_prob(x).exp())


@pytest.mark.parametrize(
    ("channels", "levels", "width"), [(1, 2, 2), (1, 5, 3), (2, 2, 1), (2, 7, 1), (3, 4, 1)]
)
def test_logistic_mixture_sums_to_one(float64, channels, levels, width):
    p = mixture(channels, levels, width=width)
    assert_close(p.log_prob(every_value(levels, channels, 1, width)).exp().sum(), torch.tensor(1.0))


@pytest.mark.parametrize("channels", [1, 3])
def test_logistic_mixture_is_a_difference_of_cdfs(float64, channels):
    p, x = mixture(channels, levels=16), torch.randint(16, (6, channels, 1, 1)) / 15.0
    for value, found in zip(x[..., 0, 0].numpy(), p.log_prob(x)):
        total = 0.0
        for k in range(3):
            mass = p.log_weights[0, k].exp().item()
            for c in range(channels):
                loc = p.loc[0, k, c].item()
                for j in range(c):
                    loc += p.regression[0, k, c * (c - 1) // 2 + j].item() * (2 * value[j] - 1)
                cdf = stats.logistic(loc, p.log_scale[0, k, c].exp().item()).cdf
                above = 1.0 if value[c] == 1 else cdf(2 * value[c] - 1 + 1 / 15)
                below = 0.0 if value[c] == 0 else cdf(2 * value[c] - 1 - 1 / 15)
                mass *= above - below
            total += mass
        assert found.item() == pytest.approx(math.log(total), rel=1e-9)


@pytest.mark.parametrize("log_scale", [-1e4, -20.0, -7.0, 0.0, 30.0, 88.0, 95.0, 1e4])
@pytest.mark.parametrize("loc", [-1e4, -1.0, 0.0, 1e4])
def test_logistic_mixture_is_finite_at_hard_corners(log_scale, loc):
    parameters = torch.tensor([0.0, loc, log_scale]).reshape(1, 3, 1, 1).requires_grad_()
    for value in (0.0, 1 / 255, 100 / 255, 1.0):
        found = DiscretizedLogisticMixture(parameters, 1).log_prob(torch.full((1, 1, 1, 1), value))
        (gradient,) = torch.autograd.grad(found.sum(), parameters)
        assert found.isfinite().all() and gradient.isfinite().all(), value


@pytest.mark.parametrize("log_scale", [5.0, 13.0, 14.0, 15.0, 60.0])
def test_wide_logistics_keep_their_small_masses(float64, log_scale):
    parameters = torch.tensor([0.0, 0.0, log_scale]).reshape(1, 3, 1, 1)
    found = DiscretizedLogisticMixture(parameters, 1).log_prob(torch.full((1, 1, 1, 1), 51 / 255))
    expected = stats.logistic(0, math.exp(log_scale)).logpdf(2 * 51 / 255 - 1) + math.log(2 / 255)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_logistic_mixture_has_the_gradient_of_its_value(float64):
    x = torch.tensor([0.0, 0.4, 1.0]).reshape(1, 3, 1, 1)
    parameters = torch.randn(1, 2 * DiscretizedLogisticMixture.size(3), 1, 1, requires_grad=True)
    assert gradcheck(lambda t: DiscretizedLogisticMixture(t, 3, levels=6).log_prob(x), parameters)


def test_logistic_mixture_takes_whole_components_and_broadcasts(float64):
    with pytest.raises(ValueError, match=r"7 planes.*size\(1\)"):
        DiscretizedLogisticMixture(torch.zeros(1, 7, 2, 2), 1)
    parameters, x = torch.randn(4, 3, 20, 2, 5), torch.randint(256, (3, 3, 2, 5)) / 255.0
    whole = DiscretizedLogisticMixture(parameters, 3)
    assert whole.batch_shape == (4, 3) and whole.sample().shape == (4, 3, 3, 2, 5)
    assert_close(
        whole.log_prob(x), torch.stack([DiscretizedLogisticMixture(t, 3).log_prob(x) for t in parameters])
    )


def test_logistic_mixture_mean_of_one_channel(float64, agrees):
    p = mixture(1, levels=256, spread=0.3)
    p.log_scale = p.log_scale - 4
    assert_close(p.mean, ((p.log_weights.exp() * p.loc[..., 0, :, :]).sum(1, keepdim=True) + 1) / 2)
    assert (p.sample((4000,)).mean() - p.mean).abs() < 0.01


@pytest.mark.parametrize("event", [(1,), (7,), (16,), (17,), (784,), (2048,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bernoulli_event_is_independent_bernoullis(event, dtype):
    logits = (500 * (2 * torch.rand(6, *event, dtype=dtype) - 1)).requires_grad_()
    with torch.no_grad():
        logits[0], logits[1], logits[2] = 500, -500, 0
    x = torch.rand(6, *event, dtype=dtype).round()
    exact = logits.detach().double().requires_grad_()
    expected = Independent(Bernoulli(logits=exact), len(event)).log_prob(x.double())
    found = BernoulliEvent(logits, len(event)).log_prob(x)
    precision = {"rtol": 2e-6, "atol": 2e-5} if dtype == torch.float32 else {"rtol": 1e-13, "atol": 1e-12}
    assert_close(found.double(), expected, **precision)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    (wanted,) = torch.autograd.grad(expected.sum(), exact)
    assert_close(gradient.double(), wanted, rtol=1e-6, atol=1e-7)


@given(st.lists(st.floats(-500, 500, width=32), min_size=1, max_size=40))
@settings(deadline=None, max_examples=200)
def test_bernoulli_event_survives_any_log_odds(odds):
    logits = torch.tensor(odds)
    found = BernoulliEvent(logits, 1).log_prob(torch.ones(len(odds)))
    expected = torch.nn.functional.logsigmoid(logits.double()).sum()
    rounding = 2 * len(odds) * torch.finfo(torch.float32).eps * (1 + logits.abs().sum().item())
    assert_close(found.double(), expected, rtol=0, atol=rounding)


def test_bernoulli_event_derivatives(float64):
    logits = (3 * torch.randn(2, 17)).requires_grad_()
    x = torch.rand(2, 17, requires_grad=True)
    score = lambda logits, x: BernoulliEvent(logits, 1).log_prob(x)  # noqa: E731
    assert gradcheck(score, (logits, x))
    assert gradgradcheck(score, (logits, x))


def test_bernoulli_event_batches():
    logits, x = torch.randn(4, 3, 2, 5), torch.rand(3, 2, 5).round()
    p = BernoulliEvent(logits, 2)
    assert p.batch_shape == (4, 3) and p.event_shape == (2, 5)
    assert_close(p.log_prob(x), torch.stack([BernoulliEvent(draw, 2).log_prob(x) for draw in logits]))
    assert_close(p.log_prob(x.bool()), p.log_prob(x))
    one = BernoulliEvent(torch.randn(1, 2, 5), 2)
    assert_close(one.expand((4, 3)).log_prob(x), one.log_prob(x).expand(4, 3))
    assert BernoulliEvent(torch.zeros(0, 5), 1).log_prob(torch.zeros(0, 5)).shape == (0,)


def test_bernoulli_event_draws(agrees):
    p = BernoulliEvent(torch.tensor([-2.0, 0.0, 3.0]), 1)
    agrees(p.sample((20000,)), p.mean)
    assert_close(p.mean, torch.sigmoid(torch.tensor([-2.0, 0.0, 3.0])))


def test_optimal_normal_in_training(float64):
    x, loc = torch.randn(6, 2, 3), torch.randn(6, 2, 3, requires_grad=True)
    running = torch.tensor(1.0)
    p = OptimalNormal(loc, running, 2, momentum=torch.tensor(0.25))
    found = p.log_prob(x)
    mse = (x - loc).square().mean()
    assert p.batch_shape == (6,) and p.event_shape == (2, 3)
    assert_close(found.mean(), -3 * (1 + math.log(2 * math.pi) + mse.log()))
    assert_close(found, Independent(Normal(loc, mse.sqrt()), 2).log_prob(x))
    assert_close(
        torch.autograd.grad(found.mean(), loc)[0],
        torch.autograd.grad(-3 * (x - loc).square().mean().log(), loc)[0],
    )
    assert_close(running, 0.75 + 0.25 * mse.detach())


def test_optimal_normal_after_training(float64, agrees):
    x, loc, running = torch.randn(6, 3), torch.randn(6, 3), torch.tensor(4.0)
    p = OptimalNormal(loc, running, 1)
    assert_close(p.log_prob(x), Independent(Normal(loc, 2.0), 1).log_prob(x))
    assert running == 4
    assert_close(p.stddev, torch.full((6, 3), 2.0))
    draws = p.sample((20000,))
    agrees(draws, loc)
    agrees((draws - loc).square(), 4.0)


def test_optimal_normal_of_a_perfect_reconstruction():
    loc = torch.ones(2, 3, requires_grad=True)
    found = OptimalNormal(loc, torch.tensor(1.0), 1, momentum=torch.tensor(1.0)).log_prob(torch.ones(2, 3))
    found.sum().backward()
    assert found.isfinite().all() and loc.grad.isfinite().all()


def test_a_point_mass_has_no_density():
    q = Delta(torch.randn(3, 2), 1)
    with pytest.raises(ValueError, match="no density"):
        q.log_prob(q.value)
    assert q.expand((4, 3)).rsample().shape == (4, 3, 2)
    assert q.rsample((5,)).shape == (5, 3, 2)
    assert_close(q.mean, q.value)
    assert q.stddev.eq(0).all()


def test_a_flat_prior_cannot_be_sampled():
    p = Flat((2, 3))
    assert_close(p.log_prob(torch.randn(5, 4, 2, 3)), torch.zeros(5, 4))
    assert p.expand((7,)).batch_shape == (7,)
    for draw in (p.rsample, p.sample):
        with pytest.raises(ValueError, match="flat prior cannot be sampled"):
            draw()


def covariance(d):
    factor = torch.randn(d, d)
    return factor @ factor.T / d + 0.2 * torch.eye(d)


def diagonal(d):
    return Independent(Normal(torch.randn(d), torch.rand(d) + 0.3), 1)


def standard(*shape):
    return StandardNormal(torch.zeros(shape), torch.ones(shape))


RULES = {
    "full, Normals": lambda: (MultivariateNormal(torch.randn(3), covariance(3)), diagonal(3)),
    "Normal, Laplace": lambda: (Normal(torch.randn(4), torch.rand(4) + 0.1), Laplace(torch.randn(4), 0.7)),
    "Normals, Laplaces": lambda: (
        diagonal(3),
        Independent(Laplace(torch.randn(3), torch.rand(3) + 0.3), 1),
    ),
    "Normals, standard": lambda: (diagonal(3), standard(3)),
    "full, standard": lambda: (MultivariateNormal(torch.randn(3), covariance(3)), standard(3)),
    "Laplaces, standard": lambda: (Independent(Laplace(torch.randn(3), 0.4), 1), standard(3)),
    "full, flat": lambda: (MultivariateNormal(torch.randn(3), covariance(3)), Flat((3,))),
    "Normals, flat": lambda: (diagonal(3), Flat((3,))),
    "Beta, flat": lambda: (Independent(Beta(torch.rand(2) + 0.5, torch.rand(2) + 1), 1), Flat((2,))),
}


@pytest.mark.parametrize("name", RULES)
def test_divergences_agree_with_their_draws(float64, agrees, name):
    q, p = RULES[name]()
    z = q.sample((100_000,))
    agrees(q.log_prob(z) - p.log_prob(z), kl_divergence(q, p))


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (-3.0, 0.1), (0.4, 5.0)])
def test_normal_to_laplace_by_quadrature(float64, loc, scale):
    q, p = stats.norm(loc, scale), stats.laplace(0.5, 0.7)
    points = sorted({loc, 0.5})
    exact, _ = integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), loc - 12 * scale, loc + 12 * scale, points=points
    )
    found = kl_divergence(
        Normal(torch.tensor(loc), torch.tensor(scale)), Laplace(torch.tensor(0.5), torch.tensor(0.7))
    )
    assert found.item() == pytest.approx(exact, rel=1e-7)


def test_a_point_mass_pays_what_the_prior_thinks(float64):
    value = torch.randn(5, 3)
    p = Independent(Laplace(torch.zeros(3), 2.0), 1)
    assert_close(kl_divergence(Delta(value), p), (value.abs() / 2 + math.log(4)).sum(-1))
    assert_close(kl_divergence(Delta(value), Flat((3,))), torch.zeros(5))


def test_full_covariance_to_diagonal_is_that_of_two_full_ones(float64):
    q = MultivariateNormal(torch.randn(5, 3), covariance(3).expand(5, 3, 3))
    loc, scale = torch.randn(3), torch.rand(3) + 0.3
    exact = kl_divergence(q, MultivariateNormal(loc, torch.diag(scale.square())))
    assert_close(kl_divergence(q, Independent(Normal(loc, scale), 1)), exact)
    with pytest.raises(NotImplementedError):
        kl_divergence(q, Independent(Laplace(loc, scale), 1))


def test_the_standard_normal(float64, agrees):
    p, unit = standard(3), Independent(Normal(torch.zeros(3), 1.0), 1)
    q = Independent(Normal(torch.randn(5, 3), torch.rand(5, 3) + 0.3), 1)
    assert_close(kl_divergence(q, p), kl_divergence(q, unit))
    assert_close(kl_divergence(p, p), torch.tensor(0.0))
    wide = p.expand((4, 2))
    assert isinstance(wide, StandardNormal) and wide.batch_shape == (4, 2) and wide.event_shape == (3,)
    agrees(p.sample((20000,)).square(), 1.0)
    with pytest.raises(NotImplementedError):
        kl_divergence(Independent(StudentT(torch.full((3,), 5.0)), 1), p)


def test_kl_without_a_rule_is_sampled_and_unbiased(float64, agrees):
    q, p = Normal(torch.tensor(0.8), torch.tensor(0.6)), StudentT(5.0, 0.0, 1.0)
    with pytest.raises(NotImplementedError):
        kl_divergence(q, p)
    z = q.sample((50_000,))
    exact, _ = integrate.quad(
        lambda t: stats.norm(0.8, 0.6).pdf(t) * (stats.norm(0.8, 0.6).logpdf(t) - stats.t(5).logpdf(t)), -6, 8
    )
    agrees(kl(Latent(z, p, q)), exact)
    with pytest.raises(ValueError, match="no posterior"):
        kl(Latent(z, p))


def test_kl_of_full_covariance_and_laplace_falls_back(float64, agrees):
    q, p = MultivariateNormal(torch.zeros(2), torch.diag(torch.tensor([0.25, 4.0]))), Laplace(0.0, 1.0)
    p = Independent(p.expand((2,)), 1)
    z = q.sample((50_000,))
    agrees(
        kl(Latent(z, p, q)),
        kl_divergence(Independent(Normal(torch.zeros(2), torch.tensor([0.5, 2.0])), 1), p),
    )


@pytest.mark.parametrize("dims", [1, 2])
def test_the_short_rule_of_the_standard_normal_is_the_long_one(float64, dims):
    shape = (5, 2, 3)
    q = Independent(Normal(torch.randn(shape), torch.rand(shape) + 0.1), dims)
    p = StandardNormal(torch.zeros(shape[-dims:]), torch.ones(shape[-dims:]), dims)
    plain = Independent(Normal(torch.zeros(shape[-dims:]), torch.ones(shape[-dims:])), dims)
    assert_close(kl_divergence(q, p), kl_divergence(q, plain).expand(shape[:-dims]))
    laplace = Independent(Laplace(torch.zeros(shape), torch.ones(shape)), dims)
    assert_close(kl_divergence(laplace, p), kl_divergence(laplace, plain))


@pytest.mark.parametrize(
    "logit", [-200.0, -20.0, -1.0, -0.049, -1e-4, 0.0, 1e-4, 0.051, 3.0, 15.0, 50.0, 1000.0]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_continuous_bernoulli_is_normalised_for_any_logit(logit, dtype):
    p = ContinuousBernoulli(torch.tensor([logit], dtype=dtype, requires_grad=True), 1)
    narrow = min(1.0, 40 / max(1.0, abs(logit)))
    x = torch.linspace(0, narrow, 20001, dtype=torch.float64)
    x = 1 - x if logit > 0 else x
    mass = p.log_prob(x[:, None].to(dtype)).double().exp()
    tolerance = 2e-3 if dtype == torch.float32 else 1e-5
    assert abs(torch.trapezoid(mass, dx=narrow / 20000).item() - 1) < tolerance
    mean = torch.trapezoid(mass * x, dx=narrow / 20000).item()
    assert p.mean.item() == pytest.approx(mean, abs=tolerance)
    draws = p.rsample((20000,))
    assert draws.double().mean().item() == pytest.approx(
        mean, abs=5 * draws.double().std().item() / 20000**0.5 + 1e-7
    )
    (grad,) = torch.autograd.grad(p.log_prob(torch.tensor([0.3], dtype=dtype)), p.logits)
    assert grad.item() == pytest.approx(0.3 - mean, abs=tolerance)


@pytest.mark.parametrize("logit", [-5.0, -0.01, 0.02, 7.0])
def test_the_continuous_bernoulli_agrees_with_torch_where_torch_is_right(float64, logit):
    x = torch.linspace(0, 1, 11)[:, None]
    expected = torch.distributions.ContinuousBernoulli(logits=torch.tensor([logit])).log_prob(x)[:, 0]
    assert_close(ContinuousBernoulli(torch.tensor([logit]), 1).log_prob(x), expected, rtol=1e-6, atol=1e-6)
