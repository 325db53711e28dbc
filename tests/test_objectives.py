"""The identities that hold the equation together, against closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.testing import assert_close

from latente import conditionals, priors, recipes
from latente.models import VAE
from latente.nn import MLP
from latente.objectives import ELBO, IWAE
from latente.schedules import Clock, linear
from latente.trace import Model, kl

CLOCK = Clock(5, 10)


class Affine(nn.Linear):
    """An affine map with given weights, which ignores the context."""

    def __init__(self, weight, bias):
        super().__init__(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.weight.copy_(weight)
            self.bias.copy_(bias)

    def forward(self, h, y=None):
        return super().forward(h)


def linear_vae(decoder, mean, variance, encoder, posterior_variance):
    """Builds p(z) = N(0, I), p(x|z) = N(Wz + mean, variance I), q(z|x) = N(V (x - mean), diag)."""
    rows = torch.cat([encoder, torch.zeros_like(encoder)])
    offset = torch.cat([-encoder @ mean, posterior_variance.log() / 2])
    return VAE(
        conditionals.Diagonal(Affine(rows, offset)),
        priors.Standard(decoder.shape[1]),
        conditionals.FixedNormal(Affine(decoder, mean), math.sqrt(variance)),
    ).double()


def solved(values, vectors, mean, q, variance, beta=1.0):
    """Builds the optimum of the beta-ELBO of linear-Gaussian models, from the eigenvalues of the covariance."""
    s = beta * variance
    kept = values[:q].clamp_min(s)
    spread = s / kept
    decoder = vectors[:, :q] * (kept - s).sqrt()
    encoder = (decoder / kept).T
    return linear_vae(decoder, mean, variance, encoder, spread)


def with_covariance(values, vectors):
    """Returns points whose mean is 0 and whose covariance has these eigenvalues and eigenvectors exactly."""
    half = (len(values) * values).sqrt()[:, None] * vectors.T
    return torch.cat([half, -half])


def sigma_points(d):
    """Takes 2n points that give every quadratic its expectation under N(mu, diag)."""
    n = d.event_shape[0]
    steps = math.sqrt(n) * torch.eye(n)
    steps = torch.cat([steps, -steps])[:, None]
    return d.mean + d.stddev * steps


def exact_terms(model, x):
    q = model.prior().event_shape[0]
    trace = model(x, size=(2 * q, len(x)), choose=sigma_points)
    return -trace.likelihood.log_prob(x).mean(0), kl(trace.latents["z"])


VALUES = (9.0, 4.0, 2.0, 1.2, 0.8, 0.5, 0.5, 0.5)


@pytest.fixture
def spectrum(float64):
    return torch.tensor(VALUES), torch.linalg.qr(torch.randn(8, 8))[0]


def marginal(values, vectors, q, variance):
    kept = torch.cat([values[:q].clamp_min(variance), torch.full((len(values) - q,), variance)])
    return MultivariateNormal(torch.zeros(len(values)), vectors @ torch.diag(kept) @ vectors.T)


def test_linear_gaussian_vae_is_probabilistic_pca(spectrum):
    values, vectors = spectrum
    x = with_covariance(values, vectors)
    model = solved(values, vectors, torch.zeros(8), 5, 0.5)
    log_p = marginal(values, vectors, 5, 0.5).log_prob(x)
    distortion, rate = exact_terms(model, x)
    assert_close(-distortion - rate, log_p, rtol=0, atol=1e-6)
    formula = -0.5 * (8 * math.log(2 * math.pi) + values.log().sum() + 8)
    assert_close(log_p.mean(), formula)


@pytest.mark.parametrize(
    ("beta", "active", "squares"), [(0.5, 5, None), (1.0, 5, 4.0), (1.7, 4, 5.7), (3.0, 3, 8.0)]
)
def test_rate_distortion_curve_of_the_linear_vae(spectrum, beta, active, squares):
    values, vectors = spectrum
    x = with_covariance(values, vectors)
    model = solved(values, vectors, torch.zeros(8), 5, 0.5, beta)
    q = model.posterior(x)
    by_dimension = kl_divergence(q.base_dist, Normal(0.0, 1.0)).mean(0)
    s = 0.5 * beta
    assert_close(by_dimension, 0.5 * (values[:5] / s).clamp_min(1).log())
    assert_close(q.mean.var(0, correction=0), 1 - s / values[:5].clamp_min(s))
    assert (q.mean.var(0) > 1e-2).sum() == active
    if beta == 1:
        assert_close(
            by_dimension, torch.tensor([1.445186, 1.039721, 0.693147, 0.437734, 0.235002]), rtol=0, atol=1e-6
        )
    distortion, rate = exact_terms(model, x)
    found = (distortion.mean() - 4 * math.log(2 * math.pi * 0.5)) * 2 * 0.5
    assert_close(
        found, torch.where(torch.arange(8) < 5, values.clamp_max(s), values).sum(), rtol=0, atol=1e-6
    )
    if squares:
        assert_close(found, torch.tensor(squares), rtol=0, atol=1e-6)
    (distortion + beta * rate).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() < 1e-6, name


def test_rotated_codes_cost_what_the_diagonal_cannot_say(spectrum):
    values, vectors = spectrum
    x = with_covariance(values, vectors)
    rotation = torch.linalg.qr(torch.randn(5, 5))[0]
    decoder = vectors[:, :5] * (values[:5] - 0.5).sqrt() @ rotation
    precision = (decoder.T @ decoder + 0.5 * torch.eye(5)) / 0.5
    encoder = torch.linalg.solve(precision * 0.5, decoder.T)
    model = linear_vae(decoder, torch.zeros(8), 0.5, encoder, 1 / precision.diagonal())
    distortion, rate = exact_terms(model, x)
    log_p = marginal(values, vectors, 5, 0.5).log_prob(x)
    exact = MultivariateNormal(x @ encoder.T, precision_matrix=precision)
    q = model.posterior(x)
    gap = kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), exact)
    assert gap.min() > 0.1
    assert_close(log_p + distortion + rate, gap, rtol=0, atol=1e-6)


def test_exact_posterior_gives_the_evidence_at_every_draw(spectrum):
    values, vectors = spectrum
    x = with_covariance(values, vectors)
    model = solved(values, vectors, torch.zeros(8), 5, 0.5)
    log_p = marginal(values, vectors, 5, 0.5).log_prob(x)
    for k in (1, 2, 7):
        weights = model(x, size=(k, len(x))).log_weight(x)
        assert_close(weights, log_p.expand(k, -1), rtol=0, atol=1e-6)
        assert_close(-IWAE(k).terms(model, x, None, CLOCK)["bound"].value, log_p, rtol=0, atol=1e-6)


def test_real_faces_have_their_probabilistic_pca(float64, shared_data):
    with np.load(shared_data / "frey_faces" / "frey_faces.npz", allow_pickle=False) as file:
        images = torch.from_numpy(file["images"].reshape(-1, 28, 20)[:, 10:14, 5:13] / 255.0).flatten(1)
    mean, covariance = images.mean(0), torch.cov(images.T, correction=0)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1)
    variance = values[6:].mean().item()
    model = solved(values, vectors, mean, 6, variance)
    distortion, rate = exact_terms(model, images)
    whole = torch.cat([values[:6], torch.full((26,), variance)])
    formula = -0.5 * (32 * math.log(2 * math.pi) + whole.log().sum() + 32)
    assert_close(-(distortion + rate).mean(), formula, rtol=1e-6, atol=0)


def test_training_reaches_the_likelihood_of_probabilistic_pca(spectrum):
    values, vectors = spectrum
    x = with_covariance(values, vectors).repeat(16, 1)
    model = VAE(
        conditionals.Diagonal(MLP((8,), (10,), ())),
        priors.Standard(5),
        conditionals.SharedScale(MLP((5,), (8,), ())),
    )
    objective, steps = ELBO(beta=linear(0.2)), 600
    adam = torch.optim.Adam(model.parameters(), lr=0.03)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for step in range(steps):
        terms = objective.terms(model, x, None, Clock(step, steps))
        adam.zero_grad()
        sum(term.weight * term.value.mean() for term in terms.values()).backward()
        adam.step()
        decay.step()
    layer = model.likelihood.net.layers[0]
    variance = model(size=1).likelihood.variance[0]
    covariance = layer.weight @ layer.weight.T + torch.diag(variance)
    found = MultivariateNormal(layer.bias, covariance).log_prob(x).mean()
    best = -0.5 * (8 * math.log(2 * math.pi) + values.log().sum() + 8)
    assert found <= best + 1e-9
    assert found > best - 0.005 * best.abs()


def test_an_autoencoder_is_squared_error(float64):
    plan = recipes.make(
        "autoencoder", shape=(6,), latent=2, hidden=[5], likelihood="gaussian-fixed", scale=0.5
    )
    model, x = plan.model.double(), torch.randn(4, 6)
    terms = plan.objective.terms(model, x, None, CLOCK)
    assert_close(terms["rate/z"].value, torch.zeros(4))
    squares = (x - model(x).likelihood.mean).square().sum(1)
    assert_close(terms["distortion"].value, squares / 0.5 + 3 * math.log(2 * math.pi * 0.25))


def small(**given):
    return recipes.make("vae", shape=(6,), latent=2, hidden=[5], likelihood="bernoulli", **given)


@pytest.fixture
def bits(float64):
    return torch.rand(4, 6).round()


def test_terms_are_unweighted_whatever_beta(bits):
    model = small().model.double()
    found = []
    for beta in (1.0, 0.25, linear(20)):
        torch.manual_seed(1)
        objective = ELBO(beta)
        terms = objective.terms(model, bits, None, CLOCK)
        assert terms["rate/z"].weight == objective.weights(CLOCK)["beta"]
        assert terms["distortion"].weight == 1
        found.append([term.value for term in terms.values()])
    assert [ELBO(beta).beta(CLOCK) for beta in (1.0, 0.25, linear(20))] == [1.0, 0.25, 0.25]
    for values in found[1:]:
        assert_close(values, found[0], rtol=0, atol=0)


def test_another_divergence_replaces_the_rate(bits):
    model = small().model.double()
    terms = ELBO(divergence=lambda g: kl(g) + 7).terms(model, bits, None, CLOCK)
    assert_close(terms["rate/z"].value, kl(model(bits).latents["z"]) + 7)


def test_corruption_is_encoded_and_the_clean_is_scored(bits):
    model = small().model.double()
    torch.manual_seed(1)
    terms = ELBO(corrupt=lambda x: 1 - x).terms(model, bits, None, CLOCK)
    torch.manual_seed(1)
    trace = model(1 - bits)
    assert_close(terms["distortion"].value, -trace.likelihood.log_prob(bits))
    assert_close(terms["rate/z"].value, kl(trace.latents["z"]))


def test_factors_are_terms():
    class Coded(Model):
        def walk(self, trace, x, y):
            unit = Independent(Normal(torch.zeros(2), 1.0), 1)
            trace.factors["codebook"] = torch.arange(3.0)
            return Independent(Normal(trace.latent("z", unit, unit), 1.0), 1)

    terms = ELBO().terms(Coded(), torch.zeros(3, 2), None, CLOCK)
    assert_close(terms["codebook"].value, -torch.arange(3.0))


def test_one_draw_is_the_elbo_draw_by_draw(bits):
    model = small(prior="mixture").model.double()
    torch.manual_seed(3)
    elbo = ELBO().terms(model, bits, None, CLOCK)
    torch.manual_seed(3)
    iwae = IWAE(1).terms(model, bits, None, CLOCK)
    assert_close(iwae["bound"].value, elbo["distortion"].value + elbo["rate/z"].value)
    for name in ("distortion", "rate/z"):
        assert iwae[name].monitor and not iwae[name].value.requires_grad
        assert_close(iwae[name].value, elbo[name].value.detach())


def test_one_draw_is_the_elbo_in_expectation(bits, agrees):
    model, x = small().model.double(), bits[:1].expand(20000, 6)
    torch.manual_seed(3)
    elbo = ELBO().terms(model, x, None, CLOCK)
    torch.manual_seed(3)
    iwae = IWAE(1).terms(model, x, None, CLOCK)
    agrees(iwae["bound"].value - elbo["distortion"].value - elbo["rate/z"].value, 0.0)


def test_iwae_refusals():
    with pytest.raises(ValueError, match="k is 0"):
        IWAE(0)
    model = recipes.make("autoencoder", shape=(4,), latent=2).model
    with pytest.raises(ValueError, match="no density"):
        IWAE(3).terms(model, torch.randn(2, 4), None, CLOCK)


def off_by(mean, variance):
    """Builds z ~ N(0, 1), x|z ~ N(z, 1) and the posterior N(x/2 + mean, variance), where N(x/2, 1/2) is exact."""
    one = torch.ones(1, 1)
    model = linear_vae(one, torch.zeros(1), 1.0, one / 2, torch.tensor([variance]))
    with torch.no_grad():
        model.posterior.net.bias[0] = mean
    return model


def test_importance_weighted_bounds_rise_by_the_chi_square(float64):
    mean, variance = 0.3, 0.7
    model, x = off_by(mean, variance), torch.full((20000, 1), 0.8)
    log_p = Normal(0.0, math.sqrt(2)).log_prob(torch.tensor(0.8))
    # integral of N(0, 1/2)^2 / N(mean, variance), less 1
    precision = 4 - 1 / variance
    chi = (
        2
        * math.sqrt(variance / precision)
        * math.exp(mean**2 / variance / 2 * (1 + 1 / variance / precision))
        - 1
    )
    gaps = {}
    for k in (1, 2, 5, 20, 80):
        bound = -IWAE(k).terms(model, x, None, CLOCK)["bound"].value.detach()
        ratio = (bound - log_p).exp()
        surplus = ratio - 1 - ratio.log()  # E[ratio] is 1, so this is the gap with little noise
        assert abs(ratio.mean() - 1) < 5 * ratio.std() / math.sqrt(len(x))
        gaps[k] = surplus.mean().item(), surplus.std().item() / math.sqrt(len(x))
    for low, high in itertools.pairwise(gaps):
        assert gaps[low][0] - gaps[high][0] > 5 * (gaps[low][1] + gaps[high][1])
    exact = kl_divergence(Normal(mean, math.sqrt(variance)), Normal(0.0, math.sqrt(0.5)))
    assert abs(gaps[1][0] - exact) < 5 * gaps[1][1]
    assert gaps[80][0] == pytest.approx(chi / 160, rel=0.05)


def test_evidence_is_elbo_plus_what_the_posterior_misses(float64, agrees):
    model = VAE(
        conditionals.Diagonal(MLP((6,), (2,), (5,))),
        priors.Standard(1),
        conditionals.Bernoulli(MLP((1,), (6,), (5,))),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    x = torch.rand(1, 6).round()
    grid = torch.linspace(-9, 9, 4001)[:, None, None]
    step = 18 / 4000
    trace = model(x, size=(4001, 1), given={"z": grid})
    g = trace.latents["z"]
    joint = (trace.likelihood.log_prob(x) + g.p.log_prob(grid))[:, 0]
    log_p = joint.logsumexp(0) + math.log(step)
    log_q = g.q.log_prob(grid)[:, 0]
    missed = (log_q.exp() * (log_q - joint + log_p)).sum() * step
    terms = ELBO().terms(model, x.expand(50_000, 6), None, CLOCK)
    assert missed > 0.01
    agrees(-(terms["distortion"].value + terms["rate/z"].value), log_p - missed)
    bound = -IWAE(500).terms(model, x.expand(200, 6), None, CLOCK)["bound"].value
    ratio = (bound - log_p).exp()
    agrees(ratio, 1.0)


def test_beta_bernoulli_evidence(float64, agrees):
    class Coin(Model):
        def walk(self, trace, x, y):
            z = trace.latent("z", torch.distributions.Beta(2.0, 3.0), torch.distributions.Beta(9.0, 6.0))
            return Independent(torch.distributions.Bernoulli(probs=z[..., None].expand(*z.shape, 20)), 1)

    x = (torch.arange(20) < 14).double().expand(40_000, 20)
    terms = ELBO().terms(Coin(), x, None, CLOCK)
    elbo = -(terms["distortion"].value + terms["rate/z"].value)
    missed = kl_divergence(torch.distributions.Beta(9.0, 6.0), torch.distributions.Beta(16.0, 9.0))
    agrees(elbo + missed, -13.795948461738176)
