"""Tensors that change places: from a file into a model, from one process to several, from one layout in memory to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RunError
from .processes import is_sharded

__all__ = ["Weights", "copy_into", "cut_like", "laid_out"]


class Weights:
    """Keeps the parameters and buffers of a module in a checkpoint."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.module.state_dict())

    def about(self) -> dict[str, Any]:
        return {}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        copy_into(self.module.state_dict(), tensors)


def cut_like(t: Tensor, target: Tensor) -> Tensor:
    """Cuts a whole tensor up as the target is."""
    if is_sharded(target):
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(t.to(target.device), target.device_mesh, target.placements)
    return t


def laid_out(t: Tensor, target: Tensor) -> Tensor:
    """Gives a tensor the strides of the parameter it belongs to: fused optimisers take them for the same, e.g. channels_last."""
    if is_sharded(target) or t.stride() == target.stride():
        return t
    return torch.empty_like(target, dtype=t.dtype, requires_grad=False).copy_(t)


@torch.no_grad()
def copy_into(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
    """Copies tensors into place.

    Raises:
        RunError: If the names or shapes are those of another model.
    """
    if targets.keys() != sources.keys():
        odd = sorted(targets.keys() ^ sources.keys())[:3]
        raise RunError(f"the checkpoint is of another model: it differs in {', '.join(odd)}")
    for name, target in targets.items():
        if target.shape != sources[name].shape:
            raise RunError(
                f"the checkpoint is of another model: {name} has shape {tuple(sources[name].shape)} there and "
                f"{tuple(target.shape)} here"
            )
        target.copy_(cut_like(sources[name], target))
