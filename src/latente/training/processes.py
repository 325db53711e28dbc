"""Several processes as one: `torchrun` starts them, and these few functions are all the trainer asks of them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

__all__ = ["add_", "add_gradients", "full", "is_first", "join_processes", "rank", "together", "world"]


def join_processes(device: torch.device) -> None:
    """Joins the processes that `torchrun` started, if it did and nobody has joined them yet."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(leave_processes)


def leave_processes() -> None:
    """Ends what joined the processes; its threads would otherwise abort an interpreter that ends before them."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is the first of those that `torchrun` started, also before they joined."""
    return int(os.environ.get("RANK", 0)) == 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def together(stage: Callable[[], None] | None) -> None:
    """Runs a stage on the processes that have one, waits for all, and fails on all if it failed on one.

    Raises:
        OSError: Its own, or the one that another process met.
    """
    problem: OSError | None = None
    try:
        if stage is not None:
            stage()
    except OSError as error:
        problem = error
    if world() > 1:
        problems: list[OSError | None] = [None] * world()
        dist.all_gather_object(problems, problem)
        problem = problem or next((p for p in problems if p is not None), None)
    if problem is not None:
        raise problem


def add_(t: Tensor) -> Tensor:
    """Sums a tensor over the processes, in place."""
    if world() > 1:
        dist.all_reduce(t)
    return t


def add_gradients(parameters: Sequence[nn.Parameter], loss: Tensor | None = None) -> None:
    """Sums gradients, and a loss, over the processes in one message; sharded gradients were averaged by the backward pass."""
    if world() == 1:
        return
    for p in parameters:
        if isinstance(p.grad, DTensor):
            p.grad.mul_(world())
    parts = [p.grad for p in parameters if p.grad is not None and not isinstance(p.grad, DTensor)]
    parts += [] if loss is None else [loss]
    if parts:
        flat = add_(torch.cat([part.flatten() for part in parts]))
        for part, summed in zip(parts, flat.split([part.numel() for part in parts]), strict=True):
            part.copy_(summed.view_as(part))


def full(t: Tensor) -> Tensor:
    """Returns the whole of a tensor that may be sharded."""
    return t.full_tensor() if isinstance(t, DTensor) else t
