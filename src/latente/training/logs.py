"""Where figures go while a run trains: `metrics.jsonl` always, other formats where they are asked for.

A line of `metrics.jsonl` holds no time of day and no speed, only what the seed determines, so that a resumed run writes the
very bytes that the uninterrupted one would have. JSON has no word for a number that is not finite: it is written as null, and
read as NaN. A last line without an end was cut short, by a power failure say, and counts as never written.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..errors import RunError
from ..trusted import Damaged, line_of, read_line
from .checkpoint import write_whole
from .progress import Progress

__all__ = ["CSV", "JSONL", "METRICS", "Log", "Logbook", "TensorBoard", "best_validation", "read_metrics"]

METRICS = "metrics.jsonl"


class Log(Protocol):
    """Takes the figures of a step; `rewind` forgets what came after the step a run is resumed from."""

    def write(self, line: Mapping[str, Any]) -> None: ...

    def rewind(self, step: int) -> None: ...


def whole_lines(path: Path) -> list[bytes]:
    """Returns the lines of a file with their ends, but for a last one that has none."""
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of a run's log; none if there is no such file. A number that was not finite is NaN.

    A line that is damaged is left out, with a warning.
    """
    lines = whole_lines(path) if path.is_file() else []
    found = [read_figures(line) for line in lines]
    if damaged := [str(number) for number, figures in enumerate(found, 1) if figures is None]:
        which = f"line {damaged[0]} is" if len(damaged) == 1 else f"lines {', '.join(damaged[:5])} are"
        warnings.warn(f"{path}: {which} damaged and left out", stacklevel=2)
    return [figures for figures in found if figures is not None]


def read_figures(line: bytes) -> dict[str, Any] | None:
    """Reads a line of a log; None where it is damaged."""
    try:
        figures = read_line(line)
    except Damaged:
        return None
    return {name: math.nan if value is None else value for name, value in figures.items()}


def best_validation(lines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Returns the line of the validation whose weights are kept; None if there is none with a finite loss.

    It is the first one of the lowest loss. Where nothing was validated, so that no line has a loss, it is the last.

    Example:
        >>> best_validation([{"step": 1, "loss": math.nan}, {"step": 2, "loss": 7.0}, {"step": 3, "loss": 8.0}])
        {'step': 2, 'loss': 7.0}
    """
    losses = [line for line in lines if "loss" in line]
    if not losses:
        return lines[-1] if lines else None
    finite = [line for line in losses if math.isfinite(line["loss"])]
    return min(finite, key=lambda line: line["loss"], default=None)


class JSONL:
    """Appends a JSON object a line; lines that a full disk refuses are kept and written with the next one."""

    def __init__(self, path: Path) -> None:
        self.path, self.pending = path, b""

    def write(self, line: Mapping[str, Any]) -> None:
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        self.pending += line_of(finite)
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

    def rewind(self, step: int) -> None:
        if self.path.exists():
            lines = [(line, read_figures(line)) for line in whole_lines(self.path)]
            kept = [line for line, figures in lines if figures is not None and figures["step"] <= step]
            write_whole(self.path, b"".join(kept))


class CSV:
    """Appends a row a figure: step, split, name, value."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, line: Mapping[str, Any]) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            if new:
                rows.writerow(["step", "split", "name", "value"])
            rows.writerows(
                [line["step"], line["split"], n, v] for n, v in line.items() if n not in ("step", "split")
            )

    def rewind(self, step: int) -> None:
        if not self.path.exists():
            return
        header, rows = (lines := whole_lines(self.path))[:1], lines[1:]
        if header:
            kept = (
                row for row in rows if is_step(row.split(b",", 1)[0]) and int(row.split(b",", 1)[0]) <= step
            )
            write_whole(self.path, b"".join([*header, *kept]))
        else:  # not even the names of the columns are whole
            self.path.unlink()


def is_step(cell: bytes) -> bool:
    """Tells whether a cell of a log holds a step."""
    return cell.isdigit() and len(cell) < 16


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


class Logbook:
    """Keeps the lines of a run, shows them, and hands them to the logs that are open."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.logs: list[Log] = []
        self.history: list[dict[str, Any]] = []

    def open(self, folder: Path, track: Sequence[str], step: int) -> None:
        """Opens the logs of a run at the step it is at; what a killed run wrote beyond it is forgotten."""
        folder.mkdir(parents=True, exist_ok=True)
        self.logs = [JSONL(folder / METRICS)]
        if "csv" in track:
            self.logs.append(CSV(folder / "metrics.csv"))
        if "tensorboard" in track:
            self.logs.append(TensorBoard(folder / "tensorboard"))
        for log in self.logs:
            log.rewind(step)
        self.history = read_metrics(folder / METRICS)

    def write(self, step: int, epoch: float, split: str, figures: Mapping[str, float]) -> None:
        line = {"step": step, "epoch": round(epoch, 4), "split": split, **figures}
        self.history.append(line)
        self.progress.show(step, line)
        for log in self.logs:
            try:
                log.write(line)
            except OSError as error:
                self.progress.say(
                    f"step {step}: a log cannot be written ({error.strerror}); training goes on"
                )
