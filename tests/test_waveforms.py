"""A kind of data that the house does not know, its recipe, its pictures and its figure: each one file's worth, and one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from latente import cli, recipes
from latente.errors import LatenteError
from latente.evaluation.figures import FIGURES
from latente.kinds import KINDS
from latente.recipes.options import LatentSize
from latente.runs import Run
from sounds import LENGTH, LOUDNESS, RATE, WAVEFORMS, Peak, wave_vae

pytest.importorskip("matplotlib", reason="a report needs matplotlib")


def sound(n: int = 120) -> np.ndarray:
    t, generator = np.arange(LENGTH), np.random.default_rng(0)
    phase, loud = generator.uniform(0, 2 * np.pi, (n, 1)), generator.uniform(0.2, 0.8, (n, 1))
    return (loud * np.sin(2 * np.pi * t / LENGTH + phase)).astype(np.float32)


ENTRIES = ((KINDS, WAVEFORMS), (recipes.RECIPES, wave_vae), (FIGURES, LOUDNESS))


@pytest.fixture(scope="module")
def entered():
    for where, entry in ENTRIES:
        where.enter(entry)
    yield
    for where, entry in ENTRIES:
        del where.entries[entry.name]


@pytest.fixture(scope="module")
def call(entered):
    app = typer.Typer(rich_markup_mode=None)
    cli.add_commands(app)

    def run(*words: Any, fails: bool = False) -> str:
        found = CliRunner().invoke(app, [str(word) for word in words], terminal_width=200)
        if fails:
            assert isinstance(found.exception, LatenteError), (words, found.output, found.exception)
            return str(found.exception)
        if found.exception is not None:
            raise found.exception
        return found.output

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waveforms")
    with wave.open(str(folder / "tone.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((sound().flatten() * 32767).astype(np.int16).tobytes())
    np.savez(folder / "few.npz", clips=sound(12), y=np.arange(12) % 2)
    return folder


@pytest.fixture(scope="module")
def run(call, place):
    how = ["--steps", 30, "--evaluate-every", 10, "--threads", 1, "--latent", 3]
    said = call(
        "train", "wave-vae", "--data", place / "tone.wav", "--out", place / "run", "--rate", RATE, *how
    )
    assert "nats per clip at step" in said and "the loudest training clip is at" in said
    return place / "run"


def test_data_is_told_and_shown(call, place):
    said = call("data", place / "tone.wav", "--out", place / "preview.svg")
    assert "waveforms of shape (1, 16)" in said and "train 96, validation 12, test 12" in said
    assert "<polyline" in (place / "preview.svg").read_text()
    said = call("data", place / "few.npz", "--out", place / "preview.svg")
    assert "2 classes: 0, 1" in said


def test_options_of_the_kind_are_options_of_the_commands(call, place):
    assert "samples per second that a sound must have" in call("data", "--help")
    assert "--length" in call("train", "wave-vae", "--help") and "--length" not in call(
        "train", "vae", "--help"
    )
    assert "400 samples per second, not 500" in call("data", place / "tone.wav", "--rate", 500, fails=True)
    assert "rate of data of kind 'waveforms' is 0" in call(
        "train", "wave-vae", "--data", place / "tone.wav", "--rate", 0, fails=True
    )


def test_two_options_of_one_name_are_told(call, monkeypatch):
    @recipes.recipe()
    def stepwise(about: recipes.About, steps: LatentSize = 2) -> recipes.Plan:
        """Has an option that the trainer has."""

    monkeypatch.setitem(recipes.RECIPES.entries, "stepwise", stepwise)
    app = typer.Typer()
    cli.add_commands(app)
    found = CliRunner().invoke(app, ["train", "stepwise", "--help"])
    assert "the trainer have two options named 'steps': rename one" in str(found.exception)


def test_what_does_not_go_together_is_refused(call, place):
    assert "use wave-vae" in call("train", "vae", "--data", place / "tone.wav", fails=True)
    np.save(place / "images.npy", np.zeros((20, 4, 4), np.uint8))
    refused = call("train", "wave-vae", "--data", place / "images.npy", fails=True)
    assert WAVEFORMS.hint in refused
    (place / "run.xyz").write_text("")
    assert re.search(r"latente reads .*\.wav", call("data", place / "run.xyz", fails=True))


def test_a_run_is_opened_as_it_was(run):
    opened = Run.open(run)
    assert opened.data.kind is KINDS["waveforms"] and opened.data.learned == Peak(
        opened.record["data"]["learned"]["peak"]
    )
    assert opened.abilities.scores and opened.abilities.generates and opened.abilities.code == "numbers"


def test_a_run_is_resumed(call, run):
    assert "at step" in call("resume", run, "--steps", 40)
    assert Run.open(run).metrics()[-1]["step"] == 40


def test_pictures_are_its_own(call, run, place):
    said = call("sample", run, "-n", 3, "--out", place / "samples.svg")
    assert said.startswith("sampled clips") and (place / "samples.svg").read_text().count("<polyline") == 3
    assert call("reconstruct", run, "--out", place / "back.svg").startswith("clips and their reconstructions")
    assert call("envelope", run, "--clips", 5, "--out", place / "e.svg").startswith("envelope")
    call("scatter", run, "--out", place / "scatter.svg")
    assert (place / "scatter.svg").exists()
    refused = call("interpolate", run, "--out", place / "no.svg", fails=True)
    assert "are pictures of images, and tone is a set of clips" in refused


def test_the_report_has_its_pictures(call, run):
    call("report", run)
    page = (run / "report.html").read_text()
    assert (
        "What does it generate?" in page
        and "How loud is it, when?" in page
        and page.count("<polyline") >= 3 + 4 + 2
    )
    assert "as many samples." in page and "of clips," in page  # the figure, and what it means
    assert "Sampled clips" in page and "--rate" not in page and "latente train wave-vae" in page


def test_codes_go_out_and_come_back(call, run, place):
    call("encode", run, "--data", place / "few.npz", "--out", place / "codes.csv")
    header = (place / "codes.csv").read_text().splitlines()[0]
    assert header == "row,z_0,z_1,z_2,sd_0,sd_1,sd_2,label"
    call("decode", run, "--codes", place / "codes.csv", "--out", place / "decoded.wav")
    with wave.open(str(place / "decoded.wav")) as file:
        assert file.getnframes() == 12 * LENGTH
    call("decode", run, "--codes", place / "codes.csv", "--out", place / "decoded.npz")
    with np.load(place / "decoded.npz") as file:
        assert file["x"].shape == (12, 1, LENGTH)


def test_scores_have_its_column(call, run, place):
    call("score", run, "--data", place / "few.npz", "--out", place / "scores.csv", "--draws", 5)
    header = (place / "scores.csv").read_text().splitlines()[0]
    assert header == "row,elbo,distortion,rate,log_likelihood_bound,nats_per_sample,label"


def test_it_is_evaluated(call, run, place):
    found = json.loads(call("evaluate", run, "--k", 5, "--json"))
    assert found["benchmark"] == "tone"
    assert found["figures"]["loudness"]["clips"] > 0 and "nll" in found["figures"]
    assert found["findings"][-1]["name"] == "low volume"
    said = call("evaluate", run, "--k", 5)
    assert re.search(r"loudness +0\.\d+ of clips, 0\.\d+ of samples", said)
    assert f"latente resume {run} --steps 500" in said
    assert "−ELBO" in call("compare", run)


def test_new_clips_must_be_alike(call, run, place):
    np.savez(place / "long.npz", clips=np.zeros((12, 2 * LENGTH)))
    refused = call("score", run, "--data", place / "long.npz", fails=True)
    assert (
        "holds waveforms of shape (1, 32) where the run was trained on waveforms of shape (1, 16)" in refused
    )


# ------------------------------------------------------------------------------------------------ an installed package

POINTS = """
[latente.kinds]
waveforms = sounds:WAVEFORMS
[latente.recipes]
wave-vae = sounds:wave_vae
[latente.figures]
loudness = sounds:LOUDNESS
[latente.pictures]
broken = sounds:nothing
"""


def test_an_installed_package_brings_all_of_it(place, tmp_path):
    (tmp_path / "sounds-1.0.dist-info").mkdir()
    (tmp_path / "sounds-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: sounds\nVersion: 1.0\n"
    )
    (tmp_path / "sounds-1.0.dist-info" / "entry_points.txt").write_text(POINTS)
    (tmp_path / "sounds.py").write_text(Path(sys.modules["sounds"].__file__).read_text())

    def call(*words):
        path = os.pathsep.join([str(tmp_path), *sys.path])
        command = [sys.executable, "-m", "latente.cli", *map(str, words)]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300
        )

    said = call("recipes")
    assert re.search(r"Of installed packages\nwave-vae +A VAE of clips of sound\.", said.stdout), said
    assert "the picture 'broken' of sounds is left out" in said.stderr
    how = ["--steps", 10, "--evaluate-every", 5, "--threads", 1, "--rate", RATE]
    said = call("train", "wave-vae", "--data", place / "tone.wav", "--out", tmp_path / "run", *how)
    assert "nats per clip at step" in said.stdout, said
    assert re.search(
        r"loudness +0\.\d+ of clips", (said := call("evaluate", tmp_path / "run", "--k", 3)).stdout
    ), said
    assert (said := call("envelope", tmp_path / "run", "--out", tmp_path / "e.svg")).stdout.startswith(
        "envelope"
    ), said
