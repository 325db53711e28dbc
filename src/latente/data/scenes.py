"""Composed pictures with exact captions, to score models of text to image.

A grammar has finitely many captions and a picture for each, drawn anew every time. Some combinations never occur in training:
their captions are held out, to test whether a model has learnt the words or the sentences.

* `captions-mnist-60`: one or two digits of MNIST on 60x60 pixels, "the digit seven is on the left of the digit three .", in eight
  forms. Place and form are those of the original, in which a digit that comes later overwrites the one before where they overlap.
  `captions-mnist` is the same on 32x32 pixels with digits of 14x14, means of 2x2 pixels 1.3 times as bright.
* `shapes`: one or two coloured shapes on 32x32 pixels, "a large red circle above a small blue square .". What a picture shows
  can be read off its pixels by rule, see `oracle`.

In the original a form and images of digits are drawn uniformly, and all is drawn again if the caption is held out. So a caption
has the probability of its form times those of its digits, over that of all that is not held out, and is drawn with that here.

Mansimov, Parisotto, Ba and Salakhutdinov, Generating Images from Captions with Attention, 2016,
https://arxiv.org/abs/1511.02793.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DataError
from .mnist import mnist
from .raw import Raw

__all__ = [
    "NUMBERS",
    "DigitScenes",
    "Scenes",
    "ShapeScenes",
    "captions_mnist",
    "captions_mnist_60",
    "oracle",
    "scenes_of",
    "shapes",
]

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZES = {"train": 10_000, "validation": 2_000, "test": 2_000}
BLOCK = 1000  # composed at once


@dataclass(frozen=True)
class SceneCaption:
    text: str
    answers: tuple[int, ...]
    weight: float
    held_out: bool


class Scenes(ABC):
    """Composes pictures for the captions of a grammar.

    Arguments:
        name: The name of the grammar, as `load` knows it.
        side: The height and width of a picture in pixels.
        channels: 1 or 3.
        slots: What can be asked about a picture, and the values of the answer.
        language: All captions.
        never: What no caption of training says, in words.
    """

    def __init__(
        self,
        name: str,
        side: int,
        channels: int,
        slots: dict[str, tuple[str, ...]],
        language: Sequence[SceneCaption],
        never: str,
    ) -> None:
        self.never = never
        self.name, self.side, self.channels, self.slots = name, side, channels, slots
        self.language = sorted(language, key=lambda c: c.held_out)
        self.seen = sum(not c.held_out for c in language)
        weights = torch.tensor([c.weight for c in self.language], dtype=torch.float64)
        self.until = {
            held: (part.cumsum(0) / part.sum())
            for held, part in zip((False, True), weights.tensor_split([self.seen]))
        }

    @property
    def note(self) -> str:
        """Describes the held-out captions: for a run's record."""
        return f"{len(self.language) - self.seen:,} of {len(self.language):,} captions are held out: {self.never}"

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {c.text: i for i, c in enumerate(self.language)}

    @cached_property
    def table(self) -> Tensor:
        """The answers of all captions, seen then held out: int64 (captions, slots)."""
        return torch.tensor([c.answers for c in self.language])

    def captions(self, held_out: bool = False) -> tuple[str, ...]:
        """Returns every caption that is held out, or every one that is not."""
        return tuple(c.text for c in self.language if c.held_out == held_out)

    def index(self, captions: Sequence[str]) -> Tensor:
        """Returns the numbers of captions, as `compose` takes them: int64 (n,).

        Raises:
            DataError: If one is no caption of this grammar.
        """
        plain = [" ".join(c.lower().split()) for c in captions]
        for written, text in zip(captions, plain, strict=True):
            if text not in self.numbers:
                raise DataError(
                    f"{written!r} is no caption of {self.name}: write it like {self.language[0].text!r}."
                )
        return torch.tensor([self.numbers[text] for text in plain], dtype=torch.int64)

    def answers(self, caption: str) -> tuple[int, ...]:
        """Returns the number of the right value of each slot.

        Raises:
            DataError: If this is no caption of this grammar.
        """
        return self.language[int(self.index([caption]))].answers

    @abstractmethod
    def compose(self, captions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draws a picture for each caption.

        Arguments:
            captions: Their numbers, int64 (n,), among all captions, those that are seen and then those held out.
            generator: What is drawn from; torch's global one if None.

        Returns:
            uint8 (n, channels, side, side).
        """

    def draw(
        self, n: int, generator: torch.Generator | None = None, held_out: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Draws captions and a picture for each.

        Arguments:
            n: How many.
            generator: What is drawn from; torch's global one if None.
            held_out: Whether the captions are those that are held out, or those that are not.

        Returns:
            The pictures, uint8 (n, channels, side, side), and the numbers of their captions, int64 (n,).
        """
        until = self.until[held_out]
        index = torch.searchsorted(until, torch.rand(n, dtype=torch.float64, generator=generator), right=True)
        index = index.clamp_(max=len(until) - 1) + held_out * self.seen
        return self.compose(index, generator), index


def whole_number(low: Tensor, high: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws whole numbers between two bounds, both of them included."""
    u = torch.rand(low.shape, dtype=torch.float64, generator=generator)
    return low + (u * (high - low + 1)).long()


@dataclass(frozen=True)
class Geometry:
    """Where digits are pasted: inclusive ranges of the upper row or the left column."""

    side: int
    digit: int
    near: tuple[int, int]  # left
    far: tuple[int, int]  # right
    middle: tuple[int, int]
    top: tuple[int, int]
    bottom: tuple[int, int]


GEOMETRIES = {
    "captions-mnist": Geometry(32, 14, (0, 2), (15, 18), (8, 10), (0, 2), (16, 18)),
    "captions-mnist-60": Geometry(60, 28, (0, 4), (28, 32), (16, 18), (0, 2), (30, 32)),
}
LAYOUTS = ("left and right", "top and bottom", "top left", "bottom right", "top right", "bottom left")
# numpy.random.default_rng(0).integers(0, 10, 12): first and second digit of the four forms of two, digit of the four of one
BANNED = (8, 6, 5, 2, 3, 0, 0, 0, 1, 8, 6, 9)
TWO = (
    (0, "the digit {i} is on the left of the digit {j} ."),
    (0, "the digit {j} is on the right of the digit {i} ."),
    (1, "the digit {i} is at the top of the digit {j} ."),
    (1, "the digit {j} is at the bottom of the digit {i} ."),
)
FORMS = (
    "left of",
    "right of",
    "top of",
    "bottom of",
)  # of the four, whose first digit is {i} and second {j}
NONE = len(NUMBERS)


def digit_language(shares: Sequence[float]) -> list[SceneCaption]:
    found = []
    for k, (layout, form) in enumerate(TWO):
        for i, j in product(range(10), repeat=2):
            banned = i == BANNED[2 * k] or j == BANNED[2 * k + 1]
            text = form.format(i=NUMBERS[i], j=NUMBERS[j])
            found.append(SceneCaption(text, (layout, i, j), shares[i] * shares[j], banned))
    for k, place in enumerate(LAYOUTS[2:], 2):
        for i in range(10):
            text = f"the digit {NUMBERS[i]} is at the {place} of the image ."
            found.append(SceneCaption(text, (k, i, NONE), shares[i], i == BANNED[6 + k]))
    return found


def digits_never() -> str:
    """Words the table of held-out digits, form by form."""
    two = (f"{form} {a} or {b}" for form, a, b in zip(FORMS, BANNED[:8:2], BANNED[1:8:2], strict=True))
    one = (f"{place} {digit}" for place, digit in zip(LAYOUTS[2:], BANNED[8:], strict=True))
    return ", ".join([*two, *one])


class DigitScenes(Scenes):
    """Composes one or two digits, with the captions of alignDRAW.

    The slots are the layout, the digit that is alone, on the left or at the top, and the one on the right or at the bottom, if
    any.

    Arguments:
        name: "captions-mnist" or "captions-mnist-60".
        digits: The images to compose from, uint8 (N, 1, 28, 28) of MNIST.
        labels: The digits they show, (N,).

    Raises:
        DataError: If one of the ten digits is missing.

    Example:
        >>> digits = np.arange(10, dtype=np.uint8).repeat(784).reshape(10, 1, 28, 28)
        >>> scenes = DigitScenes("captions-mnist-60", digits, np.arange(10))
        >>> caption = "the digit seven is at the bottom of the digit three ."
        >>> scenes.answers(caption), list(scenes.slots)
        ((1, 3, 7), ['layout', 'first', 'second'])
        >>> image = scenes.compose(scenes.index([caption]), torch.Generator().manual_seed(0))
        >>> image.shape, image.unique().tolist()
        (torch.Size([1, 1, 60, 60]), [0, 3, 7])
    """

    def __init__(self, name: str, digits: np.ndarray, labels: np.ndarray) -> None:
        counts = np.bincount(labels, minlength=10)
        if not counts.all():
            raise DataError(
                f"{name} is composed of all ten digits, and there is no {NUMBERS[int(counts.argmin())]}."
            )
        self.geometry = g = GEOMETRIES[name]
        slots = {"layout": LAYOUTS, "first": NUMBERS, "second": (*NUMBERS, "none")}
        language = digit_language((counts / counts.sum()).tolist())
        super().__init__(name, g.side, 1, slots, language, digits_never())
        x = digits[np.argsort(labels, kind="stable"), 0]
        if g.digit == 14:
            quads = x.reshape(-1, 14, 2, 14, 2).sum((2, 4), dtype=np.uint16)
            x = np.minimum((quads * 13 + 20) // 40, 255).astype(np.uint8)
        self.digits = torch.from_numpy(np.ascontiguousarray(x.reshape(len(x), -1)))
        self.last = torch.from_numpy(counts.cumsum() - 1)
        self.start = torch.from_numpy(counts.cumsum() - counts)
        # by layout: the two ends of row and column of the first digit, then of the second; those of one digit are there once
        lr = ((g.middle, g.near), (g.middle, g.far))
        tb = ((g.top, g.middle), (g.bottom, g.middle))
        ones = [
            (row, column)
            for row, column in ((g.top, g.near), (g.bottom, g.far), (g.top, g.far), (g.bottom, g.near))
        ]
        self.places = torch.tensor([lr, tb, *((one, one) for one in ones)])
        patch = torch.arange(g.digit)
        self.patch = (patch[:, None] * g.side + patch).flatten()

    def compose(self, captions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        answers, g = self.table[captions], self.geometry
        layout, digits = answers[:, 0], answers[:, 1:]
        two = digits[:, 1] < NONE
        which = whole_number(self.start[digits % NONE], self.last[digits % NONE], generator)
        ends = self.places[layout]
        corner = whole_number(ends[..., 0], ends[..., 1], generator)
        # digits side by side share their row, one above the other their column
        shared = 1 * (layout == 0) + 2 * (layout == 1)
        corner[:, 1, 0] = torch.where(shared == 1, corner[:, 0, 0], corner[:, 1, 0])
        corner[:, 1, 1] = torch.where(shared == 2, corner[:, 0, 1], corner[:, 1, 1])
        place = (corner[..., 0] * g.side + corner[..., 1])[..., None] + self.patch
        out = torch.zeros(len(captions), g.side * g.side, dtype=torch.uint8)
        out.scatter_(1, place[:, 0], self.digits[which[:, 0]])
        pair = two.nonzero()[:, 0]
        out[pair] = out[pair].scatter_(1, place[pair, 1], self.digits[which[pair, 1]])
        return out.view(-1, 1, g.side, g.side)


_SHAPES, _MAGNITUDES = ("circle", "square", "triangle"), ("large", "small")
COLOURS = {
    "red": (230, 50, 50),
    "green": (50, 190, 60),
    "blue": (60, 80, 235),
    "yellow": (235, 220, 60),
    "magenta": (225, 60, 215),
    "cyan": (60, 215, 225),
}
EXTENTS = torch.tensor([(12, 13, 14), (6, 7, 8)])  # pixels, by size
WIDEST = 14
# never in training; the colours are numpy.random.default_rng(0).permutation(6)[:3]
UNSEEN = (("yellow", "circle"), ("blue", "square"), ("cyan", "triangle"))
SHAPE_SLOTS = {
    "layout": ("left and right", "top and bottom", "alone"),
    "first size": _MAGNITUDES,
    "first colour": tuple(COLOURS),
    "first shape": _SHAPES,
    "second size": (*_MAGNITUDES, "none"),
    "second colour": (*COLOURS, "none"),
    "second shape": (*_SHAPES, "none"),
}
ALONE = 2
ABSENT = (2, 6, 3)
SHAPES_SIDE = 32


def shape_language() -> list[SceneCaption]:
    things = {}
    for (i, size), (j, colour), (k, shape) in product(*map(enumerate, (_MAGNITUDES, COLOURS, _SHAPES))):
        things[f"a {size} {colour} {shape}"] = (i, j, k), (colour, shape) in UNSEEN
    share = 1 / len(things)
    found = [SceneCaption(f"{a} .", (ALONE, *v, *ABSENT), share, bad) for a, (v, bad) in things.items()]
    for (a, (v, a_bad)), (b, (w, b_bad)) in product(things.items(), repeat=2):
        for layout, relations in enumerate((("left of", "right of"), ("above", "below"))):
            texts = f"{a} {relations[0]} {b} .", f"{b} {relations[1]} {a} ."
            found += [SceneCaption(t, (layout, *v, *w), share * share, a_bad or b_bad) for t in texts]
    return found


def stamps() -> Tensor:
    """Draws the shapes with smooth edges: the share of each pixel they cover, (2 sizes, 3 extents, 3 shapes, 14, 14)."""
    fine = 8
    at = (torch.arange(WIDEST * fine) + 0.5) / fine
    y, x = at[:, None], at
    out = []
    for e in EXTENTS.flatten().tolist():
        inside = (x < e) & (y < e)
        middle = x - e / 2
        for form in (middle**2 + (y - e / 2) ** 2 <= e * e / 4, inside, middle.abs() <= y / 2):
            out.append(F.avg_pool2d((form & inside).float()[None, None], fine)[0, 0])
    return torch.stack(out).view(2, 3, 3, WIDEST, WIDEST)


class ShapeScenes(Scenes):
    """Composes one or two coloured shapes on dark grey.

    The slots are the layout, and size, colour and shape of the one that is alone, on the left or at the top, and of the one on
    the right or at the bottom, if any. Place, extent, brightness and ground vary. A yellow circle, a blue square and a cyan
    triangle are held out.

    Example:
        >>> scenes = ShapeScenes()
        >>> caption = "a small green triangle right of a large red circle ."
        >>> scenes.answers(caption)
        (0, 0, 0, 0, 1, 1, 2)
        >>> oracle(scenes.compose(scenes.index([caption]))).tolist()
        [[0, 0, 0, 0, 1, 1, 2]]
    """

    def __init__(self) -> None:
        never = ", ".join(f"{colour} {shape}" for colour, shape in UNSEEN)
        super().__init__("shapes", SHAPES_SIDE, 3, SHAPE_SLOTS, shape_language(), never)
        self.stamps = stamps().flatten(-2)
        self.colours = torch.tensor([*COLOURS.values(), (0, 0, 0)], dtype=torch.float32)
        self.wide = SHAPES_SIDE + WIDEST  # room for what is empty of a stamp
        patch = torch.arange(WIDEST)
        self.patch = (patch[:, None] * self.wide + patch).flatten()

    def compose(self, captions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        n = len(captions)
        answers = self.table[captions]
        layout, things = answers[:, 0], answers[:, 1:].view(n, 2, 3)
        size, colour, shape = things.unbind(-1)
        there = size < len(_MAGNITUDES)
        size, shape = size * there, shape * there
        kind = whole_number(torch.zeros_like(size), torch.full_like(size, 2), generator)
        extent = EXTENTS[size, kind]
        half = torch.tensor([0, SHAPES_SIDE // 2 + 1])
        along = whole_number(half.expand(n, 2), half + SHAPES_SIDE // 2 - 1 - extent, generator)
        across = (
            SHAPES_SIDE // 2
            - extent // 2
            + whole_number(torch.full_like(size, -2), torch.full_like(size, 2), generator)
        )
        free = whole_number(torch.zeros_like(size), SHAPES_SIDE - extent[:, :1].expand(n, 2), generator)
        column = torch.where(layout[:, None] == 0, along, across)
        row = torch.where(layout[:, None] == 0, across, along)
        alone = layout == ALONE
        row[:, 0] = torch.where(alone, free[:, 0], row[:, 0])
        column[:, 0] = torch.where(alone, free[:, 1], column[:, 0])
        place = (row * self.wide + column)[..., None] + self.patch
        cover = torch.zeros(n, 2, self.wide * self.wide)
        cover.scatter_(2, place, self.stamps[size, kind, shape] * there[..., None])
        cover = cover.view(n, 2, self.wide, self.wide)[..., :SHAPES_SIDE, :SHAPES_SIDE].reshape(
            n, 2, SHAPES_SIDE * SHAPES_SIDE
        )
        ground = 28 + 20 * torch.rand(n, 1, 1, generator=generator)
        bright = 0.85 + 0.15 * torch.rand(n, 2, 1, generator=generator)
        paint = self.colours[colour] * bright - ground
        out = paint.transpose(1, 2) @ cover + ground
        return out.add_(0.5).to(torch.uint8).view(n, 3, SHAPES_SIDE, SHAPES_SIDE)


def box_around(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns height and width of the box around each mask (n, H, W)."""

    def length(along: Tensor) -> Tensor:
        count = along.long().cumsum(1)
        return ((count > 0) & ((count < count[:, -1:]) | along)).sum(1)

    return length(mask.any(2)), length(mask.any(1))


def parts_of(mask: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Finds the empty column nearest the middle that parts a mask in two: whether there is one, and what is left of it."""
    until = mask.sum(1).cumsum(1)
    gap = ~mask.any(1) & (until >= least) & (until[:, -1:] - until >= least)
    columns = torch.arange(mask.shape[2])
    off = (columns - (mask.shape[2] - 1) / 2).abs().masked_fill(~gap, torch.inf)
    return gap.any(1), columns < off.argmin(1)[:, None]


def thing_in(colour: Tensor, strength: Tensor, region: Tensor) -> Tensor:
    """Reads size, colour and shape of what is to be seen in a region, (n, 3); -1 where it is empty."""
    strength = strength.masked_fill(~region, 0)
    high = strength > 0.6 * strength.amax((1, 2), keepdim=True)
    level = (strength * high).sum((1, 2), keepdim=True) / high.sum((1, 2), keepdim=True).clamp(min=1)
    share = (strength / level.clamp(min=1)).clamp(max=1)
    core = (share > 0.8)[:, None]
    shown = (colour * core).sum((2, 3)) / core.sum((2, 3)).clamp(min=1)
    palette = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
    hue = (F.normalize(shown, dim=1) @ F.normalize(palette, dim=1).T).argmax(1)
    height, width = box_around(share > 0.5)
    size = (torch.maximum(height, width) < 10).long()
    # pixels at the edge count by what the shape covers of them
    full = share.masked_fill(share < 0.2, 0).sum((1, 2)) / (height * width).clamp(min=1)
    shape = torch.where(full > 0.89, 1, torch.where(full > 0.7, 0, 2))
    return torch.stack([size, hue, shape], 1).where(height[:, None] > 0, -1)


def oracle(images: Tensor) -> Tensor:
    """Reads what pictures of `shapes` show off their pixels, by rule.

    What differs from the ground, the median of the picture, is a shape; an empty column or row between two parts makes them two.
    The box around a shape tells its size, and the share of the box that it fills its form: a square 1, a circle π/4, a triangle
    1/2.

    Arguments:
        images: uint8 of shape (n, 3, 32, 32).

    Returns:
        The number of the value of each slot, int64 (n, slots); -1 where nothing is to be seen.

    Raises:
        DataError: If the images are of another type or shape.
    """
    if images.dtype != torch.uint8 or images.shape[1:] != (3, SHAPES_SIDE, SHAPES_SIDE):
        raise DataError(
            f"The oracle reads pictures of shapes, uint8 (n, 3, 32, 32), not {images.dtype} {tuple(images.shape)}."
        )
    colour = images.cpu().float()
    ground = colour.flatten(2).median(2).values[..., None, None]
    strength = (colour - ground).abs().amax(1)
    mask = strength > torch.clamp(0.4 * strength.amax((1, 2), keepdim=True), min=24)
    beside, left = parts_of(mask, 10)
    stacked, upper = parts_of(mask.transpose(1, 2), 10)
    layout = torch.where(beside, 0, torch.where(stacked, 1, ALONE))
    part = torch.where(beside[:, None, None], left[:, None], upper[..., None])
    two = beside | stacked
    first = thing_in(colour, strength, part | ~two[:, None, None])
    second = thing_in(colour, strength, ~part)
    second = torch.where(two[:, None], second, torch.tensor(ABSENT))
    out = torch.cat([layout[:, None], first, second], 1)
    return out.where(mask.flatten(1).any(1)[:, None], -1)


@lru_cache(maxsize=1)
def grammar(name: str) -> dict[str, Scenes]:
    """Returns the scenes of each split: the digits of one are not in another."""
    if name == "shapes":
        return dict.fromkeys(SIZES, ShapeScenes())
    raw = mnist()
    y = raw.y
    assert y is not None
    later = raw.splits["test"]
    rows = {
        "train": raw.splits["train"],
        "validation": later[: len(later) // 2],
        "test": later[len(later) // 2 :],
    }
    return {split: DigitScenes(name, raw.x[rows[split]], y[rows[split]]) for split in SIZES}


def scenes_of(name: str, split: str) -> Scenes:
    """Returns what the pictures of a split are composed by: to draw more, or those of captions that are held out.

    Arguments:
        name: "captions-mnist", "captions-mnist-60" or "shapes".
        split: "train", "validation" or "test". The digits of one are not in another.

    Raises:
        DataError: If there is no such grammar or split, or MNIST is not to be had.
    """
    if name not in (*GEOMETRIES, "shapes"):
        raise DataError(
            f"{name!r} is no grammar of scenes: give one of {', '.join((*GEOMETRIES, 'shapes'))}."
        )
    if split not in SIZES:
        raise DataError(f"The splits of {name} are train, validation and test, not {split!r}.")
    return grammar(name)[split]


def composed(name: str) -> Raw:
    images: list[Tensor] = []
    captions: list[tuple[str]] = []
    splits = {}
    for seed, (split, n) in enumerate(SIZES.items()):
        scenes = scenes_of(name, split)
        texts = scenes.captions()
        generator = torch.Generator().manual_seed(seed)
        splits[split] = np.arange(len(captions), len(captions) + n)
        for _ in range(n // BLOCK):
            x, index = scenes.draw(BLOCK, generator)
            images.append(x)
            captions += [(texts[i],) for i in index.tolist()]
    return Raw(
        torch.cat(images).numpy(), None, "captions", splits=splits, captions=tuple(captions), scenes=name
    )


def captions_mnist() -> Raw:
    """Composes 10,000, 2,000 and 2,000 pictures of one or two digits, 32x32.

    Raises:
        DataError: If MNIST is not to be had.
    """
    return composed("captions-mnist")


def captions_mnist_60() -> Raw:
    """Composes 10,000, 2,000 and 2,000 pictures of one or two digits, 60x60.

    Raises:
        DataError: If MNIST is not to be had.
    """
    return composed("captions-mnist-60")


def shapes() -> Raw:
    """Composes 10,000, 2,000 and 2,000 pictures of one or two coloured shapes, 32x32."""
    return composed("shapes")
