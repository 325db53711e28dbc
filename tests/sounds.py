"""Clips of sound: a kind of data, its pictures, its recipe and its figure, as a package of somebody else's would bring them."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from latente import recipes
from latente.data.kind import Data, Kind
from latente.errors import DataError
from latente.evaluation.finding import Figure, Finding
from latente.evaluation.measurement import Measurement
from latente.pictures import picture
from latente.pictures.options import Label, Many, Seed, Temperature

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
    rate: Annotated[int, Field(ge=1, description="samples per second that a sound must have")] = RATE
    length: Annotated[int, Field(ge=2, description="samples of a clip")] = LENGTH


@dataclass(frozen=True)
class Peak:
    value: float


class Waveforms(Kind):
    """Clips of sound, all of one length."""

    name, noun, nouns = "waveforms", "clip", "clips"
    unit = "nats per clip"
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
        from latente.data.labels import numbered_labels
        from latente.data.raw import Raw

        self.refuse_label(path, label)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                x, y = file["clips"], dict(file).get("y")
            numbers, classes = (None, ()) if y is None else numbered_labels(y, str(path))
            return Raw(x.astype(np.float32)[:, None], numbers, self.name, classes)
        with wave.open(str(path)) as file:
            if file.getframerate() != options.rate:
                raise DataError(
                    f"{path} has {file.getframerate()} samples per second, not {options.rate}: give --rate"
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

    def write(self, path: Path, x: Any, data: Data, note: str, rows: Any = None) -> None:
        if path.suffix != ".wav":
            super().write(path, x, data, note, rows)
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


WAVEFORMS, LOUDNESS = Waveforms(), MeasureLoudness()  # what entry points name, beside the recipe
