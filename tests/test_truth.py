"""What an independent check of every formula and figure found wrong, each as the right value."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.testing import assert_close

import latente
from latente import distributions as own
from latente import doctor
from latente.conditionals import FixedNormal
from latente.distributions import traits
from latente.distributions.traits import normaliser
from latente.errors import RunError, TrainingError
from latente.evaluation import evaluate
from latente.evaluation.latents import latents
from latente.models import RBM
from latente.models.ais import annealed, betas, settled
from latente.models.diffusion import Diffusion, Reals, signal_and_noise
from latente.nn.quantisers import FSQ, VQ
from latente.objectives import ELBO, IWAE, ContrastiveDivergence
from latente.objectives.controllers import Capacity, DistortionTarget, RateTarget
from latente.objectives.encoder import lower_information, upper_information
from latente.runs import train
from latente.schedules import Clock, constant, linear
from latente.trace import Latent, Model
from latente.training import Trainer, machine
from test_traits import MAKERS, draws_of

BF16 = {"device_type": "cpu", "dtype": torch.bfloat16}


# ------------------------------------------------------------------------------- normalisers that are estimated


@pytest.fixture(scope="module")
def hard():
    """A machine of 20 hidden units that short chains cannot cross: its weights are half as large again as those of digits."""
    data = latente.load_data("digits")
    torch.manual_seed(0)
    rbm = RBM(data.shape, 20)
    Trainer(rbm, ContrastiveDivergence(), steps=1500, batch=100, optimizer="sgd", lr=0.1).fit(data.train)
    x = data.train.batch(slice(None))[0]
    rbm.meet(x.mean(0), len(x))
    with torch.no_grad():
        rbm.weight.mul_(1.5)
    return rbm.requires_grad_(False)


def test_annealing_starts_at_the_frequencies_of_the_data(hard):
    data = latente.load_data("digits")
    x = data.train.batch(slice(None))[0].flatten(1)
    assert_close(hard.base.sigmoid(), (x.sum(0) + 0.5) / (len(x) + 1))
    assert hard.base_rates is hard.base and not hard.base.equal(hard.visible_bias)


def test_the_temperatures_are_dense_near_1():
    found = betas(29_000)
    assert len(found) == 29_001 and found[0] == 0 and found[-1] == 1 and sorted(set(found)) == found
    assert [sum(low < b <= high for b in found) for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 1))] == [
        1000,
        8000,
        20000,
    ]


def test_log_z_is_looked_for_until_it_stays(hard):
    exact = hard.listed().item()
    short, long = annealed(hard, 20, 30), settled(hard)
    assert short.log_z < exact - 5 * short.se and short.ess < 10
    assert long.is_settled and long.temperatures > 2000 and long.ess >= 10
    assert abs(long.log_z - exact) < 4 * long.se
    assert not settled(hard, chains=20, first=4, most=8).is_settled


def test_what_has_not_settled_is_no_likelihood(hard, monkeypatch):
    data = latente.load_data("digits")
    monkeypatch.setattr(RBM, "is_listable", lambda rbm: False)
    monkeypatch.setattr(
        "latente.models.boltzmann.settled", lambda rbm: replace(annealed(rbm, 20, 30), is_settled=False)
    )
    hard.found = None
    e = evaluate(hard, data, k=3, examples=50)
    assert {"bound", "nll", "bits_per_dim"}.isdisjoint(e) and "has not settled" in e.absent["bound"]
    assert "codes" in e and "training" not in e and e.verdict.startswith("Cannot tell: log Z")
    monkeypatch.setattr("latente.models.boltzmann.settled", lambda rbm: annealed(rbm, 100, 4000))
    hard.found = None
    e = evaluate(hard, data, k=3, examples=50)
    known = e["codes"].groups["h"].normaliser
    assert known.se > 0 and e["nll"].se > known.se and e["bound"].elbo.se > known.se
    hard.found = None


def test_the_normaliser_of_an_energy_tells_its_error():
    unit = Independent(Normal(torch.zeros(1), 1.0), 1)
    for a, ess in (
        (0.5, 1 / math.exp(0.25)),
        (2.0, 1 / math.exp(4.0)),
    ):  # the share of draws that count: e^-a²
        torch.manual_seed(0)
        log_z, se, found = own.Reweighted(unit, lambda z, a=a: a * z.sum(-1), torch.zeros(())).partition(
            1 << 15
        )
        assert abs(log_z - a**2 / 2) < 4 * se and found / (1 << 15) == pytest.approx(ess, rel=0.5)
        known = normaliser(own.Reweighted(unit, lambda z: z.sum(-1), log_z, se=se, ess=found))
        assert known.is_settled and not known.of_chains and known.se == pytest.approx(se.item())
    few = normaliser(own.Reweighted(unit, lambda z: z.sum(-1), log_z, se=0.5, ess=3.0))
    assert not few.is_settled


# ------------------------------------------------------------------------------------- units of groups below others


class Idle(Model):
    """Has three groups, each with q = p: the second and the third stand around the one above."""

    def __init__(self, rate=0.0):
        super().__init__()
        self.likelihood, self.rate = FixedNormal(nn.Flatten(), 1.0, 1), rate

    def walk(self, trace, x, y):
        above = torch.zeros(trace.size[0], 2)
        for name in ("z1", "z2", "z3"):
            p = Independent(Normal(above, 1.0), 1)
            moved = above if x is None else above + self.rate * x[:, :2]
            above = trace.latent(name, p, None if x is None else Independent(Normal(moved, 1.0), 1))
        return self.likelihood(above)


def test_a_group_that_only_follows_the_one_above_has_no_active_unit():
    x = torch.randn(2000, 2)
    found = latents(Idle(), x)
    assert [g.active for g in found.values()] == [0, 0, 0] and max(found["z3"].activity) < 1e-2
    informed = latents(Idle(0.5), x)
    assert [g.active for g in informed.values()] == [2, 2, 2]
    assert informed["z3"].activity[0] == pytest.approx((3 * 0.5) ** 2, rel=0.3)


# ------------------------------------------------------------------------------------- which weights are kept


@pytest.mark.parametrize("limit", [0.001, 0.5, 4.0])
def test_the_rate_counts_by_the_weight_it_ends_with(limit):
    vae = latente.recipes.make("vae", shape=(6,), latent=2, hidden=[4]).model.eval()
    elbo = ELBO(linear(100, end=limit))
    terms = elbo.terms(vae, torch.randn(20, 6), None, Clock(0, 1000))
    figures = {name: term.value.mean().item() for name, term in terms.items()}
    held = {name: term.held for name, term in terms.items()}
    expected = figures["distortion"] + limit * figures["rate/z"]
    assert elbo.choice(figures, held) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("controller", "better", "worse"),
    [
        (DistortionTarget(60.0), (59.0, 300.0), (80.0, 20.0)),
        (DistortionTarget(60.0), (81.2, 433.6), (180.2, 124.6)),  # out of reach: as near as can be
        (DistortionTarget(60.0), (59.0, 30.0), (50.0, 40.0)),
        (Capacity(constant(60.0)), (106.8, 57.9), (120.0, 24.5)),
        (Capacity(constant(60.0)), (100.0, 58.0), (101.0, 60.0)),
        (RateTarget(5.0), (100.0, 5.0), (95.0, 3.0)),
        (RateTarget(5.0), (90.0, 8.0), (100.0, 5.0)),
    ],
)
def test_a_constraint_counts_before_what_it_constrains(controller, better, worse):
    def cost(figures):
        terms = {"distortion": figures[0], "rate/z": figures[1]}
        return ELBO(controller).choice(terms, {"distortion": 1.0, "rate/z": 1.0})

    assert cost(better) < cost(worse)


@pytest.mark.parametrize("how", [{"beta": 0.001}, {"distortion": 60.0}, {"capacity": 60.0, "warmup": 1.0}])
def test_a_late_step_is_kept_of_what_the_bound_would_leave_early(tmp_path, how):
    run = train(
        "vae",
        "digits",
        tmp_path / "run",
        arguments={"hidden": [100], **how},
        steps=600,
        evaluate_every=100,
        threads=1,
    )
    losses = {line["step"]: line["loss"] for line in run.metrics() if line["split"] == "validation"}
    assert min(losses, key=losses.get) > 300


def test_an_adversarial_autoencoder_is_judged_by_its_codes_too():
    plan = latente.recipes.make("adversarial-autoencoder", shape=(6,), latent=2, hidden=[4])
    model, x = plan.model.eval(), torch.randn(500, 6)
    clock = Clock(0, 1)

    def found():
        terms = plan.objective.terms(model, x, None, clock)
        figures = {name: term.value.double().mean().item() for name, term in terms.items()}
        return figures, plan.objective.choice(figures, {n: t.held for n, t in terms.items() if t.held})

    figures, loss = found()
    assert loss == pytest.approx(figures["distortion"] + figures["mismatch"]) and figures["mismatch"] > 0
    assert "mismatch" not in plan.objective.terms(model.train(), x, None, clock)


# --------------------------------------------------------------------------------------------- the same examples


def test_the_held_out_examples_do_not_follow_the_seed(tmp_path):
    table = tmp_path / "table.csv"
    np.savetxt(
        table, np.random.default_rng(0).normal(size=(150, 4)), delimiter=",", header="a,b,c,d", comments=""
    )
    runs = [
        train(
            "vae",
            str(table),
            tmp_path / str(seed),
            arguments={"hidden": [4], "latent": 2},
            seed=seed,
            steps=20,
            threads=1,
        )
        for seed in (0, 1)
    ]
    found = [evaluate(run, k=5) for run in runs]
    assert found[0].held == found[1].held and runs[0].record["data"] == runs[1].record["data"]
    some = [evaluate(run, k=5, examples=8) for run in runs]
    assert some[0].held == some[1].held != found[0].held
    rows = doctor.compare(runs)
    assert rows[0].difference is None and rows[1].difference.se > 0
    assert rows[1].difference.mean == pytest.approx(rows[1].nll.mean - rows[0].nll.mean, abs=1e-3)


# ---------------------------------------------------------------------------------------------------------- bf16


@pytest.mark.parametrize("name", MAKERS)
def test_autocast_leaves_densities_as_they_are(name):
    torch.manual_seed(0)
    d = MAKERS[name]()
    if not (traits.can_sample(d) and traits.has_density(d)):
        pytest.skip("has no draws, or no density")
    x = draws_of(d, 8)
    nets = name in (
        "Autoregressive",
        "AutoregressiveNumbers",
        "Diffused",
        "Strokes",
        "Words",
        "zuko",
        "AutoregressiveCodes",
    )
    if nets:
        pytest.skip("its network may be in bf16")
    with torch.no_grad():
        torch.manual_seed(1)
        expected = d.log_prob(x)
        drawn = d.sample((4,))
        with torch.autocast(**BF16):
            torch.manual_seed(1)
            found = d.log_prob(x)
            again = d.sample((4,))
    assert found.dtype == expected.dtype
    assert_close(found, expected, rtol=1e-5, atol=1e-5)
    if name not in ("HiddenMarginal", "MultivariateNormal", "FullMixture"):  # of chains; and torch's own
        assert_close(again, drawn, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("q", "p"),
    [
        ("Normal", "Normal"),
        ("Correlated", "Normal"),
        ("MultivariateNormal", "Normal"),
        ("Categories", "Categories"),
        ("VonMisesFisher", "VonMisesFisher"),
        ("VonMisesFisher", "UniformSphere"),
        ("PowerSpherical", "UniformSphere"),
    ],
)
def test_autocast_leaves_rates_as_they_are(q, p):
    torch.manual_seed(0)
    a, b = MAKERS[q](), MAKERS[p]()
    expected = kl_divergence(a, b)
    with torch.autocast(**BF16):
        assert_close(kl_divergence(a, b), expected, rtol=1e-5, atol=1e-6)


def test_many_log_odds_are_scored_in_32_bits():
    torch.manual_seed(0)
    logits, x = 8 * torch.randn(64, 784), torch.rand(64, 784).round()
    law = own.BernoulliEvent(logits, 1)
    with torch.autocast(**BF16):
        found = law.log_prob(x)
    exact = -nn.functional.binary_cross_entropy_with_logits(
        logits.double(), x.double(), reduction="none"
    ).sum(1)
    assert_close(found.double(), exact, rtol=1e-5, atol=0)


def test_free_energies_are_those_of_32_bits():
    torch.manual_seed(0)
    rbm = RBM((50,), 30)
    with torch.no_grad():
        rbm.weight.normal_()
        v, h = torch.rand(8, 50).round(), torch.rand(8, 30).round()
        expected = rbm.free_energy(v), rbm.hidden_free_energy(h)
        with torch.autocast(**BF16):
            for found, value in zip((rbm.free_energy(v), rbm.hidden_free_energy(h)), expected):
                assert_close(found, value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("decay", [0.99, None])
def test_codebooks_are_learnt_in_bf16(decay):
    torch.manual_seed(0)
    net = VQ(codes=8, features=4, decay=decay)
    with torch.autocast(**BF16):
        rounded = net(torch.randn(3, 4, 2, 2).bfloat16())
    assert rounded.far.dtype == torch.float32 and net.words.isfinite().all()


@pytest.mark.parametrize("quantiser", ["fsq", "vq"])
def test_a_vq_vae_trains_in_bf16(tmp_path, quantiser):
    arguments = {"quantiser": quantiser, "hidden": [8], "tokeniser_steps": 4}
    known = latente.recipes.parameters("vq-vae")
    arguments = {n: v for n, v in arguments.items() if n in known}
    train(
        "vq-vae",
        "digits",
        tmp_path / "run",
        arguments=arguments,
        steps=4,
        batch=16,
        precision="bf16",
        threads=1,
    )


def test_recurrent_layers_fall_back_where_the_cpu_has_none_in_bf16(monkeypatch, capsys):
    monkeypatch.setattr(machine, "has_recurrent_bf16", lambda: False)
    cpu = torch.device("cpu")
    assert machine.usable("bf16", nn.LSTM(2, 2), cpu) == "fp32"
    assert machine.usable("bf16", nn.Linear(2, 2), cpu) == "bf16"
    vae = latente.recipes.make("vae", shape=(6,), latent=2, hidden=[4]).model
    vae.reader = nn.LSTM(2, 2)
    trainer = Trainer(vae, steps=2, batch=4, precision="bf16", progress=True)
    trainer.fit(torch.randn(20, 6))
    assert trainer.settings.precision == "fp32" and "no recurrent layers in bf16" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ corners


def test_two_levels_are_both_in_use():
    torch.manual_seed(0)
    net = FSQ((2, 2, 3))
    planes = torch.randn(2000, 3, 1, 1, requires_grad=True)
    rounded = net(planes)
    assert len(rounded.codes.unique()) == 12
    rounded.before.sum().backward()
    assert planes.grad[:, :2].median() > 0.2


# ------------------------------------------------------------------------------------------------------ support


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    x = np.random.default_rng(0).normal(size=(200, 3)) * [1, 10, 100]
    np.savetxt(path, x, delimiter=",", header="age,mass,height", comments="")
    return str(path)


@pytest.mark.parametrize(
    ("recipe", "arguments", "fitting"),
    [
        ("vae", {"likelihood": "bernoulli"}, "--likelihood gaussian-optimal"),
        ("vae", {"likelihood": "continuous-bernoulli"}, "--likelihood gaussian"),
        ("vae", {"likelihood": "categorical"}, "--likelihood gaussian"),
        ("diffusion", {"values": "bytes"}, "--values reals"),
        ("diffusion", {"values": "bits"}, "--values reals"),
        ("rbm", {"visible": "bernoulli"}, "--visible gaussian"),
        ("vae-gan", {"likelihood": "bernoulli"}, "--likelihood gaussian-optimal"),
        ("deep-autoencoder", {"likelihood": "bernoulli"}, "--likelihood gaussian"),
    ],
)
def test_data_outside_of_the_support_is_refused_before_the_first_step(
    tmp_path, table, recipe, arguments, fitting
):
    with pytest.raises(RunError, match=r"column 'age|column 'mass|column 'height") as refused:
        train(recipe, table, tmp_path / "run", arguments=arguments, steps=2)
    assert "likelihood of" in str(refused.value) and fitting in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("likelihood", ["categorical", "logistic-mixture"])
def test_grey_levels_off_the_grid_are_refused(tmp_path, likelihood):
    x = np.round(np.random.default_rng(0).random((60, 8, 8)) * 16).astype(np.float32) / 16
    for name, images in (("off", x), ("on", np.round(x * 255) / 255)):
        np.savez(tmp_path / f"{name}.npz", images=images.astype(np.float32))
    how = {"arguments": {"likelihood": likelihood, "hidden": [4]}, "steps": 2, "threads": 1}
    with pytest.raises(RunError, match=r"multiples of 1/255 from 0 to 1, and pixels of off"):
        train("vae", str(tmp_path / "off.npz"), tmp_path / "off", **how)
    train("vae", str(tmp_path / "on.npz"), tmp_path / "on", **how)


def test_examples_in_memory_are_held_against_the_support_too():
    vae = latente.recipes.make("vae", shape=(1, 8, 8), latent=2, hidden=[4]).model
    x = torch.rand(20, 1, 8, 8)
    Trainer(vae, steps=1, batch=4).fit(x)
    held = x.clone()
    held[3, 0, 1, 1] = -0.25
    with pytest.raises(TrainingError, match=r"numbers from 0 to 1, and number 9 of the examples is -0.25"):
        Trainer(vae, steps=1, batch=4).fit(x, held)


def test_no_probability_above_1_is_printed():
    data = latente.from_arrays(
        np.round(np.random.default_rng(0).random((60, 1, 8, 8)) * 16).astype(np.float32) / 16
    )
    torch.manual_seed(0)
    plan = latente.recipes.make("diffusion", shape=(1, 8, 8), values="bytes")
    e = evaluate(plan.model, data, k=1, examples=4)
    if "bound" in e:
        assert e["bound"].distortion.mean >= 0
    else:
        assert "a probability is at most 1" in e.absent["bound"] and e.verdict.startswith("Cannot tell")
        assert "bits_per_dim" not in e


# ------------------------------------------------------------------------------------- corners that can be reached


def best_guess(law):
    """Returns the best denoiser of N(0, 1), or of ±1 with P(1) = 0.1."""

    def guess(model, z, t):
        alpha, sigma = (c.view(-1, 1) for c in signal_and_noise(model.gamma(t)))
        if law == "normal":
            return alpha * z
        return (math.log(0.1 / 0.9) / 2 + alpha * z / sigma**2).tanh()

    return guess


@pytest.mark.parametrize("steps", [16, 64])
@pytest.mark.parametrize("law", ["normal", "bits"])
def test_samples_of_the_best_denoiser_have_the_moments_of_the_data(monkeypatch, law, steps):
    torch.manual_seed(0)
    model = Diffusion((1,), nn.Linear(1, 1), Reals(), steps=steps)
    monkeypatch.setattr(Diffusion, "guess", best_guess(law))
    z = model.denoise(torch.Size((50_000,)))
    if law == "normal":
        assert z.var().item() == pytest.approx(1.0, abs=0.04)
    else:
        assert (z > 0).float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_free_nats_are_of_the_whole_code():
    plan = latente.recipes.make(
        "draw", shape=(1, 8, 8), latent=3, glimpses=4, units=8, free_nats=3.0, read=0, write=0
    )
    x, clock = torch.rand(16, 1, 8, 8).round(), Clock(0, 1)
    torch.manual_seed(0)
    terms = plan.objective.terms(plan.model, x, None, clock)
    rates = [term.value for name, term in terms.items() if name.startswith("rate/")]
    total = sum(rate.mean() for rate in rates).item()
    assert len(rates) == 4 and plan.objective.floor == 3
    for floor, moves in ((total + 0.1, False), (total - 0.1, True)):
        plan.objective.free_nats = floor
        torch.manual_seed(0)
        found = plan.objective.terms(plan.model, x, None, clock)
        assert [t.value.requires_grad for n, t in found.items() if n.startswith("rate/")] == 4 * [True]
        gradients = torch.autograd.grad(
            sum(t.value.sum() for n, t in found.items() if n.startswith("rate/")),
            list(plan.model.parameters()),
            allow_unused=True,
        )
        assert any(g is not None and g.abs().sum() > 0 for g in gradients) == moves


def test_estimators_without_score_refuse_a_posterior_that_is_a_network():
    plan = latente.recipes.make("vae", shape=(6,), latent=2, hidden=[4], posterior="iaf")
    with pytest.raises(ValueError, match="leave `power` out"):
        IWAE(3, power=2).terms(plan.model, torch.randn(5, 6), None, Clock(0, 1))
    IWAE(3).terms(plan.model, torch.randn(5, 6), None, Clock(0, 1))
    full = latente.recipes.make("vae", shape=(6,), latent=2, hidden=[4], posterior="full")
    IWAE(3, power=2).terms(full.model, torch.randn(5, 6), None, Clock(0, 1))


def test_information_of_posteriors_with_a_full_covariance():
    torch.manual_seed(0)
    means = torch.randn(4000, 2) @ torch.tensor([[1.0, 0.8], [0.0, 0.3]])
    factor = torch.tensor([[0.5, 0.0], [-0.4, 0.3]])
    q = own.Correlated(means, factor.expand(4000, 2, 2))
    within, between = factor @ factor.T, means.T.cov()
    exact = 0.5 * ((between + within).logdet() - within.logdet())
    g = Latent(q.rsample(), own.StandardNormal(torch.zeros(2), torch.ones(2)), q)
    assert upper_information([g]).item() == pytest.approx(exact.item(), abs=0.05)


def test_information_of_categories_is_not_nothing():
    torch.manual_seed(0)
    q = own.Categories(50 * nn.functional.one_hot(torch.arange(2048) % 8, 8).float().unsqueeze(1))
    g = Latent(q.sample(), own.Categories(torch.zeros(1, 8)), q)
    assert lower_information([g]).item() == pytest.approx(math.log(8), abs=1e-3)


def test_a_batch_that_overflows_leaves_no_trace():
    vae = latente.recipes.make("vae", shape=(6,), latent=2, hidden=[4], likelihood="gaussian-optimal").model
    x = torch.randn(64, 6)
    x[0] = 1e30
    names = [name for name, _ in vae.named_buffers() if "running" in name or "variance" in name]
    trainer = Trainer(vae, steps=40, batch=8, log_every=1, lr=1e-4)
    trainer.fit(x)
    state = {n: t for n, t in vae.state_dict().items() if t.is_floating_point()}
    assert names and all(t.isfinite().all() for t in state.values())
    assert trainer.history and any("skipped" in line for line in trainer.history)
    assert max(t.abs().max() for t in state.values()) < 1e6


@pytest.mark.parametrize("posterior", ["delta-vae", "bn-vae"])
@pytest.mark.parametrize("prior", ["mixture", "laplace", "flow"])
def test_a_least_rate_takes_the_prior_that_it_is_one_from(posterior, prior):
    with pytest.raises(
        RunError, match=f"posterior is {posterior} and prior {prior}: its least rate is one from N"
    ):
        latente.recipes.make("vae", shape=(6,), latent=2, posterior=posterior, prior=prior)


def test_what_mathematics_allows_is_allowed():
    x, clock = torch.randn(16, 6), Clock(0, 1)
    for how in (
        {"posterior": "full", "information": 1.0},
        {"posterior": "categorical", "information": 1.0},
        {"posterior": "categorical", "free_bits": 0.5},
    ):
        plan = latente.recipes.make("vae", shape=(6,), latent=2, hidden=[4], **how)
        terms = plan.objective.terms(plan.model, x, None, clock)
        assert all(term.value.isfinite().all() for term in terms.values())
    assert latente.recipes.make("vae", shape=(6,), latent=2, training="aggressive", prior="flow")


def test_impossible_categories_are_no_nan():
    q = own.Categories(torch.tensor([[[0.0, 0.0, -math.inf]]]))
    p = own.Categories(torch.zeros(1, 1, 3))
    assert kl_divergence(q, p).item() == pytest.approx(math.log(1.5))
    assert q.log_prob(torch.tensor([[1.0, 0.0, 0.0]])).item() == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("log_odds", [0.0, 1e-5, -2e-4, 0.3])
def test_continuous_bernoulli_draws_move_with_their_log_odds(log_odds):
    torch.manual_seed(0)
    logits = torch.full((200_000, 1), log_odds, dtype=torch.float64, requires_grad=True)
    mean = own.ContinuousBernoulli(logits, 1).rsample().mean()
    (gradient,) = torch.autograd.grad(mean, logits)
    step = 1e-3
    slope = own.ContinuousBernoulli(
        torch.tensor([log_odds + step, log_odds - step], dtype=torch.float64).unsqueeze(1), 1
    ).mean
    assert gradient.sum().item() == pytest.approx(((slope[0] - slope[1]) / (2 * step)).item(), rel=0.02)
