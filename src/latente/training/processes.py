"""Several processes as one: `torchrun` starts them, and these few functions are all the trainer asks of them."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..conditionals import Conditional
from ..errors import RunError

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = [
    "add_",
    "add_gradients",
    "full",
    "is_first",
    "is_sharded",
    "join_processes",
    "rank",
    "shard",
    "together",
    "world",
]

PAUSE = 0.5  # seconds


def join_processes(device: torch.device) -> None:
    """Joins the processes that `torchrun` started, if it did and nobody has joined them yet."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(leave_processes)


def leave_processes() -> None:
    """Ends what joined the processes, and waits for its threads.

    A thread of gloo may still hold the tensor of the last message, and takes the lock of the interpreter to let it go. Where the
    interpreter is ending by then, the thread aborts the process; a moment's sleep lets it come first.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # a sharded model holds its group in a circle
        time.sleep(PAUSE)


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
        if is_sharded(p.grad):
            p.grad.mul_(world())
    parts = [p.grad for p in parameters if p.grad is not None and not is_sharded(p.grad)]
    parts += [] if loss is None else [loss]
    if parts:
        flat = add_(torch.cat([part.flatten() for part in parts]))
        for part, summed in zip(parts, flat.split([part.numel() for part in parts]), strict=True):
            part.copy_(summed.view_as(part))


def is_sharded(t: Tensor | None) -> TypeGuard[DTensor]:
    """Returns whether a tensor is cut up over the processes; where nobody imported what cuts, none is.

    The import takes a second and sets a variable of the environment, so it is left to those who shard.
    """
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(t, module.DTensor)


def full(t: Tensor) -> Tensor:
    """Returns the whole of a tensor that may be sharded."""
    return t.full_tensor() if is_sharded(t) else t


def shard(model: nn.Module) -> None:
    """Shards the networks of a model over the processes (FSDP2); what is not a network is replicated.

    Raises:
        RunError: If there is one process only.
    """
    from torch.distributed.fsdp import fully_shard

    if world() == 1:
        raise RunError("shard needs several processes: start them with torchrun --nproc-per-node N")
    for module in model.modules():
        if isinstance(module, Conditional):
            fully_shard(module.net)
