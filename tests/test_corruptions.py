"""What corruptions do to data, and that a denoising autoencoder encodes it and is scored on the clean."""

import pytest
import torch
from torch.testing import assert_close

from latente import recipes
from latente.corruptions import Gaussian, Masking, SaltAndPepper
from latente.errors import RunError
from latente.schedules import Clock
from latente.training import Trainer

NOISES = {"gaussian": Gaussian, "masking": Masking, "salt-and-pepper": SaltAndPepper}
VALUES = torch.linspace(0.1, 0.9, 7)


def test_gaussian_noise_has_its_mean_and_spread(agrees):
    noise = Gaussian(0.3)(VALUES.expand(20_000, 7)) - VALUES
    agrees(noise, 0.0)
    agrees(noise.square(), 0.09)
    agrees(noise[:, 0] * noise[:, 1], 0.0)


def test_masking_sets_a_share_to_zero_and_leaves_the_rest(agrees):
    corrupted = Masking(0.25)(VALUES.expand(20_000, 7))
    gone = corrupted == 0
    assert torch.where(gone, VALUES, corrupted).equal(VALUES.expand(20_000, 7))
    agrees(gone.float(), 0.25)
    agrees((gone[:, 0] & gone[:, 1]).float(), 0.0625)


def test_salt_and_pepper_share_the_corrupted(agrees):
    corrupted = SaltAndPepper(0.3, low=-2.0, high=3.0)(VALUES.expand(20_000, 7))
    pepper, salt = corrupted == -2, corrupted == 3
    assert torch.where(pepper | salt, VALUES, corrupted).equal(VALUES.expand(20_000, 7))
    agrees(pepper.float(), 0.15)
    agrees(salt.float(), 0.15)


@pytest.mark.parametrize("corrupt", [Gaussian(0.0), Masking(0.0), SaltAndPepper(0.0)], ids=repr)
def test_nothing_is_corrupted_by_nothing(corrupt):
    assert corrupt(VALUES).equal(VALUES)


def test_everything_can_be_corrupted():
    assert Masking(1.0)(VALUES).eq(0).all()
    assert set(SaltAndPepper(1.0)(VALUES.repeat(9)).tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("corrupt", [Gaussian(0.3), Masking(0.3), SaltAndPepper(0.3)], ids=repr)
def test_a_draw_is_fresh_and_the_seed_repeats_it(corrupt):
    x = VALUES.repeat(9)
    first, second = corrupt(x), corrupt(x)
    torch.manual_seed(0)
    assert corrupt(x).equal(first) and not first.equal(second)
    assert x.equal(VALUES.repeat(9))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Gaussian(-1.0), "sigma is -1.0"),
        (lambda: Gaussian(float("nan")), "sigma is nan"),
        (lambda: Masking(1.5), "share is 1.5"),
        (lambda: SaltAndPepper(-0.1), "share is -0.1"),
    ],
)
def test_what_is_no_spread_or_share_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


def test_a_share_above_one_is_refused_by_the_recipe():
    recipes.make("denoising", shape=(4,), amount=1.5)
    for noise in ("masking", "salt-and-pepper"):
        with pytest.raises(RunError, match=rf"amount is 1.5, but {noise} corrupts a share"):
            recipes.make("denoising", shape=(4,), noise=noise, amount=1.5)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    ("shape", "network"), [((1, 6, 5), n) for n in ("mlp", "residual", "conv")] + [((5,), "mlp")]
)
def test_the_corrupted_is_encoded_and_the_clean_is_scored(shape, network, noise):
    plan = recipes.make("denoising", shape=shape, hidden=[8], network=network, noise=noise, amount=0.4)
    model, x = plan.model.eval(), torch.rand(40, *shape)
    seen = []
    model.posterior.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    torch.manual_seed(3)
    terms = plan.objective.terms(model, x, None, Clock(0, 1))
    torch.manual_seed(3)
    corrupted = NOISES[noise](0.4)(x)
    if noise == "salt-and-pepper" and len(shape) == 1:  # two standard deviations of a column
        corrupted = torch.where(corrupted == 0, -2.0, torch.where(corrupted == 1, 2.0, corrupted))
    assert seen[0].equal(corrupted) and not corrupted.equal(x)
    assert_close(terms["distortion"].value, -model(corrupted).likelihood.log_prob(x))


def test_training_corrupts_every_look_anew_and_repeatably():
    """One batch of all examples: steps differ in their order and their noise only."""
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        plan = recipes.make("denoising", shape=(6,), latent=2, hidden=[8])
        seen = []
        plan.model.posterior.register_forward_pre_hook(
            lambda module, given, seen=seen: seen.append(given[0].clone())
        )
        Trainer(plan.model, plan.objective, steps=3, batch=50, threads=1).fit(torch.zeros(50, 6))
        runs.append(seen[-3:])  # a look before the first step tells the likelihood
    assert all(a.equal(b) for a, b in zip(*runs, strict=True)) and len(runs[0]) == 3
    assert not runs[0][0].equal(runs[0][1]) and abs(runs[0][0].std() - 0.3) < 0.06
