"""Conditionals, priors, and the walk that joins them into a model."""

import importlib.util
import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import nn
from torch.distributions import Distribution, Independent, Normal
from torch.testing import assert_close

from latente import codes, conditionals, distributions, make, priors
from latente.data import Examples
from latente.flows import import_zuko
from latente.models import VAE
from latente.trace import Model, mean


class Says(nn.Module):
    """Returns what it is told to say, whatever it is asked."""

    def __init__(self, output):
        super().__init__()
        self.output = nn.Parameter(output)

    def forward(self, *context):
        return self.output


def test_diagonal_reads_mean_then_log_deviation(float64):
    output = torch.randn(3, 8)
    q = conditionals.Diagonal(Says(output))(None)
    assert_close(q.mean, output[:, :4])
    assert_close(q.stddev, output[:, 4:].exp())
    image = conditionals.Diagonal(Says(torch.full((2, 6, 4, 5), -99.0)), 3, floor=0.1)(None)
    assert image.batch_shape == (2,) and image.event_shape == (3, 4, 5)
    assert_close(image.stddev, torch.full((2, 3, 4, 5), 0.1))


def test_full_covariance_uses_every_number_once(float64):
    size = conditionals.FullCovariance.size(4)
    assert size == 14
    net = Says(torch.rand(3, size))
    q = conditionals.FullCovariance(net, 4)(None)
    factor = q.scale_tril
    assert_close(factor @ factor.mT, q.covariance_matrix)
    assert_close(factor, factor.tril())
    numbers = torch.cat([q.loc.flatten(), factor.diagonal(dim1=1, dim2=2).log().flatten()])
    below = factor[:, *torch.tril_indices(4, 4, -1)].flatten()
    assert_close(torch.cat([numbers, below]).sort()[0], net.output.flatten().sort()[0])
    q.log_prob(torch.randn(3, 4)).sum().backward()
    assert net.output.grad.ne(0).all()


def test_point_is_where_the_net_says():
    output = torch.randn(3, 2, 4, 4)
    q = conditionals.Point(Says(output), 3)(None)
    assert q.event_shape == (2, 4, 4)
    assert_close(q.rsample(), output)


def test_continuous_bernoulli_integrates_to_one(float64):
    for logit in (-20.0, -3.0, -0.001, 0.0, 0.003, 2.0):
        p = conditionals.ContinuousBernoulli(Says(torch.tensor([[logit]])))(None)
        area, _ = integrate.quad(lambda x, p=p: p.log_prob(torch.tensor([[x]])).exp().item(), 0, 1)
        assert area == pytest.approx(1, abs=2e-6)


def test_fixed_normal_is_squared_error(float64):
    x, output = torch.randn(3, 5), torch.randn(3, 5)
    p = conditionals.FixedNormal(Says(output), 0.3)(None)
    constant = 5 / 2 * math.log(2 * math.pi * 0.09)
    assert_close(p.log_prob(x), -(x - output).square().sum(1) / 0.18 - constant, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (3, 1, 1), (3, 4, 2)])
def test_shared_scale_has_one_for_all_examples(float64, shape):
    likelihood = conditionals.SharedScale(Says(torch.zeros(5, 3, 4, 2)), shape, 3, floor=0.5)
    nn.init.normal_(likelihood.tenth_log_scale, std=0.1)
    p = likelihood(None)
    assert_close(p.stddev, ((10 * likelihood.tenth_log_scale).exp() + 0.5).expand(5, 3, 4, 2))


def test_optimal_scale_remembers_the_training_batches(float64):
    likelihood = conditionals.OptimalScale(Says(torch.zeros(4, 3)), memory=3)
    spreads = [1.0, 2.0, 3.0, 4.0]
    for spread in spreads:
        likelihood(None).log_prob(torch.full((4, 3), spread))
    first_three = (1 + 4 + 9) / 3
    assert_close(likelihood.variance, torch.tensor(first_three * 2 / 3 + 16 / 3))
    before = likelihood.variance.clone()
    with torch.no_grad():
        likelihood(None).log_prob(torch.full((4, 3), 100.0))
    p = likelihood.eval()(None)
    assert_close(
        p.log_prob(torch.ones(4, 3)),
        Independent(Normal(torch.zeros(4, 3), before.sqrt()), 1).log_prob(torch.ones(4, 3)),
    )
    assert_close(likelihood.variance, before)
    assert likelihood.batches == 4


def test_quantised_puts_the_levels_first():
    output = torch.full((2, 4 * 3, 2, 2), -50.0)
    with torch.no_grad():
        output.unflatten(1, (4, 3))[:, 1, 0] = 0
        output.unflatten(1, (4, 3))[:, 3, 1:] = 0
    p = conditionals.Quantised(Says(output), levels=4, event_dim=3)(None)
    x = torch.ones(2, 3, 2, 2)
    x[:, 0] = 1 / 3
    assert_close(p.sample(), x)
    assert_close(p.mean, x)
    assert_close(p.log_prob(x), torch.zeros(2))


def test_logistic_mixture_counts_its_planes():
    for channels, components in ((1, 5), (3, 2), (5, 1)):
        planes = conditionals.LogisticMixture.size(channels, components)
        p = conditionals.LogisticMixture(Says(torch.randn(2, planes, 3, 2)), channels)(None)
        assert p.event_shape == (channels, 3, 2) and p.log_weights.shape[1] == components
        assert p.log_prob(p.sample()).isfinite().all()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_densities_are_never_made_of_half_numbers(half):
    for family in (conditionals.Diagonal, conditionals.Bernoulli, conditionals.Point):
        assert family(Says(torch.randn(3, 4, dtype=half)))(None).mean.dtype == torch.float32


def test_standard_and_laplace_priors(float64):
    z = torch.randn(6, 3)
    assert_close(priors.Standard(3)().log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(1))
    assert_close(priors.Laplace(3, 0.5)().log_prob(z), -(2 * z.abs()).sum(1))
    with pytest.raises(ValueError, match="flat prior cannot be sampled"):
        priors.Flat(3)().sample()


def scattered(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def flow(features, context=0):
    if importlib.util.find_spec("zuko") is None:
        pytest.skip("zuko is not installed")
    return import_zuko().flows.NSF(features, context, transforms=2, hidden_features=(8,))


@pytest.mark.parametrize("make", [lambda: priors.Mixture(1, 4), lambda: flow(1)], ids=["mixture", "flow"])
def test_learned_priors_integrate_to_one(float64, make):
    z = torch.linspace(-12, 12, 200_001)[:, None]
    density = scattered(make())(None).log_prob(z).exp()
    assert_close(torch.trapezoid(density, z[:, 0]), torch.tensor(1.0), rtol=0, atol=2e-5)


def test_mixture_draws_have_its_moments(float64, agrees):
    p = scattered(priors.Mixture(2, 3))()
    draws = p.sample((20000,))
    agrees(draws, p.mean)
    agrees((draws - p.mean).square(), p.variance)


def test_zuko_leaves_validation_switched_on():
    flow(2)
    assert Distribution._validate_args
    with pytest.raises(ValueError, match="scale"):
        Normal(0.0, -1.0)


class Counting(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.calls = net, 0

    def forward(self, *context):
        self.calls += 1
        return self.net(*context)


class Alone(nn.Module):
    """Calls a network on the first of its arguments."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, h, y=None):
        return self.net(h)


@pytest.fixture
def model(float64):
    return VAE(
        conditionals.Diagonal(Counting(Alone(nn.Linear(4, 4)))),
        priors.Standard(2),
        conditionals.FixedNormal(Alone(nn.Linear(2, 4)), 0.5),
    )


class Groups(Model):
    def __init__(self, *names):
        super().__init__()
        self.names = names

    def walk(self, trace, x, y):
        unit = Independent(Normal(torch.zeros(2), 1.0), 1)
        z = sum(trace.latent(name, p=unit) for name in self.names)
        trace.factors["extra"] = torch.full(trace.size, 3.0)
        return Independent(Normal(z, 1.0), 1)


def test_groups_have_names_of_their_own():
    assert list(Groups("top", "bottom")(size=3).latents) == ["top", "bottom"]
    with pytest.raises(ValueError, match="two latent groups are named 'a'"):
        Groups("a", "b", "a")(size=3)


def test_an_unknown_group_cannot_be_given():
    with pytest.raises(ValueError, match=r"\['c'\]; there are \['a', 'b'\]"):
        Groups("a", "b")(size=3, given={"a": torch.zeros(3, 2), "c": torch.zeros(3, 2)})


def test_generation_names_no_posterior(model):
    trace = model(size=5)
    assert all(g.q is None for g in trace.latents.values())
    assert trace.likelihood.sample().shape == (5, 4)
    with pytest.raises(ValueError, match="no posterior"):
        trace.log_weight(torch.zeros(5, 4))
    with pytest.raises(ValueError, match="give x, y or size"):
        model()


@pytest.mark.parametrize("size", [5, (5,), torch.Size((2, 5))])
def test_size_is_a_number_or_a_shape(model, size):
    assert model(size=size).latents["z"].z.shape[:-1] == ((5,) if size == 5 else size)


def test_many_draws_encode_once(model, agrees):
    x = torch.randn(3, 4)
    trace = model(x, size=(2000, 3))
    g = trace.latents["z"]
    assert model.posterior.net.calls == 1
    assert g.z.shape == (2000, 3, 2) and trace.log_weight(x).shape == (2000, 3)
    agrees(g.z, g.q.mean)
    agrees((g.z - g.q.mean).square(), g.q.variance)


def test_draws_carry_gradients_and_vary(model):
    x = torch.randn(3, 4)
    assert model(x).latents["z"].z.requires_grad
    assert not model(x).latents["z"].z.equal(model(x).latents["z"].z)


def test_choosing_the_mean(model):
    x = torch.randn(3, 4)
    g = model(x, choose=mean).latents["z"]
    assert_close(g.z, g.q.mean)
    assert_close(model(size=3, choose=mean).latents["z"].z, torch.zeros(3, 2))


def test_a_given_value_replaces_the_draw(model):
    x, z = torch.randn(3, 4), torch.randn(3, 2)
    trace = model(x, given={"z": z})
    assert trace.latents["z"].z is z
    assert_close(trace.latents["z"].q.mean, model.posterior(x).mean)
    assert_close(trace.likelihood.mean, model(size=3, given={"z": z}).likelihood.mean)


def test_a_given_distribution_replaces_the_posterior(model, agrees):
    x, q = torch.randn(3, 4), Independent(Normal(torch.full((3, 2), 7.0), 0.01), 1)
    trace = model(x, size=(500, 3), given={"z": q})
    assert trace.latents["z"].q is q
    agrees(trace.latents["z"].z, q.mean)


def test_log_weight_sums_all_parts(float64):
    model, x = Groups("a", "b"), torch.randn(3, 2)
    q = Independent(Normal(torch.ones(3, 2), 2.0), 1)
    trace = model(x, given={"a": q, "b": q})
    unit = Independent(Normal(torch.zeros(2), 1.0), 1)
    a, b = (g.z for g in trace.latents.values())
    expected = Independent(Normal(a + b, 1.0), 1).log_prob(x) + 3
    expected += sum(unit.log_prob(z) - q.log_prob(z) for z in (a, b))
    assert_close(trace.log_weight(x), expected)


def test_a_scale_is_the_exponential_within_bounds():
    a = torch.linspace(-14.9, 2.0, 200, dtype=torch.float64, requires_grad=True)
    scale = distributions.scale_of(a)
    assert_close(scale, a.exp(), rtol=1e-8, atol=0)
    assert_close(torch.autograd.grad(scale.sum(), a)[0], a.exp(), rtol=1e-8, atol=0)
    far = distributions.scale_of(torch.tensor([-1e30, -20.0, 2.0, 3.0, 1e12]))
    assert far.isfinite().all() and (far >= math.exp(-15)).all() and (far[2:].diff() > 0).all()


def test_a_full_covariance_scores_its_own_draw_as_any_other():
    torch.manual_seed(0)
    q = conditionals.FullCovariance(Says(torch.rand(3, 14).double().requires_grad_()), 4)(None)
    z = q.rsample((5,))
    assert_close(q.log_prob(z), q.log_prob(z.clone()), rtol=1e-9, atol=1e-9)
    wide = q.expand((5, 3))
    drawn = wide.rsample()
    assert drawn.shape == (5, 3, 4)
    assert_close(q.log_prob(drawn), q.log_prob(drawn.clone()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(("vae", {"posterior": posterior}) for posterior in ("diagonal", "full", "iaf")),
        ("ladder", {}),
        ("iwae", {}),
        ("conditional-vae", {"classes": 2}),
    ],
)
def test_the_further_an_outlier_is_the_lower_it_scores(name, options):
    torch.manual_seed(0)
    model = make(name, shape=(5,), **options).model
    with torch.no_grad():
        for p in model.parameters():  # far outputs, also of log sigma
            p.mul_(2)
    x = torch.zeros(6, 5)
    x[:, 2] = torch.tensor([0, 10, 300, 1e4, 1e6, 1e8])
    for sign in (1, -1):
        found = codes.score(model.eval(), Examples(sign * x, torch.zeros(6).long()), 20)
        for column in ("elbo", "log_likelihood_bound"):
            assert np.isfinite(found[column]).all(), (column, found[column])
            assert (np.diff(found[column]) < 0).all(), (column, found[column])
