"""How rows become the model's input, batch by batch.

A kind of data gives its examples a look, so that those who hand them out ask neither a type nor a shape. A look takes bits from
torch's global generator where it is random; made `fixed`, it is not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..distributions.strokes import lengths_of

__all__ = ["Binarise", "Captioned", "Look", "Numbers", "Pixels", "PointRows", "WordRows", "unit"]

Binarise = Literal["none", "static", "dynamic"]
ROWS = 1024  # drawn at once by `fixed`
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Look(ABC):
    """Makes the model's input of stored rows. Abstract: a look defines `shown`."""

    @property
    def is_random(self) -> bool:
        """Whether the same rows are shown otherwise each time."""
        return False

    def picked(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Returns the rows of a batch, as they are stored, and their labels or captions."""
        return x, y

    @abstractmethod
    def shown(self, x: Tensor) -> Tensor:
        """Returns stored rows as a model sees them."""

    def fixed(self, x: Tensor, y: Tensor | None, seed: int) -> tuple[Tensor, Tensor | None, Look]:
        """Returns rows of which nothing is drawn at random any more, and their look: what is random is drawn once."""
        return x, y, self

    def lengths(self, x: Tensor) -> Tensor | None:
        """Returns how long each row is, on the CPU, where batches are to be of rows of one length; else None."""
        return None


@dataclass(frozen=True)
class Numbers(Look):
    """Shows numbers as they are, and bytes as fractions of 255."""

    def shown(self, x: Tensor) -> Tensor:
        return unit(x)


@dataclass(frozen=True)
class Pixels(Look):
    """Shows grey levels, kept as bytes or as numbers in [0, 1], or draws of them.

    Arguments:
        binarise: `dynamic` draws x ~ Bernoulli(x) whenever rows are shown; `static` marks them as such draws already.
    """

    binarise: Binarise = "none"

    @property
    def is_random(self) -> bool:
        return self.binarise == "dynamic"

    def shown(self, x: Tensor) -> Tensor:
        return bernoulli(x) if self.binarise == "dynamic" else unit(x)

    def fixed(self, x: Tensor, y: Tensor | None, seed: int) -> tuple[Tensor, Tensor | None, Look]:
        """Makes the dynamic draw once, and keeps it as bytes 0 or 255: a function of the image and the seed alone."""
        if self.binarise != "dynamic":
            return x, y, self
        return drawn_by_content(x.cpu().numpy(), seed).to(x.device), y, Pixels("static")


@dataclass(frozen=True)
class Captioned(Look):
    """Shows images of which each has captions, and picks one of several at random.

    Arguments:
        pixels: How the images look.
        redraw: Makes that many fresh examples, x as bytes and y, in place of the rows asked for: of data that is composed. It
            draws from torch's global generator on the CPU.
    """

    pixels: Look
    redraw: Callable[[int], tuple[Tensor, Tensor]] | None = None

    @property
    def is_random(self) -> bool:
        return self.pixels.is_random or self.redraw is not None

    def picked(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if self.redraw is not None:
            fresh = self.redraw(len(x))
            x, y = fresh[0].to(x.device), fresh[1].to(x.device)
        return x, pick_caption(y) if y is not None and y.dim() == 3 else y

    def shown(self, x: Tensor) -> Tensor:
        return self.pixels.shown(x)

    def fixed(self, x: Tensor, y: Tensor | None, seed: int) -> tuple[Tensor, Tensor | None, Look]:
        """Keeps the first of several captions, and composes nothing afresh."""
        x, _, pixels = self.pixels.fixed(x, None, seed)
        first = y[:, 0] if y is not None and y.dim() == 3 else y
        still = pixels == self.pixels and self.redraw is None
        return x, first, self if still else replace(self, pixels=pixels, redraw=None)


@dataclass(frozen=True)
class WordRows(Look):
    """Shows sentences as rows of the numbers of their words."""

    def shown(self, x: Tensor) -> Tensor:
        return x

    def lengths(self, x: Tensor) -> Tensor:
        return (x > 0).sum(1).cpu()


@dataclass(frozen=True)
class PointRows(Look):
    """Shows drawings as rows of points."""

    def shown(self, x: Tensor) -> Tensor:
        return x

    def lengths(self, x: Tensor) -> Tensor:
        return lengths_of(x).cpu()


def unit(x: Tensor) -> Tensor:
    """Returns bytes as fractions of 255, and other numbers as they are."""
    return x.div(255) if x.dtype == torch.uint8 else x


def bernoulli(grey: Tensor) -> Tensor:
    """Draws 0. or 1. with the grey level as the probability, for bytes 0..255 or floats in [0, 1].

    The draw of a batch is on the hot path of training, and four fifths of it would be random floats. Sixteen random bits are
    enough: with u uniform on 0 … 65534 the event u < 257 v has probability v/255, since 65535 = 255 · 257. Here u is uniform on
    0 … 65535 and its last value counted with the one before, which moves a probability by less than 2e-5 and keeps black and
    white exact; one 64-bit draw serves four pixels.
    """
    out = torch.empty(grey.shape, device=grey.device)
    if grey.dtype != torch.uint8:
        return torch.lt(torch.rand(grey.shape, device=grey.device), grey, out=out)
    words = torch.empty((grey.numel() + 3) // 4, dtype=torch.int64, device=grey.device)
    bits = words.random_(-(2**63), None).view(torch.int16)[: grey.numel()]
    bits = bits.view(grey.shape).clamp_(max=32766)
    return torch.lt(bits, grey.to(torch.int16).mul_(257).add_(-32768), out=out)


def drawn_by_content(grey: np.ndarray, seed: int) -> Tensor:
    """Draws 0 or 255 with the grey level as the probability, by bits that are a hash of the image, the seed and the place.

    So an image is drawn alike wherever it stands and whatever comes with it, on every machine.

    Arguments:
        grey: Bytes 0..255 or numbers in [0, 1], with shape (N, *).
        seed: The seed.
    """
    flat = grey.reshape(len(grey), -1)
    places = mixed_bits(np.arange(flat.shape[1], dtype=np.uint64) * GOLDEN + np.uint64(seed))
    out = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), ROWS):
        x = flat[start : start + ROWS]
        whole = x if x.dtype == np.uint8 else np.ascontiguousarray(x, np.float32).view(np.uint32)
        keys = mixed_bits((whole.astype(np.uint64) + np.uint64(1)) @ (places | np.uint64(1)))
        bits = mixed_bits(keys[:, None] + places) >> np.uint64(40)
        level = x * np.float64(2**24 / 255) if x.dtype == np.uint8 else x.astype(np.float64) * 2**24
        out[start : start + ROWS] = np.where(bits < level, 255, 0)
    return torch.from_numpy(out.reshape(grey.shape))


def mixed_bits(x: np.ndarray) -> np.ndarray:
    """Mixes 64 bits, as splitmix64 does (Steele et al., 2014, https://doi.org/10.1145/2714064.2660195)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def pick_caption(captions: Tensor) -> Tensor:
    """Picks one of the captions of each image, (B, K, L) to (B, L)."""
    there = captions[..., 0] > 0
    which = torch.rand(there.shape, device=captions.device).masked_fill_(~there, -1).argmax(1)
    return captions[torch.arange(len(captions), device=captions.device), which]
