"""Holds the command line's application, and what answers for it: help, the version, and mistakes in a sentence."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from .. import __version__, recipes
from ..errors import LatenteError
from .streams import prepare

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Trains, judges and explores variational autoencoders of your own data.",
)
out = Console(soft_wrap=True, highlight=False, markup=False)  # names and paths of people hold brackets


def main() -> None:
    """Runs the command line; a mistake of the user's is one sentence and exit status 1, never a stack trace."""
    prepare()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            app()
    except LatenteError as error:
        complain(str(error))
    except BrokenPipeError:  # before OSError, which it is one of
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        complain(str(error))  # of an extra, with the command that installs it
    except MemoryError:
        complain("the memory is full: give fewer examples, or close other programs")
    except OSError as error:
        complain(f"{error.filename or 'a file'} cannot be read or written: {error.strerror}")


def warn(message: Warning | str, *where: Any, **more: Any) -> None:
    """Says a warning in a line, without where in the source it comes from."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"latente: {message}")


def complain(message: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"latente: {message}")
    sys.exit(1)


def version(wanted: bool) -> None:
    if wanted:
        out.print(f"latente {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def list_recipes() -> None:
    """Lists the recipes by question, one per line."""
    width = max(map(len, recipes.RECIPES))
    for i, (group, names) in enumerate(recipes.grouped().items()):
        out.print(f"\n{group}" if i else group, markup=False)
        print_lines({name: recipes.describe(name) for name in names}, width)


def print_lines(lines: dict[str, str], width: int = 0) -> None:
    width = max(width, *map(len, lines))
    for name, text in lines.items():
        out.print(f"{name:{width}}  {text}", markup=False)
