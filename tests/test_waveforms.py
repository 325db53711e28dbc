"""A kind of data that the house does not know, its recipe, its pictures and its figure: each one file's worth, and one line."""

from __future__ import annotations

import json
import re
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
import torch
import typer
from pydantic import Field
from typer.testing import CliRunner

from latente import cli, recipes
from latente.data.kind import Data, Kind
from latente.errors import DataError, LatenteError
from latente.evaluation.figures import FIGURES
from latente.evaluation.finding import Figure, Finding
from latente.evaluation.measurement import Measurement
from latente.kinds import KINDS
from latente.pictures import picture
from latente.pictures.options import Label, Many, Seed, Temperature
from latente.runs import Run

pytest.importorskip("matplotlib", reason="a report needs matplotlib")

RATE, LENGTH = 400, 16

# ------------------------------------------------------------------------------------------------ pictures: of_sound.py


@dataclass(frozen=True)
class Waves:
    """Holds clips to be shown, one below the other."""

    title: str
    note: str
    clips: np.ndarray
    layout: ClassVar[str] = "grid"
    text: ClassVar[str] = ""
    remarks: ClassVar[Sequence[str]] = ()

    @property
    def values(self) -> Mapping[str, np.ndarray]:
        return {"clips": self.clips}

    def html(self, prefix: str = "p") -> str:
        points = (" ".join(f"{5 * t},{10 - 5 * v:.1f}" for t, v in enumerate(clip)) for clip in self.clips)
        lines = (f'<polyline transform="translate(0 {20 * i})" points="{p}"/>' for i, p in enumerate(points))
        size = f'width="{5 * self.clips.shape[1]}" height="{20 * len(self.clips)}"'
        return f'<svg id="{prefix}" {size} xmlns="http://www.w3.org/2000/svg">{"".join(lines)}</svg>'

    def save(self, path: Path | str, *, animate: bool = False) -> Path:
        Path(path).write_text(self.html())
        return Path(path)


def heard(law: Any, data: Data) -> np.ndarray:
    return data.inverse(law.mean)[:, 0].numpy()


@picture(needs=("generates",), file="samples.svg", report=lambda case: {"n": 3})
def samples(
    model: Any,
    data: Data,
    *,
    n: Many = 8,
    seed: Seed = 0,
    label: Label = None,
    temperature: Temperature = 1.0,
) -> Waves:
    """Draws clips from the prior."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return Waves("Sampled clips", data.benchmark, heard(model(size=n).likelihood, data))


@picture(needs=("encodes", "decodes"), report=lambda case: {"n": 2})
def reconstructions(model: Any, data: Data, *, n: Many = 4, seed: Seed = 0) -> Waves:
    """Draws clips and what comes back."""
    x, _ = data.test.fixed().subset(n, seed).batch(slice(None))
    with torch.no_grad():
        back = heard(model(x).likelihood, data)
    return Waves(
        "Clips and their reconstructions", data.benchmark, np.concatenate([data.inverse(x)[:, 0], back])
    )


@picture(
    question="How loud is it, when?",
    reading="The mean absolute pressure of held-out clips, and of samples.",
    needs=("generates", "sound"),
    command="envelope",
    report=lambda case: {},
)
def envelope(
    model: Any, data: Data, *, clips: Annotated[int, Field(ge=1, description="number of clips")] = 50
) -> Waves:
    """Draws how loud clips are, over time."""
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = heard(model(size=clips).likelihood, data)
    x = data.inverse(data.test.batch(slice(None))[0])[:, 0].numpy()
    return Waves("Envelope", data.benchmark, np.stack([abs(x).mean(0), abs(drawn).mean(0)]))


# -------------------------------------------------------------------------------------------------- kind: waveforms.py


@dataclass(frozen=True)
class WaveOptions:
    rate: Annotated[int, Field(ge=1, description="samples a second that a sound must have")] = RATE
    length: Annotated[int, Field(ge=2, description="samples of a clip")] = LENGTH


@dataclass(frozen=True)
class Peak:
    value: float


class Waveforms(Kind):
    """Clips of sound, all of one length."""

    name, noun, nouns = "waveforms", "clip", "clips"
    unit = "nats a clip"
    has = frozenset({"sound"})
    pictures = (samples, envelope, reconstructions)
    usual: ClassVar[Mapping[str, str]] = {"recipe": "wave-vae", "data": "a .wav"}
    hint = "a .wav file, which is cut into clips, or an .npz of clips (N, T)"
    suffixes = (".wav",)
    Options = WaveOptions

    def recognise(self, path: Path) -> bool:
        if path.suffix != ".npz":
            return super().recognise(path)
        with np.load(path, allow_pickle=False) as file:
            return "clips" in file

    def readers(self) -> Mapping[str, Callable[[], Any]]:
        return {}

    def read(
        self, path: Path, options: WaveOptions, label: str | None = None, columns: Sequence[str] = ()
    ) -> Any:
        from latente.data.raw import Raw, labels

        self.refuse_label(path, label)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                x, y = file["clips"], dict(file).get("y")
            numbers, classes = (None, ()) if y is None else labels(y, str(path))
            return Raw(x.astype(np.float32)[:, None], numbers, self.name, classes)
        with wave.open(str(path)) as file:
            if file.getframerate() != options.rate:
                raise DataError(
                    f"{path} has {file.getframerate()} samples a second, not {options.rate}: give --rate"
                )
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / (1 << 15)
        whole = len(sound) // options.length * options.length
        return Raw(sound[:whole].reshape(-1, 1, options.length), None, self.name)

    def learn(self, raw: Any, rows: np.ndarray, where: str, options: WaveOptions) -> Peak:
        return Peak(float(abs(raw.x[rows]).max()))

    def restored(self, recorded: Mapping[str, Any]) -> Peak:
        return Peak(recorded["peak"])

    def record(self, data: Data) -> dict[str, Any]:
        return {"peak": data.learned.value}

    def examples(self, raw: Any, rows: np.ndarray | slice, learned: Peak) -> Any:
        from latente.data import Examples

        y = None if raw.y is None else torch.from_numpy(raw.y[rows])
        return Examples(torch.from_numpy(raw.x[rows] / learned.value), y)

    def inverse(self, x: Any, learned: Peak) -> Any:
        return x.cpu() * learned.value

    def remarks(self, data: Data) -> list[str]:
        return [f"the loudest training clip is at {data.learned.value:.3f}"]

    def write(self, path: Path, x: Any, data: Data, note: str) -> None:
        if path.suffix != ".wav":
            super().write(path, x, data, note)
            return
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((x.flatten().clamp(-1, 1).numpy() * 32767).astype(np.int16).tobytes())

    def columns_of_score(self, x: Any, elbo: Any) -> dict[str, Any]:
        return {"nats_per_sample": -elbo / x.shape[-1]}

    def preview(self, data: Data) -> Callable[[Path], Path]:
        clips = data.inverse(data.train.batch(slice(0, 4))[0])[:, 0].numpy()
        return lambda path: Waves("Clips", data.benchmark, clips).save(path)


# ------------------------------------------------------------------------------------------------ recipe: wave_vae.py


@recipes.recipe(reads="waveforms", lr=0.01, batch=16)
def wave_vae(
    about: recipes.About,
    latent: Annotated[int, Field(ge=1, le=64, description="dimensions of z")] = 2,
    hidden: Annotated[list[int], Field(description="widths of the hidden layers")] = [8],  # noqa: B006
) -> recipes.Plan:
    """A VAE of clips of sound."""
    from latente import ELBO, VAE
    from latente.conditionals import Diagonal, SharedScale
    from latente.nn import MLP
    from latente.priors import Standard

    model = VAE(
        posterior=Diagonal(MLP(about.shape, (2 * latent,), hidden)),
        prior=Standard(latent),
        likelihood=SharedScale(MLP((latent,), about.shape, hidden), event_dim=2),
    )
    return recipes.Plan(model, ELBO())


# ------------------------------------------------------------------------------------------- figure: loudness.py


@dataclass(frozen=True)
class Loudness:
    """Holds the root mean square of clips, in the user's units."""

    clips: float
    samples: float


class MeasureLoudness(Measurement):
    """Measures whether samples are as loud as clips are."""

    name, holds, needs = "loudness", Loudness, ("sound", "generates")

    def compute(self, subject: Any, found: Mapping[str, Any]) -> Loudness:
        x = subject.batch[0]
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            drawn = subject.model(size=len(x)).likelihood.mean
        return Loudness(*(subject.data.inverse(each).square().mean().sqrt().item() for each in (x, drawn)))

    def rows(self, value: Loudness, e: Any) -> Iterator[Figure]:
        means = "The root mean square of held-out clips, and of as many samples."
        yield Figure("loudness", f"{value.clips:.3f} of clips, {value.samples:.3f} of samples", means)

    def findings(self, value: Loudness, e: Any) -> Iterator[Finding]:
        if value.samples < 2 * value.clips:
            advice = "Train for longer."
            yield Finding(
                "low volume", "possible", "Samples are not loud.", advice, {"steps": 500}, problem=False
            )


# ----------------------------------------------------------------------------------------------------------- the proof


def sound(n: int = 120) -> np.ndarray:
    t, generator = np.arange(LENGTH), np.random.default_rng(0)
    phase, loud = generator.uniform(0, 2 * np.pi, (n, 1)), generator.uniform(0.2, 0.8, (n, 1))
    return (loud * np.sin(2 * np.pi * t / LENGTH + phase)).astype(np.float32)


ENTRIES = ((KINDS, Waveforms()), (recipes.RECIPES, wave_vae), (FIGURES, MeasureLoudness()))


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
    assert "nats a clip at step" in said and "the loudest training clip is at" in said
    return place / "run"


def test_data_is_told_and_shown(call, place):
    said = call("data", place / "tone.wav", "--out", place / "preview.svg")
    assert "waveforms of shape (1, 16)" in said and "train 96, validation 12, test 12" in said
    assert "<polyline" in (place / "preview.svg").read_text()
    said = call("data", place / "few.npz", "--out", place / "preview.svg")
    assert "2 classes: 0, 1" in said


def test_options_of_the_kind_are_options_of_the_commands(call, place):
    assert "samples a second that a sound must have" in call("data", "--help")
    assert "--length" in call("train", "wave-vae", "--help") and "--length" not in call(
        "train", "vae", "--help"
    )
    assert "400 samples a second, not 500" in call("data", place / "tone.wav", "--rate", 500, fails=True)
    assert "rate of data of kind 'waveforms' is 0" in call(
        "train", "wave-vae", "--data", place / "tone.wav", "--rate", 0, fails=True
    )


def test_what_does_not_go_together_is_refused(call, place):
    assert "use wave-vae" in call("train", "vae", "--data", place / "tone.wav", fails=True)
    np.save(place / "images.npy", np.zeros((20, 4, 4), np.uint8))
    refused = call("train", "wave-vae", "--data", place / "images.npy", fails=True)
    assert Waveforms.hint in refused
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
    assert header == "z_0,z_1,z_2,sd_0,sd_1,sd_2"
    call("decode", run, "--codes", place / "codes.csv", "--out", place / "decoded.wav")
    with wave.open(str(place / "decoded.wav")) as file:
        assert file.getnframes() == 12 * LENGTH
    call("decode", run, "--codes", place / "codes.csv", "--out", place / "decoded.npz")
    with np.load(place / "decoded.npz") as file:
        assert file["x"].shape == (12, 1, LENGTH)


def test_scores_have_its_column(call, run, place):
    call("score", run, "--data", place / "few.npz", "--out", place / "scores.csv", "--draws", 5)
    header = (place / "scores.csv").read_text().splitlines()[0]
    assert header == "elbo,distortion,rate,log_likelihood_bound,nats_per_sample"


def test_it_is_evaluated(call, run, place):
    found = json.loads(call("evaluate", run, "--k", 5, "--json"))
    assert found["benchmark"] == "tone"
    assert found["figures"]["loudness"]["clips"] > 0 and "nll" in found["figures"]
    assert found["findings"][-1]["name"] == "low volume"
    said = call("evaluate", run, "--k", 5)
    assert re.search(r"loudness +0\.\d+ of clips, 0\.\d+ of samples", said)
    assert f"latente train wave-vae --data {place / 'tone.wav'}" in said and "--steps 500" in said
    assert "−ELBO" in call("compare", run)


def test_new_clips_must_be_alike(call, run, place):
    np.savez(place / "long.npz", clips=np.zeros((12, 2 * LENGTH)))
    refused = call("score", run, "--data", place / "long.npz", fails=True)
    assert (
        "holds waveforms of shape (1, 32) where the run was trained on waveforms of shape (1, 16)" in refused
    )
