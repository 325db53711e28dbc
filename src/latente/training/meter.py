"""Sums of figures between two lines of the log, kept on the device: no figure crosses to the host in a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from . import processes

__all__ = ["Meter"]


class Meter:
    """Adds figures up, by name, until their means are asked for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.clear()

    def clear(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, share: Tensor, counts: bool = True) -> None:
        """Adds this process's share of a figure; the shares after the first of a turn do not count again."""
        self.sums[name] = self.sums[name] + share if name in self.sums else share
        self.counts[name] = self.counts.get(name, 0) + counts

    def add_common(self, name: str, value: Tensor) -> None:
        """Adds a figure that is the same on all processes."""
        world = processes.world()
        self.add(name, value if world == 1 else value / world)

    def means(self) -> dict[str, float]:
        """Returns the mean of each figure over steps and processes."""
        return {name: float(total) / self.counts[name] for name, total in self.tensors().items()}

    def tensors(self) -> dict[str, Tensor]:
        """Returns the sums over all processes."""
        return {name: processes.add_(share.clone()) for name, share in self.sums.items()}

    def about(self) -> dict[str, Any]:
        return {"counts": self.counts}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        self.counts = about["counts"]
        share = float(processes.rank() == 0)  # the sums of all processes were added up
        self.sums = {name: share * tensors[name].to(self.device) for name in self.counts}
