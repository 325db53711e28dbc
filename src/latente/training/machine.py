"""What the machine offers: devices, the cores that are really free, and memory that is not given back too soon."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch

from ..errors import RunError

__all__ = ["device", "free_cores", "free_memory", "keep_freed_memory", "seed"]

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


def free_cores() -> int:
    """Counts the cores this process may use: its affinity, cut to the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return cores


def free_memory() -> int | None:
    """Returns the bytes that this process can still take, of the machine or of its control group; None where neither says."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")))
    except (OSError, ValueError, StopIteration):
        pass
    try:
        most, now = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        found.append(most - now)
    except (OSError, ValueError):  # "max": there is no limit
        pass
    return min(found, default=None)


def keep_freed_memory() -> None:
    """Tells glibc to keep freed blocks of up to 32 MB for the next step, in place of asking the kernel for new pages.

    A training step frees and takes the same blocks over and over, and page faults are what taking them anew costs.
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
