r"""What units look for: the weights between pixels and units, as images.

A dense layer that reads an image gives each of its units a weight for every pixel: of all images of one norm, the one that the
unit answers to most. A layer that writes an image gives each unit the image that it adds. Which layers these are is not read off
a model's names, but watched in a pass: a layer reads pixels if what it is called with *is* the image, and the code is wired to
the pixels by one layer if the last layer of all is called with the code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...data import Data
from ...errors import LatenteError
from ...evaluation.bounds import evaluating
from ...models.looks import shared_weights
from ...trace import Model, mean
from .canvas import Picture, lay_out, signed
from .codes import examples
from .images import filled

__all__ = ["filters"]

COLUMNS = 12
LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
Calls = list[tuple[nn.Module, Tensor]]  # the layers of a pass, each with what it was called with


def filters(model: Model, data: Data, n: int, shared: bool, seed: int) -> Picture:
    """Shows the weights of the first dense layer as images, those of the largest norm first.

    Where one layer leads from the code to the pixels, its weights are shown below: those of the same units in the same places,
    if the encoder is one layer as well. Those of a Boltzmann machine serve both ways.
    """
    with evaluating(model, seed):
        found = wires(model, *examples(model, data, 1, seed))
    order = strongest(found.reads, n)
    shown = {"encoder": found.reads[order]}
    if found.writes is not None:
        shown["decoder"] = found.writes[order if found.paired else strongest(found.writes, n)]
    weights = {name: w.detach().float().cpu().numpy().reshape(-1, *data.shape) for name, w in shown.items()}
    columns = min(COLUMNS, max(map(len, weights.values())))
    tiles = [filled(coloured(w, shared), columns) for w in weights.values()]
    rows = [name if i == 0 else "" for name, some in zip(weights, tiles) for i in range(len(some))]
    few = "" if len(order) == len(found.reads) else f"{len(order)} of "
    title = f"Filters: {few}{len(found.reads)} units that read the pixels"
    scale = "one scale of colours for all" if shared else "each with its own scale of colours"
    colour = "below zero blue, zero white, above zero red" if data.shape[0] == 1 else "zero grey"
    note = f"{data.benchmark} · weights {found.whose}, the largest norm first; {colour}, {scale}"
    values = {"images": weights["encoder"], "units": order.cpu().numpy()}
    values |= {"decoder": weights["decoder"]} if len(weights) > 1 else {}
    return lay_out(np.concatenate(tiles), title, note, rows=rows if len(tiles) > 1 else (), values=values)


@dataclass(frozen=True)
class Wires:
    """Holds the weights between pixels and units, each with shape (units, D).

    Arguments:
        reads: Those of the layer that reads the pixels.
        writes: Those of the layer that writes the pixels from the code, if one layer does.
        paired: Whether both are of the same units.
        whose: What they are, in words.
    """

    reads: Tensor
    writes: Tensor | None
    paired: bool
    whose: str


def wires(model: Model, x: Tensor, y: Tensor | None) -> Wires:
    """Watches an example pass through a model, and finds the layers that touch its pixels."""
    shared = shared_weights(model)
    if shared is not None:
        return Wires(shared, None, True, "between pixels and hidden units, which serve both ways")
    called: Calls = []
    hooks = [
        layer.register_forward_hook(lambda layer, args, _: called.append((layer, args[0])))
        for layer in model.modules()
        if isinstance(layer, LAYERS)
    ]
    try:
        code = next(iter(model(x, y, choose=mean).latents.values())).z.flatten(1)
    finally:
        for hook in hooks:
            hook.remove()
    pixels = x.flatten(1)
    first, at_code = (position(called, value) for value in (pixels, code))
    if first is None:
        raise LatenteError(
            "there are no filters to show: no dense layer of this model reads the pixels themselves, as that of an mlp does"
        )
    reads = weight_of(called[first][0])[:, : pixels.shape[1]]
    writes = None if at_code is None else weight_of(called[at_code][0])[:, : code.shape[1]].T
    if writes is None or at_code != len(called) - 1 or writes.shape[1] != pixels.shape[1]:
        return Wires(reads, None, False, "of the encoder's first layer")
    paired = at_code == first + 1 and len(reads) == len(writes)
    same = ", of the same units," if paired else ""
    return Wires(reads, writes, paired, f"of the encoder's first layer and{same} of the decoder's only one")


def position(called: Calls, value: Tensor) -> int | None:
    """Finds the first dense layer that was called with a value, and perhaps a context behind it."""
    d = value.shape[1]
    for i, (layer, read) in enumerate(called):
        if isinstance(layer, nn.Linear) and read.shape[-1] >= d and torch.equal(read[..., :d], value):
            return i
    return None


def weight_of(layer: nn.Module) -> Tensor:
    assert isinstance(layer, nn.Linear)
    return layer.weight


def strongest(weights: Tensor, n: int) -> Tensor:
    return weights.norm(dim=1).argsort(descending=True, stable=True)[:n]


def coloured(weights: np.ndarray, shared: bool) -> np.ndarray:
    """Turns weights (n, C, H, W) into images (n, 3, H, W), symmetric around zero."""
    size = np.abs(weights).max(None if shared else (1, 2, 3), keepdims=True)
    scaled = weights / np.maximum(size, 1e-12)
    return np.moveaxis(signed(scaled[:, 0]), -1, 1) if weights.shape[1] == 1 else (1 + scaled) / 2
