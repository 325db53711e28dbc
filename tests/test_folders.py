"""Folders of images of any size and kind: what is said of them, what is shown, and what a model sees."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from latente import report, runs
from latente.cli import app
from latente.data import load, read
from latente.data.folders import prepared_image, survey
from latente.errors import DataError
from latente.evaluation import evaluate
from latente.pictures.drawing.preview import preview

Image = pytest.importorskip("PIL.Image", reason="Pillow (latente[plots]) is not installed")
pytest.importorskip("matplotlib")
SHARED = Path(os.environ.get("LATENTE_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def latente_says(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    assert result.exception is None, result.exception
    return result.output


def picture(height=24, width=40):
    """A red field, blue to the left of its middle square and green to the right of it."""
    x = np.zeros((height, width, 3), np.uint8)
    x[..., 0] = 200
    cut = (width - height) // 2
    x[:, :cut], x[:, width - cut :] = (0, 0, 255), (0, 255, 0)
    return x


@pytest.fixture
def folder(tmp_path):
    """Twelve images of two classes, each of another kind, and a damaged one."""
    x, root = picture(), tmp_path / "pets"
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
    colour, grey = Image.fromarray(x), Image.fromarray(x[..., 0])
    colour.save(root / "cat" / "0.png")
    grey.save(root / "cat" / "1.png")
    colour.quantize(8).save(root / "cat" / "2.png")
    colour.convert("CMYK").save(root / "cat" / "3.jpg")
    Image.fromarray(np.full((30, 30), 65535, np.uint16)).save(root / "cat" / "4.png")
    clear = np.dstack([x, np.zeros(x.shape[:2], np.uint8)])
    clear[:, 20:, 3] = 255
    Image.fromarray(clear).save(root / "cat" / "5.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(np.rot90(x).copy()).save(root / "dog" / "0.jpg", exif=exif, quality=100, subsampling=0)
    for i in range(1, 6):
        Image.fromarray(np.full((8 + i, 9, 3), 40 * i, np.uint8)).save(root / "dog" / f"{i}.png")
    (root / "dog" / "bad.png").write_bytes(b"no image")
    return root


def test_every_kind_becomes_a_square(folder):
    data = load(folder, side=16)
    assert data.shape == (3, 16, 16) and data.classes == ("cat", "dog") and data.train.x.dtype == torch.uint8
    assert data.note.startswith(
        "2 grey images became colour; 1 of 13 files cannot be read and were left out, bad.png: "
    )
    order = np.argsort(np.concatenate([data.indices[s] for s in ("train", "validation", "test")]))
    rows = torch.cat([e.x for e in (data.train, data.validation, data.test)])[order]
    red = torch.tensor([200, 0, 0]).view(3, 1, 1)
    for i, near in ((0, 0), (2, 0), (3, 12)):
        assert (rows[i].int() - red).abs().max() <= near, (
            "cropped, not squashed: neither blue nor green is left"
        )
    assert (rows[1] == 200).all() and (rows[4] == 255).all()
    assert (rows[5][:, :, :8] == 255).all() and (rows[5][:, :, 8:].int() == red).all(), (
        "what is clear stands on white"
    )
    assert (rows[6].int() - red).abs().max() <= 12, "turned first, then cropped"
    assert (rows[7] == 40).all() and (rows[11] == 200).all()


def test_grey_on_demand(folder):
    data = load(folder, side=16, grey=True)
    assert data.shape == (1, 16, 16) and "became" not in data.note
    assert (prepared_image(folder / "cat" / "0.png", 16, grey=True) == round(0.299 * 200)).all()
    with pytest.raises(DataError, match="give --side 64"):
        load(folder, grey=True)


def test_nothing_is_resized_unasked(folder):
    with pytest.raises(DataError, match=r"grey|pixels but"):
        load(folder)
    (folder / "cat" / "1.png").unlink()
    with pytest.raises(DataError, match=r"see `latente data \S+ --side 64`"):
        load(folder)
    with pytest.raises(DataError, match="from 4 to 1,024, not 3"):
        load(folder, side=3)


def test_what_is_found_is_said(folder):
    found = survey(folder)
    assert found.classes == Counter(cat=6, dog=6) and found.sizes[40, 24] == 6, "the turned one, too"
    assert found.transparent == 1 and found.turned == 1 and [p.name for p, _ in found.damaged] == ["bad.png"]
    said = "\n".join(found.lines(16))
    for words in (
        "12 images",
        "cat 6, dog 6",
        "palette 1",
        "CMYK 1",
        "16-bit grey 1",
        "1 photographs are turned",
        "stand on white",
        "damaged: dog/bad.png: is not an image",
        "left out",
        "model input: 16x16 in colour",
        "5 are smaller than that",
    ):
        assert words in said
    assert "choose a --side" in found.lines()[-1] and "refused without --side" in "\n".join(found.lines())
    assert "12 images" in latente_says("data", folder, "--out", folder.parent / "p.png")


def test_the_preview_shows_files_and_what_a_model_sees(folder, tmp_path):
    shown = preview([folder / "cat" / "0.png"], side=16)
    tiles = shown.values["images"]
    assert tiles.shape == (2, 1, 112, 112, 3)
    file, model = tiles[0, 0], tiles[1, 0]
    rows = ~np.isnan(file[:, 0, 0])
    assert rows.sum() == round(112 * 24 / 40), "the file keeps its proportions"
    inside = file[rows]
    assert inside[10, 0] == pytest.approx([0.7, 0.7, 1.0], abs=0.02), "faded blue is cropped away"
    assert inside[10, 56] == pytest.approx([200 / 255, 0, 0], abs=0.02)
    assert not np.isnan(model).any() and np.allclose(model, [200 / 255, 0, 0], atol=0.01)
    as_is = preview([folder / "cat" / "0.png"]).values["images"]
    assert np.nanmax(np.abs(as_is[1, 0] - as_is[0, 0])) < 0.6 and not np.isnan(as_is[0, 0, 56, 0, 2])
    said = latente_says("data", folder, "--side", 16, "--out", tmp_path / "p.png")
    assert "model input" in said and (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_on_a_folder_shows_its_preview_and_can_be_opened(folder, tmp_path):
    for i in range(20):
        Image.fromarray(np.full((20, 30, 3), 10 * i, np.uint8)).save(folder / "dog" / f"more{i}.png")
    out = tmp_path / "run"
    said = latente_says(
        *(
            "train",
            "vae",
            "--data",
            folder,
            "--side",
            12,
            "--hidden",
            8,
            "--latent",
            2,
            "--steps",
            3,
            "--out",
            out,
        ),
        *("--threads", 1),
    )
    assert "model input" in said and "bad.png" in said and (out / "preview.png").exists()
    run = runs.Run.open(out)
    assert run.record["data"]["options"] == {"side": 12} and run.data.shape == (3, 12, 12)
    assert run.data.kind.preview_of(run.record["data"]) is not None
    assert "--side 12" in report.command(run)
    assert read(folder, like=run.record["data"]).examples.x.shape == (32, 3, 12, 12)
    evaluate(run, k=5, examples=5)
    page = report.write(run).read_text()
    assert "What is the input of the model?" in page
    assert json.loads((out / "run.json").read_text())["data"]["note"].startswith("2 grey images")


@pytest.mark.skipif(not (SHARED / "utkface64").is_dir(), reason="the shared data is not there")
def test_sheets_are_read_by_name_and_by_path(monkeypatch):
    monkeypatch.setenv("LATENTE_DATA", str(SHARED))
    faces = load("utkface64")
    assert faces.shape == (3, 64, 64) and (len(faces.train), len(faces.validation), len(faces.test)) == (
        4050,
        450,
        500,
    )
    assert faces.classes == ("male", "female")
    assert load(SHARED / "utkface64").fingerprint == faces.fingerprint
    with pytest.raises(DataError, match="did you mean cifar10"):
        load("cifar10-subset")
