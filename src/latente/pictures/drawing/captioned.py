"""Pictures of models that read captions: what they draw, how the canvas fills, and each step's attention to each word.

Rows of pictures share their noise, column by column: what differs between two rows is what the captions say.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...abilities import taken
from ...data import Data
from ...errors import LatenteError
from ...evaluation.bounds import evaluating
from ...evaluation.generation import alternatives, chooser, chooser_of, generated, in_words
from ...models import usual_guidance
from ...models.looks import canvases as canvases_of
from ...trace import Model, Trace
from ..shown import Layout
from .canvas import FONT, INK, Picture, lay_out, mosaic, need, sheet, write_or_refuse
from .images import filled, to_rgb
from .ink import FONT_FILE, encoded

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...runs import Run

__all__ = ["Animation", "canvases", "generations", "samples", "unknown"]

LABEL = 30  # letters of a line of a caption beside its row
FRAME, REST = 160, 1600  # milliseconds of a step of an animation, and of its end
MANY = 10  # unknown words that are named
STILL, MOVING = 4, 16  # images side by side, and of an animation


def beside(caption: str) -> str:
    """Breaks a caption into lines that stand beside a row."""
    return "\n".join(textwrap.wrap(caption, LABEL)) or "(no words)"


def generations(run: Run, captions: Sequence[str], n: int, seed: int, how: Mapping[str, Any]) -> Picture:
    """Draws n images for each caption, the same n noises for every caption: one fills a square, several a row each.

    Arguments:
        run: The run.
        captions: The captions; `{red,blue}` in one stands for both.
        n: The images of each.
        seed: The seed of the noise.
        how: How latents are drawn, as arguments of `chooser_of`.

    Raises:
        LatenteError: If there is no caption, or n is too large.
    """
    texts = [text for caption in captions for text in alternatives(caption)]
    y = torch.from_numpy(run.vocabulary.encode(texts)) if texts else torch.empty(0, 1)
    drawn = generated(run.model, y, n, seed=seed, choose=chooser_of(run, **how)).cpu()
    shown = drawn.numpy()
    note = ", ".join([run.record["data"]["benchmark"], *in_words(run, **how)])
    note = f"{note} · means of p(x|z), z ~ p(z|caption), seed {seed}"
    title = f"{n * len(texts)} images of {len(texts)} caption{'s' * (len(texts) > 1)}"
    about: dict[str, Any] = {"values": {"x": drawn.flatten(0, 1).numpy()}, "remarks": unknown(run, texts)}
    if len(texts) == 1:
        tiles = filled(shown[0], math.ceil(math.sqrt(n)))
        return lay_out(tiles, title, f"“{texts[0]}” · {note}", **about)
    note = f"{note}; a column shares its noise"
    return lay_out(to_rgb(shown), title, note, rows=[beside(c) for c in texts], **about)


def unknown(run: Run, captions: Sequence[str]) -> list[str]:
    """Names the words that are not in a run's vocabulary, and where that is small, all that are; and a caption that is cut."""
    vocabulary, longest = run.vocabulary, run.longest
    found = list(dict.fromkeys(word for caption in captions for word in vocabulary.unknown(caption)))
    cut = [c for c in captions if longest is not None and len(vocabulary.pieces(c)) > longest]
    remarks = [f"the model reads {longest} tokens of a caption, not all of {c!r}" for c in cut[:1]]
    if len(found) > MANY:
        found = [*found[:MANY], f"{len(found) - MANY} more"]
    if found:
        known = f"; its words are {', '.join(sorted(vocabulary.words[2:]))}" if len(vocabulary) <= 60 else ""
        words = ", ".join(map(repr, found))
        remarks.append(
            f"{words} {'is' if len(found) == 1 else 'are'} not in the model's vocabulary, read as <unk>{known}"
        )
    return remarks


def samples(model: Model, data: Data, n: int, seed: int, rows: int) -> Picture:
    """Draws images of a few test captions, beside the image that each was written of."""
    held = data.test.fixed()
    rows = min(rows, len(held))
    across = max(1, n // rows)
    x, y = held.subset(rows, seed).batch(slice(None))
    assert y is not None
    guidance = usual_guidance(model)
    drawn = generated(model, y, across, seed=seed, choose=chooser(guidance)).cpu().numpy()
    tiles = np.concatenate([x.float().cpu().numpy()[:, None], drawn], 1)
    return lay_out(
        to_rgb(tiles),
        "Images of test captions",
        f"{data.benchmark} · the image the caption was written of, and means of p(x|z), z ~ p(z|caption)"
        f"{'' if guidance == 1 else f', guidance {guidance:g}'}, seed {seed}",
        rows=[beside(c) for c in data.learned.vocabulary.decode(y)],
        columns=["example", *[""] * across],
        values={"images": drawn},
    )


@dataclass(frozen=True)
class CanvasSteps:
    """Holds the canvases of each step, (T, n, C, H, W) in [0, 1], and the attention of each step to each word, (T, L) or None."""

    canvases: np.ndarray
    words: np.ndarray | None


def steps_of(model: Model, y: Tensor | None, n: int, seed: int) -> CanvasSteps:
    """Draws n images of one caption, and keeps every step."""
    walk = canvases_of(model)
    assert walk is not None
    with evaluating(model, seed):
        found = list(walk(Trace((n,)), None if y is None else y.expand(n, -1)))
        shown = torch.stack([likelihood.mean for likelihood, _ in found])
    read = [words[0] for _, words in found if words is not None]
    return CanvasSteps(shown.clamp(0, 1).cpu().numpy(), torch.stack(read).cpu().numpy() if read else None)


def canvases(run: Run, caption: str | None, n: int | None, seed: int) -> Animation:
    """Shows the canvas after every step, one row per image, and below the attention of the first image's steps to each word.

    Arguments:
        run: The run of a model that draws step by step.
        caption: The caption; None where it reads none.
        n: The images; 4 by default, or 16 of an animation.
        seed: The seed of the noise.

    Raises:
        LatenteError: If the model reads captions and none is given, or it reads none.
    """
    y, words, remarks = None, [], []
    if caption is not None:
        vocabulary = run.vocabulary
        y, words = torch.from_numpy(vocabulary.encode([caption])), vocabulary.pieces(caption)
        remarks = unknown(run, [caption])
    elif taken(run.model) == "captions":
        raise LatenteError("this model reads captions: give one")
    steps = steps_of(run.model, y, n or MOVING, seed)
    made = run.record["data"]["benchmark"], f"the canvas after each step, seed {seed}"
    note = " · ".join([*([f"“{caption}”"] if caption else []), *made])
    return Animation(steps, words, "The canvas, step by step", note, n or STILL, remarks)


def with_words(
    tiles: np.ndarray, steps: CanvasSteps, words: Sequence[str], numbers: list[str], title: str, note: str
) -> Picture:
    """Puts the words' shares below the canvases, step under step."""
    assert steps.words is not None
    gap, dpi, margin, row = 2, 100, 0.14, 0.2
    read = words[: steps.words.shape[1]]
    cut = "" if len(read) == len(words) else f"; {len(words) - len(read)} more are not read"
    words = read
    image = mosaic(tiles, gap)
    high, wide = image.shape[0] / dpi, image.shape[1] / dpi
    left = margin + 0.1 + 0.09 * max(map(len, words))
    below = row * len(words)
    note += f"; below, the attention of each step of the first to each word{cut}"
    figure, header = sheet(
        max(left + wide + margin, 3.4), 0.3 + high + 0.15 + below + margin, title, note, dpi, 1.3
    )
    width, height = figure.get_size_inches()

    def box(bottom: float, tall: float) -> tuple[float, float, float, float]:
        return left / width, bottom / height, wide / width, tall / height

    ax = figure.add_axes(box(margin + below + 0.15, high))
    ax.imshow(image, interpolation="none", aspect="auto")
    ax.set_axis_off()
    shares = figure.add_axes(box(margin, below))
    shares.imshow(
        steps.words.T[: len(words)], cmap="Blues", vmin=0, vmax=max(0.5, steps.words.max()), aspect="auto"
    )
    shares.set_axis_off()
    put: dict[str, Any] = {
        "fontsize": 7.5,
        "color": INK,
        "alpha": 0.85,
        "fontfamily": FONT,
        "parse_math": False,
    }
    for i, word in enumerate(words):
        y = (margin + below * (1 - (i + 0.5) / len(words))) / height
        figure.text((left - 0.07) / width, y, word, ha="right", va="center", **put)
    for i, number in enumerate(numbers):
        x = (left + wide * (i + 0.5) / len(numbers)) / width
        figure.text(
            x, (margin + below + 0.15 + high + 0.04) / height, number, ha="center", va="bottom", **put
        )
    values = {"images": steps.canvases, "words": steps.words}
    return Picture(figure, title, note, header, dpi, values, margin, of_images=True)


@dataclass(frozen=True, eq=False)
class Animation:
    """Holds the canvases of some images step by step, and the words of their caption, darker where there is more attention.

    As a .gif it moves; as any other picture the canvases stand side by side.

    Arguments:
        steps: The canvases and the attention.
        words: The words of the caption; none where there is no caption.
        title: What it shows, in a few words.
        note: The benchmark, and how it was made.
        most: The images that are shown side by side.
        remarks: Sentences to be said beside it.
    """

    steps: CanvasSteps
    words: Sequence[str]
    title: str
    note: str
    most: int
    remarks: Sequence[str] = ()
    text: ClassVar[str] = ""

    @property
    def values(self) -> Mapping[str, np.ndarray]:
        """The canvases, and the attention to each word where there is a caption."""
        return self.side_by_side.values

    @property
    def layout(self) -> Layout:
        """How it stands in a page."""
        return self.side_by_side.layout

    def html(self, prefix: str = "p") -> str:
        """Returns what stands in a page: the canvases side by side, as an `<svg>`."""
        return self.side_by_side.svg(prefix)

    @cached_property
    def side_by_side(self) -> Picture:
        """The canvases side by side, with the words below."""
        steps = CanvasSteps(self.steps.canvases[:, : self.most], self.steps.words)
        tiles = to_rgb(np.moveaxis(steps.canvases, 0, 1))
        numbers = [str(t) for t in range(1, len(steps.canvases) + 1)]
        if steps.words is None or not self.words:
            return lay_out(tiles, self.title, self.note, columns=numbers, values={"images": steps.canvases})
        return with_words(tiles, steps, self.words, numbers, self.title, self.note)

    def save(self, path: Path | str, *, animate: bool = False) -> Path:
        """Writes a .gif that moves, or a picture of the canvases side by side, whole or not at all.

        Raises:
            LatenteError: If the name ends otherwise, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".gif":
            return self.side_by_side.save(path, animate=animate)
        image_of = need("PIL.Image")
        tall = 30 if self.words else 0
        frames = []
        across = math.ceil(math.sqrt(self.steps.canvases.shape[1]))
        for t, shown in enumerate(self.steps.canvases):
            grid = mosaic(filled(shown, across), 2)[..., :3]
            frame = image_of.new("RGB", (max(grid.shape[1], self.width()), grid.shape[0] + tall), "white")
            frame.paste(image_of.fromarray(np.ascontiguousarray(grid)), (0, tall))
            if self.words:
                self.write(frame, None if self.steps.words is None else self.steps.words[t])
            frames.append(frame.quantize(64))
        times = [FRAME] * (len(frames) - 1) + [REST]
        content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
        return write_or_refuse(path, content)

    def font(self) -> Any:
        file = Path(need("matplotlib").get_data_path(), "fonts", "ttf", FONT_FILE)
        return need("PIL.ImageFont").truetype(file, 13)

    def width(self) -> int:
        return math.ceil(sum(self.font().getlength(f"{word} ") for word in self.words)) + 12

    def write(self, frame: Image, attended: np.ndarray | None) -> None:
        """Writes the caption above the images, each word darker the more attention it has."""
        draw, font, x = need("PIL.ImageDraw").Draw(frame), self.font(), 6.0
        most = 1.0 if attended is None else float(attended.max())
        for i, word in enumerate(self.words):
            share = 1.0 if attended is None else float(attended[i]) / most if i < len(attended) else 0.0
            grey = round(190 * (1 - share) + 20)
            draw.text((x, 8), word, fill=(grey, grey, grey), font=font)
            x += font.getlength(f"{word} ")
