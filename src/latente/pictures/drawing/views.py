"""Samples and reconstructions: of images a grid, of rows and vectors a scatter in the user's units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ...data import Data
from ...data.table_files import named
from ...distributions.traits import is_uniform, of_names, spread
from ...errors import LatenteError
from ...evaluation.bounds import evaluating
from ...trace import Model
from . import rows as tables
from .canvas import Picture, colours, lay_out
from .codes import (
    cold,
    conditions,
    examples,
    labels_of,
    means_of,
    shown_images,
    shows,
)
from .images import filled, to_rgb

__all__ = [
    "drawn_rows",
    "grid",
    "reconstructions",
    "reconstructions_of_columns",
    "samples",
    "samples_of_columns",
    "some",
]

BLOCK = 8192  # drawn at once
UNIFORM = "the prior of the codes is uniform, so samples are of no use yet: fit one, latente train prior --of RUN --kind pixelcnn"
CLASSES = 20  # rows of a grid of samples


@dataclass(frozen=True)
class Drawn:
    """Holds how samples are drawn: with which temperature, and of which class.

    Arguments:
        choose: Draws from each prior.
        says: What is said of the temperature; nothing where it is 1.
        chosen: The class that was asked for.
        takes: Whether the model takes labels.
        has_code: Whether there are latent groups.
    """

    choose: Callable[[Distribution], Tensor]
    says: str
    chosen: int | None
    takes: bool
    has_code: bool


def drawn_how(
    model: Model, data: Data, seed: int, label: int | str | None, temperature: float | Sequence[float]
) -> Drawn:
    """Checks a label and a temperature against a model.

    Raises:
        LatenteError: If the model takes no label, or has not as many latent groups as there are temperatures.
    """
    by_group = [temperature] if isinstance(temperature, float | int) else list(temperature)
    choose = cold(temperature)
    takes, chosen = conditions(model, data, label)
    like = next(model.parameters())
    with evaluating(model, seed):
        groups = model(y=classes_of(data, 1, chosen, like) if takes else None, size=1).latents
    given = " ".join(f"{t:g}" for t in by_group)
    if given != "1" and not groups:
        raise LatenteError(
            f"temperature is {given}, which is of the prior, and this model has no latent code: leave it out"
        )
    if given != "1" and len(by_group) not in (1, len(groups)):
        raise LatenteError(
            f"temperature is {given}, and this model has {len(groups)} latent groups: give one number, or one for each"
        )
    says = f", temperature {given}" if given != "1" else ""
    return Drawn(choose, says, chosen, takes, bool(groups))


def samples(
    model: Model,
    data: Data,
    n: int,
    seed: int,
    label: int | str | None,
    temperature: float | Sequence[float],
) -> Picture:
    r"""Draws :math:`z \sim p(z)` and shows the means of :math:`p(x | z)`; a conditional model gets one row per class."""
    how = drawn_how(model, data, seed, label, temperature)
    like = next(model.parameters())
    names: list[str] = []
    columns = math.ceil(math.sqrt(n))
    context = None
    if how.takes and how.chosen is None:
        names = list(data.classes[:CLASSES])
        columns = math.ceil(n / len(names))
        context = torch.arange(len(names), device=like.device).repeat_interleave(columns)
        n = len(context)
    elif how.takes:
        context = classes_of(data, n, how.chosen, like)
    with evaluating(model, seed):
        trace = model(y=context, size=n, choose=how.choose)
        likelihood = trace.likelihood
        shown = shown_images(likelihood)
    what = "" if how.chosen is None else f" of {data.classes[how.chosen]}"
    of = f"p(x|z), z ~ p(z{'|y' if how.takes else ''}){how.says}" if how.has_code else "p(x)"
    note = f"{data.benchmark} · {shows(likelihood)} of {of}, seed {seed}"
    remarks = [UNIFORM] if any(of_names(g.p) and is_uniform(g.p) for g in trace.latents.values()) else []
    values = {"images": shown}
    return lay_out(filled(shown, columns), f"Samples{what}", note, rows=names, values=values, remarks=remarks)


def samples_of_columns(
    model: Model,
    data: Data,
    n: int,
    seed: int,
    label: int | str | None,
    temperature: float | Sequence[float],
) -> Picture:
    """Shows draws of :math:`p(x | z)` beside held-out rows, two columns at a time."""
    how = drawn_how(model, data, seed, label, temperature)
    drawn, _ = draws(model, data, n, seed, how)
    of = f"p(x|z), z ~ p(z){how.says}" if how.has_code else "p(x)"
    return tables.against(data, drawn, f"{of}, seed {seed}")


def drawn_rows(
    model: Model,
    data: Data,
    n: int,
    seed: int,
    label: int | str | None,
    temperature: float | Sequence[float],
) -> tuple[Tensor, Mapping[str, np.ndarray]]:
    """Returns the draws of `samples_of_columns` in the user's units, and their labels where the model takes such."""
    x, y = draws(model, data, n, seed, drawn_how(model, data, seed, label, temperature))
    return data.inverse(x), {} if y is None else {"label": named([data.classes[i] for i in y.tolist()])}


def draws(model: Model, data: Data, n: int, seed: int, how: Drawn) -> tuple[Tensor, Tensor | None]:
    r"""Draws :math:`x \sim p(x | z)`, :math:`z \sim p(z)`, block by block, and what they are conditioned on."""
    context = classes_of(data, n, how.chosen, next(model.parameters())) if how.takes else None
    found = []
    with evaluating(model, seed):
        for start in range(0, n, BLOCK):
            y = None if context is None else context[start : start + BLOCK]
            found.append(model(y=y, size=min(BLOCK, n - start), choose=how.choose).likelihood.sample().cpu())
    return torch.cat(found), context


def classes_of(data: Data, n: int, chosen: int | None, like: Tensor) -> Tensor:
    """Repeats a class, or goes round all of them."""
    if chosen is not None:
        return labels_of(chosen, n, like)
    return torch.arange(n, device=like.device) % len(data.classes)


@dataclass(frozen=True)
class Reconstructed:
    """Holds test examples, the likelihood at their mean codes, what is shown of it, and a draw."""

    x: Tensor
    likelihood: Distribution
    means: np.ndarray
    drawn: Tensor


def reconstructed(model: Model, data: Data, n: int, seed: int) -> Reconstructed:
    """Encodes and decodes test examples."""
    x, y = examples(model, data, n, seed)
    with evaluating(model, seed):
        codes = means_of(model, x, y)[1]
        likelihood = model(y=y, size=len(x), given=codes).likelihood
        drawn = model(x, y).likelihood.sample()
        return Reconstructed(x, likelihood, shown_images(likelihood), drawn)


def reconstructions(model: Model, data: Data, n: int, seed: int) -> Picture:
    r"""Shows test examples, the mean of :math:`p(x | z)` at their codes, and a draw :math:`x' \sim p(x | z)`.

    Where the likelihood has a standard deviation for each pixel, a fourth row shows it.
    """
    found = reconstructed(model, data, n, seed)
    what = shows(found.likelihood)[:-1]
    rows = {
        "example": found.x.float().cpu().numpy(),
        what: found.means,
        "sampled": found.drawn.float().cpu().numpy(),
    }
    tiles = [to_rgb(r) for r in rows.values()]
    ending = ""
    sigma = sigmas(found.likelihood)
    if sigma is not None:
        low, high = float(sigma.min()), float(sigma.max())
        tiles.append(colours((sigma.mean(1) - low) / (high - low)))
        rows["σ"] = sigma
        ending = f"; σ from {low:.2g} (dark) to {high:.2g} (light)"
    rest = f"{what} of p(x|z) at the posterior's mean; a draw of p(x|z), z ~ q(z|x){ending}, seed {seed}"
    note = f"{data.benchmark} · test examples; {rest}"
    return lay_out(np.stack(tiles), "Reconstructions", note, rows=list(rows), values=rows)


def reconstructions_of_columns(model: Model, data: Data, n: int, seed: int) -> Picture:
    """Shows true against reconstructed values by column."""
    found = reconstructed(model, data, n, seed)
    return tables.true_against_reconstructed(data, found.x, torch.from_numpy(found.means), seed)


def some(data: Data, n: int = 32) -> Picture:
    """Shows some training images as a model sees them."""
    shown = data.train.fixed().subset(n).batch(slice(None))[0]
    return grid(shown, f"Images of {data.name}", data.benchmark)


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


def compared(
    data: Data, x: Tensor, expected: Tensor, cost: Tensor | None, names: Sequence[str], title: str
) -> Picture:
    """Shows images, what was expected in their place, and where they cost more than others do, a row each."""
    columns = ["image", "expected"]
    shown = [x.clamp(0, 1), expected.clamp(0, 1)]
    if cost is not None:
        heat = cost.sum(1, keepdim=True).clamp_min(0).expand_as(x)
        shown.append(heat / heat.flatten(1).amax(1).clamp_min(1e-9).view(-1, 1, 1, 1))
        columns.append("cost")
    tiles = to_rgb(torch.stack(shown, 1).float().numpy())
    return lay_out(tiles, title, data.benchmark, rows=names, columns=columns, values={"images": x.numpy()})
