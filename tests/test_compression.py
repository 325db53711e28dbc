"""Bits-back coding: what is decompressed is what was compressed, at the length that the bound says."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Independent
from torch.testing import assert_close

import latente
from latente import distributions as own
from latente import recipes, runs
from latente.compression import compress, decompress
from latente.compression.bits_back import BATCH
from latente.compression.container import pack, unpack
from latente.compression.stack import BUCKETS, Stack, centres, first_words
from latente.conditionals import Autoregressive
from latente.data import Examples
from latente.distributions.traits import coded
from latente.errors import DataError, LatenteError, RunError
from latente.nn import MADE, PixelCNN
from latente.training import Trainer

pytest.importorskip("constriction")


# -------------------------------------------------------------------------------------------------------- the stack


def test_what_was_pushed_last_comes_first():
    stack, own_random = Stack(first_words(50)), np.random.default_rng(0)
    table = own_random.dirichlet(np.ones(5), 40)
    symbols, bits = own_random.integers(0, 5, 40), own_random.integers(0, 2, 30)
    p = own_random.random(30)
    places, means, sds = (
        own_random.integers(0, BUCKETS, 20),
        own_random.normal(size=20),
        own_random.random(20) + 0.01,
    )
    stack.push(symbols, table)
    stack.push(bits, np.stack([1 - p, p], 1))
    stack.push_normal(places, means, sds)
    stack.push_uniform(places)
    assert np.array_equal(stack.pop_uniform(20), places)
    assert np.array_equal(stack.pop_normal(means, sds), places)
    assert np.array_equal(stack.pop(np.stack([1 - p, p], 1)), bits)
    assert np.array_equal(stack.pop(table), symbols)
    assert np.array_equal(stack.words(), first_words(50))


def test_popped_buckets_are_draws_of_the_posterior_and_cost_what_they_should():
    stack = Stack(first_words(40_000))
    means, sds = np.full(20_000, 0.7), np.full(20_000, 0.2)
    before = len(stack.words())
    places = stack.pop_normal(means, sds)
    z = centres()[places]
    assert z.mean() == pytest.approx(0.7, abs=0.01) and z.std() == pytest.approx(0.2, abs=0.01)
    spent = 32 * (before - len(stack.words())) / 20_000  # the entropy of the buckets: log K less KL(q | p)
    divergence = 0.5 * (0.2**2 + 0.7**2 - 1) - math.log(0.2)
    assert spent == pytest.approx(math.log2(BUCKETS) - divergence / math.log(2), abs=0.05)


def test_buckets_are_of_equal_mass():
    assert len(centres()) == BUCKETS and (np.diff(centres()) > 0).all()
    z = np.sort(np.random.default_rng(0).normal(size=200_000))
    assert (
        np.abs(
            np.quantile(z, [0.1, 0.5, 0.9]) - centres()[(np.array([0.1, 0.5, 0.9]) * BUCKETS).astype(int)]
        ).max()
        < 0.02
    )


# ------------------------------------------------------------------------------------------- laws, number by number


def laws():
    torch.manual_seed(0)
    size = own.DiscretizedLogisticMixture.size(3)
    made = MADE((1, 3, 3), 1, hidden=[16])
    cnn = PixelCNN((1, 4, 4), 1, kernels=(3, 3), channels=4)
    found = {
        "bits": own.BernoulliEvent(torch.randn(4, 1, 3, 3), 3),
        "independent bits": Independent(Bernoulli(torch.rand(4, 6)), 1),
        "levels": own.Levels(torch.randn(4, 5, 1, 3, 3), 3),
        "mixture": own.DiscretizedLogisticMixture(torch.randn(4, 2 * size, 3, 3), 3, levels=16),
        "made": Autoregressive(made, lambda logits: own.BernoulliEvent(logits, 3))(torch.zeros(4, 0)),
        "pixelcnn": Autoregressive(cnn, lambda logits: own.BernoulliEvent(logits, 3))(torch.zeros(4, 0)),
        "codes": own.UniformCodes(7, (2, 3), (4,)),
    }
    return found


@pytest.mark.parametrize("name", laws())
def test_the_probabilities_of_the_numbers_are_those_of_the_law(name):
    d = laws()[name]
    with torch.no_grad():
        x = d.sample()
        flat, total, met = x.flatten(1), torch.zeros(4, dtype=torch.float64), []

        def take(table, places):
            assert_close(table.sum(-1), torch.ones(table.shape[:-1]))
            known = flat[:, places]
            symbols = (known * (table.shape[-1] - 1)).round().long() if known.is_floating_point() else known
            total.add_(table.gather(-1, symbols.unsqueeze(-1)).squeeze(-1).log().double().sum(1))
            met.extend(places.tolist())
            return symbols

        assert_close(coded(d, take), x)
        assert sorted(met) == list(range(flat.shape[1]))
        assert_close(total, d.log_prob(x).double(), rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------------------------------------------- whole models


def fitted(name, shape, x, steps=150, **arguments):
    torch.manual_seed(0)
    plan = recipes.make(name, shape=shape, **arguments)
    Trainer(plan.model, plan.objective, steps=steps, batch=32, threads=1).fit(x)
    return plan.model


def bits(n=300):
    x = latente.load_data("digits").train
    return (x.fixed().batch(slice(0, n))[0][:, :, ::2, ::2] > 0.5).float()


CASES = {
    "vae": ("vae", bits, {"latent": 4, "hidden": [32]}),
    "ladder": ("ladder", bits, {"latent": [3, 4], "width": 32}),
    "categories": ("vae", bits, {"latent": 6, "hidden": [32], "posterior": "categorical"}),
    "made": ("made", bits, {"hidden": [32]}),
    "mixture": ("vae", lambda: colours(), {"latent": 4, "hidden": [16], "likelihood": "logistic-mixture"}),
}


def colours(n=60):
    own_random = np.random.default_rng(0)
    x = own_random.integers(0, 4, (n, 3, 8, 8)) * 20 + own_random.integers(0, 150, (n, 1, 1, 1))
    return torch.from_numpy(x.astype(np.float32)) / 255


@pytest.mark.parametrize("name", CASES)
def test_a_round_trip_is_exact_and_as_long_as_the_bound_says(name, tmp_path):
    recipe, data, arguments = CASES[name]
    x = data()
    model = fitted(recipe, tuple(x.shape[1:]), x, **arguments)
    found = compress(model, Examples(x), weights="w")
    (tmp_path / "x.lat").write_bytes(found.content)
    assert decompress(model, tmp_path / "x.lat", weights="w").equal(x)
    assert found.rate == pytest.approx(found.expected, rel=0.02)
    assert len(found.content) < x.numel() * (1 if name == "mixture" else 1 / 8)


@pytest.fixture(scope="module")
def small():
    x = bits(40)
    return fitted("vae", tuple(x.shape[1:]), x, latent=3, hidden=[16]), x


def test_examples_that_fill_no_batch(small, tmp_path):
    model, x = small
    for n in (1, BATCH - 1, BATCH, BATCH + 1):
        (tmp_path / "x.lat").write_bytes(compress(model, Examples(x[:n])).content)
        assert decompress(model, tmp_path / "x.lat").equal(x[:n])


def test_any_flipped_bit_and_any_cut_is_refused(small, tmp_path):
    model, x = small
    content, own_random = compress(model, Examples(x)).content, np.random.default_rng(0)
    file = tmp_path / "x.lat"
    for _ in range(300):
        damaged = bytearray(content)
        place = int(own_random.integers(8 * len(content)))
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"is damaged or cut short|is no file of latente compress"):
            decompress(model, file)
        file.write_bytes(content[: int(own_random.integers(len(content)))])
        with pytest.raises(DataError, match=r"is damaged or cut short|is no file of latente compress"):
            decompress(model, file)


def test_another_model_and_another_arithmetic_are_refused(small, tmp_path):
    model, x = small
    file = tmp_path / "x.lat"
    file.write_bytes(compress(model, Examples(x), weights="a" * 64).content)
    with pytest.raises(DataError, match=r"other weights \(aaaaaaaaaaaa there, bbbbbbbbbbbb here\)"):
        decompress(model, file, weights="b" * 64)
    header, words = unpack(file)
    for name, value, said in (
        ("machine", "AVX1024", "machine AVX1024, and here it is"),
        ("versions", {**header["versions"], "constriction": "0.0.1"}, r"constriction: 0\.0\.1"),
        ("probe", "0" * 64, "other results of the networks"),
        ("buckets", 16, "buckets 16, and here it is 4096"),
    ):
        file.write_bytes(pack({**header, name: value}, words))
        with pytest.raises(DataError, match=said):
            decompress(model, file, weights="a" * 64)
    file.write_bytes(pack({**header, "data": "0" * 64}, words))
    with pytest.raises(DataError, match="decodes to something else on this machine"):
        decompress(model, file, weights="a" * 64)


@pytest.mark.parametrize(
    ("recipe", "arguments", "said"),
    [
        ("vae", {"likelihood": "gaussian"}, "is a density, and only a probability mass"),
        ("vae", {"prior": "mixture"}, "the latent group z cannot be coded"),
        ("vae", {"posterior": "full"}, "the latent group z cannot be coded"),
        ("autoencoder", {"likelihood": "bernoulli"}, "the latent group z cannot be coded"),
    ],
)
def test_models_without_a_code_say_why(recipe, arguments, said):
    model = recipes.make(recipe, shape=(1, 8, 8), latent=2, hidden=[8], **arguments).model
    with pytest.raises(LatenteError, match=said):
        compress(model, Examples(torch.rand(3, 1, 8, 8).round()))


def test_examples_that_are_no_symbols_are_refused(small):
    model, x = small
    with pytest.raises(RunError, match="binarise the data"):
        compress(model, Examples(x * 0.5))
    with pytest.raises(RunError, match=r"examples of shape \(1, 14, 14\), and these have \(1, 7, 7\)"):
        compress(model, Examples(x[:, :, :7, :7]))


def test_the_commands(latente, tmp_path):
    run = tmp_path / "run"
    runs.train("vae", "digits", run, arguments={"hidden": [16], "latent": 2}, steps=20, threads=1)
    status, output, error = latente("compress", run, "--out", tmp_path / "x.lat", "--threads", "1")
    assert status == 0, error
    assert "500 examples of 784 numbers" in output and "where −ELBO is" in output
    status, output, error = latente(
        "decompress", tmp_path / "x.lat", "--run", run, "--out", tmp_path / "x.npz"
    )
    assert status == 0, error
    held = runs.Run.open(run).data.test.fixed().batch(slice(None))[0].numpy()
    with np.load(tmp_path / "x.npz") as file:
        assert np.array_equal(file["x"], held)
    other = tmp_path / "other"
    runs.train("vae", "digits", other, arguments={"hidden": [16], "latent": 2}, steps=21, threads=1)
    status, _, error = latente("decompress", tmp_path / "x.lat", "--run", other)
    assert status == 1 and "other weights" in error
    status, _, error = latente("decompress", run / "run.json", "--run", run)
    assert status == 1 and "is no file of latente compress" in error
