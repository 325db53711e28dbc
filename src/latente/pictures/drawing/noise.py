r"""What a model makes of noise: corrupted examples restored, and the chains of a restricted Boltzmann machine.

A denoising autoencoder takes one step from a corrupted example towards the data. A Gibbs chain takes as many as one likes,
:math:`h \sim p(h | v)` and :math:`v \sim p(v | h)` in turn, and forgets where it started. What is shown of it is the mean of
:math:`p(v | h)`, of which the next :math:`v` is drawn. If chains from the data and chains from noise look alike in
the end, they mix; if those from noise never find the data, or those from the data never leave their class, there are walls
between the modes of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ...data import Data
from ...errors import LatenteError
from ...evaluation.bounds import evaluating
from ...evaluation.similarity import psnr
from ...models import looks
from ...trace import Model
from .canvas import Picture, lay_out
from .codes import examples, means_of, shown_images
from .images import to_rgb

__all__ = ["chains", "denoised"]

MEASURED = 500  # examples that the mean PSNR is taken of


def denoised(model: Model, data: Data, corrupt: Callable[[Tensor], Tensor], n: int, seed: int) -> Picture:
    """Shows test examples, what a corruption makes of them, and the mean of :math:`p(x | z)` at the code of that.

    Above each stands the PSNR of both, of images in [0, 1]; corrupted ones are clipped to [0, 1] first, as they are seen.
    """
    x, y = examples(model, data, max(n, MEASURED), seed)
    with evaluating(model, seed):
        noisy = corrupt(x)
        codes = means_of(model, noisy, y)[1]
        clean = shown_images(model(y=y, size=len(x), given=codes).likelihood)
    rows = {"example": x.float().cpu().numpy(), "corrupted": noisy.float().cpu().numpy(), "restored": clean}
    true = torch.as_tensor(rows["example"])
    before, after = (
        psnr(true, torch.as_tensor(rows[name]).clamp(0, 1)).numpy() for name in ("corrupted", "restored")
    )
    note = (
        f"{data.benchmark} · means of p(x|z) at the codes of corrupted test examples, seed {seed}; above, the PSNR of both "
        f"in dB: over {len(x)} examples {before.mean():.2f} corrupted, {after.mean():.2f} restored"
    )
    columns = [f"{a:.1f} → {b:.1f}" for a, b in zip(before[:n], after[:n])]
    tiles = np.stack([to_rgb(r[:n]) for r in rows.values()])
    shown = {name: r[:n] for name, r in rows.items()}
    return lay_out(
        tiles,
        "Denoised",
        note,
        rows=list(rows),
        columns=columns,
        values=shown | {"before": before, "after": after},
    )


def chains(model: Model, data: Data, n: int, steps: Sequence[int], seed: int) -> Picture:
    """Runs Gibbs chains from test examples and from noise, and shows the means of :math:`p(v | h)` on the way."""
    found = looks.chains(model)
    assert found is not None
    if not steps or any(b <= a for a, b in pairwise((0, *steps))):
        raise LatenteError(
            f"steps are {list(steps)}: give whole numbers from 1, each larger than the one before"
        )
    x, _ = examples(model, data, n, seed)
    start = x.flatten(1)
    with evaluating(model, seed):
        both = torch.cat([start, found.noise(start)])
        seen = torch.stack([both, *found.visited(both, steps)], 1)
    shown = seen.unflatten(-1, data.shape).float().cpu().numpy()
    left, right = np.split(to_rgb(shown), 2)
    tiles = np.concatenate([left, np.full_like(left[:, :1], np.nan), right], 1)
    columns = [f"{k:,}" for k in steps]
    note = f"{data.benchmark} · means of p(v|h) after so many Gibbs steps, from test examples and from noise, seed {seed}"
    return lay_out(
        tiles,
        "Gibbs chains",
        note,
        columns=["example", *columns, "", "noise", *columns],
        values={"images": shown},
    )
