"""How good generated images are: distances of features, neighbours, and what is reported of a model."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from latente import recipes, runs
from latente.cli import app
from latente.data import from_arrays
from latente.errors import LatenteError
from latente.evaluation import (
    Evaluation,
    evaluate,
    features,
    frechet,
    frechet_distance,
    inception,
    lossless_bits,
    measure_samples,
    psnr,
    sample_quality,
    ssim,
    stored_samples,
)
from latente.evaluation.features import FeatureNet, feature_net, questions, task_of, train_features
from latente.evaluation.frechet import distance, draw_images, kernel_distance, moments, neighbours


def latente_says(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    assert result.exception is None, result.exception
    return result.output


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "latente" / "features"


@pytest.fixture
def images():
    """Digits in miniature: bars that stand or lie, on grey, which labels tell."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.integers(0, 60, (200, 12, 12)).astype(np.uint8)
    for image, label in zip(x, y):
        place = rng.integers(2, 9)
        image[(slice(None), slice(place, place + 2)) if label else (slice(place, place + 2), slice(None))] = (
            230
        )
    return x, y


def gaussian(n, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- the Fréchet distance -----------------------------------------------------------------------------------


def test_frechet_in_closed_form():
    a, b = torch.tensor([1.0, 4.0, 9.0]), torch.tensor([4.0, 1.0, 0.25])
    found = frechet_distance(torch.zeros(3), a.diag(), torch.tensor([1.0, 0.0, 2.0]), b.diag())
    assert found == pytest.approx(5 + (a.sqrt() - b.sqrt()).square().sum().item(), abs=1e-12)
    turn = torch.linalg.qr(gaussian(3, 3))[0]
    turned = (turn @ t.double().diag() @ turn.T for t in (a, b))
    assert frechet_distance(torch.zeros(3), next(turned), torch.zeros(3), next(turned)) == pytest.approx(
        found - 5, abs=1e-10
    )


def test_frechet_of_covariances_that_do_not_commute():
    linalg = pytest.importorskip("scipy.linalg")
    a, b = moments(gaussian(40) @ gaussian(6)), moments(gaussian(40, seed=1) @ gaussian(6, seed=2) + 1)
    cross = linalg.sqrtm(a[1].numpy() @ b[1].numpy()).real
    expected = (a[0] - b[0]).square().sum() + a[1].trace() + b[1].trace() - 2 * np.trace(cross)
    assert frechet_distance(*a, *b) == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("n", [5, 300], ids=["without full rank", "of full rank"])
def test_a_set_is_at_no_distance_from_itself(n):
    x = 100 * gaussian(n, 20)
    assert frechet_distance(*moments(x), *moments(x)) <= 1e-6 * 1e-2
    shuffled = x[torch.randperm(n, generator=torch.Generator().manual_seed(1))]
    other = gaussian(50, 20, seed=2)
    there, back = (
        frechet_distance(*moments(x), *moments(other)),
        frechet_distance(*moments(other), *moments(shuffled)),
    )
    assert there == pytest.approx(back, rel=1e-9)


def test_without_rank_it_is_the_distance_in_what_varies():
    x, y = gaussian(400, 2), 3 * gaussian(400, 2, seed=1) + 1
    flat = frechet_distance(*moments(x), *moments(y))
    wide = [torch.cat([t, torch.zeros(400, 30, dtype=torch.float64)], 1) for t in (x, y)]
    assert frechet_distance(*moments(wide[0]), *moments(wide[1])) == pytest.approx(flat, rel=1e-9)


class Seen(nn.Module):
    """Stands for Inception, so that torchmetrics needs no weights."""

    num_features = 4

    def forward(self, x):
        x = x.float() / 255
        return torch.stack([x.mean((1, 2, 3)), x.std((1, 2, 3)), x[:, 0, 0, 0], x[:, 0, -1, 2]], 1)


@pytest.mark.filterwarnings("ignore")
def test_torchmetrics_agrees():
    fid = pytest.importorskip("torchmetrics.image.fid")
    kid = pytest.importorskip("torchmetrics.image.kid")
    g = torch.Generator().manual_seed(0)
    a = torch.randint(0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=g)
    b = torch.randint(20, 200, (60, 3, 8, 8), dtype=torch.uint8, generator=g)
    metric = fid.FrechetInceptionDistance(feature=Seen())
    metric.update(a, real=True)
    metric.update(b, real=False)
    ours = frechet_distance(*moments(Seen()(a)), *moments(Seen()(b)))
    assert ours == pytest.approx(metric.compute().item(), rel=1e-4)
    full = kid.KernelInceptionDistance(feature=Seen(), subset_size=60, subsets=1)
    full.update(a, real=True)
    full.update(b, real=False)
    estimate = kernel_distance(Seen()(a), Seen()(b))
    assert abs(estimate.mean - full.compute()[0].item()) < 6 * estimate.se + 1e-3


def test_the_kernel_distance_has_no_bias():
    found = [kernel_distance(gaussian(200, seed=2 * i), gaussian(200, seed=2 * i + 1)) for i in range(30)]
    same = [estimate.mean for estimate in found]
    assert 0.5 < np.std(same) / np.mean([estimate.se for estimate in found]) < 2, "its error is one"
    assert abs(np.mean(same)) < 5 * np.std(same) / math.sqrt(30) and min(same) < 0
    far = kernel_distance(gaussian(200), gaussian(200, seed=1) + 1)
    assert far.mean > 5 * far.se and far.mean > max(same)
    with pytest.raises(ValueError, match="takes 4 images"):
        kernel_distance(gaussian(3), gaussian(3))


# --- neighbours ---------------------------------------------------------------------------------------------


def by_hand(real, made, k):
    """The definitions, a pair at a time."""
    real, made = real.numpy(), made.numpy()

    def ball(points, i):
        return sorted(np.linalg.norm(points[i] - p) for j, p in enumerate(points) if j != i)[k - 1]

    r, m = ([ball(p, i) for i in range(len(p))] for p in (real, made))
    d = [[np.linalg.norm(a - b) for b in made] for a in real]
    inside = np.array([[d[i][j] < r[i] for j in range(len(made))] for i in range(len(real))])
    recalled = np.array([any(d[i][j] < m[j] for j in range(len(made))) for i in range(len(real))])
    return inside.any(0).mean(), recalled.mean(), inside.sum() / (k * len(made)), inside.any(1).mean()


@pytest.mark.parametrize("rows", [7, 1024])
def test_neighbours_by_definition(monkeypatch, rows):
    monkeypatch.setattr(frechet, "ROWS", rows)
    real, made = gaussian(40, 3), 1.3 * gaussian(30, 3, seed=1) + 0.4
    found = neighbours(real, made, 5)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(
        by_hand(real, made, 5)
    )
    with pytest.raises(ValueError, match="5-th neighbour takes 6 images"):
        neighbours(real, made[:5])


def test_neighbours_of_one_law_in_many_dimensions():
    """Naeem et al. find P .477, R .471, D 1.056, C .9735 for 10,000 of 1,000 dimensions; coverage has a law of its own."""
    found = neighbours(gaussian(1000, 200), gaussian(1000, 200, seed=1))
    assert 0.4 < found.precision < 0.8 and abs(found.precision - found.recall) < 0.1
    assert found.density == pytest.approx(1, abs=0.15)
    expected = 1 - np.prod([(1000 - j) / (2000 - 1 - j) for j in range(5)])  # 1 − 2^−k for large sets
    assert found.coverage == pytest.approx(expected, abs=0.03)
    far = neighbours(gaussian(100), gaussian(100, seed=1) + 50)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_what_is_told_by_neighbours():
    real = torch.cat([gaussian(100), gaussian(100, seed=1) + 20])
    one_mode = neighbours(real, gaussian(200, seed=2))
    assert one_mode.precision > 0.8 and 0.3 < one_mode.coverage <= 0.5 and one_mode.recall <= 0.5


# --- the network --------------------------------------------------------------------------------------------


def test_the_network_learns_and_is_kept(images, cache):
    data = from_arrays(*images)
    said = []
    net, task, name = feature_net(data, steps=60, say=said.append)
    assert (task.network, name, len(said)) == ("lenet", "lenet-arrays", 1) and net.accuracy > 0.9
    (file,) = cache.iterdir()
    stamp = file.stat().st_mtime_ns
    state = torch.get_rng_state()
    again, *_ = feature_net(data, steps=60, say=said.append)
    assert len(said) == 1 and file.stat().st_mtime_ns == stamp and torch.equal(torch.get_rng_state(), state)
    x = data.test.batch(slice(None))[0]
    assert torch.equal(net(x), again(x)) and net(x).shape == (20, 64) and net(x).dtype == torch.float64
    file.write_bytes(b"damaged")
    made, *_ = feature_net(data, steps=60, say=said.append)
    assert len(said) == 2 and torch.allclose(made(x), net(x), atol=1e-4), (
        "the same seed gives the same network"
    )
    feature_net(from_arrays(images[0][::-1].copy(), images[1]), steps=1)
    assert len(list(cache.iterdir())) == 2, "other data has a network of its own"
    z = net(data.train.batch(slice(None))[0])
    assert z.mean(0).abs().max() < 1e-4 and (z.std(0, unbiased=False) - 1).abs().max() < 1e-3


def test_without_labels_it_learns_which_way_is_up(images):
    x, _ = images
    upright = x[1::2].repeat(2, 0)  # bars that stand
    upright[:, :5] = 250
    square, wide = from_arrays(upright), from_arrays(upright[:, :, :9].copy())
    assert (task_of(square).network, task_of(square).classes) == ("rotnet", 4)
    assert (task_of(wide).network, task_of(wide).classes) == ("flipnet", 2)
    for data in (square, wide):
        assert train_features(data, task_of(data), steps=60).accuracy > 0.9
    given = torch.arange(4 * 6.0).view(4, 1, 2, 3)
    turned, answers = questions(task_of(wide), given, None)
    assert (
        answers.tolist() == [0, 1, 0, 1]
        and torch.equal(turned[1], given[1].flip(1))
        and torch.equal(turned[0], given[0])
    )
    with pytest.raises(LatenteError, match="only images"):
        task_of(from_arrays(np.zeros((20, 3))))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 20), (5, 4, 4), (3, 128, 128)])
def test_the_network_takes_any_size(shape):
    assert FeatureNet(shape, 3)(torch.rand(2, *shape)).shape == (2, 64)


# --- of a model ---------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(features, "STEPS", 30)
    monkeypatch.setattr(feature_net, "__kwdefaults__", {**feature_net.__kwdefaults__, "steps": 30})


def test_quality_of_a_model(images, quick):
    data = from_arrays(*images, test=0.4)
    model = recipes.make("vae", shape=data.shape, hidden=[8], latent=2).model.train()
    state = torch.get_rng_state()
    found = sample_quality(model, data, n=80)
    assert model.training and torch.equal(torch.get_rng_state(), state)
    again = sample_quality(model, data, n=80)
    assert found.samples == again.samples and found.reconstructions == again.reconstructions
    assert (
        found.name == "FD-lenet-arrays"
        and found.shown == "means"
        and found.per_second > 0
        and not found.absent
    )
    assert found.floor.frechet < found.samples.frechet / 2, "an untrained model is farther than real images"
    assert "few for 64 features" in found.notes[0]
    e = Evaluation("bars", "test", 80, {"quality": found})
    assert Evaluation.of_json(json.loads(json.dumps(e.to_json()))) == e
    few = sample_quality(model, data, n=20)
    assert "lack full rank" in few.notes[0]
    with pytest.raises(LatenteError, match="at most 80"):
        sample_quality(model, data, n=81)


def test_a_perfect_copy_is_at_the_floor(images, quick):
    data = from_arrays(*images, test=0.4)
    net, *_ = feature_net(data)
    real = features.seen(net, data.test)
    assert distance(real, real).frechet < 1e-6 and distance(real, real.flip(0)).neighbours.coverage == 1


def test_binary_data_is_held_against_binary_draws(images, quick):
    data = from_arrays(*images, test=0.4).binarised("dynamic")
    model = recipes.make("vae", shape=data.shape, hidden=[8], latent=2).model
    drawn, are_draws = draw_images(model, data, 10)
    assert are_draws and set(drawn.unique().tolist()) <= {0.0, 1.0}
    found = sample_quality(model, data, n=40)
    assert found.shown == "draws" and found.name == "FD-lenet-arrays-dynamic"


def test_what_a_model_cannot_do_is_said(images, quick):
    data = from_arrays(*images, test=0.4)
    model = recipes.make("autoencoder", shape=data.shape, hidden=[8], latent=2).model
    found = sample_quality(model, data, n=40)
    assert (
        found.samples is None
        and "flat prior" in found.absent["samples"]
        and found.reconstructions is not None
    )
    conditional = recipes.make("conditional-vae", shape=data.shape, hidden=[8], latent=2, classes=2).model
    assert sample_quality(conditional, data, n=40).samples is not None


def test_quality_of_a_run(images, quick, tmp_path, monkeypatch):
    np.savez(tmp_path / "bars.npz", images=images[0], y=images[1])
    how = {"hidden": [8], "latent": 2, "binarise": "none", "likelihood": "gaussian"}
    run = runs.train("vae", str(tmp_path / "bars.npz"), tmp_path / "run", arguments=how, steps=3, threads=1)
    assert stored_samples(run) is None
    said = latente_says("quality", run.path, "-n", 20)
    assert "FD-lenet-bars" in said and "real (floor)" in said and "samples per second" in said
    assert stored_samples(run)["quality"].n == 20
    assert (
        json.loads(latente_says("quality", run.path, "-n", 20, "--json"))["figures"]["quality"]["name"]
        == "FD-lenet-bars"
    )
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    with pytest.raises(LatenteError, match=r"Inception's weights: put https\S+ at \S+hub\S+6726825d.pth"):
        measure_samples(run, n=20, fid=True)


def test_inception_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(inception.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        LatenteError, match=r"torchmetrics and torch-fidelity \(pip install 'latente\[fid\]'\); and Inception"
    ):
        inception.need_inception()
    monkeypatch.setattr(inception.importlib.util, "find_spec", lambda name: object())
    file = tmp_path / "hub" / "checkpoints" / inception.FILE
    file.parent.mkdir(parents=True)
    file.touch()
    assert inception.need_inception() == file


# --- reconstructions and files ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_psnr_and_ssim_are_those_of_torchmetrics():
    metrics = pytest.importorskip("torchmetrics.functional.image")
    g = torch.Generator().manual_seed(0)
    a = torch.rand(4, 3, 24, 20, generator=g)
    b = (a + 0.1 * torch.randn(a.shape, generator=g)).clamp(0, 1)
    for i in range(4):
        one, other = a[i : i + 1], b[i : i + 1]
        expected = metrics.peak_signal_noise_ratio(other, one, data_range=1.0)
        assert psnr(one, other).item() == pytest.approx(expected.item(), abs=1e-4)
    expected = metrics.structural_similarity_index_measure(b.double(), a.double(), data_range=1.0)
    assert ssim(a, b).mean().item() == pytest.approx(expected.item(), abs=1e-4)
    assert psnr(a, a).tolist() == [100.0] * 4


def test_an_evaluation_tells_psnr_and_ssim(images, tmp_path):
    np.save(tmp_path / "bars.npy", images[0])
    how = {"hidden": [8], "latent": 2, "likelihood": "categorical"}
    run = runs.train("vae", str(tmp_path / "bars.npy"), tmp_path / "run", arguments=how, steps=3, threads=1)
    found = evaluate(run, k=10, examples=15)
    assert 0 < found["restored"].psnr.mean < 60 and found["restored"].ssim is not None
    assert found["restored"].psnr != found["restored"].psnr_draw, "from the posterior's mean, and from a draw"
    assert set(found["codecs"].bits) == {"png", "webp"} and "bits_per_dim" in found
    said = latente_says("evaluate", run.path, "--k", 10, "--examples", 15)
    assert "PSNR" in said and "SSIM" in said and "WebP" in said
    small = np.ascontiguousarray(images[0][:, :8, :8])
    np.save(tmp_path / "small.npy", small)
    run = runs.train(
        "vae", str(tmp_path / "small.npy"), tmp_path / "small", arguments={"hidden": [8]}, steps=3, threads=1
    )
    found = evaluate(run, k=10, examples=15)
    assert found["restored"].ssim is None and "codecs" not in found
    said = latente_says("evaluate", run.path, "--k", 10, "--examples", 15)
    assert "smaller than its window of 11 x 11" in " ".join(said.split())


def test_lossless_bits():
    g = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (3, 3, 32, 32), generator=g) / 255
    found = lossless_bits(noise)
    assert all(8 <= bits < 9 for bits in found.values()), "noise cannot be compressed"
    assert all(bits < 0.6 for bits in lossless_bits(torch.full((2, 3, 32, 32), 0.2)).values())
    binary = torch.randint(0, 2, (3, 1, 64, 64), generator=g).float()
    assert 1 <= lossless_bits(binary)["png"] < 1.3, "one bit a pixel"
    with pytest.raises(LatenteError, match="1 or 3 channels"):
        lossless_bits(torch.zeros(1, 2, 8, 8))
    with pytest.raises(LatenteError, match="256 levels"):
        lossless_bits(torch.full((1, 1, 8, 8), 0.5))
