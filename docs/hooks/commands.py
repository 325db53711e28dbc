"""Writes `docs/reference/commands.md` from the command line itself: python docs/hooks/commands.py."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from latente import cli, recipes
from latente.cli.train import command

TARGET = Path(__file__).parents[1] / "reference" / "commands.md"
OPENING = """# Commands

This page is written by `docs/hooks/commands.py` from the command line itself, and a test holds it to it.
Every command answers `--help`. A mistake is answered by a sentence and an exit status that is not 0, never by a stack trace.
"""


def cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return next(k for k in typing.get_args(kind) if k is not type(None))
    return kind


def shown(kind: Any) -> str:
    kind = without_none(kind)
    if typing.get_origin(kind) is Literal:
        return "<br>".join(f"`{choice}`" for choice in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return f"{shown(typing.get_args(kind)[0])}, several times"
    return {bool: "", int: "number", float: "number", str: "text", Path: "path"}[kind]


def row(name: str, annotation: Any, default: Any) -> str:
    kind, about = typing.get_args(annotation)[:2]
    first = (about.default,) if isinstance(about.default, str) else ()  # where typer keeps it
    given = [*first, *(about.param_decls or ())] or [f"--{name.replace('_', '-')}"]
    names = ", ".join(f"`{n}`" for n in given)
    text = about.help or ""
    if about.show_default and default not in (None, False, "", inspect.Parameter.empty):
        text = f"{text} [default: {default}]"
    return f"| {names} | {shown(kind)} | {cell(text)} |"


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Returns name, annotation and default of each parameter of a command."""
    signature = inspect.signature(function).parameters
    hints = {} if hasattr(function, "__signature__") else typing.get_type_hints(function, include_extras=True)
    return [(n, hints.get(n, p.annotation), p.default) for n, p in signature.items()]


def section(words: str, function: Callable[..., Any]) -> str:
    found = parameters(function)
    arguments = [
        about for _, a, _ in found if (about := typing.get_args(a)[1]).param_decls is None and about.metavar
    ]
    options = [line for line in found if typing.get_args(line[1])[1] not in arguments]
    usage = " ".join([words, *(about.metavar for about in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## `{words}`", "", cell(function.__doc__ or ""), "", "```text", usage, "```", ""]
    if options:
        lines += ["| option | takes | meaning |", "|---|---|---|", *(row(*line) for line in options), ""]
    return "\n".join(lines)


def sections() -> list[str]:
    own = [section(f"latente {c.name}", c.callback) for c in cli.app.registered_commands if c.callback]
    return own + [section(f"latente train {name}", command(name)) for name in sorted(recipes.RECIPES)]


def page() -> str:
    """Returns the whole page."""
    return OPENING + "\n" + "\n".join(sections())


if __name__ == "__main__":
    TARGET.write_text(page())
