"""Samples and reconstructions: of images a grid, of rows and vectors a scatter in the user's units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ..data import Data
from ..distributions.traits import spread
from ..errors import LatenteError
from ..evaluation.bounds import still
from ..models import GAN
from ..trace import Model
from . import captioned
from . import rows as tables
from .canvas import Picture, colours, lay_out
from .codes import (
    cold,
    conditions,
    examples,
    images,
    labels_of,
    means_of,
    needs_code,
    needs_images,
    needs_prior,
    shows,
)
from .images import count, filled, pixels

__all__ = ["grid", "reconstructions", "samples"]

CLASSES = 20  # rows of a grid of samples


def samples(
    model: Model,
    data: Data,
    *,
    n: int | None = None,
    seed: int = 0,
    label: int | str | None = None,
    temperature: float | Sequence[float] = 1.0,
) -> Picture:
    r"""Draws :math:`z \sim p(z)` and shows the means of :math:`p(x | z)`; a conditional model gets one row a class.

    Of an autoregressive likelihood, which has no means, this and all other pictures show draws.

    Of tables and vectors it shows draws of :math:`p(x | z)` beside held-out rows, two columns at a time.

    Arguments:
        model: The model.
        data: The data.
        n: The number of samples; 64 images or 500 rows by default.
        seed: The seed of the draws.
        label: The class, by name or index, for a conditional model; all of them by default.
        temperature: What deviations from the prior's mean are multiplied by; one for each latent group, where several are given.

    Raises:
        LatenteError: If the prior cannot be sampled, or an argument is not right.
    """
    if captioned.reads_captions(model):
        return captioned.samples(model, data, n=n, seed=seed)
    n = (64 if "pixels" in data.kind.has else 500) if n is None else n
    count("n", n)
    choose = cold(temperature)
    x, y = examples(model, data, 1, seed)
    takes, chosen = conditions(model, data, x, label)
    with still(model, seed):
        first = model(size=1) if isinstance(model, GAN) else model(x, y)
        needs_prior(first, "samples")
    told = (
        f"{temperature:g}"
        if isinstance(temperature, float | int)
        else " ".join(f"{t:g}" for t in temperature)
    )
    groups = 1 if isinstance(temperature, float | int) else len(temperature)
    if told != "1" and not first.latents:
        raise LatenteError(
            f"temperature is {told}, which is of the prior, and this model has no latent code: leave it out"
        )
    if told != "1" and groups not in (1, len(first.latents)):
        raise LatenteError(
            f"temperature is {told}, and this model has {len(first.latents)} latent groups: give one number, or one for each"
        )
    says = f", temperature {told}" if told != "1" else ""
    if "pixels" not in data.kind.has:
        context = classes_of(data, n, chosen, x) if takes else None
        with still(model, seed):
            drawn = model(y=context, size=n, choose=choose).likelihood.sample()
        return tables.against(
            data, drawn, f"p(x|z), z ~ p(z){says}, seed {seed}" if first.latents else f"p(x), seed {seed}"
        )
    needs_images(data, "samples")
    names: list[str] = []
    columns = math.ceil(math.sqrt(n))
    context = None
    if takes and chosen is None:
        names = list(data.classes[:CLASSES])
        columns = math.ceil(n / len(names))
        context = torch.arange(len(names), device=x.device).repeat_interleave(columns)
        n = len(context)
    elif takes:
        context = classes_of(data, n, chosen, x)
    with still(model, seed):
        likelihood = model(y=context, size=n, choose=choose).likelihood
        shown = images(likelihood)
    what = "" if chosen is None else f" of {data.classes[chosen]}"
    of = f"p(x|z), z ~ p(z{'|y' if takes else ''}){says}" if first.latents else "p(x)"
    note = f"{data.benchmark} · {shows(likelihood)} of {of}, seed {seed}"
    return lay_out(filled(shown, columns), f"Samples{what}", note, rows=names, values={"images": shown})


def classes_of(data: Data, n: int, chosen: int | None, like: Tensor) -> Tensor:
    """Repeats a class, or goes round all of them."""
    if chosen is not None:
        return labels_of(chosen, n, like)
    return torch.arange(n, device=like.device) % len(data.classes)


def reconstructions(model: Model, data: Data, *, n: int = 10, seed: int = 0) -> Picture:
    r"""Shows test examples, the mean of :math:`p(x | z)` at their codes, and a draw from it.

    The draw is :math:`x' \sim p(x | z)`, :math:`z \sim q(z | x)`. Where the likelihood has a standard deviation
    for each pixel, a fourth row shows it. Of tables and vectors it shows true against reconstructed values by column.

    Arguments:
        model: The model.
        data: The data.
        n: The number of examples; of tables and vectors, 500 are shown at least.
        seed: The seed of the choice of examples, and of the draws.

    Raises:
        LatenteError: If a number is too small, or the images have neither one channel nor three.
    """
    count("n", n)
    x, y = examples(model, data, n if "pixels" in data.kind.has else max(n, tables.ROWS), seed)
    with still(model, seed):
        trace, codes = means_of(model, x, y)
        needs_code(trace, "reconstructions")
        likelihood = model(y=y, size=len(x), given=codes).likelihood
        drawn = model(x, y).likelihood.sample()
        restored = images(likelihood)
    if "pixels" not in data.kind.has:
        return tables.restored(data, x, torch.from_numpy(restored), seed)
    needs_images(data, "reconstructions")
    what = shows(likelihood)[:-1]
    rows = {"example": x.float().cpu().numpy(), what: restored, "sampled": drawn.float().cpu().numpy()}
    tiles = [pixels(r) for r in rows.values()]
    says = ""
    sigma = sigmas(likelihood)
    if sigma is not None:
        low, high = float(sigma.min()), float(sigma.max())
        tiles.append(colours((sigma.mean(1) - low) / (high - low)))
        rows["σ"] = sigma
        says = f"; σ from {low:.2g} (dark) to {high:.2g} (light)"
    rest = f"{what} of p(x|z) at the posterior's mean; a draw of p(x|z), z ~ q(z|x){says}, seed {seed}"
    note = f"{data.benchmark} · test examples; {rest}"
    return lay_out(np.stack(tiles), "Reconstructions", note, rows=list(rows), values=rows)


def grid(x: Tensor | np.ndarray, title: str = "Decoded codes", note: str = "") -> Picture:
    """Shows images as they are.

    Arguments:
        x: The images in [0, 1], with shape (n, C, H, W), one channel or three.
        title: What they are.
        note: How they were made.

    Raises:
        LatenteError: If they are not images.
    """
    shown = np.asarray(x, dtype=np.float32)
    if shown.ndim != 4 or shown.shape[1] not in (1, 3) or not len(shown):
        raise LatenteError(
            f"a grid shows images of 1 or 3 channels, not numbers of the shape {shown.shape}: write a table"
        )
    return lay_out(filled(shown, math.ceil(math.sqrt(len(shown)))), title, note, values={"images": shown})


def sigmas(likelihood: Distribution) -> np.ndarray | None:
    """Returns the standard deviations of a likelihood, if they differ from pixel to pixel."""
    found = spread(likelihood)
    if found is None:
        return None
    sigma = found.float().cpu().numpy()
    return sigma if sigma.max() > sigma.min() * (1 + 1e-6) else None
