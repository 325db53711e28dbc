r"""A discriminative beside a generative model of the same two columns.

The first is a decision boundary, :math:`P(y | x)`, as confident far away from all data as among them. The second is the density
of each class, :math:`P(x, y)`; the first follows from it by Bayes' rule, and it generates examples.
"""

from __future__ import annotations

import numpy as np
import torch

from ...data import Data
from ...errors import LatenteError
from ...evaluation.bayes import classify_by_bayes, log_joint
from ...evaluation.bounds import evaluating, to_model
from ...models.labels import label_law
from ...trace import Model
from .canvas import CLASSES, INK, MARGIN, Picture, axes, legend, need, sheet
from .rows import limits, names, short

__all__ = ["boundary"]

DPI = 200
SIDE, GAP = 3.05, 0.3  # inches
LEVELS = (0.02, 0.1, 0.3, 0.6)  # of a class's highest density
WIDER = 0.35  # of the data's span, beyond it


def boundary(model: Model, data: Data, n: int, side: int, draws: int, seed: int) -> Picture:
    """Draws :math:`P(y | x)` beside :math:`P(x, y)` over two columns."""
    if data.shape != (2,) or len(data.classes) < 2:
        raise LatenteError(
            f"a boundary is drawn over two columns with labels, and {data.name} has the shape {list(data.shape)} and "
            f"{len(data.classes)} classes"
        )
    held = data.test.fixed()
    x, y = held.batch(slice(None))
    assert y is not None
    classes = len(data.classes)
    true = data.inverse(x.cpu()).double().numpy()
    spans = [wider(limits(x[:, j].double().cpu().numpy())) for j in range(2)]
    ticks = [torch.linspace(*span, side, dtype=x.dtype) for span in spans]
    grid = to_model(model, torch.cartesian_prod(*ticks), None)[0]
    with evaluating(model, seed):
        joint = log_joint(model, grid, classes, draws, seed=seed).cpu()
        law = label_law(model)
        if law is not None:
            logits, by = law(grid).logits.double().log_softmax(-1).cpu(), "the model's classifier q(y|x)"
        else:
            logits, by = classify_by_bayes(model, grid, classes, draws, seed=seed).cpu(), "Bayes' rule"
        labels = torch.arange(n, device=grid.device) % classes
        drawn = data.inverse(model(y=labels, size=n).likelihood.sample().cpu()).double().numpy()
    ends = data.inverse(torch.stack(ticks, 1)).double().numpy()
    title = "Decision boundary P(y|x) and class densities P(x, y)"
    note = f"{data.benchmark} · left: {by}, and {len(true)} held-out rows; right: contours of the density, and {n} draws of it"
    left, bottom = 0.62, 0.5
    figure, header = sheet(left + 2 * SIDE + GAP + MARGIN, bottom + SIDE + 0.35, title, note, DPI)
    p, density = (t.exp().view(side, side, classes).numpy() for t in (logits, joint))
    across, up = (short(name) for name in names(data)[:2])
    panels = [
        axes(figure, (left + i * (SIDE + GAP), bottom, SIDE, SIDE), across, "" if i else up, lines=False)
        for i in range(2)
    ]
    colours = [CLASSES[k % len(CLASSES)] for k in range(classes)]
    panels[0].imshow(
        shades(p, colours),
        origin="lower",
        extent=(*ends[[0, -1], 0], *ends[[0, -1], 1]),
        aspect="auto",
        interpolation="bilinear",
    )
    for k, colour in enumerate(colours):
        mine = density[..., k]
        levels = [share * mine.max() for share in LEVELS]
        panels[1].contour(ends[:, 0], ends[:, 1], mine.T, levels=levels, colors=[colour], linewidths=0.9)
        for ax, points, of in ((panels[0], true, y.cpu().numpy()), (panels[1], drawn, labels.cpu().numpy())):
            ax.scatter(
                points[of == k, 0],
                points[of == k, 1],
                s=7,
                color=colour,
                edgecolors=INK,
                linewidths=0.25,
                label=short(data.classes[k]),
            )
    for ax, heading in zip(panels, ("P(y|x)", "P(x, y)")):
        ax.set(xlim=ends[[0, -1], 0], ylim=ends[[0, -1], 1])
        ax.set_title(heading, fontsize=8.5, loc="left", color=INK, fontfamily="DejaVu Sans")
        ax.locator_params(nbins=5)
    panels[1].tick_params(labelleft=False)
    legend(panels[1], loc="upper left", handletextpad=0.2)
    return Picture(
        figure, title, note, header, DPI, {"p": p, "density": density, "data": true, "samples": drawn}
    )


def wider(span: tuple[float, float]) -> tuple[float, float]:
    more = WIDER * (span[1] - span[0])
    return span[0] - more, span[1] + more


def shades(p: np.ndarray, colours: list[str]) -> np.ndarray:
    """Mixes the colours of classes by their probabilities, (x, y, K), on white; returns an image, (y, x, 3)."""
    to_rgb = need("matplotlib.colors").to_rgb
    mixed = p @ np.array([to_rgb(c) for c in colours])
    return (1 - 0.45 * (1 - mixed)).transpose(1, 0, 2)
