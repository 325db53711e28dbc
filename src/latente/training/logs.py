"""Where figures go while a run trains: `metrics.jsonl` always, other formats where they are asked for.

A line of `metrics.jsonl` holds no time of day and no speed, only what the seed determines, so that a resumed run writes the
very bytes that the uninterrupted one would have.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import RunError
from .checkpoint import write_whole

__all__ = ["CSV", "JSONL", "Log", "TensorBoard"]


class Log(Protocol):
    """Takes the figures of a step; `rewind` forgets what came after the step a run is resumed from."""

    def write(self, line: Mapping[str, Any]) -> None: ...

    def rewind(self, step: int) -> None: ...


class JSONL:
    """Appends a JSON object a line; lines that a full disk refuses are kept and written with the next one."""

    def __init__(self, path: Path) -> None:
        self.path, self.pending = path, b""

    def write(self, line: Mapping[str, Any]) -> None:
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        self.pending += json.dumps(finite).encode() + b"\n"
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab") as file:
                file.write(self.pending)
            self.pending = b""
        except OSError:
            if self.path.exists():
                with self.path.open("rb+") as file:
                    file.truncate(before)
            raise

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def rewind(self, step: int) -> None:
        lines = [] if not self.path.exists() else self.path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= step]
        if lines:
            write_whole(self.path, b"".join(kept))


class CSV:
    """Appends a row a figure: step, split, name, value."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, line: Mapping[str, Any]) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            rows = csv.writer(file)
            if new:
                rows.writerow(["step", "split", "name", "value"])
            rows.writerows(
                [line["step"], line["split"], n, v] for n, v in line.items() if n not in ("step", "split")
            )

    def rewind(self, step: int) -> None:
        if self.path.exists():
            header, *lines = self.path.read_text().splitlines(keepends=True)
            kept = (line for line in lines if int(line.split(",", 1)[0]) <= step)
            write_whole(self.path, (header + "".join(kept)).encode())


class TensorBoard:
    """Writes scalars for TensorBoard (extra `track`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rewind(-1)

    def rewind(self, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise RunError("track=tensorboard needs the package: pip install 'latente[track]'") from None
        self.writer = SummaryWriter(str(self.folder), purge_step=step + 1)

    def write(self, line: Mapping[str, Any]) -> None:
        for name, value in line.items():
            if name not in ("step", "split"):
                self.writer.add_scalar(f"{line['split']}/{name}", value, line["step"])
        self.writer.flush()
