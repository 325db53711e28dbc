"""What a forward pass writes into a model, and takes back where its step is skipped.

A running variance, a codebook of averages and a controller move in the pass itself. A batch that overflows is skipped by the
optimiser, but its NaN would stay in them for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Written"]


class Written:
    """Remembers the buffers of modules before a step, and puts them back if the step was skipped; nothing waits for the device.

    Arguments:
        modules: The modules; buffers that are not saved with them are constants.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        kept = [t for module in modules for t in module.state_dict(keep_vars=True).values()]
        self.now = [t for t in kept if t.is_floating_point() and not isinstance(t, nn.Parameter)]
        self.before: list[Tensor] = []
        self.skipped = torch.zeros(())

    def remember(self, skipped: Tensor) -> None:
        """Keeps copies before a step, and how many were skipped until then."""
        if self.now:
            self.before, self.skipped = [t.clone() for t in self.now], skipped.clone()

    @torch.no_grad()
    def undo(self, skipped: Tensor) -> None:
        """Takes back what the step wrote if more are counted as skipped than before it."""
        for now, before in zip(self.now, self.before):
            now.copy_(torch.where(skipped > self.skipped, before, now))
