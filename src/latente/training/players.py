"""The players of an objective: groups of parameters that move together, each with an optimiser and a limit of its own.

A player does not move if the loss or the norm of its gradient is not finite, or above the limit that `skip_above` sets. That is
decided on the device: a flag goes to the fused optimiser, and nothing crosses to the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..schedules import Clock, constant, cosine, saturating
from ..settings import Settings
from . import processes
from .tensors import cut_like, laid_out

__all__ = ["Players", "learning_rate_factor"]

RAISED = 10  # steps in a row whose gradients are too large, after which they are taken for usual
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}
LR_SCHEDULES = {
    "constant": constant(),
    "cosine": cosine(1.0, start=1.0, end=0.01),
    "exponential": saturating(0.9999, start=1.0, end=0.01),
}
FUSED = {"adam", "adamw", "sgd"}


def learning_rate_factor(settings: Settings, clock: Clock) -> float:
    """Returns the share of the learning rate that is in force at a step."""
    if clock.step < settings.lr_warmup:
        return (clock.step + 1) / settings.lr_warmup
    return LR_SCHEDULES[settings.lr_schedule](clock)


def optimizer_of(group: list[nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    fused = {"fused": True} if settings.optimizer in FUSED and not settings.shard else {}
    momentum: dict[str, Any] = {}
    if settings.momentum is not None:
        by_sgd, by_adam = {"momentum": settings.momentum}, {"betas": (settings.momentum, 0.999)}
        momentum = by_sgd if settings.optimizer == "sgd" else by_adam
    how = fused | momentum
    return OPTIMIZERS[settings.optimizer](group, lr=settings.lr, weight_decay=settings.weight_decay, **how)


def norm_of(gradients: list[Tensor]) -> Tensor:
    """Returns the norm of all gradients together; dot products take two thirds of the time of norms on a CPU."""
    if any(processes.is_sharded(g) for g in gradients):
        return processes.full(torch.nn.utils.get_total_norm(gradients))
    flat = [g.flatten() for g in gradients]
    return torch.stack([torch.dot(g, g) for g in flat]).sum().sqrt()


class Players:
    """Moves groups of parameters along their gradients.

    Arguments:
        groups: The parameters of each player.
        settings: The optimiser, the learning rate, and how gradients are clipped and steps skipped.
        device: Where the parameters are.

    Attributes:
        optimizers: The optimiser of each player.
        limits: The norm of each player's gradient above which a step is skipped.
        streaks: The steps in a row that each player skipped.
        skipped: The skipped steps since the last line of the log.
    """

    def __init__(
        self, groups: Mapping[str, list[nn.Parameter]], settings: Settings, device: torch.device
    ) -> None:
        self.groups, self.settings, self.device = groups, settings, device
        self.optimizers = {name: optimizer_of(group, settings) for name, group in groups.items()}
        self.limits = {name: torch.tensor(settings.skip_above or math.inf, device=device) for name in groups}
        self.streaks = {name: torch.zeros((), device=device) for name in groups}
        self.skipped = torch.zeros((), device=device)

    def set_learning_rate(self, clock: Clock) -> None:
        factor = learning_rate_factor(self.settings, clock)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = factor * group.setdefault("initial_lr", group["lr"])

    def forget_gradients(self) -> None:
        for group in self.groups.values():
            for p in group:
                p.grad = None

    def move(self, names: list[str], loss: Tensor) -> dict[str, Tensor]:
        """Lets players move along their gradients, unless a loss or gradient is not finite; returns the gradients' norms.

        In a turn without a player nobody moves: it asks for the mean of a figure over all processes.
        """
        if not names:
            processes.add_(loss)
        norms = {}
        for name in names:
            processes.add_gradients(self.groups[name], loss if name == names[0] else None)
            norms[name] = norm = self.clip(self.groups[name])
            bad = ((norm <= self.limits[name]) & (norm + loss).isfinite()).logical_not().float()
            self.streaks[name].add_(bad).mul_(bad)
            self.raise_limit(name, norm)
            self.skipped.add_(bad)
            optimizer = self.optimizers[name]
            if optimizer.defaults.get("fused"):
                optimizer.found_inf = bad  # type: ignore[attr-defined]
                optimizer.step()
            elif not bad.item():
                optimizer.step()
        return norms

    def clip(self, group: list[nn.Parameter]) -> Tensor:
        """Clips the gradients of a player; returns their norm, as it was before it was clipped."""
        if self.settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(group, self.settings.clip_value)
        norm = norm_of([p.grad for p in group if p.grad is not None])
        if self.settings.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(group, self.settings.clip, norm)
        return norm

    def raise_limit(self, name: str, norm: Tensor) -> None:
        """Raises the limit of a player's gradients where it stopped a row of steps: else none would ever pass it again."""
        if self.settings.skip_above is not None:
            limit = self.limits[name]
            is_usual = (self.streaks[name] == RAISED) & norm.isfinite()
            limit.copy_(torch.where(is_usual, 2 * norm, limit))

    def complaint(self, culprits: list[str]) -> str:
        """Returns why steps were skipped, by the names of the figures that are not finite."""
        if culprits or self.settings.skip_above is None:
            return f"{' and '.join(culprits) or 'a gradient'} not finite"
        return (
            f"a gradient above the limit, now {', '.join(f'{limit:.3g}' for limit in self.limits.values())}"
        )

    def forget_skips(self) -> None:
        self.skipped = torch.zeros_like(self.skipped)

    def longest_streak(self) -> int:
        return int(max(self.streaks.values()))

    def tensors(self) -> dict[str, Tensor]:
        found = {"skipped": self.skipped}
        found |= {f"limit.{name}": t for name, t in self.limits.items()}
        found |= {f"streak.{name}": t for name, t in self.streaks.items()}
        for player, i, key, value in self.entries():
            if isinstance(value, Tensor):
                found[f"optimizer.{player}.{i}.{key}"] = value
        return found

    def about(self) -> dict[str, Any]:
        groups = {
            player: optimizer.state_dict()["param_groups"] for player, optimizer in self.optimizers.items()
        }
        scalars = [entry for entry in self.entries() if not isinstance(entry[-1], Tensor)]
        return {"groups": groups, "scalars": scalars}

    def entries(self) -> list[tuple[str, int, str, Any]]:
        """Lists what the optimisers remember: the player, the number of the parameter, the name and the value."""
        return [
            (player, i, key, value)
            for player, optimizer in self.optimizers.items()
            for i, entries in optimizer.state_dict()["state"].items()
            for key, value in entries.items()
        ]

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        self.skipped = tensors["skipped"].to(self.device)
        self.limits = {name: tensors[f"limit.{name}"].to(self.device) for name in self.groups}
        self.streaks = {name: tensors[f"streak.{name}"].to(self.device) for name in self.groups}
        states: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in self.groups}
        for player, i, key, value in about["scalars"]:
            states[player].setdefault(i, {})[key] = value
        for name, t in tensors.items():
            if name.startswith("optimizer."):
                _, player, i, key = name.split(".")
                p = self.groups[player][int(i)]
                states[player].setdefault(int(i), {})[key] = (
                    laid_out(cut_like(t, p), p) if t.shape == p.shape else t
                )
        for player, optimizer in self.optimizers.items():
            restore_optimizer(optimizer, states[player], about["groups"][player])


def restore_optimizer(
    optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]], saved: list[dict[str, Any]]
) -> None:
    """Loads what an optimiser remembered; how it computes is what this machine chose."""
    groups = [
        {**before, **{how: now[how] for how in ("fused", "foreach") if how in now}}
        for before, now in zip(saved, optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
