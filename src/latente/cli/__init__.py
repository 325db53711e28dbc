"""The command line. It answers help and mistakes without importing PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import typer

from ..kinds import KINDS
from . import compress, data, draw, judge, of_drawings, tables, train
from .app import app, list_recipes, main
from .options import with_options

__all__ = ["add_commands", "app", "commands", "main"]


def commands() -> dict[str, Callable[..., None]]:
    """Makes the commands, with one for each picture and the options of all kinds, in the order of the help."""
    kinds = KINDS.values()
    return {
        "recipes": list_recipes,
        "data": data.show(),
        "resume": train.resume,
        "evaluate": judge.evaluate,
        "diagnose": judge.diagnose,
        "compare": judge.compare,
        "report": judge.report,
        **draw.commands(),
        "encode": with_options(tables.encode, kinds),
        "decode": tables.decode,
        "score": with_options(tables.score, kinds),
        "classify": with_options(tables.classify, kinds),
        "outliers": judge.outliers,
        "compress": with_options(compress.compress, kinds),
        "decompress": compress.decompress,
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
