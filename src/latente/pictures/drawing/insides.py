r"""What goes on inside an encoder: how many units are active per example, and to how many directions the code is sensitive.

*Sparse.* A code is sparse if few of its units answer to one example, and each of them to some. A unit is called active above a
tenth of the root mean square of all activations: where a share :math:`p` of them has the size :math:`a` and the others none, that
is :math:`a \sqrt p / 10`, which lies below :math:`a` for every :math:`p`. Without a threshold it is measured by Hoyer (2004),

.. math:: \frac{\sqrt d - \|z\|_1 / \|z\|_2}{\sqrt d - 1} \in [0, 1] ,

which is 0 where all units have one size, and 1 where only one of them is not zero.

*Contractive.* The singular values :math:`s_1 \geq s_2 \geq \dots` of :math:`J = \partial z / \partial x` say by how much the code
answers to a small step in each of as many directions. Few large ones and many small ones: it follows the data along the few
directions in which it varies, and resists the others (Rifai et al., 2011). How many it follows is counted by
:math:`(\sum_i s_i^2)^2 / \sum_i s_i^4`. Since a code can be made smaller as a whole and its decoder larger to match,
:math:`\|J\|_F` is also divided by the spread of the codes, :math:`\sqrt{\mathrm{tr} \, \mathrm{Cov}(z)}`.

References:
    | Non-negative matrix factorization with sparseness constraints (Hoyer, 2004), https://www.jmlr.org/papers/v5/hoyer04a.html
    | Contractive Auto-Encoders (Rifai et al., 2011), https://icml.cc/2011/papers/455_icmlpaper.pdf
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from torch import Tensor

from ...data import Data
from ...errors import LatenteError
from ...evaluation.bounds import evaluating
from ...trace import Model
from .canvas import BLUE, CLASSES, MARGIN, ORANGE, Picture, axes, legend, sheet
from .codes import encode, examples, mean_of

__all__ = ["activations", "spectrum"]

DPI = 200
NEAR = 0.1  # of the root mean square
SPREAD = 1000  # examples that tell the spread of the codes
ROWS = 10_000  # of all Jacobians together: about a second of small networks
DEEPEST = 1e4  # how far below the largest singular value is shown
LEAST = 10  # examples, however wide the code is


def activations(model: Model, data: Data, n: int, seed: int) -> Picture:
    """Draws how large the units of a code are, how many of them are active per example, and how often each of them is."""
    x, y = examples(model, data, n, seed)
    with evaluating(model, seed):
        codes = encode(model, x, y)
    z = codes.means.cpu().numpy()
    units, size = z.shape[1], np.abs(z)
    near = NEAR * np.sqrt((z**2).mean())
    if not near > 0:
        raise LatenteError("every unit of this code is zero for every example: there is nothing to draw")
    awake = size > near
    active, often, mean = awake.sum(1), np.sort(awake.mean(0))[::-1], np.sort(size.mean(0))[::-1]
    dead, zero = int((often == 0).sum()), float((z == 0).mean())
    sparseness = float(hoyer(z).mean())
    note = (
        f"{data.benchmark} · {codes.name} of {len(z)} test examples; {percent(zero)} of it is exactly zero, "
        f"{percent(1 - awake.mean())} is not active, within {near:.2g} of zero (a tenth of the root mean square); "
        f"{dead} {'unit is' if dead == 1 else 'units are'} never active; "
        f"Hoyer's sparseness {sparseness:.2f}: 0 if all units have one size, 1 if only one is not zero"
    )
    title = f"Activations: {active.mean():.1f} active units of {units} per example"
    wide, high, left, gap = 1.78, 1.9, 0.6, 0.6
    figure, header = sheet(left + 3 * wide + 2 * gap + MARGIN, 0.5 + high + 0.12, title, note, DPI)
    places = [(left + i * (wide + gap), 0.5, wide, high) for i in range(3)]
    ax = axes(figure, places[0], "activation", "share of activations")
    ax.hist(z.ravel(), 61, weights=np.full(z.size, 1 / z.size), color=BLUE, linewidth=0)
    ax.set_yscale("log")
    ax.minorticks_off()
    ax = axes(figure, places[1], "active units per example", "share of examples")
    step = max(1, int(np.ptp(active)) // 30)
    edges = np.arange(active.min(), active.max() + 1 + step, step) - 0.5
    ax.hist(active, edges.tolist(), weights=np.full(len(active), 1 / len(active)), color=BLUE, linewidth=0)
    beside = max(0.0, 3 - np.ptp(active) / 2)  # of a code with one number of active units for all
    ax.set_xlim(max(-1.0, edges[0] - beside - 0.5), edges[-1] + beside + 0.5)
    ax.locator_params(axis="x", integer=True, nbins=6)
    ax = axes(figure, places[2], "units, each curve in its order")
    place = np.arange(1, units + 1)
    ax.plot(place, often, color=BLUE, linewidth=1.2, label="active: share of examples")
    ax.plot(place, mean / mean[0], color=ORANGE, linewidth=1.2, label="mean size, of the largest")
    ax.set(ylim=(-0.03, 1.36), yticks=np.linspace(0, 1, 6))
    ax.locator_params(axis="x", integer=True, nbins=5)
    legend(ax, loc="upper right")
    values = {"activations": z, "active": active, "often": often, "size": mean}
    figures = {"zero": zero, "near zero": 1 - awake.mean(), "dead": dead, "sparseness": sparseness}
    return Picture(figure, title, note, header, DPI, values | {n: np.array(v) for n, v in figures.items()})


def percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"


def hoyer(z: np.ndarray) -> np.ndarray:
    """Measures the sparseness of each row that is not zero throughout.

    Example:
        >>> hoyer(np.array([[1.0, -1.0, 1.0, 1.0], [0.0, 3.0, 0.0, 0.0]]))
        array([0., 1.])
    """
    d = z.shape[1]
    z = z[(z != 0).any(1)]
    ratio = np.abs(z).sum(1) / np.sqrt((z**2).sum(1))
    return (np.sqrt(d) - ratio) / max(np.sqrt(d) - 1, 1e-12)


# -------------------------------------------------------------------------------------------------- derivatives


def jacobian(model: Model, x: Tensor, y: Tensor | None = None) -> Tensor:
    r"""Returns :math:`\partial z / \partial x` of the posterior's mean, with shape (B, d, D).

    One backward pass a dimension serves all examples, since the code of one does not depend on another.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_(x.is_floating_point())
        z = mean_of(next(iter(model(x, y).latents.values()))).flatten(1).sum(0)
        if not (x.requires_grad and z.requires_grad):
            raise LatenteError("this code is not a smooth function of the example: it has no derivative")
        rows = [torch.autograd.grad(unit, x, retain_graph=True, materialize_grads=True)[0] for unit in z]
    return torch.stack(rows, 1).flatten(2)


def singular_values(j: Tensor) -> Tensor:
    """Returns the singular values of matrices, the largest first, with shape (B, min(d, D))."""
    j = j.double()
    gram = j @ j.mT if j.shape[1] <= j.shape[2] else j.mT @ j
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().flip(1)


@dataclass(frozen=True)
class Response:
    """Holds how a code answers to small steps of n examples: singular values, with shape (n, m), and the spread of the codes."""

    name: str
    singular: np.ndarray
    spread: float

    @property
    def relative(self) -> float:
        return self.norm / self.spread if self.spread else np.nan

    @property
    def norm(self) -> float:
        return float(np.sqrt((self.singular**2).sum(1)).mean())

    @property
    def directions(self) -> float:
        squares = self.singular**2
        return float((squares.sum(1) ** 2 / (squares**2).sum(1).clip(1e-300)).mean())

    @property
    def short(self) -> str:
        return f"{self.norm:.3g}, × {self.relative:.2f}, {self.directions:.1f} of {self.singular.shape[1]}"

    def __str__(self) -> str:
        return (
            f"‖J‖_F = {self.norm:.3g}, {self.relative:.2f} × the spread of the codes, "
            f"follows {self.directions:.1f} of {self.singular.shape[1]} directions"
        )


def spectrum(models: Mapping[str, Model], data: Data, n: int, seed: int) -> Picture:
    r"""Draws the singular values of :math:`\partial z / \partial x` of models by name: their mean, and where 80 % of them lie."""
    found = {name: response(one, data, n, seed) for name, one in models.items()}
    sizes = sorted({len(r.singular) for r in found.values()})
    few = " to ".join(map(str, sizes))
    note = f"{data.benchmark} · the mean of {few} test examples, and the band that holds 80\u00a0% of them"
    relative = "‖J‖_F, × the spread of the codes, and how many directions are followed"
    note += f"; {found['']}" if "" in found else f"; beside each name: {relative}"
    letters = "/".join(sorted({r.name for r in found.values()}))
    title = f"Singular values of the encoder's Jacobian ∂{letters}/∂x"
    left, wide, high = 0.72, 6.0, 2.7
    figure, header = sheet(left + wide + MARGIN, 0.5 + high + 0.12, title, note, DPI)
    ax = axes(figure, (left, 0.5, wide, high), "direction, the largest first", "singular value")
    most = max(r.singular.max() for r in found.values())
    low = max(most / DEEPEST, min(np.quantile(r.singular[r.singular > 0], 0.01) for r in found.values()))
    for colour, (name, r) in zip(cycle((BLUE, ORANGE, *CLASSES[2:])), found.items()):
        place = np.arange(1, r.singular.shape[1] + 1)
        below, above = np.quantile(r.singular, [0.1, 0.9], axis=0)
        ax.fill_between(place, below.clip(low), above.clip(low), color=colour, alpha=0.18, linewidth=0)
        mean = r.singular.mean(0)
        ax.plot(
            place,
            np.where(mean >= low, mean, np.nan),
            color=colour,
            linewidth=1.4,
            label=f"{name}: {r.short}",
        )
    if most > 10 * low:
        ax.set_yscale("log")
        ax.minorticks_off()
    ax.set_ylim(low if most > 10 * low else 0)
    ax.locator_params(axis="x", integer=True)
    if "" not in found:
        legend(ax, loc="upper right")
    values = {f"{name} {what}".strip(): v for name, r in found.items() for what, v in numbers(r).items()}
    return Picture(figure, title, note, header, DPI, values)


def numbers(r: Response) -> dict[str, np.ndarray]:
    figures = {"norm": r.norm, "spread": r.spread, "directions": r.directions}
    return {"singular values": r.singular} | {name: np.array(value) for name, value in figures.items()}


def response(model: Model, data: Data, n: int, seed: int) -> Response:
    x, y = examples(model, data, SPREAD, seed)
    with evaluating(model, seed):
        codes = encode(model, x, y)
        means = codes.means
        few = min(n, max(LEAST, ROWS // means.shape[1]))
        found = singular_values(jacobian(model, x[:few], None if y is None else y[:few])).cpu().numpy()
    if not found.max() > 0:
        raise LatenteError(
            "the code does not answer to the example at all: its derivative is zero throughout"
        )
    spread = means.var(0).sum().sqrt().item() if len(means) > 1 else 0.0
    return Response(codes.name, found, spread)
