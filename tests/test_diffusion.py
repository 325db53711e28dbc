"""Diffusion: the bound where the best denoiser is known, levels read through noise, and samples of a Normal."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from latente import recipes
from latente.data import Data, Examples
from latente.distributions import NoisyLevels
from latente.evaluation import evaluate
from latente.kinds import KINDS
from latente.models.diffusion import Bits, Bytes, Diffusion, Reals, signal_and_noise
from latente.trace import kl

N = 20_000


class Nothing(nn.Module):
    """Says that other pixels say nothing: the best that can be said of one alone."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x, t):
        return 0 * self.one * x[:, : self.outputs]


def rates(model, x):
    with torch.no_grad():
        return kl(model(x).latents["z0"]).double()


def within(values, expected, errors=5.0, bias=0.0):
    se = values.std().item() / math.sqrt(len(values))
    assert abs(values.mean().item() - expected) < errors * se + bias, (values.mean().item(), expected, se)


def test_the_rate_of_a_normal_is_the_information_that_the_noise_leaves():
    """For x ~ N(0, 1) the mean rate is ½ ∫ mmse d(snr) = ½ log((1 + snr_0) / (1 + snr_1)), and what is left at the end."""
    torch.manual_seed(0)
    model = Diffusion((1,), Nothing(1), Reals())
    found = rates(model, torch.randn(N, 1))
    first, last = (math.exp(-gamma) for gamma in Reals.ends)
    way = 0.5 * math.log((1 + first) / (1 + last))
    a, s = (float(c) for c in signal_and_noise(torch.tensor(Reals.ends[1])))
    end = 0.5 * (a**2 + s**2 - 1 - math.log(s**2))
    within(found, way + end)


def test_the_rate_of_a_normal_with_a_wrong_spread_is_higher():
    torch.manual_seed(0)
    model = Diffusion((1,), Nothing(1), Reals())
    x = 0.2 * torch.randn(N, 1)
    least = 0.5 * math.log(1 + 0.04 * math.exp(-Reals.ends[0]))
    assert rates(model, x).mean() > least + 0.5


def test_the_bound_of_a_fair_coin_is_its_entropy():
    torch.manual_seed(0)
    model = Diffusion((3,), Nothing(3), Bits())
    x = (torch.rand(N, 3) < 0.5).float()
    with torch.no_grad():
        trace = model(x)
        bound = -trace.log_weight(x).double()
    within(bound, 3 * math.log(2), bias=0.003)
    assert bound.mean() > 3 * math.log(2) - 5 * bound.std() / math.sqrt(N)
    assert -trace.likelihood.log_prob(x).mean() < 0.01  # at the first noise levels are told apart


def test_the_bound_of_dependent_bits_is_their_entropy():
    """Two equal pixels: the best f of one is the log-odds of the other, so that both together are one fair coin."""

    class Twin(Nothing):
        def forward(self, x, t):
            gamma = Bits.ends[0] + (Bits.ends[1] - Bits.ends[0]) * t
            alpha, sigma = signal_and_noise(gamma)
            return (alpha / sigma.square()).unsqueeze(-1) * x[:, :2].flip(1) + 0 * self.one

    torch.manual_seed(0)
    x = (torch.rand(N, 1) < 0.5).float().expand(N, 2)
    with torch.no_grad():
        bound = -Diffusion((2,), Twin(2), Bits())(x).log_weight(x).double()
        alone = -Diffusion((2,), Nothing(2), Bits())(x).log_weight(x).double()
    within(bound, math.log(2), bias=0.003)
    within(alone, 2 * math.log(2), bias=0.003)


def test_log_weights_draws_and_the_rule_agree():
    torch.manual_seed(0)
    model = Diffusion((3,), Nothing(3), Bits())
    x = (torch.rand(4, 3) < 0.5).float()
    with torch.no_grad():
        trace = model(x)
        g = trace.latents["z0"]
        assert_close(trace.log_ratio(), -kl(g))
        q = g.q.expand((5000, 4))
        again = model(size=(5000, 4), given={"z0": q}).latents["z0"]
        assert again.q is q and kl(again).shape == (5000, 4)
        many = kl(model(x, size=(5000, 4)).latents["z0"])
    se = many.std(0) / math.sqrt(5000)
    assert ((kl(again).mean(0) - many.mean(0)).abs() < 7 * se).all()
    with pytest.raises(NotImplementedError, match="no tractable density"):
        model(size=2).latents["z0"].p.log_prob(torch.zeros(2, 3))


def test_times_of_a_batch_are_spread_evenly():
    seen = []

    class Listening(Nothing):
        def forward(self, x, t):
            seen.append(t)
            return super().forward(x, t)

    Diffusion((1,), Listening(1), Reals())(torch.randn(50, 1))
    ordered = seen[0].sort().values
    assert_close(ordered.diff(), torch.full((49,), 0.02), rtol=0, atol=1e-4)
    assert 0 <= ordered[0] < 0.02


def test_samples_of_the_best_denoiser_of_a_normal_have_its_moments():
    torch.manual_seed(0)
    model = Diffusion((1,), Nothing(1), Reals(), steps=200)
    x = model(size=N).likelihood.sample()
    assert abs(x.mean().item()) < 5 / math.sqrt(N)
    assert x.var().item() == pytest.approx(1.0, abs=0.05)


def test_samples_of_the_best_denoiser_of_bits_are_bits():
    torch.manual_seed(0)
    model = Diffusion((1,), Nothing(1), Bits(), steps=50)
    means = model(size=4000).likelihood.mean
    assert ((means < 0.01) | (means > 0.99)).double().mean() > 0.99
    assert means.mean().item() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("scale", [0.0005, 0.05, 0.5])
def test_levels_read_through_noise_sum_to_one(levels, scale):
    loc = torch.tensor([-0.3, 0.0, 0.123, 0.77, 1.0, 1.4], dtype=torch.float64).unsqueeze(-1)
    p = NoisyLevels(loc, scale, levels, event_dim=1)
    values = torch.linspace(0, 1, levels, dtype=torch.float64).view(-1, 1, 1)
    logs = -0.5 * ((loc - values) / scale).square()
    found = p.log_prob(values)
    assert_close(found.logsumexp(0), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-8)
    assert_close(found, logs.log_softmax(0).squeeze(-1), rtol=1e-9, atol=1e-8)
    assert_close(p.mean, (logs.softmax(0) * values).sum(0), rtol=0, atol=1e-8)
    drawn = p.sample((20,)) * (levels - 1)
    assert_close(drawn, drawn.round())


def test_bytes_lose_hardly_anything_in_the_first_noise():
    torch.manual_seed(0)
    model = Diffusion((1, 4, 4), Nothing(1), Bytes())
    x = torch.randint(256, (50, 1, 4, 4)) / 255
    assert -model(x).likelihood.log_prob(x).mean() / 16 < 0.05
    assert model(x).likelihood.sample().sub(x).abs().max() < 1.5 / 255


def test_training_lowers_the_bound_and_evaluation_claims_no_other():
    torch.manual_seed(0)
    x = (torch.rand(400, 1, 1, 1) < 0.5).float().expand(400, 1, 5, 3).contiguous()
    plan = recipes.make("diffusion", shape=(1, 5, 3), hidden=[8, 8], binarise="none")
    optimizer = torch.optim.Adam(plan.model.parameters(), 3e-3)
    before = rates(plan.model, x).mean()
    assert before == pytest.approx(15 * math.log(2), rel=0.1)  # of as many coins, before anything is learnt
    for _ in range(60):
        loss = rates_with_gradient(plan.model, x[torch.randint(400, (64,))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert rates(plan.model, x).mean() < 0.5 * before

    some = Examples(x)
    data = Data("bits", "", some, some, some, KINDS["images"], (), None, "", {})
    found = evaluate(plan.model, data, k=4, examples=50)
    assert "nll" not in found and "estimated draw by draw" in found.absent["nll"]
    assert "codes" not in found and list(found["bound"].rates) == ["z0"] and "bits_per_dim" in found
    assert -found["bound"].elbo.mean == pytest.approx(
        found["bound"].distortion.mean + found["bound"].rate.mean
    )
    assert "ELBO" in found.verdict


def rates_with_gradient(model, x):
    return kl(model(x).latents["z0"]).mean()
