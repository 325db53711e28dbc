"""Sentences in place of a picture: blocks of labelled lines, for a terminal, a text file or a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...errors import LatenteError
from ..shown import Layout
from .canvas import write_or_refuse

__all__ = ["Lines"]


@dataclass(frozen=True)
class Lines:
    """Holds sentences and what they are.

    Arguments:
        title: What is shown.
        note: How it was made.
        blocks: Groups of sentences, each with its label.

    Example:
        >>> print(Lines("Samples", "own files", [[("1", "so good .")], [("10", "not bad .")]]))
        Samples · own files
        <BLANKLINE>
         1  so good .
        <BLANKLINE>
        10  not bad .
    """

    title: str
    note: str
    blocks: Sequence[Sequence[tuple[str, str]]]
    layout: ClassVar[Layout] = "lines"
    remarks: ClassVar[Sequence[str]] = ()

    @property
    def values(self) -> Mapping[str, np.ndarray]:
        """The sentences of all blocks."""
        return {"sentences": np.array([text for block in self.blocks for _, text in block])}

    @property
    def text(self) -> str:
        """What a terminal shows."""
        return str(self)

    def __str__(self) -> str:
        width = max(len(label) for block in self.blocks for label, _ in block)
        blocks = ["\n".join(f"{label:>{width}}  {text}" for label, text in block) for block in self.blocks]
        return "\n\n".join([f"{self.title} · {self.note}", *blocks])

    def html(self, prefix: str = "p") -> str:
        """Returns what stands in a page: a table without ids."""
        bodies = (
            "".join(
                f'<tr><th scope="row">{html.escape(label)}</th><td>{html.escape(text)}</td></tr>'
                for label, text in block
            )
            for block in self.blocks
        )
        return f"<table>{''.join(f'<tbody>{body}</tbody>' for body in bodies)}</table>"

    def save(self, path: Path | str, *, animate: bool = False) -> Path:
        """Writes them as a text file.

        Raises:
            LatenteError: If the file cannot be written, is to be a picture, or is to move.
        """
        path = Path(path)
        if path.suffix != ".txt" or animate:
            raise LatenteError(
                f"{path} ends in {path.suffix}, but sentences are text: choose .txt, or leave --out out"
            )
        return write_or_refuse(path, f"{self}\n".encode())
