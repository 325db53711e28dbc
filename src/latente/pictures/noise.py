r"""What a model makes of noise: corrupted examples restored, and the chains of a restricted Boltzmann machine.

A denoising autoencoder takes one step from a corrupted example towards the data. A Gibbs chain takes as many as one likes,
:math:`h \sim p(h | v)` and :math:`v \sim p(v | h)` in turn, and forgets where it started. What is shown of it is the mean of
:math:`p(v | h)`, of which the next :math:`v` is drawn. If chains from the data and chains from noise look alike in
the end, they mix; if those from noise never find the data, or those from the data never leave their class, there are walls
between the modes of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..data import Data
from ..errors import LatenteError
from ..evaluation.bounds import still
from ..evaluation.similarity import psnr
from ..models.boltzmann import RBM
from ..objectives import ELBO, Objective
from ..objectives.elbo import identity
from ..trace import Model
from .canvas import Picture, lay_out
from .codes import examples, images, means_of, needs_images
from .images import count, pixels

__all__ = ["chains", "corruption", "denoised"]

MEASURED = 500  # examples that the mean PSNR is taken of


def denoised(
    model: Model, data: Data, corrupt: Callable[[Tensor], Tensor], *, n: int = 10, seed: int = 0
) -> Picture:
    r"""Shows test examples, what a corruption makes of them, and the mean of :math:`p(x | z)` at the code of that.

    Below each restored image stands what it gained, as a peak signal-to-noise ratio: :math:`-10 \log_{10}` of the mean squared
    error, in dB, of images in [0, 1]; corrupted ones are clipped to [0, 1] first, as they are seen.

    References:
        | Extracting and Composing Robust Features with Denoising Autoencoders (Vincent et al., 2008)
        | https://doi.org/10.1145/1390156.1390294

    Arguments:
        model: The model.
        data: The data.
        corrupt: The corruption, e.g. that of the objective that the model was trained by.
        n: The number of examples to show; PSNR is averaged over 500.
        seed: The seed of the choice of examples, and of the corruption.

    Raises:
        LatenteError: If the data is not images, or a number is too small.
    """
    needs_images(data, "denoised examples")
    count("n", n)
    x, y = examples(model, data, max(n, MEASURED), seed)
    with still(model, seed):
        noisy = corrupt(x)
        codes = means_of(model, noisy, y)[1]
        clean = images(model(y=y, size=len(x), given=codes).likelihood)
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
    tiles = np.stack([pixels(r[:n]) for r in rows.values()])
    shown = {name: r[:n] for name, r in rows.items()}
    return lay_out(
        tiles,
        "Denoised",
        note,
        rows=list(rows),
        columns=columns,
        values=shown | {"before": before, "after": after},
    )


def corruption(objective: Objective) -> Callable[[Tensor], Tensor] | None:
    """Returns what an objective corrupts its examples by; None if it leaves them clean."""
    return objective.corrupt if isinstance(objective, ELBO) and objective.corrupt is not identity else None


def chains(
    model: Model, data: Data, *, n: int = 6, steps: Sequence[int] = (1, 10, 100, 1000), seed: int = 0
) -> Picture:
    r"""Runs Gibbs chains of an RBM, from test examples and from noise, and shows the means of :math:`p(v | h)` on the way.

    References:
        | A Practical Guide to Training Restricted Boltzmann Machines (Hinton, 2010)
        | https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf

    Arguments:
        model: The machine.
        data: The data.
        n: The number of chains from examples, and as many from noise.
        steps: After how many steps the chains are shown, in growing order.
        seed: The seed of the choice of examples, and of the chains.

    Raises:
        LatenteError: If the model is no RBM, the data is not images, or a number is not right.
    """
    if not isinstance(model, RBM):
        raise LatenteError(
            "chains are those of a Boltzmann machine, and this model has none: see its samples"
        )
    needs_images(data, "chains")
    count("n", n)
    if not steps or any(b <= a for a, b in pairwise((0, *steps))):
        raise LatenteError(
            f"steps are {list(steps)}: give whole numbers from 1, each larger than the one before"
        )
    x, _ = examples(model, data, n, seed)
    start = x.flatten(1)
    with still(model, seed):
        noise = model.visible_units.draw(model.visible_units.mean(torch.zeros_like(start)))
        seen = torch.stack([torch.cat([start, noise]), *visited(model, torch.cat([start, noise]), steps)], 1)
    shown = seen.unflatten(-1, data.shape).float().cpu().numpy()
    left, right = np.split(pixels(shown), 2)
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


def visited(rbm: RBM, v: Tensor, steps: Sequence[int]) -> Iterator[Tensor]:
    """Yields the means of the visible units after so many steps."""
    for last, k in pairwise((0, *steps)):
        v = rbm.gibbs(v, k - last - 1)
        h = rbm.hidden_units.draw(rbm.hidden_units.mean(rbm.hidden_field(v)))
        means = rbm.visible_units.mean(rbm.visible_field(h))
        yield means
        v = rbm.visible_units.draw(means)
