"""Flows: the change of variables against autograd, inverses, and posteriors that remember their draws."""

import importlib.util
import math

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.testing import assert_close

from latente import recipes
from latente.distributions import Flow
from latente.errors import RunError
from latente.evaluation import bounds
from latente.evaluation.latents import latents
from latente.objectives import IWAE
from latente.priors import Standard
from latente.schedules import Clock
from latente.trace import kl
from test_recipes import conform, plan_of

if importlib.util.find_spec("zuko") is None:
    pytest.skip("zuko is not installed", allow_module_level=True)
KINDS = ("iaf", "nsf")
CLOCK = Clock(3, 10)


def posterior(kind, latent=3, n=4):
    """Makes a posterior far from a Normal, in float64."""
    plan = recipes.make("vae", shape=(6,), latent=latent, hidden=[8], posterior=kind)
    q = plan.model.double().posterior
    with torch.no_grad():
        for parameter in q.transform.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return q, torch.randn(n, 6, dtype=torch.float64)


def by_change_of_variables(q, noise):
    """Returns draws and their log-density by the Jacobian that autograd finds."""

    def push(e):
        return (q.loc + q.scale * q.transform(e)).sum(0)

    jacobian = torch.autograd.functional.jacobian(push, noise).movedim(1, 0)
    log_p = -0.5 * (noise.square().sum(-1) + noise.shape[-1] * math.log(2 * math.pi))
    return q.loc + q.scale * q.transform(noise), log_p - jacobian.slogdet().logabsdet


@pytest.mark.parametrize("kind", KINDS)
def test_densities_are_the_change_of_variables(kind):
    net, x = posterior(kind)
    q = net(x, None)
    torch.manual_seed(3)
    z = q.rsample()
    torch.manual_seed(3)
    again, log_q = by_change_of_variables(q, torch.randn(4, 3, dtype=torch.float64))
    assert_close(z, again)
    assert_close(q.log_prob(z), log_q, rtol=0, atol=1e-5)  # as it was remembered
    assert_close(q.log_prob(z.clone()), log_q, rtol=0, atol=1e-5)  # by the inverse


@pytest.mark.parametrize("kind", KINDS)
def test_posteriors_integrate_to_one(kind):
    net, x = posterior(kind, latent=2, n=1)
    q = net(x, None)
    with torch.no_grad():
        line = torch.linspace(-8, 8, 161, dtype=torch.float64)
        p = q.log_prob(q.loc + q.scale * torch.cartesian_prod(line, line)).exp() * q.scale.prod()
    assert_close(p.sum() * (line[1] - line[0]) ** 2, torch.tensor(1.0).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("make", ["affine", "spline"])
@pytest.mark.parametrize("shape", [(7,), (1, 3, 3)], ids=str)
def test_flows_of_data_and_their_inverses(make, shape):
    plan = recipes.make("flow", shape=shape, coupling=make, hidden=[12], transforms=3)
    net = plan.model.double().likelihood.net
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    transform, x = net(None), torch.randn(5, math.prod(shape), dtype=torch.float64)
    noise, log_volume = transform.call_and_ladj(x)
    assert_close(transform.inv(noise), x, rtol=0, atol=1e-5)
    jacobian = torch.autograd.functional.jacobian(lambda x: transform(x).sum(0), x).movedim(1, 0)
    assert_close(log_volume, jacobian.slogdet().logabsdet, rtol=0, atol=1e-5)
    assert not jacobian.diagonal(dim1=1, dim2=2).allclose(torch.ones(()).double())


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_remembered_by_the_copies_of_a_posterior(kind, monkeypatch):
    net, x = posterior(kind)
    q = net(x, None)
    wide = q.expand((2, 4))
    z = wide.rsample()
    expected = wide.log_prob(z.clone())
    monkeypatch.setattr(type(q.transform), "inv", property(lambda self: pytest.fail("it was inverted")))
    assert q.log_prob(z).shape == (2, 4)
    assert_close(q.log_prob(z), expected)
    assert torch.autograd.grad(q.log_prob(z).sum(), q.scale)[0].isfinite().all()


def test_a_draw_without_gradient_is_not_scored_from_memory():
    net, x = posterior("iaf")
    q = net(x, None)
    with torch.no_grad():
        z = q.rsample()
        assert not q.log_prob(z).requires_grad
    assert q.log_prob(z).requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_the_rate_is_sampled_and_its_mean_is_the_divergence(kind, agrees):
    net, x = posterior(kind, n=1)
    q, p = net(x, None), Standard(3).double()(None)
    with torch.no_grad():
        z = q.expand((4000,)).rsample()
        rates = q.log_prob(z) - p.log_prob(z)
        other = q.expand((4000,)).rsample()
        weights = (p.log_prob(other) - q.log_prob(other)).exp()
    assert rates.mean() > 0
    agrees(weights, 1.0)  # E_q[p / q] = 1
    trace = recipes.make("vae", shape=(6,), latent=3, posterior=kind).model(torch.randn(5, 6))
    (g,) = trace.latents.values()
    assert_close(kl(g), g.q.log_prob(g.z.clone()) - g.p.log_prob(g.z), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_takes_a_flow(kind):
    plan = recipes.make("vae", shape=(6,), latent=3, hidden=[8], posterior=kind)
    x = torch.randn(20, 6)
    weights = bounds.log_weights(plan.model, x, None, 50)
    assert weights.shape == (50, 20) and weights.isfinite().all()
    found = latents(plan.model, x)["z"]
    assert found.posterior == "Flow" and found.information is None and found.active is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_fits_what_no_diagonal_normal_can(kind):
    """At a correlation of 0.9 the best diagonal Normal is 0.83 nats away."""
    target = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    net = recipes.make("vae", shape=(3,), latent=2, hidden=[8], posterior=kind).model.posterior
    optimizer = torch.optim.Adam(net.parameters(), 2e-2)
    for _ in range(150):
        q = net(torch.ones(1, 3), None).expand((64,))
        z = q.rsample()
        loss = (q.log_prob(z) - target.log_prob(z)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        z = q.rsample((20,))
    assert (q.log_prob(z) - target.log_prob(z)).mean() < 0.2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", ["mlp", "residual", "conv"])
def test_flow_posteriors_conform(network, kind, tmp_path):
    parts = {"network": network, "posterior": kind}
    conform(plan_of("vae", (1, 5, 3), **parts), (1, 5, 3), tmp_path)


@pytest.mark.parametrize(
    "parts",
    [
        {"prior": "flow"},
        {"prior": "mixture"},
        {"conditional": True},
        {"k": 3},
        {"mmd": 1.0},
        {"free_nats": 0.1},
        {"latent": 1},
        {"likelihood": "pixelcnn"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_flow_posteriors_and_other_parts(kind, parts, tmp_path):
    conform(plan_of("vae", (1, 5, 3), posterior=kind, **parts), (1, 5, 3), tmp_path)


@pytest.mark.parametrize(
    "parts",
    [
        {"k": 3, "estimator": "stl"},
        {"k": 3, "estimator": "dreg"},
        {"free_bits": 0.1},
        {"training": "aggressive"},
        {"training": "semi-amortised"},
        {"information": 0.5},
        {"prior": "vamp"},
    ],
    ids=str,
)
def test_what_a_flow_cannot_be_asked(parts):
    name = list(parts)[-1]
    with pytest.raises(RunError, match=f"{name} is {parts[name]} and posterior iaf"):
        recipes.make("vae", shape=(6,), posterior="iaf", **parts)


def test_importance_weights_have_their_gradient():
    plan = recipes.make("vae", shape=(6,), latent=3, hidden=[8], posterior="iaf", k=4)
    assert isinstance(plan.objective, IWAE)
    plan.objective.terms(plan.model, torch.randn(5, 6), None, CLOCK)["bound"].value.sum().backward()
    assert all(p.grad.ne(0).any() for p in plan.model.posterior.parameters())


def test_the_centre_is_the_image_of_no_noise():
    net, x = posterior("iaf")
    q = net(x, None)
    assert isinstance(q, Flow) and q.mean.shape == (4, 3)
    assert_close(q.mean, by_change_of_variables(q, torch.zeros(4, 3, dtype=torch.float64))[0])
    with pytest.raises(NotImplementedError):
        q.stddev  # noqa: B018
