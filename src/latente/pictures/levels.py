r"""What each latent group of a hierarchy decides.

The groups of a test example are taken from the posterior, down to some group or from some group on; the others are drawn from
their priors. What stays as in the example was decided by the groups of the posterior, and what changes by the groups of the
prior. Where images stay as they are although all but the last groups are drawn anew, the last ones hold the information, and
samples will be poor beside such reconstructions (Child, 2020).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..data import Data
from ..errors import LatenteError
from ..evaluation.bounds import still
from ..trace import Model
from .canvas import Picture, lay_out
from .codes import examples, images, needs_images, reads_captions, shows
from .images import count, pixels

__all__ = ["levels"]

ROWS = 8


def levels(
    model: Model, data: Data, *, n: int = 10, seed: int = 0, anew: Literal["last", "first"] = "last"
) -> Picture:
    r"""Shows test examples with ever more of their groups drawn from the prior.

    References:
        | Very Deep VAEs Generalize Autoregressive Models (Child, 2020), https://arxiv.org/abs/2011.10650

    Arguments:
        model: A model of several latent groups. data: The data. n: The number of examples. seed: The seed of the choice of
            examples, and of the draws. anew: Which groups are drawn: the last ones given those of the example, or the first
            ones, below which the posterior tries to find its way back.

    Raises:
        LatenteError: If the model has a single group, or a number is too small.
    """
    needs_images(data, "levels")
    count("n", n)
    x, y = examples(model, data, n, seed)
    with still(model, seed):
        trace = model(x, y)
        names = list(trace.latents)
        if len(names) < 2:
            raise LatenteError("this model has a single latent group: see its samples and reconstructions")
        kept = {name: g.z for name, g in trace.latents.items()}
        free = {name: g.z for name, g in model(y=y, size=len(x)).latents.items()}
        every = sorted({round(i) for i in np.linspace(0, len(names), min(len(names) + 1, ROWS))})
        rows: dict[str, np.ndarray] = {"example": x.float().cpu().numpy()}
        for k in every:
            torch.manual_seed(seed)
            if anew == "last":
                given: dict[str, Tensor] = {name: kept[name] for name in names[: len(names) - k]}
                likelihood = model(y=y, size=len(x), given=given).likelihood
            else:
                likelihood = model(x, y, given={name: free[name] for name in names[:k]}).likelihood
            rows["none drawn" if k == 0 else "all drawn" if k == len(names) else f"{anew} {k}"] = images(
                likelihood
            )
    of = (
        "whose last groups follow from the prior"
        if anew == "last"
        else "whose first groups are drawn from the prior"
    )
    captions = ", all of its caption" if reads_captions(model) else ""
    note = f"{data.benchmark} · {shows(likelihood)} of p(x|z) of test examples {of}{captions}, seed {seed}"
    return lay_out(np.stack([pixels(r) for r in rows.values()]), "Levels", note, rows=list(rows), values=rows)
