"""The progress of a run: a bar with the time left and the newest figures, or plain lines in a log file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

__all__ = ["Progress"]

MINUTE = 60.0


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
        self.console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        self.bar: Bar | None = None
        self.begun, self.first, self.steps, self.said = 0.0, 0, 0, 0.0

    @contextlib.contextmanager
    def run(self, step: int, steps: int) -> Iterator[None]:
        self.begun = self.said = time.monotonic()
        self.first, self.steps = step, steps
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
            self.said = time.monotonic()
            self.console.print(f"step {step}: {in_few_words(line)}")

    def beat(self, step: int) -> None:
        """Says each minute how far it is and how long it takes yet, where there is no terminal with a bar."""
        now = time.monotonic()
        if self.bar is not None or not self.wanted or now - self.said < MINUTE or step == self.first:
            return
        self.said = now
        left = (now - self.begun) / (step - self.first) * (self.steps - step)
        self.console.print(f"step {step} of {self.steps}, about {left / MINUTE:.0f} minutes left")

    def say(self, message: str) -> None:
        self.console.print(message)
