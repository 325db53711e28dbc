"""The hierarchy of latent groups: its bound, its priors at the start, what each group decides, and steps that are skipped."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal
from torch.testing import assert_close

from latente import data, nn, pictures, recipes
from latente.conditionals import Bernoulli
from latente.errors import LatenteError, RunError, TrainingError
from latente.evaluation.bounds import log_weights
from latente.models import TopDown
from latente.nn.ladder import bounded_scale
from latente.objectives import ELBO, Objective, Term
from latente.schedules import Clock
from latente.trace import Latent, kl, mean
from latente.training import Trainer


def dense(latents=(2, 3, 2), width=8):
    torch.manual_seed(0)
    model = TopDown(nn.DenseLadder((6,), latents, width), Bernoulli(nn.MLP((width,), (6,), (8,)), 1))
    return model.double()


def stirred(model, by=0.3):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(by * torch.randn_like(p))
    return model


def test_all_priors_start_at_the_standard_normal():
    trace = dense()(size=5)
    for g in trace.latents.values():
        assert g.p.base_dist.loc.eq(0).all() and g.p.base_dist.scale.eq(1).all()


def test_the_rate_is_that_of_the_posterior_relative_to_the_prior():
    model = stirred(dense())
    x = torch.rand(4, 6, dtype=torch.float64).round()
    trace = model(x)
    s = model.ladder.start.expand(4, -1)
    for rung, h, g in zip(model.ladder.down(), model.ladder.up(x), trace.latents.values()):
        shift, log_ratio = rung.posterior(s, h)
        ratio = log_ratio.exp()
        closed = 0.5 * (shift**2 + ratio**2 - 2 * ratio.log() - 1).sum(-1)
        assert_close(kl(g), closed)
        s = rung.pass_by(s, rung.prior(s)[2], g.z)


def test_scales_are_bounded_and_smooth():
    a = torch.tensor([-1e4, -1.0, 0.0, 1e4], dtype=torch.float64, requires_grad=True)
    b = bounded_scale(a)
    assert b.abs().max() <= 5 and b[2] == 0
    assert_close(torch.autograd.grad(b.sum(), a)[0][2], torch.tensor(1.0, dtype=torch.float64))


def test_rates_by_group_add_up_to_the_weight():
    """-ELBO by terms is the mean log weight where each KL is replaced by its one-sample estimate."""
    model = stirred(dense())
    x = torch.rand(3, 6, dtype=torch.float64).round()
    torch.manual_seed(1)
    trace = model(x)
    sampled = sum(g.q.log_prob(g.z) - g.p.log_prob(g.z) for g in trace.latents.values())
    assert_close(trace.log_weight(x), trace.likelihood.log_prob(x) - sampled)
    terms = ELBO().bound(trace, x, Clock(0, 1), learn=False)
    assert list(terms) == ["distortion", "rate/z1", "rate/z2", "rate/z3"]
    assert_close(sum(terms[f"rate/z{i}"].value for i in (1, 2, 3)), sum(map(kl, trace.latents.values())))


def test_the_bound_is_one():
    """On binary data of two dimensions log p(x) sums to one over all examples, and lies above the ELBO of each."""
    torch.manual_seed(0)
    model = TopDown(nn.DenseLadder((2,), (1, 1), 6), Bernoulli(nn.MLP((6,), (2,), (6,)), 1)).double()
    stirred(model, 0.5)
    with torch.no_grad():
        for rung in model.ladder.down():  # a posterior near the prior, so that few weights count for all
            for p in rung.seen[-1].parameters():
                p.mul_(0.1)
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 2)
    with torch.no_grad():
        drawn = model(size=200_000).likelihood
        exact = torch.stack([drawn.log_prob(row).exp().mean() for row in x])
        weights = log_weights(model.eval(), x, None, 20_000)
    assert abs(exact.sum() - 1) < 1e-9
    estimate = torch.logsumexp(weights, 0) - math.log(len(weights))
    assert_close(estimate.exp(), exact, rtol=0.05, atol=0)
    assert (weights.mean(0) < exact.log()).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 20), (2, 8, 9)], ids=str)
def test_planes_fit_images_of_any_size(shape):
    torch.manual_seed(0)
    plan = recipes.make(
        "ladder", shape=list(shape), network="conv", latent=[2, 3, 1, 1], stages=[1, 2, 1], width=6
    )
    x = torch.rand(2, *shape)
    trace = plan.model(x)
    assert trace.likelihood.sample().shape == x.shape
    sizes = [g.z.shape[-2:].numel() for g in trace.latents.values()]
    assert sizes == sorted(sizes) and len(sizes) == 4
    assert plan.model(x, size=(3, 2)).likelihood.log_prob(x).shape == (3, 2)


def test_a_draw_of_many_is_as_many_draws_of_one():
    model = stirred(dense()).eval()
    x = torch.rand(3, 6, dtype=torch.float64).round()
    many = model(x, size=(4, 3))
    given = {name: g.z for name, g in many.latents.items()}
    for i in range(4):
        one = model(x, given={name: z[i] for name, z in given.items()})
        assert_close(one.log_weight(x), many.log_weight(x)[i])


def test_balance_charges_by_rate_during_warm_up_alone():
    p = Independent(Normal(torch.zeros(3, 1), 1.0), 1)
    rates = [
        kl(Latent(torch.zeros(3, 1), p, Independent(Normal(torch.full((3, 1), m), 1.0), 1)))
        for m in (2.0, 0.2)
    ]
    elbo = ELBO(balance=True)
    first, second = elbo.by_group(rates, 0.5)
    assert_close((first + second) / 2, torch.tensor(0.5))
    assert_close(first / second, torch.tensor((2.0 + 0.1) / (0.02 + 0.1)))
    assert elbo.by_group(rates, 1.0) == [1.0, 1.0] and ELBO().by_group(rates, 0.5) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"network": "conv", "stages": [1, 1]}, "hold 2 groups, and latent names 5"),
        ({"network": "conv", "dropout": 0.1, "stages": [1, 2, 2]}, "only dense ladders drop units"),
        ({"likelihood": "pixelcnn"}, "reads one code and no hierarchy"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(given, says):
    with pytest.raises(RunError, match=says):
        recipes.make("ladder", shape=[1, 8, 8], **given)


def test_a_vector_has_no_planes():
    with pytest.raises(RunError, match="use dense"):
        recipes.make("ladder", shape=[5], network="conv")


# ------------------------------------------------------------------------------------------------------ pictures


@pytest.fixture(scope="module")
def trained():
    shown = data.load("digits").binarised("static")
    torch.manual_seed(0)
    plan = recipes.make("ladder", shape=[1, 28, 28], latent=[4, 8], width=48)
    Trainer(plan.model, plan.objective, steps=120, threads=1, lr=3e-3).fit(shown.train)
    return plan.model, shown


def test_levels_keep_what_the_first_groups_say(trained):
    model, shown = trained
    values = pictures.levels(model, shown, n=6, seed=3).values
    assert list(values) == ["example", "none resampled", "last 1", "all resampled"]
    error = {
        name: float(np.square(v - values["example"]).sum((1, 2, 3)).mean()) for name, v in values.items()
    }
    assert error["none resampled"] < error["all resampled"]
    first = pictures.levels(model, shown, n=6, seed=3, resample="first").values
    assert np.array_equal(first["none resampled"], values["none resampled"])
    assert not np.array_equal(first["first 1"], values["last 1"])
    assert list(first) == ["example", "none resampled", "first 1", "all resampled"]
    assert np.array_equal(
        values["all resampled"], pictures.levels(model, shown, n=6, seed=3).values["all resampled"]
    )


def test_levels_need_groups(trained):
    vae = recipes.make("vae", shape=[1, 28, 28], latent=2, hidden=[8]).model
    with pytest.raises(LatenteError, match="single latent group"):
        pictures.levels(vae, trained[1])


def test_each_group_has_a_temperature_of_its_own(trained):
    model, shown = trained
    cold = pictures.samples(model, shown, n=9, temperature=[0.01, 0.01]).values["images"]
    warm = pictures.samples(model, shown, n=9, temperature=[1, 1]).values["images"]
    assert cold.std(0).mean() < 0.1 * warm.std(0).mean()
    assert np.array_equal(warm, pictures.samples(model, shown, n=9).values["images"])
    with pytest.raises(LatenteError, match="2 latent groups"):
        pictures.samples(model, shown, n=9, temperature=[1, 1, 1])


def test_reconstructions_take_means_given_the_means_above(trained):
    model, shown = trained
    rows = pictures.reconstructions(model, shown, n=4, seed=1).values
    x = torch.as_tensor(rows["example"])
    with torch.no_grad():
        assert_close(torch.as_tensor(rows["mean"]), model.eval()(x, choose=mean).likelihood.mean)


# ------------------------------------------------------------------------------------------- steps that are skipped


class Steep(Objective):
    """Pulls at all parameters with a gradient that is larger on every tenth step, or from some step on."""

    def __init__(self, large):
        super().__init__()
        self.large = large

    def terms(self, model, x, y, clock):
        size = 1e4 if self.large(clock.step) else 1.0
        return {"pull": Term(size * sum(p.sum() for p in model.parameters()) * x.new_ones(len(x)))}


def steep(large, steps, **given):
    torch.manual_seed(0)
    model = dense().float()
    trainer = Trainer(
        model,
        Steep(large),
        steps=steps,
        batch=4,
        optimizer="sgd",
        lr=1e-7,
        log_every=1,
        threads=1,
        lr_schedule="constant",
        **given,
    )
    return trainer, trainer.fit(torch.rand(8, 6))


def test_a_step_with_a_large_gradient_is_skipped():
    _, lines = steep(lambda step: step % 10 == 5, 20, skip_above=1e3)
    assert [line["step"] for line in lines if line.get("skipped")] == [6, 16]
    assert not any(line.get("skipped") for line in steep(lambda step: step % 10 == 5, 20)[1])


def test_the_limit_rises_where_it_would_stop_training():
    """As it does for ever in the released code of Child (2020), if gradients stay above it."""
    trainer, lines = steep(lambda step: step >= 5, 40, skip_above=1e3)
    skipped = [line["step"] for line in lines if line.get("skipped")]
    assert skipped == list(range(6, 16))
    assert trainer.players.limits["model"] > 1e4


def test_the_risen_limit_outlives_an_interruption(tmp_path):
    steep(lambda step: step >= 5, 20, skip_above=1e3, out=tmp_path, checkpoint_every=20)
    model = dense().float()
    again = Trainer(
        model,
        Steep(lambda step: True),
        steps=30,
        batch=4,
        optimizer="sgd",
        lr=1e-7,
        log_every=1,
        threads=1,
        lr_schedule="constant",
        skip_above=1e3,
        out=tmp_path,
    )
    lines = again.fit(torch.rand(8, 6), resume=True)
    assert not any(line.get("skipped") for line in lines if line["step"] > 20)


def test_gradients_that_are_no_numbers_still_end_training():
    class Broken(Steep):
        def terms(self, model, x, y, clock):
            return {"pull": Term(math.nan * next(model.parameters()).sum() * x.new_ones(len(x)))}

    trainer = Trainer(
        dense().float(), Broken(None), steps=60, batch=4, log_every=1, threads=1, skip_above=1.0
    )
    with pytest.raises(TrainingError, match="not finite"):
        trainer.fit(torch.rand(8, 6))


def test_each_player_has_a_limit_of_its_own():
    """A player that takes good steps must not hide that another takes none."""

    class Two(Objective):
        def players(self, model):
            return {"steep": list(model.ladder.parameters()), "flat": list(model.likelihood.parameters())}

        def terms(self, model, x, y, clock):
            return {"pull": Term(sum(p.sum() for p in model.likelihood.parameters()) * x.new_ones(len(x)))}

        def turns(self, model, batches, clock):
            x, _ = next(batches)
            yield (
                "steep",
                {"s": Term(1e4 * sum(p.sum() for p in model.ladder.parameters()) * x.new_ones(len(x)))},
            )
            yield "flat", self.terms(model, x, None, clock)

    trainer = Trainer(
        dense().float(),
        Two(),
        steps=30,
        batch=4,
        optimizer="sgd",
        lr=1e-7,
        log_every=1,
        threads=1,
        skip_above=1e3,
    )
    lines = trainer.fit(torch.rand(8, 6))
    assert [line["step"] for line in lines if line.get("skipped")] == list(range(1, 11))
    assert trainer.players.limits["steep"] > 1e4 and trainer.players.limits["flat"] == 1e3
