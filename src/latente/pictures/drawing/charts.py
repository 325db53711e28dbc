"""Charts: codes by label, curves of training, and the dimensions of the code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.distributions import Distribution

from ...data import Data
from ...distributions.traits import is_normal
from ...errors import LatenteError
from ...evaluation import Evaluation
from ...evaluation.bounds import evaluating
from ...evaluation.latents import ACTIVE
from ...trace import Model
from ...training.logs import best_validation
from .canvas import BLUE, CLASSES, GREY, INK, MARGIN, ORANGE, PAPER, Picture, axes, legend, need, sheet
from .codes import Codes, encode, examples

__all__ = ["curves", "group_bars", "kl_bars", "scatter"]

DPI = 200
WIDTH = 7.2
NAMED = 32  # dimensions that get a tick each
USED = 0.5  # nats of a group
TITLES = {"error": "error, a share and no nats"}
ASIDE = re.compile(r"step|epoch|split|loss|lr|beta|skipped|gradient/.*")  # no parts of the objective


def scatter(model: Model, data: Data, n: int, seed: int) -> Picture:
    """Draws the codes of test examples, coloured by label: the posterior means, or their first two principal components."""
    x, y = examples(model, data, n, seed)
    if len(x) < 3:
        raise LatenteError(f"a scatter needs three test examples, and {data.name} has {len(x)}")
    with evaluating(model, seed):
        codes = encode(model, x, y)
    points, names, what = plane(codes)
    note = f"{data.benchmark} · {what} of {len(x)} test examples"
    d = codes.means.shape[1]
    title = "Codes" if d <= 2 else f"Codes: the first two principal components of {d} dimensions"
    p = codes.group.p
    ring = circle(p) if d == 2 and is_normal(p) and p.mean.numel() == 2 else None
    note += "" if ring is None else "; the ring holds 95 % of the prior"
    side = 4.6
    figure, header = sheet(0.74 + side + 1.5, 0.5 + side + 0.1, title, note, DPI)
    ax = axes(figure, (0.74, 0.5, side, side), *names, lines=False)
    dots(ax, points, None if y is None else y.cpu().numpy(), data.classes)
    if ring is not None:
        ax.plot(*ring, color=INK, alpha=0.5, linewidth=0.7)
    if d > 1:
        ax.set_aspect("equal", adjustable="datalim")
    else:
        ax.set_yticks([])
    return Picture(
        figure,
        title,
        note,
        header,
        DPI,
        {"points": points} | ({} if y is None else {"labels": y.cpu().numpy()}),
    )


def circle(p: Distribution) -> np.ndarray:
    """Returns the ellipse that holds 95 % of two independent Normals, with shape (2, 200)."""
    angle, radius = np.linspace(0, 2 * np.pi, 200), np.sqrt(-2 * np.log(0.05))
    loc, scale = (t.detach().reshape(2, 1).cpu().numpy() for t in (p.mean, p.stddev))
    return loc + radius * scale * np.stack([np.cos(angle), np.sin(angle)])


def plane(codes: Codes) -> tuple[np.ndarray, tuple[str, str], str]:
    """Returns codes in two dimensions, the names of the axes, and what they are."""
    means = codes.means.cpu().numpy()
    n, d = means.shape
    if d == 1:
        height = torch.rand(n, generator=torch.Generator().manual_seed(0)).numpy()
        return (
            np.stack([means[:, 0], height], 1),
            (f"{codes.name}_0", "no meaning: spread to be seen"),
            "posterior means",
        )
    if d == 2:
        return means, (f"{codes.name}_0", f"{codes.name}_1"), "posterior means"
    centered = means - means.mean(0)
    _, s, axis = np.linalg.svd(centered, full_matrices=False)
    axis = axis[:2] * np.sign(np.take_along_axis(axis[:2], np.abs(axis[:2]).argmax(1)[:, None], 1))
    share = 100 * s[:2] ** 2 / max((s**2).sum(), 1e-300)
    names = (f"first component, {share[0]:.0f} % of the variance", f"second component, {share[1]:.0f} %")
    return centered @ axis.T, names, "principal components of the posterior means"


def dots(ax: Any, points: np.ndarray, y: np.ndarray | None, classes: Sequence[str]) -> None:
    """Draws points in the colours of the ten largest classes, and the rest in grey."""
    put = {"s": 9, "alpha": 0.75, "linewidths": 0, "rasterized": True}
    if y is None or not classes:
        ax.scatter(*points.T, color=BLUE, **put)
        return
    sizes = np.bincount(y, minlength=len(classes))
    named = sorted(np.argsort(-sizes, kind="stable")[: len(CLASSES)])
    rest = ~np.isin(y, named)
    if rest.any():
        ax.scatter(*points[rest].T, color=GREY, label="others", **put | {"alpha": 0.4})
    for colour, k in zip(CLASSES, named):
        ax.scatter(*points[y == k].T, color=colour, label=short(classes[k]), **put)
    name_clusters(ax, points, y, {k: short(classes[k]) for k in named})
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=2.2, handletextpad=0.2)


def name_clusters(ax: Any, points: np.ndarray, y: np.ndarray, names: Mapping[int, str]) -> None:
    """Writes the name of each class where the middle of its points is."""
    halo = need("matplotlib.patheffects").withStroke(linewidth=2.2, foreground=PAPER)
    found = {k: name for k, name in names.items() if (y == k).any()}
    places = np.stack([np.median(points[y == k], 0) for k in found])
    for name, (x, height) in zip(found.values(), apart(places, float(np.ptp(points, 0).max()) / 24)):
        put = {"color": INK, "fontfamily": "DejaVu Sans", "parse_math": False}
        ax.text(
            x,
            height,
            name,
            fontsize=8,
            fontweight="bold",
            ha="center",
            va="center",
            path_effects=[halo],
            **put,
        )


def apart(places: np.ndarray, least: float) -> np.ndarray:
    """Moves points that are too near each other apart.

    Example:
        >>> apart(np.array([[0.0, 0.0], [0.5, 0.0], [9.0, 0.0]]), 1.0).round(3) + 0.0
        array([[-0.25,  0.  ],
               [ 0.75,  0.  ],
               [ 9.  ,  0.  ]])
    """
    places = places + 1e-6 * least * np.arange(len(places))[:, None]  # no two are the same
    for _ in range(50):
        between = places[:, None] - places[None]
        distance = np.maximum(np.linalg.norm(between, axis=-1, keepdims=True), 1e-12)
        push = np.where(distance < least, between / distance * (least - distance) / 2, 0.0).sum(1)
        places = places + push
        if np.abs(push).max() < 1e-3 * least:
            break
    return places


def short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"


def curves(metrics: Sequence[Mapping[str, Any]], benchmark: str) -> Picture:
    """Draws the figures of training and validation by step, β where it changes, and the best step.

    The figures are distortion and rate, unless it is 0 throughout, and whatever else the objective is made of.

    Arguments:
        metrics: The lines of a run's log.
        benchmark: The data and how it is read.

    Raises:
        LatenteError: If the log holds no figures yet.
    """
    lines = {split: [m for m in metrics if m["split"] == split] for split in ("train", "validation")}
    parts = {split: series(found) for split, found in lines.items()}
    names = [
        name
        for name in dict.fromkeys(chain(*parts.values()))
        if name != "step" and is_ever_nonzero(parts, name)
    ]
    if not names:
        raise LatenteError("the log of this run holds no figures yet: train for more steps")
    best = best_validation(lines["validation"])
    beta = np.array([m["beta"] for m in lines["train"] if "beta" in m])
    moves = len(beta) > 1 and float(np.ptp(beta)) > 1e-9
    says = "" if moves or not len(beta) or "rate" not in names else f", β = {beta[0]:g}"
    note = f"{benchmark} · nats per example{says}" + (
        "" if best is None else f", dotted: the best validation, step {best['step']}"
    )
    columns = len(names) if len(names) < 4 else 2
    rows = -(-len(names) // columns)
    low, left, gap, high, below = 0.95 if moves else 0.0, 0.55, 0.62, 2.3 if rows == 1 else 1.6, 0.7
    figure, header = sheet(WIDTH, low + rows * (high + below), "Training", note, DPI)
    wide = (WIDTH - left - MARGIN - (columns - 1) * gap) / columns
    steps = [*parts["train"]["step"], *parts["validation"]["step"]]
    span = (0, max(steps) * 1.02)
    for i, name in enumerate(names):
        row, column = divmod(i, columns)
        box = (left + column * (wide + gap), low + 0.45 + (rows - 1 - row) * (high + below), wide, high)
        ax = axes(figure, box, "step" if row == rows - 1 else "", "")
        ax.set_title(
            TITLES.get(name, name),
            fontsize=8.5,
            loc="left",
            color=INK,
            fontfamily="DejaVu Sans",
            parse_math=False,
        )
        for split, colour, style in (("train", BLUE, "-"), ("validation", ORANGE, "o-")):
            if name in (part := parts[split]):
                ax.plot(
                    part["step"],
                    part[name],
                    style,
                    color=colour,
                    linewidth=1.1,
                    markersize=2.6,
                    label=split,
                )
        ax.set(xlim=span, ylim=window(parts, name))
        ax.locator_params(axis="x", nbins=6)
        mark(ax, best)
        if i == 0:
            legend(ax, loc="upper right")
    if moves:
        ax = axes(figure, (left, 0.42, WIDTH - left - MARGIN, 0.5), "step", "β")
        ax.plot(parts["train"]["step"][-len(beta) :], beta, color=GREY, linewidth=1.2)
        ax.set(xlim=span)
        mark(ax, best)
    values = {f"{split} {name}": v for split, part in parts.items() for name, v in part.items()}
    return Picture(figure, "Training", note, header, DPI, values)


def series(lines: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Returns steps, distortion, the sum of all rates, and what else was logged of the objective, by name."""
    found = {"step": np.array([m["step"] for m in lines], dtype=float)}
    names = dict.fromkeys(name for m in lines for name in m if not ASIDE.fullmatch(name))
    for name in sorted(names, key=lambda name: (name != "distortion", not name.startswith("rate/"))):
        short = "rate" if name.startswith("rate/") else name
        values = np.array([m.get(name, np.nan) for m in lines], dtype=float)
        found[short] = found[short] + values if short in found else values
    return found


def is_ever_nonzero(parts: Mapping[str, Mapping[str, np.ndarray]], name: str) -> bool:
    """Tells whether a figure has anything to tell: a rate that is always 0 has not."""
    found = np.concatenate([part[name] for part in parts.values() if name in part])
    return bool(np.isfinite(found).any() and (name != "rate" or found.any()))


def window(parts: Mapping[str, Mapping[str, np.ndarray]], name: str) -> tuple[float, float]:
    """Spans a figure but for the first twentieth of training, where it falls from far above."""
    train = parts["train"]
    late = train["step"] > 0.05 * max(train["step"], default=0)
    values = np.concatenate(
        [train.get(name, np.full(len(late), np.nan))[late], parts["validation"].get(name, [])]
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    edge = 0.06 * (high - low) or 0.5
    return low - edge, high + edge


def mark(ax: Any, best: Mapping[str, Any] | None) -> None:
    if best is not None:
        ax.axvline(best["step"], color=INK, linewidth=0.8, linestyle=":", alpha=0.7)


def kl_bars(evaluation: Evaluation) -> Picture:
    r"""Draws the KL of each latent dimension in nats, sorted, and :math:`\mathrm{Var}_x(\mathbb{E}_q z_j)`, its activity.

    Arguments:
        evaluation: The figures of a run.

    Raises:
        LatenteError: If no latent group has figures by dimension.
    """
    found = [
        (f"{n}_{j}", g.kl[j] if g.kl else np.nan, g.activity[j] if g.activity else np.nan)
        for n, g in (evaluation["codes"].groups if "codes" in evaluation else {}).items()
        for j in range(g.dimensions)
        if g.kl or g.activity
    ]
    if not found:
        raise LatenteError(
            "the families of this model's codes do not split into dimensions, so there are no bars to draw"
        )
    by = 1 if any(np.isfinite(row[1]) for row in found) else 2
    found.sort(key=lambda row: -np.nan_to_num(row[by], nan=-1))
    kls, activity = (np.array([row[i] for row in found]) for i in (1, 2))
    active = np.nan_to_num(activity, nan=np.inf) > ACTIVE
    panels = [name for name, v in (("kl", kls), ("activity", activity)) if np.isfinite(v).any()]
    title = f"Dimensions of the code: {int(active.sum())} of {len(found)} active"
    note = f"{evaluation.benchmark} · over {evaluation.split} examples; active: the posterior's mean varies by more than {ACTIVE}"
    high = {"kl": 1.75, "activity": 1.05}
    figure, header = sheet(WIDTH, 0.5 + sum(high[p] + 0.25 for p in panels), title, note, DPI)
    place, bottom = np.arange(len(found)), 0.5
    colour = [BLUE if a else GREY for a in active]
    for panel in reversed(panels):
        is_last = panel == panels[-1]
        ax = axes(
            figure,
            (0.72, bottom, WIDTH - 0.72 - MARGIN, high[panel]),
            "",
            "KL, nats" if panel == "kl" else "variance\nof the mean",
        )
        bottom += high[panel] + 0.25
        if panel == "kl":
            ax.bar(place, kls, width=0.72, color=colour, linewidth=0)
            handles(ax, active)
        else:
            ax.scatter(place, activity.clip(1e-8), s=14, color=colour, linewidths=0, zorder=3)
            ax.set_yscale("log")
            low, most = (float(f(activity.clip(1e-8))) for f in (np.nanmin, np.nanmax))
            ax.set_ylim(min(ACTIVE / 4, low / 2), max(4 * ACTIVE, 2 * most))
            ax.minorticks_off()
            ax.axhline(ACTIVE, color=INK, linewidth=0.8, linestyle=":", alpha=0.7)
            ax.annotate(
                f"{ACTIVE}",
                (len(found) - 0.4, ACTIVE),
                ha="right",
                va="bottom",
                fontsize=7,
                color=INK,
                alpha=0.8,
                fontfamily="DejaVu Sans",
            )
        ax.set_xlim(-0.6, len(found) - 0.4)
        ticks = place if len(found) <= NAMED else place[:0]
        ax.set_xticks(ticks, [row[0] for row in found] if len(ticks) and is_last else [""] * len(ticks))
    return Picture(figure, title, note, header, DPI, {"kl": kls, "activity": activity, "active": active})


def group_bars(evaluation: Evaluation) -> Picture:
    """Draws the KL of each latent group in nats, in the order of the walk.

    Arguments:
        evaluation: The figures of a run.

    Raises:
        LatenteError: If there are less than two groups.
    """
    if len(evaluation["bound"].rates) < 2:
        raise LatenteError("this model has less than two latent groups, so there are none to compare")
    names = list(evaluation["bound"].rates)
    kls, errors = np.array([(r.mean, r.se) for r in evaluation["bound"].rates.values()]).T
    used = int((kls > USED).sum())
    title = f"Latent groups: {used} of {len(kls)} hold more than half a nat"
    note = f"{evaluation.benchmark} · over {evaluation.split} examples, in the order of the walk; in all {kls.sum():.1f} nats"
    figure, header = sheet(WIDTH, 2.5, title, note, DPI)
    ax = axes(figure, (0.72, 0.5, WIDTH - 0.72 - MARGIN, 1.75), "", "KL, nats")
    place = np.arange(len(kls))
    ax.bar(place, kls, width=0.72, color=[BLUE if k > USED else GREY for k in kls], linewidth=0)
    ax.errorbar(place, kls, errors, fmt="none", ecolor=INK, elinewidth=0.8)
    ax.set_xlim(-0.6, len(kls) - 0.4)
    ax.set_xticks(place, names if len(names) <= NAMED else [""] * len(names))
    return Picture(figure, title, note, header, DPI, {"kl": kls})


def handles(ax: Any, active: np.ndarray) -> None:
    """Names the two colours."""
    for name, colour, n in (("active", BLUE, int(active.sum())), ("inactive", GREY, int((~active).sum()))):
        if n:
            ax.bar([0], [0], color=colour, linewidth=0, label=f"{name}: {n}")
    legend(ax, loc="upper right", handlelength=0.9, handleheight=0.9)
