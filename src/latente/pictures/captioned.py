"""Pictures of models that read captions: what they draw, how the canvas fills, and which words each step hears.

Rows of pictures share their noise, column by column: what differs between two rows is what the captions say.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ..data import Data
from ..data.vocabulary import Vocabulary
from ..errors import LatenteError
from ..evaluation.bounds import still
from ..evaluation.generation import chooser, generated, usual
from ..models import Draw
from ..trace import Model, Trace, rsample
from .canvas import FONT, INK, Picture, lay_out, mosaic, need, sheet, written
from .codes import reads_captions
from .images import count, filled, pixels
from .ink import FONT_FILE, encoded

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Animation", "canvases", "generations", "reads_captions", "samples"]

LABEL = 30  # letters of a line of a caption beside its row
FRAME, REST = 160, 1600  # milliseconds of a step of an animation, and of its end
Choose = Callable[[Distribution], Tensor]


def needs_captions(model: Model) -> None:
    if not reads_captions(model):
        raise LatenteError(
            "this model reads no captions: train one by latente train text-to-image, caption-vae, or align-draw with an --align"
        )


def beside(caption: str) -> str:
    """Breaks a caption into lines that stand beside a row."""
    return "\n".join(textwrap.wrap(caption, LABEL)) or "(no words)"


def generations(
    model: Model,
    vocabulary: Vocabulary,
    captions: Sequence[str],
    *,
    n: int = 8,
    seed: int = 0,
    choose: Choose = rsample,
    note: str = "",
) -> Picture:
    """Draws n images for each caption, the same n noises for every caption.

    Arguments:
        model: The model.
        vocabulary: That of its captions.
        captions: The captions: one fills a square, several a row each.
        n: The images of each.
        seed: The seed of the noise.
        choose: How latents are drawn.
        note: The benchmark and how latents were drawn.

    Raises:
        LatenteError: If the model reads no captions, or n is not positive.
    """
    needs_captions(model)
    count("n", n)
    drawn = generated(model, torch.from_numpy(vocabulary.encode(list(captions))), n, seed=seed, choose=choose)
    shown = drawn.cpu().numpy()
    note = f"{note}{' · ' if note else ''}means of p(x|z), z ~ p(z|caption), seed {seed}"
    if len(captions) == 1:
        return lay_out(
            filled(shown[0], math.ceil(math.sqrt(n))),
            "Images of one caption",
            f"“{captions[0]}” · {note}",
            values={"images": shown},
        )
    return lay_out(
        pixels(shown),
        "Images of captions",
        f"{note}; a column shares its noise",
        rows=[beside(c) for c in captions],
        values={"images": shown},
    )


def samples(model: Model, data: Data, *, n: int | None = None, seed: int = 0, rows: int = 6) -> Picture:
    """Draws images of a few test captions, beside the image that each was written of.

    Arguments:
        model: The model.
        data: Its data.
        n: The images in all; 6 a caption by default.
        seed: The seed of the choice of captions and of the noise.
        rows: The number of captions.
    """
    needs_captions(model)
    held = data.test.fixed()
    rows = min(rows, len(held))
    across = 6 if n is None else max(1, n // rows)
    x, y = held.subset(rows, seed).batch(slice(None))
    assert y is not None
    guidance = usual(model)
    drawn = generated(model, y, across, seed=seed, choose=chooser(guidance)).cpu().numpy()
    tiles = np.concatenate([x.float().cpu().numpy()[:, None], drawn], 1)
    return lay_out(
        pixels(tiles),
        "Images of test captions",
        f"{data.benchmark} · the image the caption was written of, and means of p(x|z), z ~ p(z|caption)"
        f"{'' if guidance == 1 else f', guidance {guidance:g}'}, seed {seed}",
        rows=[beside(c) for c in data.learned.vocabulary.decode(y)],
        columns=["example", *[""] * across],
        values={"images": drawn},
    )


@dataclass(frozen=True)
class Steps:
    """Holds the canvases of each step, (T, n, C, H, W) in [0, 1], and what each step hears of each word, (T, L) or None."""

    canvases: np.ndarray
    words: np.ndarray | None


def steps_of(model: Model, y: Tensor | None, n: int, seed: int, choose: Choose) -> Steps:
    """Draws n images of one caption, and keeps every step."""
    if not isinstance(model, Draw):
        raise LatenteError(
            "canvases are of models that draw step by step: train one by latente train draw or align-draw"
        )
    with still(model, seed):
        trace = Trace((n,), choose=choose)
        found = list(model.strokes(trace, None, None if y is None else y.expand(n, -1)))
        shown = torch.stack([model.likelihood(stroke.canvas).mean for stroke in found])
    words = [stroke.words for stroke in found]
    heard = None if words[0] is None else torch.stack([w[0] for w in words if w is not None])
    return Steps(shown.clamp(0, 1).cpu().numpy(), None if heard is None else heard.cpu().numpy())


def canvases(
    model: Model,
    vocabulary: Vocabulary | None,
    caption: str | None,
    *,
    n: int = 4,
    seed: int = 0,
    choose: Choose = rsample,
    note: str = "",
) -> Picture:
    """Shows the canvas after every step, a row an image, and below how much the first image's steps heard of each word.

    Arguments:
        model: A model that draws step by step.
        vocabulary: That of its captions; None where it reads none.
        caption: The caption; None where it reads none.
        n: The images.
        seed: The seed of the noise.
        choose: How latents are drawn.
        note: The benchmark.

    Raises:
        LatenteError: If the model does not draw step by step, or n is not positive.
    """
    count("n", n)
    y = numbered(model, vocabulary, caption)
    steps = steps_of(model, y, n, seed, choose)
    tiles = pixels(np.moveaxis(steps.canvases, 0, 1))
    numbers = [str(t) for t in range(1, len(steps.canvases) + 1)]
    title = "The canvas, step by step"
    note = " · ".join(
        filter(None, [caption and f"“{caption}”", note, f"the canvas after each step, seed {seed}"])
    )
    words = [] if caption is None or vocabulary is None else vocabulary.pieces(caption)
    if steps.words is None or not words:
        return lay_out(tiles, title, note, columns=numbers, values={"images": steps.canvases})
    return with_words(tiles, steps, words, numbers, title, note)


def numbered(model: Model, vocabulary: Vocabulary | None, caption: str | None) -> Tensor | None:
    """Writes a caption as numbers, for a model that reads one."""
    if not reads_captions(model):
        if caption is not None:
            needs_captions(model)
        return None
    if caption is None or vocabulary is None:
        raise LatenteError("this model reads captions: give one")
    return torch.from_numpy(vocabulary.encode([caption]))


def with_words(
    tiles: np.ndarray, steps: Steps, words: list[str], numbers: list[str], title: str, note: str
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
    note += f"; below, how much each step of the first heard of each word{cut}"
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
    return Picture(figure, title, note, header, dpi, values, margin)


@dataclass(frozen=True, eq=False)
class Animation:
    """Holds the canvases of some images step by step, and the words of their caption, darker where they are heard.

    Arguments:
        steps: The canvases and what is heard.
        words: The words of the caption; none where there is no caption.
    """

    steps: Steps
    words: list[str]

    @staticmethod
    def of(
        model: Model,
        vocabulary: Vocabulary | None,
        caption: str | None,
        *,
        n: int = 16,
        seed: int = 0,
        choose: Choose = rsample,
    ) -> Animation:
        """Draws n images of a caption.

        Raises:
            LatenteError: If the model does not draw step by step, or n is not positive.
        """
        count("n", n)
        y = numbered(model, vocabulary, caption)
        words = vocabulary.pieces(caption) if vocabulary is not None and caption is not None else []
        return Animation(steps_of(model, y, n, seed, choose), words)

    def save(self, path: Path) -> Path:
        """Writes a .gif, whole or not at all.

        Raises:
            LatenteError: If the name ends otherwise, or the file cannot be written.
        """
        if path.suffix.lower() != ".gif":
            raise LatenteError(f"{path} ends in {path.suffix or 'nothing'!r}: name an animation .gif")
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
        return written(path, content)

    def font(self) -> Any:
        file = Path(need("matplotlib").get_data_path(), "fonts", "ttf", FONT_FILE)
        return need("PIL.ImageFont").truetype(file, 13)

    def width(self) -> int:
        return math.ceil(sum(self.font().getlength(f"{word} ") for word in self.words)) + 12

    def write(self, frame: Image, heard: np.ndarray | None) -> None:
        """Writes the caption above the images, each word as dark as it is heard."""
        draw, font, x = need("PIL.ImageDraw").Draw(frame), self.font(), 6.0
        most = 1.0 if heard is None else float(heard.max())
        for i, word in enumerate(self.words):
            share = 1.0 if heard is None else float(heard[i]) / most if i < len(heard) else 0.0
            grey = round(190 * (1 - share) + 20)
            draw.text((x, 8), word, fill=(grey, grey, grey), font=font)
            x += font.getlength(f"{word} ")
