"""The machine: devices, the cores that are really free, memory that is not given back too soon, signals, seeds."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import nn

from ..errors import RunError

__all__ = [
    "Stop",
    "autocast",
    "device",
    "free_cores",
    "keep_freed_memory",
    "mixed_seed",
    "seed",
    "stop_signals",
    "threads",
    "usable",
]

Precision: TypeAlias = Literal["fp32", "bf16"]

CGROUP = Path("/sys/fs/cgroup")


def device(name: str) -> torch.device:
    """Returns the device of a name; "auto" is the accelerator where there is one.

    Raises:
        RunError: If there is no such device.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        if accelerator is None:
            return torch.device("cpu")
        local = int(os.environ.get("LOCAL_RANK", 0))
        return torch.device(accelerator.type, local)
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise RunError(
            f"device is {name!r}, which this machine does not offer ({error}): use auto or cpu"
        ) from None
    return chosen


def autocast(on: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Lets matrix products be taken in bf16 where that is the precision."""
    return torch.autocast(on.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


@cache
def has_recurrent_bf16() -> bool:
    """Returns whether recurrent layers run in bf16 on this CPU: its kernels refuse some."""
    net = nn.LSTM(4, 4, batch_first=True)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            net(torch.zeros(2, 3, 4))[0].sum().backward()
            with torch.no_grad():
                net(torch.zeros(2, 3, 4))
    except RuntimeError:
        return False
    return True


def usable(precision: Precision, model: nn.Module, on: torch.device) -> Precision:
    """Returns the precision that a model can be trained in on a device: 32 bits where its recurrent layers need them."""
    is_recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    return (
        "fp32"
        if precision == "bf16" and on.type == "cpu" and is_recurrent and not has_recurrent_bf16()
        else precision
    )


def free_cores() -> int:
    """Counts the cores this process may use: its affinity, cut to the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (CGROUP / "cpu.max").read_text(encoding="utf-8").split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return cores


@contextlib.contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Uses so many threads for a while; None for the free cores, shared with the other processes of this machine."""
    before = torch.get_num_threads()
    mates = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(number or max(1, free_cores() // mates))
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Stop:
    """Remembers the signal that asked a run to stop, if one came."""

    signal: int | None = None


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Turns Ctrl-C and SIGTERM into a wish to stop, for a while; a second Ctrl-C is immediate."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def remember(number: int, frame: object) -> None:
        if stop.signal is not None:
            raise KeyboardInterrupt
        stop.signal = number

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def keep_freed_memory() -> None:
    """Lets glibc keep freed blocks of up to 32 MB for the next step, in place of asking the kernel for new pages.

    A training step frees and takes the same blocks over and over, and taking them again costs page faults.
    It is a setting of the process; elsewhere than on glibc it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 1 << 25)
    mallopt(trim_threshold, 1 << 28)


def seed(number: int, on: torch.device) -> None:
    """Seeds the generators of the CPU and of one device; `torch.manual_seed` looks for all others too, in a millisecond."""
    torch.default_generator.manual_seed(number)
    if on.type != "cpu":
        torch.get_device_module(on).manual_seed(number)


def mixed_seed(*parts: int) -> int:
    """Mixes a few small integers into one seed (splitmix64)."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state
