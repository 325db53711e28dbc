r"""Pictures of a model of drawings: samples, reconstructions, completions and interpolations.

Sketch-rnn is looked at a little colder than it is: a temperature :math:`\tau` below 1 multiplies variances, which takes the
tremor of points away, and the log-odds of components and of the pen are divided by :math:`(1 + \tau) / 2`, as in sketch-rnn's own
demos: were they divided by :math:`\tau`, a pen that goes round would hardly ever stop. Each picture says its :math:`\tau`; 1 is
the model itself.

Ha and Eck, A Neural Representation of Sketch Drawings, 2017, https://arxiv.org/abs/1704.03477.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...data import Data, read
from ...distributions.strokes import as_strokes, lengths_of
from ...errors import LatenteError
from ...evaluation.bounds import evaluating, to_model
from ...trace import Model, Trace
from .codes import cold, examples, mean_of
from .ink import Drawing, Sheet

__all__ = ["analogy", "completions", "interpolations", "reconstructions", "samples", "slerp", "temperatures"]

CALM = 0.1  # temperature of points where a picture is to show what a code means
GROUP = "z"
DrawingsSource = Tensor | str | Path | None


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    r"""Joins codes along an arc, :math:`\big( \sin((1 - t) \omega) \, a + \sin(t \omega) \, b \big) / \sin \omega`.

    :math:`\omega` is the angle between them. Where it is 0 or half a turn there is no one arc, and the line is taken.

    Arguments:
        a: The codes at :math:`t = 0`, with shape (..., d).
        b: The codes at :math:`t = 1`.
        t: Where between them, broadcast with (..., 1).

    Example:
        >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([1 / 3]))
        tensor([0.8660, 0.5000])
        >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0]), torch.tensor([0.5]))
        tensor([0., 0.])
    """
    omega = torch.cosine_similarity(a, b, -1).clamp(-1, 1).acos().unsqueeze(-1)
    sine = omega.sin()
    straight = sine < 1e-3
    safe = sine.where(~straight, 1.0)
    arc = (((1 - t) * omega).sin() * a + (t * omega).sin() * b) / safe
    return torch.where(straight, a + t * (b - a), arc)


def sample_drawings(
    trace: Trace, data: Data, temperature: float, before: Tensor | None = None
) -> list[Drawing]:
    """Draws from a trace's likelihood, in the units of the data; what was given `before` is marked."""
    x = as_strokes(trace.likelihood).draw(temperature, (1 + temperature) / 2, before=before)
    return of_data(x, data, 0 if before is None else len(before))


def of_data(x: Tensor, data: Data, given: int = 0) -> list[Drawing]:
    """Returns the drawings of a tensor (N, L, 3), in the units of the data."""
    return [Drawing(rows[: int(n)], given) for rows, n in zip(data.inverse(x).numpy(), lengths_of(x.cpu()))]


def grid(drawings: Sequence[Drawing], across: int) -> list[Sequence[Drawing]]:
    return [drawings[i : i + across] for i in range(0, len(drawings), across)]


def samples(
    model: Model, data: Data, n: int, seed: int, temperature: float, point_temperature: float
) -> Sheet:
    r"""Draws :math:`z \sim p(z)` and drawings from :math:`p(x | z)`."""
    with evaluating(model, seed):
        trace = model(size=n, choose=cold(temperature))
        if temperature != 1 and not trace.latents:
            raise LatenteError(
                f"temperature is {temperature:g}, which is of the prior, and a decoder alone has none: see point_temperature"
            )
        found = sample_drawings(trace, data, point_temperature)
    prior = (
        f"z ~ p(z){f', temperature {temperature:g}' if temperature != 1 else ''}, " if trace.latents else ""
    )
    return Sheet(
        "Samples",
        f"{data.benchmark} · {prior}points at τ = {point_temperature:g}, seed {seed}",
        grid(found, min(n, 10)),
    )


def reconstructions(
    model: Model,
    data: Data,
    n: int,
    seed: int,
    drawings: DrawingsSource,
    rescale: bool,
    point_temperature: float,
) -> Sheet:
    r"""Shows drawings, low-temperature samples at their mean codes, and draws at :math:`z \sim q(z | x)`."""
    x = chosen_drawings(model, data, n, seed, drawings, rescale)
    with evaluating(model, seed):
        means = {name: mean_of(g) for name, g in model(x).latents.items()}
        rows = [
            of_data(x, data),
            sample_drawings(model(size=len(x), given=means), data, CALM),
            *(sample_drawings(model(x), data, point_temperature) for _ in range(2)),
        ]
    whose = "test" if drawings is None else "given"
    how = f"at the mean code, τ = {CALM:g}; z ~ q(z|x), τ = {point_temperature:g}, seed {seed}"
    note = f"{data.benchmark} · {whose} drawings; {how}"
    return Sheet("Reconstructions", note, rows, ["drawing", "mean", "drawn", "drawn"])


def chosen_drawings(
    model: Model, data: Data, n: int, seed: int, given: DrawingsSource, rescale: bool
) -> Tensor:
    """Takes the first of the drawings that are given, or test drawings in random order.

    Raises:
        LatenteError: If there are no test drawings, or given ones are to be rescaled and there are none.
    """
    if given is not None:
        x = given if isinstance(given, Tensor) else read_drawings(data, given, rescale)
        return to_model(model, x[:n], None)[0]
    if rescale:
        raise LatenteError("--rescale is for your own drawings: name them with --drawings")
    if not len(data.test):
        raise LatenteError(f"there are no test drawings of {data.name}: give some with --drawings FILE")
    return examples(model, data, n, seed)[0]


def read_drawings(data: Data, source: str | Path, rescale: bool) -> Tensor:
    """Reads drawings as a model saw its own, or scaled by their own moves."""
    about = data.describe()
    like = {**about, "learned": {"location": None, "scale": None}} if rescale else about
    return read(str(source), like=like, labels="none").examples.x


def interpolations(
    model: Model,
    data: Data,
    rows: int,
    steps: int,
    seed: int,
    corners: bool,
    drawings: DrawingsSource,
    rescale: bool,
    point_temperature: float,
) -> Sheet:
    """Draws what lies between the codes of two drawings, on arcs; or between those of four, in a square."""
    if corners and rows < 2:
        raise LatenteError(f"rows is {rows}: a square between four drawings takes 2 or more")
    x = chosen_drawings(model, data, 4 if corners else 2 * rows, seed, drawings, rescale)
    if len(x) < 4 if corners else len(x) < 2 or len(x) % 2:
        raise LatenteError(
            f"drawings are {len(x)}: give {'four, one per corner' if corners else 'two, or more pairs'}"
        )
    with evaluating(model, seed):
        z = mean_of(model(x).latents[GROUP])
        t = torch.linspace(0, 1, steps, device=z.device, dtype=z.dtype).view(1, -1, 1)
        left, right = z[::2], z[1::2]
        if corners:
            down = torch.linspace(0, 1, rows, device=z.device, dtype=z.dtype).view(-1, 1)
            left, right = (slerp(side[:1], side[1:], down) for side in (left, right))
        path = slerp(left.unsqueeze(1), right.unsqueeze(1), t)
        found = grid(
            sample_drawings(
                model(size=path[..., 0].numel(), given={GROUP: path.flatten(0, 1)}), data, point_temperature
            ),
            steps,
        )
    whose = "test drawings" if drawings is None else "given drawings"
    columns = [f"{v:.2g}" for v in np.linspace(0, 1, steps)]
    if corners:
        note = f"{data.benchmark} · between the codes of four {whose}, in the corners; τ = {point_temperature:g}, seed {seed}"
        return Sheet("Between four drawings", note, found)
    ends = of_data(x, data)
    found = [[ends[2 * i], *row, ends[2 * i + 1]] for i, row in enumerate(found)]
    note = (
        f"{data.benchmark} · on arcs between the codes of two {whose}; τ = {point_temperature:g}, seed {seed}"
    )
    return Sheet("Interpolations", note, found, columns=["drawing", *columns, "drawing"])


def temperatures(model: Model, data: Data, rows: int, steps: int, seed: int) -> Sheet:
    """Draws the same codes at temperatures from 0.1 to 1."""
    taus = np.linspace(0.1, 1.0, steps)
    with evaluating(model, seed):
        z = {name: g.z for name, g in model(size=rows).latents.items()}
        columns = [sample_drawings(model(size=rows, given=z), data, float(tau)) for tau in taus]
    note = f"{data.benchmark} · {'one code per row, ' if z else ''}points at growing τ, seed {seed}"
    return Sheet("Temperatures", note, list(zip(*columns)), columns=[f"τ = {tau:.2g}" for tau in taus])


def completions(
    model: Model,
    data: Data,
    drawings: DrawingsSource,
    rescale: bool,
    n: int,
    endings: int,
    keep: float | None,
    seed: int,
    point_temperature: float,
) -> Sheet:
    """Completes unfinished drawings, with several endings each; a code is drawn from the prior for each ending."""
    whole = drawings is not None and keep is None
    keep = 1.0 if whole else 0.5 if keep is None else keep
    x = chosen_drawings(model, data, n, seed, drawings, rescale)
    found = []
    with evaluating(model, seed):
        for drawing, length in zip(x, lengths_of(x).tolist()):
            given = max(1, round(keep * length))
            if given >= drawing.shape[0] - 1:
                raise LatenteError(
                    f"a drawing has {given} points already, as many as the longest that the model draws: keep fewer (--keep 0.5)"
                )
            ends = sample_drawings(model(size=endings), data, point_temperature, drawing[:given])
            first = [] if whole else of_data(drawing[None], data)
            found.append([*first, *of_data(drawing[None, :given], data, given), *ends])
    labels = [*([] if whole else ["drawing"]), "begun", *(f"ending {i + 1}" for i in range(endings))]
    note = f"{data.benchmark} · orange is given, points at τ = {point_temperature:g}, seed {seed}"
    return Sheet("Completions", note, found, columns=labels)


def analogy(
    model: Model,
    data: Data,
    drawings: DrawingsSource,
    rescale: bool,
    rows: int,
    seed: int,
    point_temperature: float,
) -> Sheet:
    """Draws :math:`z_a + z_b - z_c` of three drawings: the analogy of :math:`c` to :math:`b`, applied to :math:`a`."""
    x = chosen_drawings(model, data, 3 * rows, seed, drawings, rescale)
    if len(x) < 3 or len(x) % 3:
        raise LatenteError(f"drawings are {len(x)}: give three, a, b and c, or more threes")
    with evaluating(model, seed):
        z = mean_of(model(x).latents[GROUP]).unflatten(0, (-1, 3))
        moved_codes = z[:, 0] + z[:, 1] - z[:, 2]
        answers = sample_drawings(model(size=len(z), given={GROUP: moved_codes}), data, point_temperature)
    shown = [[*row, answer] for row, answer in zip(grid(of_data(x, data), 3), answers)]
    whose = "test" if drawings is None else "given"
    note = f"{data.benchmark} · at the mean codes of {whose} drawings, τ = {point_temperature:g}, seed {seed}"
    return Sheet("Analogies", note, shown, columns=["a", "b", "c", "a + b − c"])
