"""Bounds, codes and scores against closed forms: the linear-Gaussian model, where all of it is known."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from latente.conditionals import Bernoulli, Diagonal, FixedNormal, Point, Quantised
from latente.data import Examples
from latente.data.looks import Pixels
from latente.errors import DataError, TrainingError
from latente.evaluation import (
    Evaluation,
    elbo_terms,
    evaluate,
    importance_weighted,
    information,
    latents,
    log_weights,
    moment_kl,
    score,
    two_sample,
)
from latente.flows import import_zuko
from latente.kinds import KINDS
from latente.models import VAE
from latente.models.vae import OneHot
from latente.nn import MLP, ConvDecoder, ConvEncoder, ResidualMLP
from latente.priors import Flat, Laplace, Mixture, Standard
from latente.trace import Model

SPECTRUM = torch.tensor([9.0, 4.0, 2.0, 1.2, 0.8, 0.5, 0.5, 0.5], dtype=torch.float64)
NOISE = 0.5  # sigma² of the likelihood


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Affine(nn.Module):
    """The Normal with mean `A a` and fixed standard deviations."""

    def __init__(self, weight, scale):
        super().__init__()
        self.weight, self.scale = nn.Parameter(weight), nn.Parameter(scale)

    def forward(self, a, _=None):
        loc = a @ self.weight.T
        return Independent(Normal(loc, self.scale.expand_as(loc)), 1)


def linear(beta=1.0, features=5, wide=1.0):
    """The optimal linear beta-VAE of data with the covariance SPECTRUM, in its eigenbasis turned at random."""
    s = beta * NOISE
    basis = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    kept = SPECTRUM[:features]
    gain = (kept - s).clamp_min(0).sqrt()
    posterior = Affine(
        (basis[:, :features] * (gain / kept.clamp_min(s))).T, wide * (s / kept).clamp_max(1).sqrt()
    )
    likelihood = Affine(basis[:, :features] * gain, torch.tensor(math.sqrt(NOISE), dtype=torch.float64))
    return VAE(posterior, Standard(features).double(), likelihood), basis


def sample(basis, n):
    """Data whose covariance is SPECTRUM exactly, mean 0."""
    x = torch.randn(n, 8, dtype=torch.float64)
    x = x - x.mean(0)
    x = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / n), x.T, upper=False).T
    return x * SPECTRUM.sqrt() @ basis.T


def log_p(basis, x):
    return MultivariateNormal(x.new_zeros(8), basis * SPECTRUM @ basis.T).log_prob(x)


def test_exact_posterior_has_no_gap():
    model, basis = linear()
    x = sample(basis, 40)
    weights = log_weights(model, x, None, 100, chunk=170)
    assert weights.dtype == torch.float64 and weights.shape == (100, 40)
    torch.testing.assert_close(weights, log_p(basis, x).expand(100, 40), atol=1e-9, rtol=0)
    curve = importance_weighted(weights)
    assert curve.k == (1, 10, 100)
    torch.testing.assert_close(curve.bounds, log_p(basis, x).expand(3, 40), atol=1e-9, rtol=0)
    torch.testing.assert_close(curve.ess, torch.full((40,), 100.0, dtype=torch.float64))
    assert abs(weights.mean() - -12.42970955704536) < 1e-8  # specs 4.1
    distortion, rates = elbo_terms(model, x, None, 2000)
    errors = 5 * math.sqrt(8 / 2 / 2000)
    assert (-distortion - rates["z"] - log_p(basis, x)).abs().max() < errors


@pytest.mark.parametrize(("beta", "active", "sse"), [(1.0, 5, 4.0), (1.7, 4, 5.7), (3.0, 3, 8.0)])
def test_rate_by_dimension_and_active_units(beta, active, sse):
    model, basis = linear(beta)
    x = sample(basis, 2000)
    found = latents(model, x)["z"]
    s = beta * NOISE
    rates = 0.5 * (SPECTRUM[:5] / s).log().clamp_min(0)
    torch.testing.assert_close(torch.tensor(found.kl, dtype=torch.float64), rates, atol=1e-9, rtol=0)
    if beta == 1:
        assert found.kl == pytest.approx((1.445186, 1.039721, 0.693147, 0.437734, 0.235002), abs=1e-6)
    assert found.active == active
    assert found.activity == pytest.approx([max(0.0, 1 - s / e) * 2000 / 1999 for e in SPECTRUM[:5].tolist()])
    assert found.variance == pytest.approx([min(1.0, s / e) for e in SPECTRUM[:5].tolist()])
    assert [share == 1 for share in found.negligible] == [j >= active for j in range(5)]
    assert found.rate.mean == pytest.approx(rates.sum().item())
    assert found.mismatch[0] <= 0.01 and found.mismatch[1] < 0.3  # q(z) is the prior but for the dead ones
    distortion, _ = elbo_terms(model, x, None, 20)
    squares = 2 * NOISE * (distortion.mean() - 4 * math.log(2 * math.pi * NOISE))
    assert squares.item() == pytest.approx(sse, rel=0.02)


def test_importance_weighted_bound_closes_the_gap_as_it_should():
    wide, features = 1.2, 5
    model, basis = linear(wide=wide)
    x = sample(basis, 500)
    curve = importance_weighted(log_weights(model, x, None, 2000))
    gaps = (log_p(basis, x) - curve.bounds).mean(1)
    kl = features * 0.5 * (wide**2 - 1 - math.log(wide**2))
    chi2 = (wide / math.sqrt(2 - wide**-2)) ** features - 1
    distortion, rates = elbo_terms(model, x, None, 200)
    assert gaps[0].item() == pytest.approx(kl, abs=0.003)
    assert (log_p(basis, x) + distortion + rates["z"]).mean().item() == pytest.approx(kl, abs=0.04)
    assert curve.k == (1, 10, 100, 1000, 2000) and (gaps[:-1] >= gaps[1:]).all()
    assert gaps[1].item() == pytest.approx(chi2 / 20, rel=0.2)
    assert gaps[2].item() == pytest.approx(chi2 / 200, rel=0.4)
    assert (curve.ess <= 2000).all()
    assert curve.ess.mean().item() / 2000 == pytest.approx(1 / (1 + chi2), rel=0.02)


class Ladder(Model):
    """b ~ N(0, 1), a ~ N(b, 1), x ~ N(a, 1), with the exact posterior of both groups."""

    def walk(self, trace, x, y):
        def normal(loc, variance):
            return Independent(Normal(loc, math.sqrt(variance) * torch.ones_like(loc)), 1)

        zero = torch.zeros(*trace.size, 1, dtype=torch.float64)
        b = trace.latent("b", normal(zero, 1), None if x is None else normal(x / 3, 2 / 3))
        q = None if x is None else normal((x + b) / 2, 1 / 2)
        a = trace.latent("a", normal(b, 1), q)
        return normal(a, 1)


@pytest.mark.parametrize("chunk", [64, 450, 5000])
def test_several_groups(chunk):
    model = Ladder()
    model.register_buffer("unit", torch.ones(1, dtype=torch.float64))
    x = torch.randn(30, 1, dtype=torch.float64) * math.sqrt(3)
    weights = log_weights(model, x, None, 50, chunk=chunk)
    expected = -0.5 * (x.squeeze(1).square() / 3 + math.log(6 * math.pi))
    torch.testing.assert_close(weights, expected.expand(50, 30), atol=1e-9, rtol=0)
    found = latents(model, x)
    assert list(found) == ["b", "a"]
    assert found["b"].information is not None and found["a"].information is None


@pytest.mark.parametrize(("n", "times", "low", "high"), [(500, 16, 3.72, 4.23), (2000, 4, 3.88, 4.07)])
def test_information_is_enclosed(n, times, low, high):
    """Eight dimensions of half a nat each; the enclosures are those of specs 4.7."""
    d, found = math.exp(-1.0), []
    for _ in range(times):
        q = Independent(Normal(math.sqrt(1 - d) * torch.randn(n, 8), math.sqrt(d) * torch.ones(n, 8)), 1)
        z = q.sample()
        found.append(information(z, [q]))
        assert found[-1].ceiling == pytest.approx(math.log(n)) and not found[-1].saturated
    lower, upper = (sum(getattr(i, side).mean for i in found) / times for side in ("lower", "upper"))
    assert lower <= 4 <= upper
    assert lower == pytest.approx(low, abs=0.06) and upper == pytest.approx(high, abs=0.06)
    blocks = [Independent(Normal(q.mean[i : i + 77], q.stddev[i : i + 77]), 1) for i in range(0, n, 77)]
    assert information(z, blocks).lower.mean == pytest.approx(found[-1].lower.mean, abs=1e-9)


def test_equal_posteriors_tell_nothing():
    q = Independent(Normal(torch.zeros(50, 3), torch.ones(50, 3)), 1)
    found = information(q.sample(), [q])
    assert found.lower.mean == pytest.approx(0, abs=1e-12) and found.upper.mean == pytest.approx(0, abs=1e-12)


def test_information_saturates():
    d = math.exp(-40 / 32)
    q = Independent(Normal(math.sqrt(1 - d) * torch.randn(500, 32), math.sqrt(d) * torch.ones(500, 32)), 1)
    found = information(q.sample(), [q])
    assert found.saturated and found.lower.mean <= math.log(500) + 1e-9 < found.upper.mean


def test_moment_kl():
    mean, scale = torch.tensor([0.3, 0.0]), torch.tensor([1.0, 0.5])
    codes = torch.randn(20000, 2)
    codes = (codes - codes.mean(0)) / codes.std(0)
    codes = torch.linalg.solve_triangular(torch.linalg.cholesky(codes.T.cov()), codes.T, upper=False).T
    expected = 0.5 * (mean.square() + scale.square() - 1 - 2 * scale.log()).sum().item()
    prior = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    assert moment_kl(mean + scale * codes, prior) == pytest.approx(expected, abs=1e-4)
    assert moment_kl(mean + scale * codes, torch.randn(40000, 2)) == pytest.approx(expected, abs=0.03)
    assert moment_kl(torch.zeros(10, 2), prior) is None


@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
def test_two_sample_reaches_the_best_auc(shift):
    codes, samples = torch.randn(2000, 6), torch.randn(2000, 6)
    codes[:, 0] += shift
    found = two_sample(codes, samples)
    best = Normal(0.0, 1.0).cdf(torch.tensor(shift / math.sqrt(2))).item()
    assert best - 0.05 - 3 * found.se < found.mean < best + 4 * found.se + 1e-4


def net(prior=None, posterior=None, likelihood=None, z=3):
    return VAE(
        posterior or Diagonal(MLP((1, 6, 6), (2 * z,), [16])),
        prior or Standard(z),
        likelihood or Bernoulli(MLP((z,), (1, 6, 6), [16]), 3),
    )


def blobs(n=60, binary=True, labels=False):
    x = torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    x = ((x > 0.5) * 255).to(torch.uint8) if binary else (x * 255).to(torch.uint8)
    return Examples(x, torch.arange(n) % 4 if labels else None)


def data(examples, **other):
    content = {"benchmark": "blobs", "shape": (1, 6, 6), "kind": KINDS["images"], **other}
    return SimpleNamespace(train=examples, validation=examples, test=examples, **content)


def test_score_does_not_depend_on_the_batch():
    model, some = net(), blobs(12)
    whole = score(model, some, 30, 0)
    order = torch.randperm(12)[:7]
    part = score(model, Examples(some.x[order]), 30, 0)
    for name in ("elbo", "bound", "distortion", "rate"):
        torch.testing.assert_close(
            getattr(whole, name)[order], getattr(part, name), rtol=1e-5, atol=1e-5, msg=name
        )
    again = score(model, some, 30, 0)
    assert torch.equal(whole.bound, again.bound)
    assert not torch.equal(whole.bound, score(model, some, 30, 1).bound)
    assert (whole.bound >= whole.elbo - 1).all()
    batched = importance_weighted(log_weights(model, some.batch(slice(None))[0], None, 3000)).bounds[-1]
    assert (batched - score(model, some, 3000, 0).bound).abs().max() < 0.1
    with pytest.raises(ValueError, match="fixed"):
        score(model, Examples(some.x, None, Pixels("dynamic")), 3, 0)


def test_nothing_outside_is_touched():
    model = net(posterior=Diagonal(ResidualMLP((1, 6, 6), (6,), 16, 1, dropout=0.5)))
    model.train()
    model.posterior.net.blocks[0].eval()
    modes = [m.training for m in model.modules()]
    state = torch.get_rng_state()
    first = evaluate(model, data(blobs()), k=20)
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [m.training for m in model.modules()] and torch.is_grad_enabled()
    torch.randn(5)
    assert evaluate(model, data(blobs()), k=20) == first
    assert evaluate(model, data(blobs()), k=20, seed=1)["bound"].elbo != first["bound"].elbo
    with pytest.raises(DataError, match=r"cannot read the examples of .*, of shape \(1, 3, 3\)"):
        evaluate(model, data(Examples(torch.zeros(5, 1, 3, 3))), k=2)
    assert modes == [m.training for m in model.modules()] and torch.is_grad_enabled()


def flow():
    pytest.importorskip("zuko")
    return import_zuko().flows.NSF(3, transforms=1, hidden_features=(8,))


MODELS = {
    "standard": lambda: net(),
    "mixture": lambda: net(prior=Mixture(3)),
    "flow": lambda: net(prior=flow()),
    "laplace": lambda: net(prior=Laplace(3)),
    "point, normal": lambda: net(posterior=Point(MLP((1, 6, 6), (3,)))),
    "point, flat": lambda: net(posterior=Point(MLP((1, 6, 6), (3,))), prior=Flat(3)),
    "conv": lambda: net(
        posterior=Diagonal(ConvEncoder((1, 6, 6), (6,), (4,))),
        likelihood=FixedNormal(ConvDecoder((3,), (1, 6, 6), (4,)), 0.3, 3),
    ),
    "conditional": lambda: VAE(
        Diagonal(MLP((1, 6, 6), (6,), [16], context=4)),
        Diagonal(MLP((4,), (6,), [16])),
        Bernoulli(MLP((3,), (1, 6, 6), [16], context=4), 3),
        embed=OneHot(4),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_any_model(name):
    model = MODELS[name]()
    some = data(blobs(labels=name == "conditional"))
    e = evaluate(model, some, k=50, beta=(0.5, 0.5))
    assert Evaluation.of_json(json.loads(json.dumps(e.to_json(), allow_nan=False))) == e
    assert e["bound"].elbo.mean == pytest.approx(-e["bound"].distortion.mean - e["bound"].rate.mean)
    assert e["bound"].rates["z"].mean == pytest.approx(e["bound"].rate.mean)
    found = e["codes"].groups["z"]
    assert ("nll" not in e) == name.startswith("point") == ("nll" in e.absent)
    assert ("bits_per_dim" not in e) == (name == "conv") == ("bits_per_dim" in e.absent)
    assert (found.kl is None) == (name in ("mixture", "flow", "point, normal", "point, flat"))
    assert (
        (found.auc is None) == (e["shuffle"].prior is None) == (found.rate is None) == (name == "point, flat")
    )
    assert (found.information is None) == name.startswith("point")
    assert (found.mismatch is None) == (name.startswith("point") or name == "conditional")
    assert (e["likelihood"].scale is None) == (name != "conv")
    if "nll" in e:
        assert e["nll"].mean <= -e["bound"].elbo.mean + 5 * e["bound"].elbo.se / math.sqrt(50)
        assert e["nll"].curve[-1] == (50, e["nll"].mean, e["nll"].se) and 1 <= e["nll"].ess_mean <= 50
    if name == "conv":
        assert e["likelihood"].scale == pytest.approx(0.3)
        assert 0.28 < e["likelihood"].residual < 1.5


def test_bits_a_dimension():
    decoder = MLP((3,), (4, 6, 6), [4])
    for p in decoder.parameters():
        nn.init.zeros_(p)
    posterior = Diagonal(MLP((1, 6, 6), (6,), [4]))
    for p in posterior.parameters():
        nn.init.zeros_(p)
    model = net(posterior=posterior, likelihood=Quantised(decoder, 4, 3))
    assert evaluate(model, data(blobs(binary=False)), k=3)["bits_per_dim"].per_dim == pytest.approx(
        2.0, abs=1e-5
    )
    grey = evaluate(net(), data(blobs(binary=False)), k=3)
    assert "bits_per_dim" not in grey and "grey" in grey.absent["bits_per_dim"]


def test_shuffled_codes():
    """With x = z + noise and an exact posterior, log p(x|z) of another's code is short by a known amount."""
    model, basis = linear()
    some = Examples(sample(basis, 2000).float())
    model = model.float()
    e = evaluate(model, data(some, shape=(8,), kind=KINDS["vectors"]), k=2, examples=2000)
    signal, total = SPECTRUM[:5] - NOISE, SPECTRUM[:5]
    own = NOISE * 5  # E|x − Wz|² in the five directions, z ~ q(z|x): the noise itself
    expected = ((total + signal).sum() - own).item() / (2 * NOISE)
    assert e["shuffle"].other.mean == pytest.approx(expected, abs=5 * e["shuffle"].other.se)
    assert e["shuffle"].prior.mean == pytest.approx(expected, abs=5 * e["shuffle"].prior.se)
    assert [f.name for f in e.findings] == ["as good as pPCA"]  # which it is
    assert e.verdict.startswith("Nothing is wrong")
    assert 0.45 < e["codes"].groups["z"].auc.mean < 0.56


def test_a_diverged_model_is_refused():
    model = net()
    with torch.no_grad():
        next(model.likelihood.parameters()).fill_(math.nan)
    with pytest.raises(TrainingError, match="60 of 60 test"):
        evaluate(model, data(blobs()), k=2)


def test_a_point_mass_has_no_weights():
    with pytest.raises(ValueError, match="point mass"):
        log_weights(net(posterior=Point(MLP((1, 6, 6), (3,)))), blobs().batch(slice(None))[0], None, 5)
