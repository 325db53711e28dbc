"""FID and KID by Inception, for comparison with the literature, computed by torchmetrics.

Inception's weights are 91 MB and come from the internet. They are never downloaded here: whoever wants these figures puts the
file where PyTorch keeps such files. Images are taken as bytes; those of one channel become three.

References:
    | torchmetrics (Lightning AI, 2020), https://lightning.ai/docs/torchmetrics
    | High-fidelity performance metrics for generative models in PyTorch (Obukhov et al., 2020)
    | https://github.com/toshas/torch-fidelity
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import torch
from torch import Tensor

from ..errors import LatenteError

__all__ = ["inception_distances", "need_inception"]

FILE = "weights-inception-2015-12-05-6726825d.pth"
ADDRESS = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
PARTS = {"torchmetrics": "torchmetrics", "torch_fidelity": "torch-fidelity"}


def need_inception() -> Path:
    """Returns where Inception's weights are.

    Raises:
        LatenteError: If a library or the file is missing; says which, and where to put it.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    missing = [package for module, package in PARTS.items() if importlib.util.find_spec(module) is None]
    wanted = []
    if missing:
        wanted.append(f"{' and '.join(missing)} (pip install 'latente[fid]')")
    if not file.is_file():
        wanted.append(f"Inception's weights: put {ADDRESS} at {file}")
    if wanted:
        raise LatenteError(
            f"FID by Inception needs {'; and '.join(wanted)}. Nothing is downloaded unasked; the Fréchet distance by the network "
            "of the data needs neither"
        )
    return file


def inception_distances(real: Tensor, made: Tensor, *, seed: int = 0) -> dict[str, float]:
    """Returns `fid`, `kid` and its standard deviation over subsets, `kid_std`.

    Arguments:
        real: Real images in [0, 1], with shape (n, C, H, W).
        made: Generated ones.
        seed: The seed of the subsets.

    Raises:
        LatenteError: If a library or the weights are missing.
    """
    need_inception()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        fid = FrechetInceptionDistance(feature=2048)
        kid = KernelInceptionDistance(feature=2048, subset_size=min(1000, len(real), len(made)))
        for images, is_real in ((real, True), (made, False)):
            for rows in images.split(64):
                as_bytes = (rows.clamp(0, 1) * 255).round().byte()
                colour = as_bytes.expand(-1, 3, -1, -1) if as_bytes.shape[1] == 1 else as_bytes
                fid.update(colour, real=is_real)
                kid.update(colour, real=is_real)
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            mean, std = kid.compute()
    return {"fid": fid.compute().item(), "kid": mean.item(), "kid_std": std.item()}
