"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

from .errors import DataError

__all__ = ["check_fits", "free_memory"]

CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Returns the bytes that this process can still take, of the machine or of its control group; None where neither is known."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found.append(next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")))
    except (OSError, ValueError, StopIteration):
        pass
    try:
        most, now = (
            int((CGROUP / f"memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current")
        )
        found.append(most - now)
    except (OSError, ValueError):  # "max": there is no limit
        pass
    return min(found, default=None)


def check_fits(size: int, what: str) -> None:
    """Refuses data that this machine has no memory for, before it is read.

    Arguments:
        size: The bytes that it takes.
        what: What it is.

    Raises:
        DataError: If it takes more than is free.
    """
    free = free_memory()
    if free is not None and size > free:
        raise DataError(
            f"{what} takes {size / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free: give fewer rows, or bytes in place of floats."
        )
