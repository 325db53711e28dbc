"""Commands that messages tell people to run, quoted so that they can be pasted."""

from __future__ import annotations

import os
import shlex

__all__ = ["command"]


def command(*words: object) -> str:
    """Writes a command of latente.

    Example:
        >>> command("report", "runs/first try [old]")
        "latente report 'runs/first try [old]'"
        >>> command("resume", "-x")
        'latente resume ./-x'
    """
    texts = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in words]
    paths = [
        f"./{text}" if i and text.startswith("-") and not text.startswith("--") else text
        for i, text in enumerate(texts)
    ]
    return shlex.join(["latente", *paths])
