r"""Pictures that only images have: interpolations, traversals and the manifold.

A line between two codes, a walk along one dimension and a grid through the prior ask the same question: does the decoder
give something sensible *between* the codes it was trained on? The grid of Kingma and Welling (2013) is spaced by the prior's
inverse CDF, so that each of its cells has the same prior mass.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ...abilities import taken
from ...data import Data
from ...distributions import between, onto
from ...distributions.traits import (
    family,
    has_mean,
    has_variance,
    is_binary,
    is_certain,
    on_spheres,
    quantiles,
)
from ...errors import LatenteError
from ...evaluation.bounds import evaluating
from ...trace import Latent, Model
from .canvas import Picture, lay_out
from .codes import (
    Codes,
    conditions,
    decode_group,
    encode,
    examples,
    index_of,
    labels_of,
    mean_of,
    means_of,
    shown_images,
    shows,
)

__all__ = ["interpolations", "manifold", "to_rgb", "traversals"]

MEASURED = 500  # examples that tell which dimensions are active
REACH = 3.0  # standard deviations to either side


def to_rgb(x: np.ndarray) -> np.ndarray:
    """Turns images (…, C, H, W) into (…, H, W, 3)."""
    x = np.moveaxis(x, -3, -1)
    return x.repeat(3, -1) if x.shape[-1] == 1 else x


def filled(shown: np.ndarray, columns: int) -> np.ndarray:
    """Breaks images into rows, the last one filled up with nothing."""
    rows = math.ceil(len(shown) / columns)
    tiles = np.full((rows * columns, *shown.shape[1:]), np.nan, dtype=np.float32)
    tiles[: len(shown)] = shown
    return to_rgb(tiles.reshape(rows, columns, *shown.shape[1:]))


def interpolations(model: Model, data: Data, rows: int, steps: int, seed: int) -> Picture:
    r"""Decodes straight lines between the codes of two test examples, :math:`(1 - t) \, z_a + t \, z_b`; on spheres arcs."""
    x, y = pairs(model, data, rows, seed)
    rows = len(x) // 2
    with evaluating(model, seed):
        trace, codes = means_of(model, x, y)
        t = torch.linspace(0, 1, steps, device=x.device, dtype=x.dtype)
        given = {name: line(codes[name], t, g.p) for name, g in trace.latents.items()}
        context = None if y is None else y[:rows].repeat_interleave(steps, 0)
        likelihood = model(y=context, size=rows * steps, given=given).likelihood
        decoded = shown_images(likelihood)
    shown = to_rgb(decoded).reshape(rows, steps, *decoded.shape[2:], 3)
    ends = to_rgb(x.float().cpu().numpy())[:, None]
    tiles = np.concatenate([ends[:rows], shown, ends[rows:]], 1)
    columns = ["example", *(f"{v:.2g}" for v in np.linspace(0, 1, steps)), "example"]
    bent = any(on_spheres(g.p) for g in trace.latents.values())
    lines = "the shortest arcs" if bent else "straight lines"
    what = f"{shows(likelihood)} of p(x|z) on {lines} between the codes of two test examples"
    what += ", all of the left one's caption" if taken(model) == "captions" else ""
    note = f"{data.benchmark} · {what}, seed {seed}"
    return lay_out(
        tiles,
        "Interpolations",
        note,
        columns=columns,
        values={"images": decoded.reshape(rows, steps, *decoded.shape[1:])},
    )


def line(z: Tensor, t: Tensor, p: Distribution) -> Tensor:
    """Joins the first half of codes to the second, with shape (rows * steps, *)."""
    a, b = (half.unsqueeze(1) for half in z.chunk(2))
    t = t.view(1, -1, *(1 for _ in z.shape[1:]))
    return between(p, a, b, t).flatten(0, 1)


def pairs(model: Model, data: Data, rows: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """Takes the left ends of all pairs, then the right ends."""
    x, y = examples(model, data, 2 * rows, seed)
    if taken(model) != "labels" or not data.classes:
        if len(x) < 2:
            raise LatenteError(f"interpolations need two test examples, and {data.name} has {len(x)}")
        half = len(x) // 2
        return x[: 2 * half], None if y is None else y[: 2 * half]
    found = []
    for i in range(rows):
        both, labels = examples(model, data, 2, seed + i, i % len(data.classes))
        if len(both) == 2 and labels is not None:
            found.append((both, labels))
    if not found:
        raise LatenteError("interpolations of a conditional model need two test examples of one class")
    order = range(2)
    return torch.cat([b[i : i + 1] for i in order for b, _ in found]), torch.cat(
        [w[i : i + 1] for i in order for _, w in found]
    )


def centre_and_scale(g: Latent, codes: Tensor) -> tuple[Tensor, Tensor, str]:
    """Returns mean and standard deviation by dimension: the prior's, but those of codes that are points."""
    p = g.p.expand((1,)) if g.p.batch_shape == () else g.p
    is_known = has_mean(p) and has_variance(p)
    if not is_known or (g.q is not None and is_certain(g.q)):
        return codes.mean(0), codes.std(0), "the codes"
    center, variance = p.mean.flatten(1), p.variance.flatten(1)
    return center[0].double(), variance[0].double().sqrt(), "the prior"


def paths(g: Latent, codes: Tensor, steps: int) -> tuple[Tensor, list[str], str]:
    """Returns the values that each dimension takes, with shape (d, steps), what they are called, and what that means."""
    if g.q is not None and is_binary(g.q):
        t = torch.linspace(0, 1, steps, device=codes.device, dtype=codes.dtype)
        return t.expand(codes.shape[1], -1), [f"{v:.2g}" for v in t.tolist()], "a unit goes from off to on"
    center, sd, whose = centre_and_scale(g, codes)
    t = torch.linspace(-REACH, REACH, steps, device=codes.device, dtype=codes.dtype)
    names = [f"{v:+.1f} sd" if i in (0, steps - 1) else f"{v:.1f}" for i, v in enumerate(t.tolist())]
    back = ", and each code is projected back to its spheres" if on_spheres(g.p) else ""
    return center[:, None] + sd[:, None] * t, names, f"standard deviations are those of {whose}{back}"


def traversals(
    model: Model, data: Data, rows: int, steps: int, seed: int, label: int | str | None
) -> Picture:
    """Moves one latent dimension at a time around a test example's code, the most active dimension first."""
    x, y = examples(model, data, 1, seed, index_of(data, label))
    with evaluating(model, seed):
        codes = encode(model, *examples(model, data, MEASURED, seed))
        first = model(x, y)
        own = first.latents[codes.name]
        values, ticks, ending = paths(own, codes.means, steps)
        order = codes.order[:rows]
        z = mean_of(own).flatten(1).double().repeat(len(order) * steps, 1).view(len(order), steps, -1)
        for row, j in enumerate(order):
            z[row, :, j] = values[j]
        flat = onto(own.p, z.view(-1, *own.z.shape[1:]))
        context = None if y is None else y.repeat_interleave(len(flat), 0)
        decoded = decode_group(model, codes.name, flat, context)
    shown = decoded.reshape(len(order), steps, *decoded.shape[1:])
    names = [
        f"{codes.name}_{j}" + ("" if codes.nats is None else f"  {codes.nats[j]:.2f} nats") for j in order
    ]
    note = (
        f"{data.benchmark} · {shows(first.likelihood)} of p(x|z) around the code of a test example"
        f"{'' if label is None else f' of {label}'}; {ending}, seed {seed}"
    )
    title = (
        f"Traversals of the {len(order)} most active of {z.shape[-1]} dimensions"
        if len(order) < z.shape[-1]
        else "Traversals"
    )
    return lay_out(
        to_rgb(shown),
        title,
        note,
        rows=names,
        columns=ticks,
        values={"images": shown, "z": flat.view_as(z).cpu().numpy(), "order": np.array(order)},
    )


def manifold(model: Model, data: Data, n: int, seed: int, label: int | str | None) -> Picture:
    """Decodes a grid of the prior's quantiles in two latent dimensions."""
    x, y = examples(model, data, MEASURED, seed) if len(data.test) else own_examples(model, data, seed)
    takes, chosen = conditions(model, data, label)
    chosen = 0 if takes and chosen is None else chosen
    context = None if chosen is None else labels_of(chosen, 1, x)
    with evaluating(model, seed):
        first = model(x[:1], None if y is None else y[:1])
        codes = encode(model, x, y)
        p = model(y=context, size=1).latents[codes.name].p
        z, moving = through_quantiles(p, codes, n)
        decoded = decode_group(
            model,
            codes.name,
            z.view(-1, *codes.group.z.shape[1:]),
            None if chosen is None else labels_of(chosen, len(z), x),
        )
    side = 1 if len(moving) == 1 else n
    shown = decoded.reshape(side, n, *decoded.shape[1:])
    d = codes.means.shape[1]
    names = [f"{codes.name}_{j}" for j in moving]
    title = "Manifold" + (
        "" if d <= 2 else f": {names[0]} and {names[1]}, the two most active of {d} dimensions"
    )
    ending = "" if d <= 2 else ", the others at the prior's mean"
    across = f"{names[0]} to the right" + ("" if side == 1 else f", {names[1]} up")
    what = "" if chosen is None else f" for {data.classes[chosen]}"
    note = f"{data.benchmark} · {shows(first.likelihood)} of p(x|z){what} at equal steps of prior mass, {across}{ending}"
    return lay_out(to_rgb(shown), title, note, gap=0, values={"images": shown, "z": z.cpu().numpy()})


def own_examples(model: Model, data: Data, seed: int) -> tuple[Tensor, Tensor | None]:
    """Draws examples from the model itself, where its data is not at hand: their codes tell which dimensions are used."""
    takes, _ = conditions(model, data, None)
    y = torch.arange(MEASURED, device=next(model.parameters()).device) % len(data.classes) if takes else None
    with evaluating(model, seed):
        return model(y=y, size=MEASURED).likelihood.sample(), y


def through_quantiles(p: Distribution, codes: Codes, n: int) -> tuple[Tensor, list[int]]:
    """Returns the codes of the grid, row by row from the top, and the dimensions that move."""
    values = quantiles(p, (torch.arange(n, dtype=torch.float64) + 0.5) / n)
    if values is None:
        raise LatenteError(
            f"manifolds need a prior with an inverse CDF for each dimension, and this one is a {family(p)}: "
            "see samples, traversals and scatter"
        )
    moving = sorted(codes.order[:2])
    z = p.mean.double().reshape(1, 1, -1).repeat(1 if len(moving) == 1 else n, n, 1)
    z[:, :, moving[0]] = values[:, moving[0]]
    if len(moving) == 2:
        z[:, :, moving[1]] = values[:, moving[1]].flip(0).unsqueeze(1)
    return z.flatten(0, 1), moving
