"""Samples and reconstructions of tables and vectors, in the user's units."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...data import Data
from .canvas import BLUE, INK, MARGIN, ORANGE, Picture, axes, legend, sheet

__all__ = ["ROWS", "against", "true_against_reconstructed"]

ROWS = 500  # shown of the data
PAIRED, SHOWN = 4, 6  # columns of the picture of samples, and of reconstructions
DPI = 200
CELL = 1.62  # inches


def names(data: Data) -> list[str]:
    return list(data.learned.columns) or [f"x{j + 1}" for j in range(data.shape[0])]


def short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def limits(values: np.ndarray) -> tuple[float, float]:
    """Spans the values but for the outermost half of a percent at both ends."""
    low, high = np.quantile(values, [0.005, 0.995])
    edge = 0.06 * (high - low) or 0.5
    return low - edge, high + edge


def against(data: Data, drawn: Tensor, note: str) -> Picture:
    """Draws samples beside held-out rows: each column alone, and each pair of the first few."""
    held, _ = data.test.fixed().subset(ROWS).batch(slice(None))
    true, made = (data.inverse(t.cpu()).double().numpy() for t in (held, drawn))
    d = min(PAIRED, true.shape[1])
    labels = names(data)
    span = [limits(true[:, j]) for j in range(d)]
    left, bottom, gap = 0.72, 0.52, 0.14
    width = max(left + d * CELL + (d - 1) * gap + MARGIN, 4.4)
    few = "" if d == true.shape[1] else f", the first {d} of {true.shape[1]} columns"
    note = f"{data.benchmark} · {len(true)} held-out rows, {len(made)} draws of {note}{few}, in the data's own units"
    title = "Samples beside data"
    figure, header = sheet(width, bottom + d * CELL + (d - 1) * gap + 0.1, title, note, DPI)
    for i in range(d):
        for j in range(i + 1):
            box = (left + j * (CELL + gap), bottom + (d - 1 - i) * (CELL + gap), CELL, CELL)
            ax = axes(
                figure,
                box,
                short(labels[j]) if i == d - 1 else "",
                short(labels[i]) if j == 0 and i else "",
                lines=False,
            )
            ax.set_xlim(span[j])
            if i == j:
                edges = np.linspace(*span[j], 31).tolist()
                ax.hist(true[:, j], edges, density=True, color=BLUE, alpha=0.45, linewidth=0)
                ax.hist(made[:, j], edges, density=True, color=ORANGE, histtype="step", linewidth=1.1)
                ax.set_yticks([])
                ax.spines["left"].set_visible(False)
            else:
                ax.set_ylim(span[i])
                for values, colour in ((true, BLUE), (made, ORANGE)):
                    ax.scatter(
                        values[:, j],
                        values[:, i],
                        s=5,
                        color=colour,
                        alpha=0.5,
                        linewidths=0,
                        rasterized=True,
                    )
            ax.locator_params(nbins=4)
            ax.tick_params(labelbottom=i == d - 1, labelleft=j == 0 and i > 0)
            if i == j == 0:
                ax.plot([], [], color=BLUE, alpha=0.6, linewidth=4, label="data")
                ax.plot([], [], color=ORANGE, linewidth=1.4, label="samples")
                legend(ax, loc="upper left", bbox_to_anchor=(1.04, 1.0), borderaxespad=0.0)
    return Picture(figure, title, note, header, DPI, {"data": true, "samples": made})


def true_against_reconstructed(data: Data, x: Tensor, means: Tensor, seed: int) -> Picture:
    """Draws true against reconstructed values of the first few columns."""
    true, made = (data.inverse(t.cpu()).double().numpy() for t in (x, means))
    d = min(SHOWN, true.shape[1])
    across = min(3, d)
    down = -(-d // across)
    left, bottom, wide, high = 0.62, 0.46, 0.66, 0.62
    few = "" if d == true.shape[1] else f", the first {d} of {true.shape[1]} columns"
    where = f"{data.benchmark} · {len(true)} held-out rows"
    note = f"{where}, means of p(x|z) at the posterior's mean{few}, in own units, seed {seed}"
    width = max(left + across * CELL + (across - 1) * wide + MARGIN, 3.4)
    figure, header = sheet(
        width, bottom + down * CELL + (down - 1) * high + 0.1, "Reconstructions", note, DPI
    )
    for j in range(d):
        row, column = divmod(j, across)
        box = (left + column * (CELL + wide), bottom + (down - 1 - row) * (CELL + high), CELL, CELL)
        ax = axes(figure, box, short(names(data)[j]), "reconstructed" if column == 0 else "", lines=False)
        span = limits(true[:, j])
        ax.plot(span, span, color=INK, linewidth=0.6, alpha=0.5)
        ax.scatter(true[:, j], made[:, j], s=5, color=BLUE, alpha=0.5, linewidths=0, rasterized=True)
        ax.set(xlim=span, ylim=span)
        ax.locator_params(nbins=4)
    return Picture(figure, "Reconstructions", note, header, DPI, {"true": true, "reconstructed": made})
