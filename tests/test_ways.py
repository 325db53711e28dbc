"""However people write the same examples, in whatever order and beside whatever else, the answers are the same."""

import io
import json
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from latente import codes, make
from latente.data import load, read

FEW = settings(max_examples=15, deadline=None)


def like_of(path, **options):
    return json.loads(json.dumps({**load(path, **options).describe(), "options": options}))


# --------------------------------------------------------------------------------------------------------- texts

LINES = [
    " ".join(random.Random(i).choices(["a", "bird", "sings", "é", "loud"], k=2 + i % 5)) for i in range(40)
]


@FEW
@given(
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    blank=st.sets(st.integers(0, 39), max_size=5),
    spaces=st.booleans(),
)
def test_sentences_are_the_same_however_they_are_written(tmp_path_factory, end, encoding, blank, spaces):
    place = tmp_path_factory.mktemp("text")
    (place / "a.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    written, numbers = [], []
    for i, line in enumerate(LINES):
        if i in blank:
            written.append("")
        written.append(f"  {line} " if spaces else line)
        numbers.append(len(written))
    (place / "b.txt").write_bytes((end.join(written) + end).encode(encoding))
    like = like_of(place / "a.txt")
    one, other = (read(place / name, like=like) for name in ("a.txt", "b.txt"))
    assert one.examples.x.equal(other.examples.x)
    assert [other.rows.called(i) for i in range(40)] == numbers


# ------------------------------------------------------------------------------------------------------- folders


@FEW
@given(
    ending=st.sampled_from(["png", "bmp", "tif", "PNG", "ppm"]),
    wrapper=st.sampled_from(["", "data/", "data/inner/"]),
    junk=st.booleans(),
    split=st.sampled_from([("train", "test"), ("Training", "Testing"), ("train_set", "dev")]),
)
def test_images_are_the_same_however_they_are_kept(tmp_path_factory, ending, wrapper, junk, split):
    Image = pytest.importorskip("PIL.Image")
    place = tmp_path_factory.mktemp("images")
    x = np.random.default_rng(0).integers(0, 255, (24, 6, 6), dtype=np.uint8)
    for i, image in enumerate(x):
        folder = place / wrapper / split[i % 4 == 3] / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02}.{ending}", {"tif": "TIFF", "ppm": "PPM"}.get(ending))
    if junk:
        for name in ("__MACOSX/x.png", ".DS_Store", "Thumbs.db", ".hidden/y.png"):
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(b"no image")
    data = load(place)
    names = [data.rows.called(i) for i in range(24)]
    order = [int(name.rsplit("/", 1)[1][:2]) for name in names]
    whole = np.empty((24, 6, 6), np.uint8)
    for part, rows in data.named_splits():
        whole[data.indices[part]] = rows.x[:, 0].numpy()
    assert (whole == x[order]).all() and data.classes == ("a", "b")
    assert sum(i % 4 == 3 for i in order) == (6 if split[1] != "dev" else len(data.validation))


# ------------------------------------------------------------------------------------------------------ drawings

POINTS = np.random.default_rng(1).normal(0, 20, (14, 9, 2)).cumsum(1)


def svg(points, way, scale):
    line = " ".join(f"{a:.4f},{b:.4f}" for a, b in points)
    path = "M" + "L".join(line.split(" "))
    shape = {
        "path": f'<path d="{path}"/>',
        "polyline": f'<polyline points="{line}"/>',
        "group": f'<g transform="scale({scale})"><path d="{path}"/></g>',
        "moved": f'<g transform="translate(300 -40) scale({scale})"><polyline points="{line}"/></g>',
        "used": f'<defs><path id="p" d="{path}"/></defs><use href="#p" x="7" transform="scale({scale})"/>',
        "css": f'<style>.n {{display: none}}</style><path class="n" d="M0 0L999 999"/><path d="{path}"/>',
    }[way]
    return f'<svg xmlns="http://www.w3.org/2000/svg">{shape}</svg>'


@FEW
@given(
    way=st.sampled_from(["path", "polyline", "group", "moved", "used", "css"]),
    scale=st.sampled_from([0.05, 1, 40]),
)
def test_drawings_are_the_same_however_they_are_written(tmp_path_factory, way, scale):
    pytest.importorskip("svgelements")
    place = tmp_path_factory.mktemp("svg")
    for name, how in (("a", ("path", 1)), ("b", (way, scale))):
        (place / name).mkdir()
        for i, points in enumerate(POINTS):
            (place / name / f"{i:02}.svg").write_text(svg(points, *how))
    like = like_of(place / "a")
    one, other = (read(place / name, like=like) for name in ("a", "b"))
    assert_close(one.examples.x, other.examples.x, rtol=0, atol=2e-2)
    assert other.rows.names[3] == "03.svg"


# ---------------------------------------------------------------------------------------- one example, one answer


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A run's record of grey images read as probabilities, a model, and images."""
    place = tmp_path_factory.mktemp("grey")
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.save(place / "x.npy", x)
    data = load(place / "x.npy").binarised("dynamic")
    torch.manual_seed(0)
    model = make("vae", shape=data.shape, latent=3, hidden=[16]).model.eval()
    return json.loads(json.dumps(data.describe())), model, x


def answers(model, reading):
    return np.stack(
        [*codes.encode(model, reading.examples).values(), *codes.score(model, reading.examples, 5).values()]
    )


def test_an_image_has_one_answer_wherever_it_stands(images, tmp_path):
    like, model, x = images
    np.save(tmp_path / "all.npy", x)
    whole = answers(model, read(tmp_path / "all.npy", like=like))
    order = np.random.default_rng(1).permutation(len(x))
    np.save(tmp_path / "shuffled.npy", x[order])
    np.testing.assert_allclose(
        answers(model, read(tmp_path / "shuffled.npy", like=like)), whole[:, order], rtol=1e-4, atol=1e-5
    )
    np.save(tmp_path / "copies.npy", np.repeat(x[7:8], 10, 0))
    copies = answers(model, read(tmp_path / "copies.npy", like=like))
    assert (copies == copies[:, :1]).all()
    np.testing.assert_allclose(copies[:, 0], whole[:, 7], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_a_dark_image_is_dark_whatever_comes_with_it(images, tmp_path, kind):
    like, _, x = images
    dark = np.random.default_rng(0).integers(0, 2, (3, 8, 8)).astype(kind)
    np.save(tmp_path / "dark.npy", dark)
    np.save(tmp_path / "more.npy", np.concatenate([dark, x[:1].astype(kind)]))
    like = {**like, "learned": {**like["learned"], "binarise": "none"}}
    alone = read(tmp_path / "dark.npy", like=like).examples.batch(slice(None))[0]
    beside = read(tmp_path / "more.npy", like=like).examples.batch(slice(0, 3))[0]
    assert alone.equal(beside) and alone.max() == pytest.approx(1 / 255)


def test_what_is_drawn_of_grey_has_the_right_mean():
    from latente.data.looks import drawn_by_content

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (4000, 50), dtype=np.uint8)
    drawn = drawn_by_content(grey, 0).numpy() / 255
    error = (drawn - grey / 255).sum(0) / np.sqrt((grey / 255 * (1 - grey / 255)).sum(0))
    assert np.abs(error).max() < 4.5 and abs(error.mean()) < 4.5 / np.sqrt(50)
    rest = drawn - grey / 255
    assert np.abs(np.corrcoef(rest.T) - np.eye(50)).max() < 5.5 / np.sqrt(4000)
    black_and_white = np.array([[0, 255]], np.uint8)
    assert drawn_by_content(black_and_white, 3).tolist() == [[0, 255]]
    assert not drawn_by_content(grey[:9], 0).equal(drawn_by_content(grey[:9], 1))


def test_a_picture_by_the_standard_input_is_named_by_what_it_is():
    Image = pytest.importorskip("PIL.Image")
    from latente.kinds import KINDS

    for form in ("PNG", "JPEG", "GIF"):
        file = io.BytesIO()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, form)
        assert KINDS.find("images").suffix_of(file.getvalue()) == f".{form.lower()}"
    assert (
        KINDS.find("table").suffix_of(b"a,b\n1,2\n") == ".csv"
        and KINDS.find("text").suffix_of(b"a bird") == ".txt"
    )
