"""The command line. It answers help and mistakes without importing PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import typer

from . import data, draw, judge, of_drawings, tables, train
from .app import app, list_recipes, main

__all__ = ["add_commands", "app", "commands", "main"]


def commands() -> dict[str, Callable[..., None]]:
    """Makes the commands, with one for each picture and the options of all kinds, in the order of the help."""
    return {
        "recipes": list_recipes,
        "data": data.show(),
        "resume": train.resume,
        "evaluate": judge.evaluate,
        "diagnose": judge.diagnose,
        "compare": judge.compare,
        "report": judge.report,
        **draw.commands(),
        "encode": tables.encode,
        "decode": tables.decode,
        "score": tables.score,
        "classify": tables.classify,
        "quality": judge.quality,
        "alignment": judge.alignment,
        **of_drawings.COMMANDS,
        "demo": train.demo,
    }


def add_commands(to: typer.Typer) -> None:
    """Adds the commands, with a training command for each recipe."""
    to.add_typer(train.training, name="train")
    for name, command in commands().items():
        to.command(name)(command)


add_commands(app)
