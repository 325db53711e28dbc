"""The progress of a run: a bar with the time left and the newest figures, or plain lines in a log file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

__all__ = ["Progress"]


def in_few_words(line: Mapping[str, Any]) -> str:
    """Formats the figures of a line in few words: losses in nats, without minor ones."""
    parts = [
        f"{name} {value:.4g}"
        for name, value in line.items()
        if isinstance(value, float) and name not in ("epoch", "lr") and not name.startswith("gradient/")
    ]
    return f"{line['split']}: {', '.join(parts)}"


class Progress:
    """Shows how far a run is; silent where it is not wanted, one line per validation where the output is no terminal."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.console = Console(stderr=True, soft_wrap=True, highlight=False)
        self.bar: Bar | None = None

    @contextlib.contextmanager
    def run(self, step: int, steps: int) -> Iterator[None]:
        if not (self.wanted and self.console.is_terminal):
            yield
            return
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        ]
        with Bar(*columns, console=self.console) as self.bar:
            self.task = self.bar.add_task("training", total=steps, completed=step)
            yield
        self.bar = None

    def show(self, step: int, line: Mapping[str, Any]) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=step, description=in_few_words(line))
        elif self.wanted and line["split"] == "validation":
            self.console.print(f"step {step}: {in_few_words(line)}")

    def say(self, message: str) -> None:
        self.console.print(message)
