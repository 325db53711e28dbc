"""Codes of held-out examples, and images decoded from codes.

A picture chooses values of the *first* latent group; further groups of a hierarchy follow by the means of their priors. Which
dimensions matter is told by the mean KL by dimension, and by the variance of the posterior's mean where there is no such figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ...abilities import taken
from ...data import Data
from ...distributions import onto
from ...distributions.traits import colder, family, shown, spread, view
from ...divergences import by_dimension
from ...errors import LatenteError
from ...evaluation.bounds import device_and_dtype, to_model
from ...trace import Latent, Model, Trace, mean, rsample

__all__ = [
    "Codes",
    "cold",
    "encode",
    "examples",
    "index_of",
    "mean_of",
    "means_of",
    "shown_images",
    "shows",
]

BLOCK = 256  # examples of one pass
Batch = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class Codes:
    """Holds the first latent group of many examples.

    Arguments:
        name: The name of the group.
        means: The posterior means, or draws where it knows no mean, with shape (N, d) and float64.
        nats: The mean KL by dimension; None where it does not split.
        group: The group of the first block of examples.
    """

    name: str
    means: Tensor
    nats: Tensor | None
    group: Latent

    @property
    def order(self) -> list[int]:
        """The dimensions, the most active first."""
        weight = self.means.var(0) if self.nats is None else self.nats
        return weight.argsort(descending=True, stable=True).tolist()


def examples(model: Model, data: Data, n: int, seed: int, label: int | None = None) -> Batch:
    """Takes up to n held-out examples in a random order, of one class where it is given."""
    held = data.test.fixed()
    if not len(held):
        raise LatenteError(
            f"there are no test examples of {data.name}, whose weights were imported: sample from it"
        )
    rows = torch.arange(len(held), device=held.x.device)
    if label is not None and held.y is not None:
        rows = (held.y == label).nonzero().squeeze(1)
        if len(rows) == 0:
            raise LatenteError(f"no test example has the label {data.classes[label]!r}: choose another")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:n]
    return to_model(model, *held.batch(rows[order]))


def encode(model: Model, x: Tensor, y: Tensor | None) -> Codes:
    """Encodes examples; call it inside `evaluating`."""
    groups = []
    for i in range(0, len(x), BLOCK):
        trace = model(x[i : i + BLOCK], None if y is None else y[i : i + BLOCK])
        name = next(iter(trace.latents))
        groups.append(trace.latents[name])
    means = [mean_of(g).flatten(1).double() for g in groups]
    kls = [by_dimension(g) for g in groups]
    found = [k.double() for k in kls if k is not None]
    nats = torch.cat(found).mean(0) if len(found) == len(kls) else None
    if nats is not None and len(nats) != means[0].shape[1]:  # of spheres, not of dimensions
        nats = None
    return Codes(name, torch.cat(means), nats, groups[0])


def mean_of(g: Latent) -> Tensor:
    """Returns the posterior's mean, on a sphere its direction; or the draw where it knows none."""
    assert g.q is not None
    return onto(g.p, shown(g.q, drawn=g.z).view(g.z.shape))


def means_of(model: Model, x: Tensor, y: Tensor | None) -> tuple[Trace, dict[str, Tensor]]:
    """Returns a pass, and the posterior's mean of each group, given the means of the groups above it."""
    trace, codes = model(x, y), dict[str, Tensor]()
    for name in trace.latents:
        if codes:
            trace = model(x, y, given=codes)
        codes[name] = mean_of(trace.latents[name])
    return trace, codes


def shown_images(d: Distribution) -> np.ndarray:
    """Returns what pictures show of a likelihood as numpy."""
    return shown(d).float().cpu().numpy()


def shows(d: Distribution) -> str:
    """Says what pictures show of a likelihood."""
    return view(d).word


def index_of(data: Data, label: int | str | None) -> int | None:
    """Finds a class by its name, or by its index where no class is called so.

    Raises:
        LatenteError: If the data has no such class.
    """
    if label is None:
        return None
    if not data.classes:
        raise LatenteError(f"label is {label!r}, but {data.name} has no labels: leave it out")
    if str(label) in data.classes:
        return data.classes.index(str(label))
    if str(label).isdecimal() and int(label) < len(data.classes):
        return int(label)
    some = ", ".join(data.classes[:10]) + (", …" if len(data.classes) > 10 else "")
    raise LatenteError(f"label is {label!r}, but the classes of {data.name} are {some}")


def conditions(model: Model, data: Data, label: int | str | None) -> tuple[bool, int | None]:
    """Tells whether the model takes labels, and which class was asked for.

    Raises:
        LatenteError: If a label is given to a model that takes none.
    """
    takes = taken(model)
    if takes == "captions":
        raise LatenteError(
            "this picture is of one class or none, and the model reads captions: see latente generate"
        )
    chosen = index_of(data, label)
    if chosen is not None and takes is None:
        raise LatenteError(f"label is {label!r}, but the model does not take labels: train a conditional one")
    return takes is not None, chosen


def cold(temperature: float | Sequence[float]) -> Callable[[Distribution], Tensor]:
    """Draws with deviations from the mean shrunk, or stretched, by a temperature; or by one for each latent group of a walk.

    Raises:
        LatenteError: If it is not a number above 0; when drawing, if the family has no scale to shrink.
    """
    if not isinstance(temperature, float | int):
        by_group = cycle([cold(t) for t in temperature])
        return lambda d: next(by_group)(d)
    if not (math.isfinite(temperature) and temperature > 0):
        raise LatenteError(f"temperature is {temperature}: give a number above 0, e.g. 0.7")
    if temperature == 1:
        return rsample

    def choose(d: Distribution) -> Tensor:
        if spread(d) is None:
            raise LatenteError(
                f"temperature is {temperature}, but a prior of the family {family(d)} has no one scale "
                "to shrink: use temperature 1"
            )
        return colder(d, temperature)

    return choose


def decode_group(model: Model, name: str, z: Tensor, y: Tensor | None) -> np.ndarray:
    """Decodes values of one group, with shape (n, d), to the means of p(x|z)."""
    device, dtype = device_and_dtype(model)
    parts = []
    for i in range(0, len(z), BLOCK):
        some = z[i : i + BLOCK].to(device, dtype)
        context = None if y is None else y[i : i + BLOCK]
        parts.append(
            shown_images(model(y=context, size=len(some), given={name: some}, choose=mean).likelihood)
        )
    return np.concatenate(parts)


def labels_of(label: int, n: int, like: Tensor) -> Tensor:
    return torch.full((n,), label, dtype=torch.long, device=like.device)
