"""Conformance: what every recipe, and every combination of parts, must do."""

import ast
import copy
import dataclasses
import importlib.util
import inspect
import json
import textwrap
from typing import Annotated

import pytest
import torch
from pydantic import Field
from torch.testing import assert_close

from latente import recipes, runs
from latente.cli.app import list_recipes
from latente.distributions.traits import can_sample, is_certain, shown
from latente.errors import RunError
from latente.models import GAN, Classifier, Labelling
from latente.recipes.catalogue import schema
from latente.recipes.options import Parts
from latente.registry import Registry, flat, gathered, is_group, parameters
from latente.schedules import Clock
from latente.settings import Settings, settings
from latente.trace import mean

CLOCK = Clock(5, 10)
SHAPES = [(5,), (1, 1, 1), (3, 33, 20), (5, 4, 4)]
SMALL = {"latent": 3, "hidden": [6, 6], "classes": 4}
BASES = {
    "prior": "autoencoder",
    "classifier": "vae",
    "m1-m2": "vae",
    "refiner": "caption-vae",
}  # of recipes that build on a run
OWN = {  # of recipes whose arguments are of another kind
    "flow": {"transforms": 2},
    "pixelcnn": {"kernels": [3, 3], "channels": 4},
    "ladder": {"latent": [2, 3], "width": 6},
    "rbm": {"hidden": 6, "chain": 20},
    "refiner": {"channels": 4},
    "draw": {"glimpses": 3, "units": 6, "binarise": "none"},
    "align-draw": {"glimpses": 3, "units": 6, "read": 2, "write": 3, "align_units": 5},
    "text-to-image": {"levels": [3, 2], "channels": [6], "features": 6, "depth": 2, "caption_dropout": 0},
    "vq-vae": {"codes": 7, "code_features": 3, "channels": [6]},
    "sketch-rnn": {"hidden": 6, "encoder_hidden": 5, "components": 2, "kl_floor": 0},
}
FROZEN = {  # what moves where not all of it does
    "prior": ["prior."],
    "m1-m2": ["codes."],
    "text-to-image": ["prior.", "embed."],
    "refiner": ["net.", "embed."],
}
SMALL_CAPTIONS = {"caption_features": 6, "vocabulary": 10}
SMALL_TEXT = {"latent": 3, "hidden": 6, "embedding": 5, "vocabulary": 9}
POSTERIORS, PRIORS = ("diagonal", "full"), ("normal", "laplace", "mixture", "flow", "vamp")
NETWORKS = ("mlp", "residual", "conv")
LIKELIHOODS = (
    "bernoulli",
    "continuous-bernoulli",
    "gaussian",
    "gaussian-fixed",
    "gaussian-shared",
    "gaussian-optimal",
    "categorical",
    "logistic-mixture",
    "pixelcnn",
)


def plan_of(name, shape, **given):
    entry = recipes.find(name)
    small = SMALL_TEXT if entry.reads == "text" else SMALL | SMALL_CAPTIONS
    small = {k: v for k, v in small.items() if k in {*entry.answers, *entry.options}} | OWN.get(name, {})
    arguments = {"shape": list(shape), **small, **given}
    if entry.builds and "of" not in given:
        arguments["of"] = plan_of(BASES[name], shape).model.made_by
    torch.manual_seed(0)
    plan = recipes.make(name, **arguments)
    with torch.no_grad():
        for parameter in plan.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return plan


def shape_for(name, shape):
    """Turns a shape of images or vectors into that of as long sentences or drawings."""
    reads = recipes.find(name).reads
    if reads == "text":
        return (2 + shape[0],)
    if (reads == "captions" or name in ("draw", "vq-vae")) and len(shape) == 1:
        return (1, 3, shape[0])
    if name == "made" and len(shape) == 3:  # black and white, and a number comes before the last one
        return (1, shape[1], max(2, shape[2]))
    if name == "pixelcnn":
        return (shape[0], max(2, shape[1]), max(2, shape[2])) if len(shape) == 3 else (1, 3, shape[0])
    return (3 + shape[0], 3) if reads == "drawings" else shape


def batch(shape, n=6, *, kind=None):
    """Levels of 8 bits, black and white among them, in runs as pictures have them; or sentences or drawings of all lengths."""
    if kind == "drawings":
        x = torch.arange(n * shape[0] * 3).reshape(n, *shape) * 37 // 5 % 11 / 5 - 1
        x[..., 2] = torch.arange(shape[0]) % 3 == 1
        ends = torch.arange(shape[0]) >= 1 + torch.arange(n).unsqueeze(1) % (shape[0] - 1)
        return x.where(~ends.unsqueeze(-1), torch.tensor([0.0, 0.0, 2.0])), torch.arange(n) % SMALL["classes"]
    if kind == "text":
        x = 1 + torch.arange(n * shape[0]).reshape(n, *shape) * 37 // 5 % SMALL_TEXT["vocabulary"]
        return x * ((x == 1).cumsum(1) - (x == 1).long() == 0), torch.arange(n) % SMALL["classes"]
    x = torch.arange(n * torch.Size(shape).numel()).reshape(n, *shape) * 37 // 5 % 256
    x.flatten(1)[0], x.flatten(1)[1] = 0, 255
    if kind == "captions":
        y = 1 + torch.arange(n * 5).reshape(n, 5) * 37 // 5 % (SMALL_CAPTIONS["vocabulary"] - 1)
        return x / 255, (y * (torch.arange(5) <= torch.arange(n).unsqueeze(1))).int()
    return x / 255, torch.arange(n) % SMALL["classes"]


def loss_of(terms):
    return sum(term.weight * term.value.mean() for term in terms.values() if not term.monitor)


def conform_without_encoder(plan, shape, tmp_path):
    """What is left for a GAN, which encodes and scores nothing."""
    model, (x, y) = plan.model, batch(shape)
    for name, term in plan.objective.terms(model, x, y, CLOCK).items():
        assert term.value.shape == (len(x),) and term.value.isfinite().all(), name
        term.value.sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.ne(0).any() for p in model.parameters())
    model.eval()
    with torch.no_grad(), pytest.raises(ValueError, match="no encoder"):
        model(x)
    with torch.no_grad():
        trace = model(size=(2, 6))
        given = {name: g.z for name, g in trace.latents.items()}
        made = trace.likelihood.mean
        assert made.shape == (2, 6, *shape) and trace.likelihood.sample().equal(made)
        assert model(size=(2, 6), given=given).likelihood.mean.equal(made)
        part = model(size=3, given={name: z[1, :3] for name, z in given.items()}).likelihood.mean
        assert_close(part, made[1, :3], rtol=1e-5, atol=1e-5)
        with pytest.raises(NotImplementedError, match="none has a density"):
            trace.likelihood.log_prob(x)
        runs.save(model, tmp_path / "model.safetensors")
        loaded = runs.load(tmp_path / "model.safetensors")
        assert loaded.made_by == model.made_by and copy.deepcopy(model).made_by == model.made_by
        assert loaded(size=(2, 6), given=given).likelihood.mean.equal(made)


def conform(plan, shape, tmp_path):
    if isinstance(plan.model, GAN):
        return conform_without_encoder(plan, shape, tmp_path)
    kind = recipes.find(name_of(plan)).reads
    moves = FROZEN.get(name_of(plan))
    model, (x, y) = plan.model, batch(shape, kind=kind)
    n, of_labels = len(x), isinstance(model, Classifier)
    target, event = (y, torch.Size()) if of_labels else (x, torch.Size(shape))
    moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(moving) == len(list(model.parameters())) or moves

    told = y.where(torch.arange(n) % 3 > 0, -1) if isinstance(model, Labelling) else y
    terms = plan.objective.terms(model, x, told, CLOCK)
    for name, term in terms.items():
        assert term.value.shape == (n,) and term.value.isfinite().all(), name
        if term.value.requires_grad:
            moved = torch.autograd.grad(term.value.sum(), moving, retain_graph=True, allow_unused=True)
            moved = [gradient for gradient in moved if gradient is not None]
            assert all(gradient.isfinite().all() for gradient in moved), name
            assert any(gradient.ne(0).any() for gradient in moved), name
    loss_of(terms).backward()
    for name, parameter in model.named_parameters():
        if moves and not name.startswith(tuple(moves)):
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.ne(0).any(), name

    model.eval()
    with torch.no_grad():
        trace = model(x, y)
        assert trace.likelihood.batch_shape == (n,) and trace.likelihood.event_shape == event
        log_p = trace.likelihood.log_prob(target)
        assert log_p.shape == (n,) and log_p.isfinite().all()
        assert shown(trace.likelihood).shape == (n, *event) == trace.likelihood.sample().shape
        assert all(g.z.shape[0] == n and g.q is not None for g in trace.latents.values())

        given = {name: g.z for name, g in trace.latents.items()}
        assert_close(model(x, y, given=given).likelihood.log_prob(target), log_p, rtol=0, atol=0)
        if not of_labels:
            assert_close(model(y=y, size=n, given=given).likelihood.log_prob(x), log_p, rtol=0, atol=0)

        draws = model(x, y, size=(2, n)).likelihood.log_prob(target)
        assert draws.shape == (2, n)
        alike = torch.isclose(draws[0], draws[1], rtol=1e-5, atol=1e-5)  # each draw has rows of its own
        certain = all(is_certain(g.q) for g in trace.latents.values())
        assert alike.all() if certain else not alike.all()

        whole = model(x, y, choose=mean)
        parts = [model(x[i : i + 3], y[i : i + 3], choose=mean) for i in (0, 3)]
        pieces = torch.cat([part.likelihood.log_prob(target[i : i + 3]) for part, i in zip(parts, (0, 3))])
        assert_close(whole.likelihood.log_prob(target), pieces, rtol=1e-5, atol=2e-5)
        for name, g in whole.latents.items():
            assert_close(g.z, torch.cat([part.latents[name].z for part in parts]), rtol=1e-5, atol=1e-5)

        again = []
        for _ in range(2):
            torch.manual_seed(7)
            again.append(model(x, y).likelihood.log_prob(target))
        assert again[0].equal(again[1])

        if not all(can_sample(g.p) for g in trace.latents.values()):
            says = "has no decoder" if of_labels else "flat prior cannot be sampled"
            with pytest.raises(ValueError, match=says):
                model(size=4)
        else:
            generated = model(y=y[:4], size=4)
            assert all(g.q is None for g in generated.latents.values())
            assert generated.likelihood.sample().shape == (4, *event)

        file = tmp_path / "model.safetensors"
        runs.save(model, file)
        torch.manual_seed(99)
        loaded = runs.load(file)
        assert not loaded.training and loaded.made_by == model.made_by == json.loads(
            json.dumps(model.made_by)
        )
        assert list(loaded.state_dict()) == list(model.state_dict())
        for name, tensor in model.state_dict().items():
            assert loaded.state_dict()[name].equal(tensor) and loaded.state_dict()[name].dtype == tensor.dtype
        assert loaded(x, y, given=given).likelihood.log_prob(target).equal(log_p)

        copied = copy.deepcopy(model)
        for parameter in model.parameters():
            parameter.zero_()
        assert copied.made_by == model.made_by
        assert copied(x, y, given=given).likelihood.log_prob(target).equal(log_p)
    assert type(model).__name__ in repr(model)


def name_of(plan):
    return plan.model.made_by["recipe"]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recipes_conform(name, shape, tmp_path):
    shape = shape_for(name, shape)
    conform(plan_of(name, shape), shape, tmp_path)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("network", NETWORKS)
def test_combinations_conform(network, posterior, prior, likelihood, tmp_path):
    if prior == "flow" and importlib.util.find_spec("zuko") is None:
        pytest.skip("zuko is not installed")
    parts = {"network": network, "posterior": posterior, "prior": prior, "likelihood": likelihood}
    conform(plan_of("vae", (1, 5, 3), **parts), (1, 5, 3), tmp_path)


@pytest.mark.parametrize("likelihood", ["auto", "pixelcnn"])
@pytest.mark.parametrize("network", NETWORKS)
def test_skip_connections_conform(network, likelihood, tmp_path):
    for shape, parts in (((1, 5, 3), {}), ((3, 4, 4), {"classes": 4, "conditional": True})):
        plan = plan_of("vae", shape, network=network, likelihood=likelihood, skip=True, **parts)
        conform(plan, shape, tmp_path)


@pytest.mark.parametrize("parts", [{}, {"conditional": True}, {"skip": True, "network": "conv"}], ids=str)
def test_categories_conform(parts, tmp_path):
    conform(plan_of("vae", (1, 5, 3), posterior="categorical", categories=4, **parts), (1, 5, 3), tmp_path)


@pytest.mark.parametrize("prior", ["normal", "flow"])
@pytest.mark.parametrize("network", NETWORKS)
def test_conditional_combinations_conform(network, prior, tmp_path):
    plan = plan_of("vae", (2, 5, 3), network=network, prior=prior, conditional=True, k=2)
    conform(plan, (2, 5, 3), tmp_path)


@pytest.mark.parametrize("kind", ["mixture", "flow", "diffusion", "energy", "vamp"])
@pytest.mark.parametrize("posterior", ["point", *POSTERIORS])
@pytest.mark.parametrize("network", NETWORKS)
def test_fitted_priors_conform(network, posterior, kind, tmp_path):
    if (posterior, kind) == ("point", "vamp"):
        pytest.skip("points have no density to mix")
    if kind == "flow" and importlib.util.find_spec("zuko") is None:
        pytest.skip("zuko is not installed")
    name, given = ("autoencoder", {}) if posterior == "point" else ("vae", {"posterior": posterior})
    base = plan_of(name, (1, 5, 3), network=network, **given).model.made_by
    conform(plan_of("prior", (1, 5, 3), of=base, kind=kind), (1, 5, 3), tmp_path)


@pytest.mark.parametrize("quantiser", ["fsq", "vq", "vq-ema"])
def test_written_priors_conform(quantiser, tmp_path):
    for shape in ((1, 5, 3), (3, 8, 12)):
        base = plan_of("vq-vae", shape, quantiser=quantiser, levels=[3, 2]).model.made_by
        conform(plan_of("prior", shape, of=base, kind="pixelcnn"), shape, tmp_path)


@pytest.mark.parametrize("parts", [{"spheres": 3}, {"kappa": 20.0}, {"latent": 2, "k": 2}], ids=str)
@pytest.mark.parametrize("family", ["von-mises-fisher", "power-spherical"])
@pytest.mark.parametrize("network", NETWORKS)
def test_spherical_combinations_conform(network, family, parts, tmp_path):
    plan = plan_of("spherical-vae", (1, 5, 3), network=network, family=family, **parts)
    conform(plan, (1, 5, 3), tmp_path)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian-optimal", "pixelcnn"])
@pytest.mark.parametrize("posterior", ["delta-vae", "bn-vae"])
@pytest.mark.parametrize("network", NETWORKS)
def test_posteriors_with_a_floor_conform(network, posterior, likelihood, tmp_path):
    parts = {"network": network, "posterior": posterior, "likelihood": likelihood}
    conform(plan_of("vae", (1, 5, 3), **parts), (1, 5, 3), tmp_path)


@pytest.mark.parametrize(
    "remedy",
    [
        {"free_bits": 0.001},
        {"free_nats": 0.1},
        {"capacity": 1.0},
        {"rate": 1.0},
        {"distortion": 1.0},
        {"information": 0.5},
        {"k": 3, "estimator": "stl"},
        {"k": 3, "estimator": "dreg"},
        {"training": "aggressive"},
        {"training": "semi-amortised"},
    ],
    ids=str,
)
def test_remedies_conform(remedy, tmp_path):
    conform(plan_of("vae", (1, 5, 3), **remedy), (1, 5, 3), tmp_path)


@pytest.mark.parametrize("shape", [(7,), (2, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("likelihood", LIKELIHOODS[:-2])
@pytest.mark.parametrize("name", ["vae", "autoencoder"])
def test_vectors_conform(name, likelihood, shape, tmp_path):
    conform(plan_of(name, shape, likelihood=likelihood), shape, tmp_path)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("likelihood", ["categorical", "logistic-mixture"])
def test_convolutions_of_any_size_conform(likelihood, shape, tmp_path):
    conform(plan_of("vae", shape, network="conv", likelihood=likelihood), shape, tmp_path)


@pytest.mark.parametrize("name", ["conditional-vae"])
def test_conditional_models_need_labels(name):
    model, (x, y) = plan_of(name, (5,)).model.eval(), batch((5,))
    for call in (lambda: model(x), lambda: model(size=3)):
        with pytest.raises(ValueError, match="conditional: give it labels"):
            call()
    z = torch.zeros(2, 3)
    one, other = (model(y=torch.full((2,), label), given={"z": z}).likelihood.mean for label in (0, 3))
    assert not one.allclose(other)
    assert not model(x, y).latents["z"].q.mean.allclose(model(x, 3 - y).latents["z"].q.mean)
    assert (
        not model(y=torch.tensor([0]), choose=mean)
        .latents["z"]
        .z.allclose(model(y=torch.tensor([3]), choose=mean).latents["z"].z)
    )


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_parameter_is_described(name):
    properties = schema(name).model_json_schema()["properties"]
    assert list(properties) == list(recipes.parameters(name))
    for parameter, entry in properties.items():
        assert entry.get("description"), parameter
    assert recipes.describe(name).endswith(".")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_arguments_make_the_round_trip(name):
    made_by = plan_of(name, shape_for(name, (5,))).model.made_by
    assert recipes.remake(json.loads(json.dumps(made_by))).model.made_by == made_by
    assert recipes.check(name, made_by["arguments"]) == made_by["arguments"]


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recipes_have_settings_that_exist(name):
    assert isinstance(settings(**recipes.find(name).settings), Settings)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"bta": 1}, ["vae", "bta"]),
        ({"latent": 0}, ["latent", "0", "greater than or equal to 1"]),
        ({"latent": 2.5}, ["latent", "2.5", "integer"]),
        ({"latent": "many"}, ["latent", "'many'", "integer"]),
        ({"hidden": []}, ["hidden", "[]", "at least 1"]),
        ({"shape": [3, 0, 4]}, ["shape.1", "0", "greater than or equal to 1"]),
        ({"shape": [1, 2, 3, 4]}, ["shape", "[1, 2, 3, 4]", "at most 3"]),
        ({"network": "transformer"}, ["network", "'transformer'", "'mlp', 'residual' or 'conv'"]),
        ({"network": "conv"}, ["network", "conv", "(4,)", "mlp"]),
        ({"likelihood": "logistic-mixture"}, ["logistic-mixture", "images", "gaussian"]),
        ({"beta": "up"}, ["beta", "'up'", "'linear'"]),
        ({"beta": -1}, ["beta", "-1", "greater than or equal to 0"]),
        ({"beta": float("inf")}, ["beta", "inf", "finite"]),
        ({"warmup": float("inf")}, ["warmup", "inf", "finite"]),
        ({"warmup": float("nan")}, ["warmup", "nan"]),
        ({"beta": 0.5, "k": 5}, ["beta", "0.5", "k", "5"]),
        ({"scale": 0}, ["scale", "0", "greater than 0"]),
        ({"dropout": 1}, ["dropout", "1", "less than 1"]),
        ({"conditional": True, "classes": 3, "prior": "mixture"}, ["mixture", "labels", "normal or flow"]),
        ({"network": "residual", "hidden": [4, 5]}, ["hidden", "[4, 5]", "one width"]),
        ({"dropout": 0.5}, ["dropout", "0.5", "residual"]),
        ({"conditional": True}, ["conditional", "labels", "--label"]),
        ({"prior": "flow", "latent": 5000}, ["latent", "5000", "1024"]),
        ({"conditional": True, "classes": 3, "prior": "vamp"}, ["vamp", "labels", "normal or flow"]),
        ({"prior": "uniform"}, ["diagonal", "uniform", "go together"]),
        ({"prior": "vamp", "posterior": "bn-vae"}, ["vamp", "bn-vae", "use --posterior diagonal"]),
        ({"posterior": "categorical", "prior": "vamp"}, ["categorical", "vamp", "go together"]),
        ({"posterior": "categorical", "k": 2}, ["categorical", "k", "2", "leave k out"]),
        ({"likelihood": "pixelcnn"}, ["pixelcnn", "images", "gaussian"]),
        ({"likelihood": "pixelcnn", "shape": [1, 4, 4], "kernels": [3, 4]}, ["kernels", "[3, 4]", "odd"]),
        ({"likelihood": "pixelcnn", "shape": [1, 4, 4], "kernels": [1]}, ["[1]", "first 3 or more"]),
        ({"shape": [65536] * 3, "hidden": [65536]}, ["vae", "65536", "smaller"]),
    ],
    ids=str,
)
def test_mistakes_are_answered_by_name_value_and_remedy(arguments, says):
    with pytest.raises(RunError) as caught:
        recipes.make("vae", **{"shape": (4,), **arguments})
    for words in says:
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"adversary": 1.0, "rate": 2.0}, "rate is 2.0 and adversary 1.0"),
        ({"adversary": 1.0, "mmd": 2.0}, "mmd is 2.0 and adversary 1.0"),
        ({"adversary": 1.0, "free_bits": 0.1}, "free_bits is 0.1 and adversary 1.0"),
        ({"adversary": 1.0, "training": "aggressive"}, "training is aggressive and adversary 1.0"),
        ({"k": 4, "mmd": 2.0}, "mmd is 2.0 and k 4"),
        ({"k": 4, "adversary": 2.0}, "adversary is 2.0 and k 4"),
    ],
    ids=str,
)
def test_remedies_that_exclude_each_other(given, says):
    with pytest.raises(RunError, match=says):
        recipes.make("vae", shape=(4,), **given)


@pytest.mark.parametrize("training", ["joint", "aggressive", "semi-amortised"])
def test_the_mismatch_has_a_price_in_any_training(training):
    given = {"beta": 0.5, "mmd": 7.0, "information": 2.0, "training": training}
    for plan, x in (
        (recipes.make("vae", shape=(4,), latent=2, **given), torch.rand(16, 4)),
        (plan_of("text-vae", (5,), **given), torch.tensor([[3, 4, 1, 0, 0], [5, 1, 0, 0, 0]])),
    ):
        terms = plan.objective.terms(plan.model, x, None, CLOCK)
        weights = {"distortion": 1.0, "rate/z": 0.5, "information": -2.0, "mmd": 7.0}
        assert {n: t.weight for n, t in terms.items()} == weights
        assert all(t.value.isfinite().all() for t in terms.values())


def test_a_critic_is_a_player_of_its_own():
    x = torch.rand(16, 4)
    plan = recipes.make("vae", shape=(4,), latent=2, beta=0.0, adversary=3.0)
    terms = plan.objective.terms(plan.model, x, None, CLOCK)
    assert (terms["adversarial"].weight, terms["rate/z"].weight) == (3.0, 0.0)
    assert set(plan.objective.players(plan.model)) == {"model", "critic"}


def test_what_is_missing_or_unknown():
    with pytest.raises(RunError, match="recipe 'vae' needs the argument 'shape'"):
        recipes.make("vae")
    with pytest.raises(RunError, match="no recipe is named 'vea'; did you mean 'vae'"):
        recipes.make("vea", shape=(4,))
    for odd in ("os.system", 3, ["vae"], None):
        with pytest.raises(RunError, match="no recipe is named"):
            recipes.make(odd, shape=(4,))
    with pytest.raises(RunError, match=r"logistic-mixture.*images"):
        recipes.make("autoencoder", shape=(4,), likelihood="logistic-mixture")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lr": -1}, ["lr", "-1", "greater than 0"]),
        ({"steps": 0}, ["steps", "0", "at least 1", "greater than or equal to 1"]),
        ({"optimizer": "lion"}, ["optimizer", "'lion'", "'adam'"]),
        ({"stepz": 5}, ["stepz"]),
        ({"batch": "big"}, ["batch", "'big'", "integer"]),
    ],
    ids=str,
)
def test_settings_are_checked(given, says):
    with pytest.raises(RunError) as caught:
        settings(**given)
    assert sum(words in str(caught.value) for words in says) >= min(3, len(says))


def test_the_automatic_likelihood():
    for shape, binarise, name in (
        ((1, 4, 4), "dynamic", "Bernoulli"),
        ((3, 4, 4), "none", "OptimalScale"),
        ((4,), "none", "SharedScale"),
    ):
        plan = plan_of("vae", shape)
        assert (plan.binarise, type(plan.model.likelihood).__name__) == (binarise, name)


@pytest.mark.parametrize("warmup", [0.5, 1, 4, 100])
def test_the_schedule_of_beta(warmup):
    length = warmup * 200 if warmup <= 1 else warmup
    beta = recipes.make("vae", shape=(4,), beta="linear", warmup=warmup).objective.beta
    for step in (0, 1, 3, 50, 150, 200):
        assert beta(Clock(step, 200)) == pytest.approx(min(1.0, step / length))
    for name in ("cosine", "logistic", "cyclical"):
        assert recipes.make("vae", shape=(4,), beta=name, warmup=warmup).objective.beta.limit == 1


def test_combinations_cover_the_catalogue():
    schemas = schema("vae").model_json_schema()["properties"]
    for name, options in zip(
        ("posterior", "prior", "likelihood", "network"), (POSTERIORS, PRIORS, LIKELIHOODS, NETWORKS)
    ):
        apart = {"posterior": {"categorical", "delta-vae", "bn-vae", "iaf", "nsf"}, "prior": {"uniform"}}
        alone = apart.get(name, set())  # tested in pairs of their own
        assert set(options) | alone == set(schemas[name]["enum"]) - {"auto"}


# ------------------------------------------------------------------------------------- signatures, groups, the list


KINDS = {None, "text", "drawings", "captions"}
READS = {
    "text-vae": "text",
    "sketch-rnn": "drawings",
    "text-to-image": "captions",
    "caption-vae": "captions",
    "align-draw": "captions",
    "refiner": "captions",
}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_signature_fits_on_a_page(name):
    entry = recipes.find(name)
    assert len(entry.parameters) <= 9
    assert entry.reads == READS.get(name) and entry.reads in KINDS
    first, *others = entry.parameters.values()
    assert not entry.answers.keys() & entry.options.keys() and "of" not in entry.options
    assert [p.name for p in others if p.annotation is recipes.Base] == (["of"] if entry.builds else [])
    for group in filter(is_group, (first, *entry.chosen.values())):
        assert group.annotation.__dataclass_params__.frozen


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_flat_and_whole_calls_make_equal_models(name):
    shape = shape_for(name, (1, 5, 3))
    plan = plan_of(name, shape)
    made_by, entry = plan.model.made_by, recipes.find(name)
    first = next(iter(entry.parameters))
    whole = gathered(entry.chosen, made_by["arguments"])
    if entry.builds:
        whole["of"] = recipes.Base(**made_by["base"])
    plans = []
    for make in (
        lambda: recipes.remake(made_by),
        lambda: entry(**{first: entry.about(**made_by["about"])}, **whole),
    ):
        torch.manual_seed(3)
        plans.append(make())
    (one, other), states = plans, [plan.model.state_dict() for plan in plans]
    assert states[0].keys() == states[1].keys()
    assert all(tensor.equal(states[1][n]) for n, tensor in states[0].items())
    assert (one.binarise, one.labels, one.sentences) == (other.binarise, other.labels, other.sentences)
    assert repr(one.model) == repr(other.model) and type(one.objective) is type(other.objective)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_option_is_read_by_its_recipe(name):
    """A parameter that a function never looks at would be an empty promise; only how data is loaded is for others to read."""
    entry = recipes.find(name)
    tree = ast.parse(textwrap.dedent(inspect.getsource(entry.function)))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    marked = {
        n for n, p in entry.chosen.items() if is_group(p) and issubclass(p.annotation, recipes.LoadingOptions)
    }
    assert set(entry.parameters) - used <= marked


def test_options_are_checked_without_data():
    assert recipes.check("vae", {"latent": 3})["latent"] == 3
    with pytest.raises(RunError, match="recipe 'vae' has no argument 'shape'"):
        recipes.check("vae", {"shape": [4]})
    with pytest.raises(RunError, match=r"free_bits is 0\.1 and free_nats 1\.0"):
        recipes.check("vae", {"free_bits": 0.1, "free_nats": 1.0})
    with pytest.raises(RunError, match="categorical and uniform go together"):
        Parts(posterior="categorical", prior="laplace")
    with pytest.raises(RunError, match=r"recipe 'vae' has no argument 'shap': did you mean 'shape'\?"):
        recipes.make("vae", shap=[4], shape=[4])


def test_how_data_is_loaded_is_said_by_groups():
    assert recipes.loading_of("vae", {}) == recipes.loading_of("text-vae", {}) == {}
    assert recipes.loading_of("align-draw", {}) == {}
    assert recipes.loading_of("align-draw", {"caption_encoder": "minilm"}) == {"tokens": "minilm"}


@dataclasses.dataclass(frozen=True)
class Sounds:
    """Holds what a recipe of another package asks of its data."""

    shape: list[int]
    rate: Annotated[int, Field(ge=1, description="samples per second")]


@dataclasses.dataclass(frozen=True)
class Filters:
    """Holds a group of another package."""

    taps: Annotated[int, Field(ge=1, description="taps of a filter")] = 3


@recipes.recipe(reads="sounds", steps=7)
def toy_sounds(
    about: Sounds,
    latent: Annotated[int, Field(ge=1, description="dimensions of z")] = 2,
    filters: Filters = Filters(taps=5),
) -> recipes.Plan:
    """Encodes sounds, as another package might."""
    plan = recipes.find("vae")(recipes.About([about.shape[-1]]), latent, [filters.taps])
    return plan


class Point:
    """Stands for an entry point of an installed package."""

    name, value, dist = "toy-sounds", "toy:toy_sounds", None

    def __init__(self, found):
        self.found = found

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def installed(monkeypatch):
    """Lets an entry point bring something, in a catalogue of its own."""

    def install(found):
        catalogue = Registry("recipe", recipes.Recipe, "latente.recipes")
        catalogue.enter(*(recipes.find(n) for n in ("vae", "iwae")))
        monkeypatch.setattr("latente.registry.entry_points", lambda group: [Point(found)])
        monkeypatch.setattr("latente.recipes.catalogue.RECIPES", catalogue)
        return catalogue

    return install


def test_an_installed_package_brings_a_recipe(installed, tmp_path):
    assert list(installed(toy_sounds)) == ["vae", "iwae", "toy-sounds"]
    assert recipes.describe("toy-sounds") == "Encodes sounds, as another package might."
    assert recipes.check("toy-sounds", {}) == {"latent": 2, "taps": 5}
    model = recipes.make("toy-sounds", shape=[1, 6], rate=8000, taps=4).model
    made = {
        "recipe": "toy-sounds",
        "about": {"shape": [1, 6], "rate": 8000},
        "arguments": {"latent": 2, "taps": 4},
    }
    assert model.made_by == made
    runs.save(model, tmp_path / "model.safetensors")
    assert runs.load(tmp_path / "model.safetensors").made_by == made
    with pytest.raises(RunError, match="rate of recipe 'toy-sounds' is 0: input should be greater"):
        recipes.make("toy-sounds", shape=[6], rate=0)
    with pytest.raises(RunError, match="no recipe is named 'toy-sound'; did you mean 'toy-sounds'"):
        recipes.find("toy-sound")


def test_recipes_are_listed_by_groups_and_those_of_packages_last(monkeypatch, capsys):
    monkeypatch.setitem(recipes.RECIPES.entries, "toy-sounds", toy_sounds)
    found = recipes.grouped()
    assert list(found)[-1] == "Of installed packages" and found["Of installed packages"] == ["toy-sounds"]
    list_recipes()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line and "  " not in line] == list(found)
    assert [line.split()[0] for line in lines if "  " in line] == [
        n for names in found.values() for n in names
    ]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (len, "toy:toy_sounds is no recipe"),
        (ImportError("no module named toy"), "no module named toy"),
        (recipes.find("vae"), "there is a recipe named 'vae' already"),
    ],
    ids=["no recipe", "broken", "taken"],
)
def test_a_broken_package_is_left_out(installed, found, why):
    with pytest.warns(UserWarning, match=rf"the recipe 'toy-sounds' of a package is left out \({why}"):
        assert list(installed(found)) == ["vae", "iwae"]
    assert recipes.make("vae", shape=[4]).model


def test_two_options_of_one_name_are_refused():
    def odd(about: recipes.About, taps: int = 1, filters: Filters = Filters()) -> recipes.Plan: ...

    with pytest.raises(TypeError, match="two options are named 'taps'"):
        flat(parameters(odd))
