"""Grey levels as they are, or read as probabilities: three benchmarks, whose log-likelihoods do not compare.

* `none`: the grey levels themselves;
* `static`: every pixel was drawn once, x ~ Bernoulli(grey level), and the draw is the data;
* `dynamic`: every pixel is drawn anew whenever it is looked at. Validation and test are drawn once even so,
  with fixed seeds, so that two evaluations of one model agree.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DataError
from .examples import Examples
from .kind import Data
from .looks import Binarise, Captioned, Look, Pixels
from .raw import Raw, blocks

__all__ = ["as_draws", "binarised", "how_binarised", "pixel_examples", "seen_like"]

DARK = 0.25  # of white


def pixel_examples(raw: Raw, rows: np.ndarray | slice) -> Examples:
    """Returns rows as images with labels."""
    y = None if raw.y is None else torch.from_numpy(np.ascontiguousarray(raw.y[rows]))
    look = Pixels("static" if raw.binary else "none")
    return Examples(torch.from_numpy(np.ascontiguousarray(raw.x[rows])), y, look)


def how_binarised(examples: Examples) -> Binarise:
    """Returns in which of the three ways images are read."""
    look = examples.look.pixels if isinstance(examples.look, Captioned) else examples.look
    return look.binarise if isinstance(look, Pixels) else "none"


def as_draws(examples: Examples) -> Examples:
    """Reads grey levels as probabilities, anew whenever they are looked at."""
    now, drawn = examples.look, Pixels("dynamic")
    look: Look = replace(now, pixels=drawn) if isinstance(now, Captioned) else drawn
    return replace(examples, look=look)


def seen_like(examples: Examples, binarise: str, binary: bool) -> Examples:
    """Reads grey levels in the way of a run, drawn once by a fixed seed; what is binary stays."""
    return as_draws(examples).fixed(0) if binarise != "none" and not binary else examples


def binarised(data: Data, how: str) -> Data:
    """Reads the grey levels of images in one of the three ways, see :meth:`latente.data.Data.binarised`.

    Raises:
        DataError: If there is no such way, or they were binarised otherwise before.
    """
    if how not in ("none", "static", "dynamic"):
        raise DataError(f"binarise is one of none, static and dynamic, not {how!r}.")
    now = how_binarised(data.train)
    if how == now or (how, now) == ("none", "static"):
        return data
    if how == "none":
        raise DataError(f"{data.name} was binarised dynamically; load it again to have its grey levels.")
    if now != "none":
        raise DataError(
            f"{data.name} is already binary ({now}), so a {how} draw would change nothing: "
            f"use binarise={now}, or load grey levels."
        )
    train, validation, test = (as_draws(e) for e in (data.train, data.validation, data.test))
    train = train.fixed(0) if how == "static" else train
    return replace(data, train=train, validation=validation.fixed(), test=test.fixed())


def levels_like(raw: Raw, unit: bool) -> Raw:
    """Reads bytes 0 and 1 as the levels that they are where those of the run went up to 255."""
    if unit or not raw.unit or raw.x.dtype != np.uint8:
        return raw
    return replace(raw, x=raw.x // 255, binary=False, unit=False)


def ink_share(examples: Examples) -> float | None:
    """Returns the share of grey levels within a tenth of black or white; None of colours and transparency."""
    some = examples.x[:: max(1, len(examples) // 2000)]
    if some.dim() != 4 or some.shape[1] != 1:
        return None
    x = some.float() / 255 if some.dtype == torch.uint8 else some
    return float(((x < 0.1) | (x > 0.9)).double().mean())


def dark_or_alike(raw: Raw) -> Raw:
    """Notes images none of which has a bright pixel, or which are all one."""
    scale = 255 if raw.x.dtype == np.uint8 else 1
    brightest = float(raw.x.max()) / scale
    said = []
    if all(bool((block == raw.x[:1]).all()) for block in blocks(raw.x)):
        said.append(f"all {len(raw.x):,} images are the same")
    if brightest < DARK:
        said.append(
            f"the brightest of all pixels is {brightest:.2g} of white, so the images are nearly black: say what counts as white, "
            "as --white 4095 for 12 bits"
        )
    return replace(raw, note="; ".join(filter(None, [raw.note, *said]))) if said else raw


def costliest_patch(cost: Tensor) -> str:
    """Names the square of a quarter of the image's side over which the cost is highest, by its middle, with its share.

    Arguments:
        cost: What each pixel costs, with shape (C, H, W).

    Example:
        >>> cost = torch.zeros(1, 8, 8)
        >>> cost[0, 2:4, 6:] = 1.5
        >>> costliest_patch(cost)
        'the pixels around row 3, column 7: 100 % of the cost'
    """
    flat = cost.sum(0).clamp_min(0)
    if not flat.sum() > 0:
        return ""
    side = max(1, min(flat.shape) // 4)
    sums = F.avg_pool2d(flat[None, None], side, 1)[0, 0] * side * side
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    share = 100 * float(sums.max() / flat.sum())
    return f"the pixels around row {row + side // 2}, column {column + side // 2}: {share:.0f} % of the cost"
