"""Critics of examples: whose turn it is, what is penalised, and whether made examples come to look like data."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from latente import recipes
from latente.nn import Critic
from latente.objectives import Generation, LearnedSimilarity
from latente.objectives.generation import energy_distance, r1
from latente.schedules import Clock
from latente.training import Trainer


def weights(parameters):
    return torch.cat([p.detach().flatten() for p in parameters]).clone()


def endless(x):
    while True:
        yield x, None


def play(plan, x, step=0, players=None):
    """Plays one step by hand, and returns who moved in each turn, and the gradients that every player had."""
    groups = plan.objective.players(plan.model)
    moved, gradients, terms_of = [], [], []
    for name, terms in plan.objective.turns(plan.model, endless(x), Clock(step, 100)):
        for group in groups.values():
            for p in group:
                p.grad = None
        before = {n: weights(group) for n, group in groups.items()}
        sum(t.weight * t.value.mean() for t in terms.values() if not t.monitor).backward()
        gradients.append({n: any(p.grad is not None for p in group) for n, group in groups.items()})
        torch.optim.SGD(groups[name], 0.1).step()
        moved.append({n: not before[n].equal(weights(group)) for n, group in groups.items()})
        terms_of.append((name, terms))
    return moved, gradients, terms_of


def test_each_player_moves_in_its_own_turn_alone():
    torch.manual_seed(0)
    plan = recipes.make("gan", shape=(1, 6, 5), latent=3, hidden=[4, 6])
    moved, _, turns = play(plan, torch.rand(8, 1, 6, 5))
    assert [name for name, _ in turns] == ["critic", "model"]
    assert moved == [{"model": False, "critic": True}, {"model": True, "critic": False}]

    plan = recipes.make("vae-gan", shape=(1, 6, 5), latent=3, hidden=[4, 6])
    moved, _, turns = play(plan, torch.rand(8, 1, 6, 5))
    names = [name for name, _ in turns]
    assert names == ["critic", "encoder", "decoder"]
    assert moved == [{n: n == name for n in ("encoder", "decoder", "critic")} for name in names]


def test_the_encoder_hears_nothing_of_the_game():
    torch.manual_seed(0)
    plan = recipes.make("vae-gan", shape=(5,), latent=3, hidden=[6], similarity=2.5)
    _, gradients, turns = play(plan, torch.randn(8, 5))
    by_name = dict(turns)
    assert set(by_name["encoder"]) == {"distortion", "rate/z", "similarity"}
    assert by_name["encoder"]["distortion"].monitor
    assert gradients[2] == {"encoder": False, "decoder": True, "critic": True}
    assert by_name["decoder"]["similarity"].weight == 2.5
    assert all(term.held == 0 or term.monitor for _, terms in turns for term in terms.values())


def test_the_learned_similarity_is_the_distortion_of_a_normal_in_the_layer():
    torch.manual_seed(0)
    plan = recipes.make("vae-gan", shape=(5,), latent=3, hidden=[6])
    objective, model, x = plan.objective, plan.model, torch.randn(8, 5)
    made = model(x).likelihood.mean
    h = objective.critic.net.features
    unit = torch.distributions.Normal(h(made), 1.0)
    constant = 3 * math.log(2 * math.pi)  # of the six features
    assert_close(objective.error(x, made), -unit.log_prob(h(x)).sum(1) - constant)


def test_the_losses_are_those_of_the_papers():
    torch.manual_seed(0)
    critic = Critic((3,), (4, 4))
    x = torch.randn(6, 3)
    plan = recipes.make("gan", shape=(3,), latent=2, hidden=[4])
    objective = Generation(critic, penalty=3.0, every=4)
    turns = objective.turns(plan.model, endless(x), Clock(8, 100))
    torch.manual_seed(5)
    _, terms = next(turns)
    torch.manual_seed(5)
    made = plan.model(size=6).likelihood.mean
    odds, others = critic(x).sigmoid(), critic(made).sigmoid()
    assert_close(terms["critic"].value, -odds.log() - (1 - others).log())
    assert terms["r1"].weight == 3.0 / 2 * 4
    torch.manual_seed(6)
    _, terms = next(turns)
    torch.manual_seed(6)
    assert_close(terms["generator"].value, -critic(plan.model(size=6).likelihood.mean).sigmoid().log())
    off = next(objective.turns(plan.model, endless(x), Clock(9, 100)))[1]
    assert set(off) == {"critic"}


@pytest.mark.parametrize("shape", [(3,), (2, 5, 4)], ids=str)
def test_the_penalty_and_its_gradient_agree_with_finite_differences(shape):
    torch.manual_seed(0)
    critic = Critic(shape, (4, 5)).double()
    x = torch.randn(3, *shape, dtype=torch.float64)
    found = r1(critic, x)
    step = 1e-6
    by_hand = torch.zeros(3, dtype=torch.float64)
    with torch.no_grad():
        for i in range(x[0].numel()):
            e = torch.zeros(x[0].numel(), dtype=torch.float64)
            e[i] = step
            e = e.view(shape)
            by_hand += ((critic(x + e) - critic(x - e)) / (2 * step)).square()
    assert_close(found, by_hand, rtol=1e-5, atol=1e-9)

    (gradient,) = torch.autograd.grad(found.sum(), critic.head.weight)
    with torch.no_grad():
        for i in (0, critic.head.weight.shape[1] - 1):
            critic.head.weight[0, i] += step
    with torch.enable_grad():
        up = r1(critic, x).sum().item()
    assert gradient.ne(0).any()
    assert up - found.sum().item() == pytest.approx(
        step * (gradient[0, 0] + gradient[0, -1]).item(), rel=1e-3
    )


def test_the_energy_distance_is_that_of_two_normals():
    """In one dimension E|x - g| has a closed form: 2 E|x - g| - E|x - x'| - E|g - g'|."""
    torch.manual_seed(0)
    a, b = torch.randn(2000, 1), 2 + torch.randn(2000, 1)
    unit = torch.distributions.Normal(0.0, 1.0)
    m, s = torch.tensor(2.0), math.sqrt(2.0)  # of x - g
    absolute = s * math.sqrt(2 / math.pi) * torch.exp(-(m**2) / (2 * s**2)) + m * (1 - 2 * unit.cdf(-m / s))
    expected = 2 * absolute.item() - 2 * 2 / math.sqrt(math.pi)
    assert energy_distance(a, b).mean().item() == pytest.approx(expected, abs=0.2)
    assert energy_distance(a, torch.randn(2000, 1)).mean().abs() < 0.02


def test_made_examples_come_to_look_like_a_mixture():
    torch.manual_seed(0)
    x = torch.randint(2, (2000, 1)) * 3.0 - 1.5 + 0.3 * torch.randn(2000, 1)
    plan = recipes.make("gan", shape=(1,), latent=2, hidden=[32, 32], r1=0.2, r1_every=4)
    before = energy_distance(x[:500], plan.model(size=500).likelihood.mean.detach()).mean().item()
    how = {"steps": 300, "batch": 64, "lr": 2e-3, "momentum": 0.5, "threads": 1, "seed": 1, "ema": 0.98}
    history = Trainer(plan.model, plan.objective, evaluate_every=50, lr_schedule="constant", **how).fit(
        x, x[:500]
    )
    found = [line["energy distance"] for line in history if line["split"] == "validation"]
    assert found[-1] < 0.1 * before and found[-1] < 0.08
    with torch.no_grad():
        made = plan.model(size=2000).likelihood.sample()
    assert 0.3 < (made > 0).double().mean() < 0.7 and made.abs().median() > 1


def test_the_newest_weights_are_kept():
    torch.manual_seed(0)
    x = torch.randn(200, 2)
    plan = recipes.make("gan", shape=(2,), latent=2, hidden=[8])
    trainer = Trainer(plan.model, plan.objective, steps=6, batch=20, evaluate_every=2, ema=0.9, threads=1)
    trainer.fit(x, x[:20])
    for name, p in plan.model.named_parameters():
        assert p.equal(trainer.average.weights[name])


def test_a_vae_gan_is_scored_as_a_vae():
    torch.manual_seed(0)
    plan = recipes.make("vae-gan", shape=(5,), latent=3, hidden=[6])
    x = torch.randn(8, 5)
    assert isinstance(plan.objective, LearnedSimilarity)
    trace = plan.model.eval()(x)
    assert trace.log_weight(x).shape == (8,)
    terms = plan.objective.terms(plan.model, x, None, Clock(0, 1))
    assert {"distortion", "rate/z", "similarity", "decoder", "energy distance"} == set(terms)


def test_odds_of_features_are_those_of_examples():
    critic = Critic((2, 5, 4), (4, 5))
    x = torch.rand(3, 2, 5, 4)
    assert_close(critic.odds(critic.features(x)), critic(x))
    assert isinstance(critic.head, nn.Linear) and F.softplus(critic(x)).shape == (3,)
