r"""What each latent group of a hierarchy encodes.

The groups of a test example are taken from the posterior, down to some group or from some group on; the others are resampled from
their priors. What stays as in the example is encoded by the groups of the posterior, and what changes by the groups of the
prior. Where images stay as they are although all but the last groups are resampled, the last ones hold the information, and
samples will be poor beside such reconstructions (Child, 2020).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...abilities import taken
from ...data import Data
from ...evaluation.bounds import evaluating
from ...trace import Model
from ..options import Resample
from .canvas import Picture, lay_out
from .codes import examples, shown_images, shows
from .images import to_rgb

__all__ = ["levels"]

ROWS = 8


def levels(model: Model, data: Data, n: int, seed: int, resample: Resample) -> Picture:
    """Shows test examples with more and more of their groups resampled from the prior."""
    x, y = examples(model, data, n, seed)
    with evaluating(model, seed):
        trace = model(x, y)
        names = list(trace.latents)
        kept = {name: g.z for name, g in trace.latents.items()}
        free = {name: g.z for name, g in model(y=y, size=len(x)).latents.items()}
        every = sorted({round(i) for i in np.linspace(0, len(names), min(len(names) + 1, ROWS))})
        rows: dict[str, np.ndarray] = {"example": x.float().cpu().numpy()}
        for k in every:
            torch.manual_seed(seed)
            if resample == "last":
                given: dict[str, Tensor] = {name: kept[name] for name in names[: len(names) - k]}
                likelihood = model(y=y, size=len(x), given=given).likelihood
            else:
                likelihood = model(x, y, given={name: free[name] for name in names[:k]}).likelihood
            rows[
                "none resampled" if k == 0 else "all resampled" if k == len(names) else f"{resample} {k}"
            ] = shown_images(likelihood)
    of = (
        "whose last groups are resampled from the prior"
        if resample == "last"
        else "whose first groups are resampled from the prior"
    )
    captions = ", all of its caption" if taken(model) == "captions" else ""
    note = f"{data.benchmark} · {shows(likelihood)} of p(x|z) of test examples {of}{captions}, seed {seed}"
    return lay_out(np.stack([to_rgb(r) for r in rows.values()]), "Levels", note, rows=list(rows), values=rows)
