"""Stacks: layers that are trained one by one, what is made of them, and that an interruption changes nothing."""

import shutil
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from latente import recipes, runs
from latente.data.examples import Examples
from latente.data.looks import Pixels
from latente.errors import RunError
from latente.models.boltzmann import RBM, BernoulliUnits, GaussianUnits
from latente.models.stacks import Affine, Ways, affine_layers, unroll
from latente.nn import MLP
from latente.objectives import ELBO
from latente.recipes.stacks import ways_of
from latente.settings import settings
from latente.trace import mean
from latente.training import Trainer
from latente.training.checkpoint import newest, read_checkpoint
from latente.training.layerwise import Layer, codes, train_layers

SMALL = {"hidden": [12, 8], "latent": 3, "pretrain_epochs": 3}
RUN = {"steps": 20, "batch": 64, "threads": 1, "log_every": 7, "checkpoint_every": 8, "evaluate_every": 10}
LAYERS, STEPS = 3, 14  # three epochs of 480 rows


@pytest.fixture(scope="module")
def digits():
    """1,797 digits of 8x8 pixels as bytes, the rows of scikit-learn's file."""
    datasets = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    return torch.from_numpy((datasets.load_digits().images * (255 / 16)).astype(np.uint8)).unsqueeze(1)


@pytest.fixture(scope="module")
def source(tmp_path_factory, digits):
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, x=digits[:600, 0].numpy())
    return str(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, source):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    runs.train("deep-autoencoder", source, folder, arguments=SMALL, **RUN)
    return folder


def error(model, x):
    with torch.no_grad():
        return (x - model.eval()(x, choose=mean).likelihood.mean).square().flatten(1).sum(1).mean().item()


def contents(folder):
    """The bytes that must be equal: last checkpoints, logs and weights, of the run and of each layer."""
    found = {}
    for part in (folder, *(folder / "pretraining" / f"layer-{k}" for k in range(1, LAYERS + 1))):
        last = next(newest(part / "checkpoints"))
        for file in (*last.iterdir(), part / "metrics.jsonl", part / "model.safetensors"):
            found[str(file.relative_to(folder))] = file.read_bytes()
    return found


# ---------------------------------------------------------------------------------------------------- the recipe


def test_the_net_of_the_paper_has_its_number_of_parameters():
    plan = recipes.make("deep-autoencoder", shape=(1, 28, 28))
    assert sum(p.numel() for p in plan.model.parameters()) == 2_837_314
    assert plan.binarise == "none" and type(plan.model.likelihood).__name__ == "Bernoulli"
    layers = [type(layer).__name__ for layer in plan.model.posterior.net.layers]
    assert layers == ["Linear", "Sigmoid"] * 3 + ["Linear"]


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_unrolled_machines_are_their_mean_fields_one_after_the_other(digits, likelihood):
    plan = recipes.make("deep-autoencoder", shape=(1, 8, 8), likelihood=likelihood, **SMALL)
    bits, real = BernoulliUnits(), GaussianUnits()
    rbms = [
        RBM((1, 8, 8), 12, real if likelihood == "gaussian" else bits),
        RBM((12,), 8),
        RBM((8,), 3, bits, real),
    ]
    for rbm in rbms:
        for parameter in rbm.parameters():
            torch.nn.init.normal_(parameter, std=1.0)
    unroll([ways_of(rbm) for rbm in rbms], plan.model.posterior.net, plan.model.likelihood.net)

    h = x = digits[:40] / 255
    h = h.flatten(1).double()
    for rbm in rbms:
        h = h @ rbm.weight.double() + rbm.hidden_bias.double()
        h = h if rbm is rbms[-1] else h.sigmoid()
    trace = plan.model(x)
    assert_close(trace.latents["z"].z.double(), h, rtol=1e-5, atol=1e-5)
    for rbm in reversed(rbms):
        h = h @ rbm.weight.T.double() + rbm.visible_bias.double()
        h = h if rbm is rbms[0] and likelihood == "gaussian" else h.sigmoid()
    assert_close(trace.likelihood.mean.double(), h.view_as(x), rtol=1e-5, atol=1e-5)
    assert trace.likelihood.mean.std(0).max() > 0.03


@pytest.mark.parametrize("how", [{}, {"likelihood": "gaussian"}, {"pretrain": "denoising"}], ids=str)
def test_what_is_fine_tuned_are_the_weights_of_the_layers(tmp_path, digits, how):
    plan = recipes.make("deep-autoencoder", shape=(1, 8, 8), **SMALL | how)
    plan.pretrain(Examples(digits[:300]), tmp_path, settings(threads=1), False)
    encoder = affine_layers(plan.model.posterior.net)
    decoder = affine_layers(plan.model.likelihood.net)
    for k, up, down in zip(range(1, LAYERS + 1), encoder, reversed(decoder), strict=True):
        layer = load_file(tmp_path / f"layer-{k}" / "model.safetensors")
        if "weight" in layer:
            ways = layer["weight"].T, layer["hidden_bias"], layer["weight"], layer["visible_bias"]
        else:
            parts = [f"{part}.net.layers.0" for part in ("posterior", "likelihood")]
            ways = [layer[f"{part}.{which}"] for part in parts for which in ("weight", "bias")]
        for found, expected in zip((up.weight, up.bias, down.weight, down.bias), ways, strict=True):
            assert found.equal(expected)


def test_persistent_chains_are_as_many_as_asked_for(tmp_path, digits):
    plan = recipes.make("deep-autoencoder", shape=(1, 8, 8), persistent=7, **SMALL)
    plan.pretrain(Examples(digits[:300]), tmp_path, settings(threads=1), False)
    for k, width in enumerate([12, 8, 3], 1):
        tensors, _ = read_checkpoint(next(newest(tmp_path / f"layer-{k}" / "checkpoints")))
        assert tensors["objective.means"].shape == (7, width)


@pytest.mark.parametrize("how", [{}, {"pretrain": "denoising"}], ids=str)
def test_layers_alone_beat_the_mean_image_and_a_random_start(digits, how):
    train, test = digits[:1400], digits[1400:] / 255
    arguments = {"shape": (1, 8, 8), "hidden": [100, 50], "latent": 10, "pretrain_epochs": 30}
    plan = recipes.make("deep-autoencoder", **arguments, **how)
    random = error(plan.model, test)
    plan.pretrain(Examples(train), None, settings(threads=1), False)
    of_the_mean = (test - (train / 255).mean(0)).square().flatten(1).sum(1).mean().item()
    assert error(plan.model, test) < 0.6 * of_the_mean < 0.6 * random


def test_a_table_has_a_gaussian_first_layer(tmp_path):
    datasets = pytest.importorskip("sklearn.datasets", reason="the table comes with scikit-learn")
    np.save(tmp_path / "cancer.npy", datasets.load_breast_cancer().data)
    arguments = {"hidden": [40, 20], "latent": 5, "pretrain_epochs": 60}
    run = runs.train(
        "deep-autoencoder", str(tmp_path / "cancer.npy"), tmp_path / "run", arguments=arguments, **RUN
    )
    plan = recipes.remake(run.record)
    assert type(plan.model.likelihood).__name__ == "SharedScale"
    plan.pretrain(run.data.train, tmp_path / "run" / "pretraining", run.settings, False)
    x, _ = run.data.test.batch(slice(None))
    assert x.min() < -1
    assert error(plan.model, x) < 0.6 * x.square().sum(1).mean().item()


@pytest.mark.parametrize("pretrain", ["rbm", "denoising"])
def test_relu_is_not_pretrained(pretrain):
    with pytest.raises(RunError, match=rf"activation is relu and pretrain {pretrain}.*--pretrain none"):
        recipes.make("deep-autoencoder", shape=(4,), activation="relu", pretrain=pretrain)
    assert recipes.make("deep-autoencoder", shape=(4,), activation="relu", pretrain="none").pretrain is None


def test_unrolling_wants_a_layer_for_each_of_the_net():
    ways = Ways(up=Affine(torch.zeros(3, 4), torch.zeros(3)), down=Affine(torch.zeros(4, 3), torch.zeros(4)))
    with pytest.raises(ValueError, match="1 layers for an encoder of 2 and a decoder of 2"):
        unroll([ways], MLP((4,), (3,), [5]), MLP((3,), (4,), [5]))
    assert [tuple(layer.weight.shape) for layer in affine_layers(MLP((4,), (3,), [5]))] == [(5, 4), (3, 5)]


# ------------------------------------------------------------------------------------------------ layer by layer


def make_layers(steps=5, n=2):
    def make(wide, narrow):
        return recipes.make("autoencoder", shape=(wide,), latent=narrow, hidden=[8]).model

    widths = [6, 4, 4, 4][: n + 1]
    return [
        Layer(lambda a=a, b=b: make(a, b), ELBO, settings(steps=steps, batch=16, threads=1))
        for a, b in pairwise(widths)
    ]


def test_a_layer_is_trained_on_the_codes_of_the_one_below(monkeypatch):
    seen, fit = [], Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda t, x, **how: seen.append((t, x)) or fit(t, x, **how))
    x = torch.randn(50, 6)
    before = torch.get_rng_state()
    models = train_layers(make_layers(n=3), Examples(x, torch.arange(50)))
    assert torch.get_rng_state().equal(before)
    assert [trainer.model for trainer, _ in seen] == models
    assert seen[0][1].x is x
    for below, (_, examples) in zip(models, seen[1:]):
        x = below(x).latents["z"].z
        assert examples.x.equal(x) and examples.y.equal(torch.arange(50)) and not examples.x.requires_grad
    assert len({trainer.settings.seed for trainer, _ in seen}) == 3


def test_layers_of_one_shape_start_apart_and_the_same_each_time():
    starts = []
    for _ in range(2):
        layers = [
            Layer(layer.model, layer.objective, settings(steps=1, lr=1e-12)) for layer in make_layers(n=3)
        ]
        starts.append([model.state_dict() for model in train_layers(layers, Examples(torch.randn(50, 6)))])
        torch.manual_seed(99)
    name = "posterior.net.layers.0.weight"
    assert_close(starts[0][1][name], starts[1][1][name], rtol=0, atol=1e-10)  # each has made a step of 1e-12
    assert not starts[0][1][name].allclose(starts[0][2][name])


def test_codes_are_those_of_one_draw_in_chunks_as_in_one_pass():
    model = recipes.make("autoencoder", shape=(1, 4, 4), latent=3, hidden=[8]).model.eval()
    grey = (torch.rand(2500, 1, 4, 4) * 255).byte()
    found = codes(model, Examples(grey), torch.device("cpu")).x
    assert_close(found, model(grey / 255).latents["z"].z, rtol=1e-5, atol=1e-6)
    rbm = RBM((1, 4, 4), 3)
    torch.nn.init.normal_(rbm.weight)
    expected = torch.sigmoid(grey.flatten(1) / 255 @ rbm.weight + rbm.hidden_bias)
    assert_close(codes(rbm, Examples(grey), torch.device("cpu")).x, expected, rtol=1e-5, atol=1e-6)
    drawn = [codes(model, Examples(grey, look=Pixels("dynamic")), torch.device("cpu")).x for _ in range(2)]
    assert drawn[0].equal(drawn[1]) and not drawn[0].allclose(found)


# -------------------------------------------------------------------------------------------------- interruption


@pytest.mark.parametrize("how", [{}, {"persistent": 20, "gibbs": 2}, {"pretrain": "denoising"}], ids=str)
@pytest.mark.parametrize("layer, step", [(1, 3), (2, 8), (3, 1), (3, 11)])
def test_interrupted_pretraining_gives_the_same_bits(tmp_path, monkeypatch, source, whole, how, layer, step):
    start = {"arguments": SMALL | how, **RUN}
    if how:
        whole = tmp_path / "whole"
        runs.train("deep-autoencoder", source, whole, **start)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "interrupted", lambda t: t.out.name == f"layer-{layer}" and t.step == step)
        said = rf"^layer {layer} of 3: interrupted at step {step} of 14; .* latente resume {tmp_path}/run$"
        with pytest.raises(RunError, match=said):
            runs.train("deep-autoencoder", source, tmp_path / "run", **start)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    steps, one_step = [], Trainer.one_step
    monkeypatch.setattr(Trainer, "one_step", lambda trainer: steps.append(trainer.step) or one_step(trainer))
    runs.resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(whole)
    assert len(steps) == (LAYERS - layer + 1) * STEPS - step + RUN["steps"]


def test_kill_nine_while_pretraining_changes_nothing(tmp_path, source, whole):
    options = [
        f"--{name.replace('_', '-')}={value}" for name, value in (SMALL | RUN).items() if name != "hidden"
    ]
    command = [sys.executable, "-m", "latente.cli", "train", "deep-autoencoder", "--data", source]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "run"), "--hidden=12,8", *options])
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "pretraining" / "layer-2" / "checkpoints").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not (tmp_path / "run" / "model.safetensors").exists()
    runs.resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(whole)


def test_a_finished_layer_is_read_and_not_trained(tmp_path, monkeypatch):
    x = Examples(torch.randn(50, 6))
    first = train_layers(make_layers(), x, tmp_path)
    monkeypatch.setattr(Trainer, "one_step", lambda trainer: pytest.fail("trained again"))
    for again, model in zip(train_layers(make_layers(), x, tmp_path), first, strict=True):
        assert not again.training
        for name, tensor in model.state_dict().items():
            assert again.state_dict()[name].equal(tensor)


def test_a_run_in_fine_tuning_never_pretrains_again(tmp_path, monkeypatch, source, whole):
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "interrupted", lambda t: t.out.name == "run" and t.step == 13)
        with pytest.raises(RunError, match="interrupted at step 13 of 20"):
            runs.train("deep-autoencoder", source, tmp_path / "run", arguments=SMALL, **RUN)
    kept = tmp_path / "run" / "pretraining"
    shutil.move(kept, tmp_path / "aside")
    runs.resume(tmp_path / "run")
    assert not kept.exists()
    shutil.move(tmp_path / "aside", kept)
    assert contents(tmp_path / "run") == contents(whole)
