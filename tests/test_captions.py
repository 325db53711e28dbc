"""Runs of captioned images: generated, shown, measured, sharpened, and taken up again."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal
from torch.testing import assert_close
from typer.testing import CliRunner

import latente
from latente import codes, data, runs
from latente.cli import app
from latente.data import Data, Examples
from latente.data.numbering import CaptionNumbering
from latente.data.scenes import scenes_of
from latente.data.table_files import read_table, write_table
from latente.data.vocabulary import Vocabulary
from latente.errors import DataError, LatenteError, RunError
from latente.evaluation import (
    alternatives,
    caption_alignment,
    chooser,
    colour_flips,
    evaluate,
    features,
    generate_images,
    generated,
    measure_samples,
    retrieval,
    stored_samples,
)
from latente.evaluation.alignment import by_chance, hue, ranks
from latente.evaluation.features import feature_net
from latente.evaluation.reader import SlotReader, train_reader
from latente.evaluation.similarity import ssim
from latente.kinds import KINDS
from latente.trace import Model

TINY = {"caption_features": 6, "caption_encoder": "bag"}
ALIGN = {**TINY, "glimpses": 3, "units": 8, "read": 3, "write": 4, "align_units": 5, "latent": 3}
WRITTEN = {
    **TINY,
    "levels": [3, 2],
    "channels": [4, 6, 6],
    "features": 8,
    "depth": 1,
    "tokeniser_steps": 4,
    "tokeniser_depth": 0,
}
CAPTION = "a large red circle above a small blue square ."
FAST = {"steps": 4, "batch": 16, "threads": 1, "evaluate_every": 4, "checkpoint_every": 2}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    runs.train("align-draw", "shapes", folder / "align", arguments=ALIGN, **FAST)
    runs.train("text-to-image", "shapes", folder / "written", arguments=WRITTEN, **FAST)
    return folder


def latente_says(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if isinstance(result.exception, LatenteError):
        return result.exception
    assert result.exception is None, result.exception
    return result.output


# ------------------------------------------------------------------------------------------------- generating


@pytest.mark.parametrize("name", ["align", "written"])
def test_images_of_captions_are_generated_and_shown(made, name, tmp_path):
    run = runs.Run.open(made / name)
    images = generate_images(run, "a {red,blue} circle", n=3)
    assert images.shape == (6, 3, 32, 32) and images.min() >= 0 and images.max() <= 1
    assert generate_images(run, "a {red,blue} circle", n=3).equal(images)
    assert not generate_images(run, "a red circle", n=3, seed=1).equal(images[:3])
    said = latente_says("generate", made / name, "a {red,blue} circle", "-n", 3, "--out", tmp_path / "g.npz")
    assert said.startswith("6 images of 2 captions")
    with np.load(tmp_path / "g.npz") as file:
        assert_close(torch.from_numpy(file["x"]), images)
    for end in ("png", "svg"):
        latente_says("generate", made / name, CAPTION, "a ruby disc", "--out", tmp_path / f"g.{end}")
        assert (tmp_path / f"g.{end}").stat().st_size > 2000
    assert "ruby" in latente_says("generate", made / name, "a ruby disc", "--out", tmp_path / "g.png")


@pytest.mark.parametrize("name", ["align", "written"])
def test_the_same_caption_and_noise_give_the_same_image_in_any_company(made, name):
    run = runs.Run.open(made / name)
    y = torch.from_numpy(run.vocabulary.encode([CAPTION, "a small green triangle .", CAPTION]))
    images = generated(run.model, y, 4)
    assert_close(images[0], images[2])
    assert not images[0].allclose(images[1])
    longer = torch.nn.functional.pad(y[:1], (0, 9))
    assert_close(generated(run.model, longer, 4)[0], images[0])


def test_a_name_with_choices_is_written_out():
    assert alternatives("a {red, blue} {bus,car} .") == [
        "a red bus .", "a red car .", "a blue bus .", "a blue car ."
    ]  # fmt: skip
    assert alternatives("plain") == ["plain"]


def test_latents_are_drawn_as_asked_or_refused(made):
    align, written = (runs.Run.open(made / name) for name in ("align", "written"))
    cold = generate_images(align, CAPTION, n=4, temperature=0)
    assert_close(cold[0], cold[3])
    warm = generate_images(align, CAPTION, n=4)
    assert not warm[0].allclose(warm[3])
    likeliest = generate_images(written, CAPTION, n=4, temperature=0)
    assert_close(likeliest[0], likeliest[3])
    assert generate_images(written, CAPTION, n=4, top_k=1).equal(likeliest)
    assert generate_images(written, CAPTION, n=4, top_p=1e-6).equal(likeliest)
    generate_images(written, CAPTION, n=2, guidance=3.0)
    with pytest.raises(RunError, match="was trained without caption dropout"):
        generate_images(align, CAPTION, guidance=3.0)
    with pytest.raises(LatenteError, match="guidance, top_k and top_p are for an autoregressive prior"):
        generate_images(align, CAPTION, top_k=3)
    assert generate_images(written, CAPTION, n=2).equal(generate_images(written, CAPTION, n=2, guidance=2.0))
    for odd, says in (
        ({"n": 0}, "n is 0"),
        ({"n": 10**9}, "images in all"),
        ({"captions": []}, "for 0 captions"),
    ):
        with pytest.raises(LatenteError, match=says):
            generate_images(written, **{"captions": CAPTION} | odd)
    with pytest.raises(LatenteError, match="make 10,000 captions"):
        generate_images(written, 4 * "{a,b,c,d,e,f,g,h,i,j}")
    with pytest.raises(LatenteError, match="top_p -1"):
        chooser(top_p=-1)


def test_canvases_are_shown_step_by_step_and_move(made, tmp_path):
    from PIL import Image

    latente_says("canvas", made / "align", CAPTION, "--out", tmp_path / "c.png", "-n", 2)
    assert (tmp_path / "c.png").stat().st_size > 3000
    latente_says("canvas", made / "align", CAPTION, "--out", tmp_path / "c.gif")
    with Image.open(tmp_path / "c.gif") as image:
        assert image.n_frames == 3
    said = latente_says("canvas", made / "written", CAPTION, "--out", tmp_path / "d.png")
    assert "draw step by step" in str(said) and not (tmp_path / "d.png").exists()
    assert "give one" in str(latente_says("canvas", made / "align", "--out", tmp_path / "d.png"))
    latente_says("canvas", made / "align", CAPTION, "--out", tmp_path / "d.svg")
    latente_says("canvas", made / "align", "", "--out", tmp_path / "e.png")
    latente_says("canvas", made / "align", "", "--out", tmp_path / "e.gif")
    assert all((tmp_path / name).stat().st_size > 500 for name in ("d.svg", "e.png", "e.gif"))


def test_a_plain_draw_has_canvases_too(tmp_path):
    x = np.random.default_rng(0).integers(0, 2, (40, 9, 7), np.uint8) * np.uint8(255)
    np.save(tmp_path / "x.npy", x)
    parts = {"glimpses": 3, "units": 8, "latent": 3, "read": 2, "write": 3, "binarise": "static"}
    runs.train("draw", str(tmp_path / "x.npy"), tmp_path / "run", arguments=parts, **FAST)
    latente_says("canvas", tmp_path / "run", "--out", tmp_path / "c.png")
    latente_says("canvas", tmp_path / "run", "--out", tmp_path / "c.gif")
    assert "reads no captions" in str(latente_says("canvas", tmp_path / "run", CAPTION))
    assert "reads no captions" in str(latente_says("generate", tmp_path / "run", CAPTION))
    found = evaluate(runs.Run.open(tmp_path / "run"), k=20, examples=4)
    assert list(found["bound"].rates) == ["z1", "z2", "z3"]
    assert "How does it draw step by step?" in report_of(tmp_path / "run")


def report_of(folder):
    latente_says("report", folder)
    return (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "has"), [("align", "How does it draw step by step?"), ("written", "codebook usage")]
)
def test_evaluation_and_report_know_captions(made, name, has):
    said = latente_says("evaluate", made / name, "--k", 10, "--examples", 20)
    assert "3 groups" in said or "z1" in said if name == "align" else "codebook usage" in said
    page = report_of(made / name)
    assert "Images of test captions" in page and has in page


# --------------------------------------------------------------------------------------------------- measuring


class Painter(Model):
    """Paints what a caption of `shapes` says, or that of another caption, by the grammar itself."""

    def __init__(self, says=lambda index: index):
        super().__init__()
        self.scenes, self.says = scenes_of("shapes", "test"), says
        self.vocabulary = Vocabulary.learn([*self.scenes.captions(), *self.scenes.captions(held_out=True)])
        self.anything = torch.nn.Parameter(torch.zeros(()))

    def walk(self, trace, x, y):
        index = self.says(self.scenes.index(self.vocabulary.decode(y)))
        z = trace.latent(
            "z",
            Independent(Normal(torch.zeros(1), torch.ones(1)), 1),
            None if x is None else Independent(Normal(torch.zeros(len(x), 1), torch.ones(1)), 1),
        )
        images = self.scenes.compose(index, torch.Generator().manual_seed(0)) / 255
        return Independent(Normal(images.expand(*z.shape[:-1], 3, 32, 32), 0.3), 3)

    def data(self):
        x, index = self.scenes.draw(60, torch.Generator().manual_seed(1))
        texts = [*self.scenes.captions(), *self.scenes.captions(held_out=True)]
        y = torch.from_numpy(self.vocabulary.encode([texts[i] for i in index.tolist()]))
        e = Examples(x, y)
        return Data(
            "shapes",
            "shapes",
            e,
            e,
            e,
            KINDS["captions"],
            (),
            CaptionNumbering(self.vocabulary, "shapes"),
            "",
            {},
        )


def test_pictures_that_show_their_captions_are_found_faithful():
    model = Painter()
    found = caption_alignment(model, model.data(), n=200, candidates=20)
    assert found.ceiling.all > 0.97 and found.seen.all > 0.97 and found.held_out.all > 0.97
    assert found.flips > 0.95
    assert found.shuffled.all < 0.1 and abs(found.shuffled.all - found.chance.all) < 0.05
    assert found.retrieval.at[1] > 0.5
    assert json.loads(json.dumps(asdict(found)))["seen"]["slots"].keys() == model.scenes.slots.keys()


def test_pictures_of_other_captions_score_no_better_than_chance():
    model = Painter(lambda index: (index + 1234) % 3630)
    found = caption_alignment(model, model.data(), n=200, candidates=20)
    assert found.ceiling.all > 0.97
    assert abs(found.seen.all - found.chance.all) < 0.1 and found.flips < 0.3
    deaf = Painter(torch.zeros_like)
    assert caption_alignment(deaf, deaf.data(), n=100, candidates=20).retrieval.at[1] < 0.3


def test_ties_rank_in_the_middle_and_equal_captions_raise_what_chance_reaches():
    alone, pairs = torch.eye(6).bool(), torch.eye(3).repeat_interleave(2, 0).repeat_interleave(2, 1).bool()
    assert ranks(torch.zeros(6, 6), alone).tolist() == [3.5] * 6
    scores = torch.arange(36.0).view(6, 6)
    assert ranks(scores, alone).tolist() == [6, 5, 4, 3, 2, 1]
    assert ranks(scores, pairs).tolist() == [5, 5, 3, 3, 1, 1]
    assert by_chance([1] * 6, 6, 1) == pytest.approx(1 / 6) and by_chance([1] * 6, 6, 6) == 1
    torch.manual_seed(0)
    found = torch.stack([ranks(torch.rand(6, 6), pairs) for _ in range(4000)])
    assert (found <= 2).double().mean().item() == pytest.approx(by_chance([2] * 6, 6, 2), abs=0.02)


def test_a_model_that_ignores_captions_finds_nothing(made):
    run = runs.Run.open(made / "written")
    model = runs.load(made / "written")
    with torch.no_grad():
        model.prior.net.embed_words.weight.zero_()
        model.prior.net.embed_words.bias.zero_()
        for block in model.prior.net.blocks:  # values of words are alike then, and so is how much they weigh
            block.ask.weight.zero_()
    x, y = run.data.test.subset(30).batch(slice(None))
    found = retrieval(model, x, y)
    assert found.at[1] == 0 and found.median > 10 and found.chance[1] == pytest.approx(1 / 30, abs=0.01)


def test_a_bound_that_only_likes_smooth_pictures_is_corrected():
    """Every picture's log p(x|y) is shifted by a number of its own: ranks by p(x|y)/p(x) must not notice."""
    model = Painter()
    x, y = model.data().test.batch(slice(0, 12))
    plain = retrieval(model, x, y)

    class Shifted(Painter):
        def walk(self, trace, x, y):
            d = super().walk(trace, x, y)
            log_prob = d.log_prob
            d.log_prob = lambda value: log_prob(value) + 1e4 * value.mean((-3, -2, -1))
            return d

    shifted = retrieval(Shifted(), x, y)
    assert shifted.at == plain.at
    assert shifted.raw < plain.at[1]


def test_hues_that_follow_words_are_found_to():
    vocabulary = Vocabulary.learn([f"a {c} bus" for c in ("red", "green", "blue", "yellow")], least=1)
    paint = {
        "red": (0.9, 0.2, 0.2),
        "green": (0.2, 0.7, 0.2),
        "blue": (0.2, 0.3, 0.9),
        "yellow": (0.9, 0.9, 0.2),
    }

    class Wall(Model):
        def __init__(self, follows):
            super().__init__()
            self.follows, self.anything = follows, torch.nn.Parameter(torch.zeros(()))

        def walk(self, trace, x, y):
            words = [next(w for w in text.split() if w in paint) for text in vocabulary.decode(y)]
            rgb = torch.tensor([paint[w] for w in words])
            rgb = rgb if self.follows else 1 - rgb
            return Independent(Normal(rgb[..., None, None].expand(-1, 3, 4, 4), 1.0), 3)

    texts = [f"a {c} bus" for c in paint] * 5
    e = Examples(torch.zeros(20, 3, 4, 4), torch.from_numpy(vocabulary.encode(texts)))
    about = Data("walls", "walls", e, e, e, KINDS["captions"], (), CaptionNumbering(vocabulary), "", {})
    assert colour_flips(Wall(True), about).right == 1
    assert colour_flips(Wall(False), about).right == 0
    deaf = Wall(True)
    deaf.walk = lambda trace, x, y: Independent(Normal(torch.zeros(len(y), 3, 4, 4), 1.0), 3)
    assert colour_flips(deaf, about).right == 0.5  # a tie is a half
    few = Data(
        "walls", "walls", e, e, e.subset(5), KINDS["captions"], (), CaptionNumbering(vocabulary), "", {}
    )
    assert colour_flips(Wall(True), few) is None
    assert_close(hue(torch.eye(3)[..., None, None]), torch.tensor([0.0, 2.0, -2.0]).double() * torch.pi / 3)


def test_similarity_is_that_of_an_independent_library():
    metrics = pytest.importorskip("torchmetrics.functional.image")
    torch.manual_seed(0)
    a = torch.rand(4, 3, 20, 24)
    b = (a + 0.2 * torch.randn_like(a)).clamp(0, 1)
    _, theirs = metrics.structural_similarity_index_measure(
        a, b, data_range=1.0, reduction="none", return_full_image=True
    )
    inside = theirs[..., 5:-5, 5:-5].mean((1, 2, 3))  # what no padding reaches
    assert_close(ssim(a, b).float(), inside, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="smaller than the window"):
        ssim(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8))


def test_a_reader_learns_to_read_and_leaves_the_generator_alone():
    def drawer(n):
        answers = torch.stack([torch.randint(3, (n,)), torch.randint(2, (n,))], 1)
        x = 0.1 * torch.rand(n, 1, 12, 12)
        x[torch.arange(n), 0, 4 * answers[:, 0] + 1] += 0.8
        x[:, 0, :, 10:] += 0.5 * answers[:, 1, None, None]
        return x, answers

    torch.manual_seed(5)
    state = torch.get_rng_state()
    net = train_reader(drawer, (1, 12, 12), (3, 2), steps=60)
    assert torch.get_rng_state().equal(state)
    x, answers = drawer(200)
    assert (net(x) == answers).all(1).double().mean() > 0.95
    assert (SlotReader((1, 12, 12), (3, 2)).eval()(x) == answers).all(1).double().mean() < 0.6


def test_alignment_is_printed_and_stored(made):
    said = latente_says("alignment", made / "written", "-n", 20, "--candidates", 5, "--guidance", 2)
    assert "held out" in said and "R@1" in said and "guidance 2" in said
    stored = stored_samples(runs.Run.open(made / "written"))["alignment"]
    assert stored.how == "guidance 2" and 0 <= stored.seen.all <= 1
    assert json.loads(latente_says("alignment", made / "written", "-n", 20, "--candidates", 5, "--json"))[
        "figures"
    ]["alignment"]["colours"]
    page = report_of(made / "written")
    assert "caption-to-image retrieval" in page and "images that match their caption" in page
    with pytest.raises(LatenteError, match="fid is no option of alignment"):
        measure_samples(runs.Run.open(made / "written"), fid=True)


def test_quality_and_alignment_of_a_run_are_both_kept(made, monkeypatch):
    monkeypatch.setattr(features, "STEPS", 5)
    monkeypatch.setattr(feature_net, "__kwdefaults__", {**feature_net.__kwdefaults__, "steps": 5})
    run = runs.Run.open(made / "written")
    measure_samples(run, figure="quality", n=20)
    assert list(measure_samples(run, n=20, candidates=5)) == ["alignment"]
    assert set(stored_samples(run)) == {"quality", "alignment"}
    with pytest.raises(RunError, match="there is no figure 'beauty'"):
        measure_samples(run, figure="beauty")


# -------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize(
    ("name", "recipe", "arguments"), [("align", "align-draw", ALIGN), ("written", "text-to-image", WRITTEN)]
)
def test_a_run_goes_on_to_the_same_end(made, name, recipe, arguments, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(made / name, folder)
    whole = runs.load(made / name).state_dict()
    (newest,) = (p for p in (folder / "checkpoints").iterdir() if "4" in p.name)
    shutil.rmtree(newest) if newest.is_dir() else newest.unlink()
    (folder / "model.safetensors").unlink()
    runs.resume(folder)
    for key, tensor in runs.load(folder).state_dict().items():
        assert tensor.equal(whole[key]), key


def test_an_interrupted_tokeniser_goes_on(tmp_path):
    whole = runs.train("text-to-image", "shapes", tmp_path / "a", arguments=WRITTEN, **FAST)
    folder = tmp_path / "b"
    shutil.copytree(tmp_path / "a", folder)
    shutil.rmtree(folder / "checkpoints")
    (folder / "model.safetensors").unlink()
    newest = max((folder / "pretraining" / "checkpoints").iterdir(), key=lambda p: p.name)
    shutil.rmtree(newest) if newest.is_dir() else newest.unlink()
    again = runs.resume(folder)
    for key, tensor in again.model.state_dict().items():
        assert tensor.equal(whole.model.state_dict()[key]), key


@pytest.mark.parametrize("name", ["align", "written"])
def test_codes_go_out_and_come_back_with_their_captions(made, name, tmp_path):
    run = runs.Run.open(made / name)
    some = run.data.test.subset(6)
    table = codes.encode(run.model, some)
    write_table(tmp_path / "codes.csv", table)
    decoded = codes.decode(run.model, read_table(tmp_path / "codes.csv"), run.data)
    x, y = some.batch(slice(None))
    assert_close(decoded, run.model(x, y, choose=lambda d: d.mean).likelihood.mean, rtol=1e-3, atol=1e-3)
    scores = codes.score(run.model, some, 3)
    assert scores["elbo"].shape == (6,)
    odd = {"caption_1": 9999.0} | ({"z_0": 99999.0} if name == "written" else {})
    for column, value in odd.items():
        with pytest.raises(DataError, match=rf"column '{column}' holds {value:g}"):
            codes.decode(run.model, table | {column: np.full(6, value)}, run.data)


def test_images_and_captions_in_memory_are_fitted_and_opened_again(tmp_path):
    rng = np.random.default_rng(0)
    images = (rng.random((60, 3, 12, 12)) * 0.2).astype(np.float32)
    captions = [f"a {('red', 'green', 'blue')[i % 3]} thing" for i in range(60)]
    for i in range(60):
        images[i, i % 3] += 0.7
    run = latente.fit(
        images, captions, tmp_path / "run", recipe="caption-vae", hidden=[6], latent=3, beta=0.1, steps=400, batch=20, lr=3e-3,
        threads=1, **TINY,
    )  # fmt: skip
    shown = generate_images(run, "a {red,green,blue} thing", n=4).unflatten(0, (3, 4)).mean((1, 3, 4))
    assert shown.argmax(1).tolist() == [0, 1, 2]
    again = runs.Run.open(tmp_path / "run")
    assert generate_images(again, "a red thing", n=2).equal(generate_images(run, "a red thing", n=2))
    assert again.data.learned.vocabulary.words == run.data.learned.vocabulary.words and len(
        again.data.train
    ) == len(run.data.train)
    with pytest.raises(RunError, match="holds a run already"):
        latente.fit(images, captions, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"captions": ["one"]}, DataError, "60 images and 1 captions"),
        ({"captions": "a" * 60}, DataError, "60 images and one text"),
        ({"captions": ["a"] * 59 + [" "]}, DataError, "a caption is empty"),
        ({"images": np.zeros((60, 8)), "captions": ["a"] * 60}, DataError, "shape \\(60, 8\\)"),
        ({"images": torch.full((60, 8, 8), torch.nan)}, DataError, "not finite"),
        ({"images": np.zeros((4, 8, 8)), "captions": ["a"] * 4}, DataError, "4 images"),
        ({"captions": [["a", "b"]] * 59 + [["a"]]}, DataError, "not as many for each image"),
        ({"recipe": "vae"}, RunError, "reads no captions"),
        ({"steps": 0}, RunError, "steps"),
        ({"quantiser": "best"}, RunError, "quantiser"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_anything_is_written(change, error, says, tmp_path):
    given = {
        "images": np.zeros((60, 8, 8), np.uint8),
        "captions": ["a"] * 60,
        "out": tmp_path / "run",
    } | change
    with pytest.raises(error, match=says):
        latente.fit(**given)
    assert not (tmp_path / "run").exists()


def test_class_labels_are_captions_too(tmp_path):
    x = np.zeros((60, 8, 8), np.uint8)
    x[::2] = 200
    np.savez(tmp_path / "x.npz", x=x, y=np.array(["polar_bear", "night"])[np.arange(60) % 2])
    how = {**FAST, "steps": 150, "batch": 20, "lr": 3e-3}
    run = runs.train(
        "caption-vae",
        str(tmp_path / "x.npz"),
        tmp_path / "run",
        arguments={**TINY, "hidden": [4], "latent": 2},
        **how,
    )
    bright, dark = generate_images(run, ["polar bear", "night"], n=2).unflatten(0, (2, 2)).mean((1, 2, 3, 4))
    assert bright > dark + 0.3
    assert runs.Run.open(tmp_path / "run").data.test.y.dim() == 2


def test_recipes_of_captions_and_data_without_any_do_not_go_together(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((40, 8, 8), np.uint8))
    with pytest.raises(LatenteError, match="neither"):
        runs.train("caption-vae", str(tmp_path / "x.npy"), tmp_path / "run", arguments=TINY, **FAST)
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(40, 3)))
    with pytest.raises(RunError, match="cannot learn from v, which is vectors"):
        runs.train("caption-vae", str(tmp_path / "v.npy"), tmp_path / "run", arguments=TINY, **FAST)
    assert not (tmp_path / "run").exists()
    assert data.load("shapes").kind.name == "captions"
    with pytest.raises(RunError, match="conditional needs labels"):
        runs.train("vae", "shapes", tmp_path / "run", arguments={"conditional": True}, **FAST)


def test_long_captions_are_read_as_far_as_training_had_any(tmp_path):
    x = np.zeros((40, 8, 8), np.uint8)
    captions = [" ".join(["very"] * (70 + i % 3)) + " dark" for i in range(40)]
    run = latente.fit(
        x,
        captions,
        tmp_path / "run",
        **{**WRITTEN, "channels": [4], "caption_encoder": "transformer"},
        **FAST,
    )
    assert run.longest == 73
    said = latente_says("generate", tmp_path / "run", " ".join(["very"] * 90), "--out", tmp_path / "g.png")
    assert "reads 73 tokens" in said
    y = torch.from_numpy(run.vocabulary.encode([captions[0], captions[0].replace(" dark", " very")]))
    states = run.model.embed(y).states
    assert not states[0, -1].allclose(states[1, -1])


def test_a_refiner_sharpens_a_run_and_leaves_it_as_it_is(made, tmp_path):
    how = {**FAST, "steps": 6}
    parts = {"channels": 4, **TINY}
    run = runs.train("refiner", None, tmp_path / "run", of=made / "align", arguments=parts, **how)
    base = runs.load(made / "align")
    assert all(run.model.base.state_dict()[n].equal(t) for n, t in base.state_dict().items())
    again = runs.Run.open(tmp_path / "run")
    assert generate_images(again, CAPTION, n=3).equal(generate_images(run, CAPTION, n=3))
    assert not generate_images(run, CAPTION, n=3).equal(
        generate_images(runs.Run.open(made / "align"), CAPTION, n=3)
    )
    found = evaluate(again, k=5, examples=10)
    assert list(found["bound"].rates) == ["z1", "z2", "z3"]
    with pytest.raises(RunError, match="draws none"):
        runs.train("refiner", None, tmp_path / "two", of=tmp_path / "run", arguments=parts, **how)
