"""Trains from the command line.

The options of `latente train RECIPE` are the recipe's own signature and the fields of the settings: there is no
other list of them.
"""

from __future__ import annotations

import inspect
import os
import sys
import typing
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from .. import commands, recipes
from ..data.kind import Kind, check_values, sources
from ..errors import LatenteError, RunError
from ..kinds import KINDS
from ..settings import Settings, settings
from .app import out
from .judge import report, show_evaluation
from .options import RunData, RunPath, as_typed, keyword, listed, loading_options, option

if TYPE_CHECKING:
    from ..recipes import Recipe
    from ..runs import Run


SHARES = (
    "label",
    "validation",
    "test",
    "split",
)  # of the options about data, those that are handed on as they are


class Recipes(TyperGroup):
    """Lists a command for each recipe, and makes it when it is asked for: help of one need not wait for all."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.commands = dict.fromkeys(sorted(recipes.RECIPES))  # type: ignore[assignment]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return made(cmd_name) if cmd_name in self.commands else None


training = typer.Typer(
    cls=Recipes,
    no_args_is_help=True,
    help="Trains a recipe on data, in a folder of its own.",
    rich_markup_mode=None,
)
OF = typer.Option(
    help="folder of the trained run to build on; its data is used where --data is not given",
    show_default=False,
)


def made(name: str) -> Any:
    """Makes the training command of a recipe, as `typer` has it."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name)(command(name))
    return typer.main.get_command(alone)


def command(name: str) -> Callable[..., None]:
    """Makes what trains a recipe; its signature has the recipe's options."""
    recipe = recipes.find(name)
    kinds = kinds_of(recipe)
    hints = typing.get_type_hints(Settings, include_extras=True)
    by_kind = loading_options(kinds)
    loaded_by = {option.name for option in by_kind}

    def run(data: str | None, out: Path | None, of: str | None = None, **given: Any) -> None:
        chosen = {n: v for n, v in given.items() if v is not None}
        arguments = {
            n: listed(v, recipe.options[n].annotation) for n, v in chosen.items() if n in recipe.options
        }
        how = {n: listed(v, hints[n]) for n, v in chosen.items() if n in hints}
        options = {n: v for n, v in chosen.items() if n in loaded_by}
        check_early(name, arguments, how)
        check_values(options, kinds)
        shares = {n: given[n] for n in SHARES}
        train(name, data, out, of=of, arguments=arguments, options=options, **shares, **how)

    defaults = {f.name: recipe.settings.get(f.name, f.default) for f in fields(Settings)}
    parameters = [
        *([keyword("of", str | None, OF, None)] if recipe.builds else []),
        *(option(n, p.annotation, p.default) for n, p in recipe.options.items()),
        *data_options(None if recipe.builds else kinds[0].usual["data"]),
        *by_kind,
        *(option(n, hints[n], default) for n, default in defaults.items()),
    ]
    names = [parameter.name for parameter in parameters]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise RunError(
            f"recipe {name!r}, its data and the trainer have two options named {twice!r}: rename one"
        )
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = recipe.summary
    return run


def data_options(usual: str | None) -> list[inspect.Parameter]:
    """Makes the options of a run's data, its split, and the run's folder."""
    named = f"{', '.join(sources())}, or a file or folder of your own"
    share = "fraction of rows for {}, where the data has no split"
    return [
        keyword("data", str | None, typer.Option(help=named), usual),
        keyword("label", str | None, typer.Option(help="column of a table that holds the labels"), None),
        keyword("validation", float, typer.Option(help=share.format("validation")), 0.1),
        keyword("test", float, typer.Option(help=share.format("the test")), 0.1),
        keyword(
            "split",
            Literal["random", "time"],
            typer.Option(help="deal rows out at random, or by time: in their order, the last to report"),
            "random",
        ),
        keyword(
            "out", Path | None, typer.Option(help="folder of the run; runs/RECIPE-DATA-N by default"), None
        ),
    ]


def kinds_of(recipe: Recipe[...]) -> list[Kind]:
    """Returns the kinds of data that a recipe reads, and whose options it has."""
    if recipe.reads is not None:
        return [KINDS.find(recipe.reads)]
    return [kind for kind in KINDS.values() if kind.is_general]


def check_early(name: str, arguments: dict[str, Any], how: dict[str, Any]) -> None:
    """Finds a wrong argument before PyTorch is imported and data is read; a run to build on is opened later."""
    recipes.check(name, arguments)
    settings(**how)


def free_folder(recipe: str, data: str) -> Path:
    """Names a folder by the recipe and by its data, or the run that it builds on."""
    refuse_several()
    stem = f"{recipe}-{Path(data).name.split('.')[0] or 'data'}"
    return next(path for i in range(1, sys.maxsize) if not (path := Path("runs") / f"{stem}-{i}").exists())


def refuse_several() -> None:
    """Refuses to choose a folder where several processes would choose one each."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise RunError("several processes must agree on the folder of their run: name it with --out")


def train(recipe: str, data: str | None, folder: Path | None, *, of: str | None = None, **how: Any) -> Run:
    """Trains a recipe with a progress bar; `how` is as for :func:`latente.runs.train`."""
    from .. import runs

    folder = folder or free_folder(recipe, data or of or "")
    run = runs.train(recipe, data, folder, of=of, progress=True, begun=show_data, **how)
    finish(run)
    return run


def show_data(run: Run) -> None:
    """Says, before training, what was done to the data and chosen by it, and shows the model's input of a folder of images."""
    about, kind = run.record["data"], run.kind
    if run.data.note:
        out.print(f"{run.data.name}: {run.data.note}", markup=False)
    suggestion = kind.suggests(run.data)
    chosen = {n: v for n, v in suggestion.arguments.items() if run.record["arguments"].get(n) == v}
    if suggestion.why and chosen:
        also = {n: v for n, v in suggestion.also.items() if run.record["arguments"].get(n) == v}
        words = ", ".join(f"--{n} {as_typed(v)}" for n, v in {**chosen, **also}.items())
        out.print(f"{run.data.name}: {suggestion.why}; so {words}", markup=False)
    shown = kind.preview_of(about)
    if shown is None:
        return
    try:
        picture = shown().save(run.path / "preview.png")
    except (LatenteError, ValueError, TypeError, UnicodeError):  # of a name that cannot be written, e.g.
        return
    out.print(f"model input: {picture}", markup=False)


def finish(run: Run) -> None:
    """Says where the run is and what came out in validation, once for all processes."""
    if int(os.environ.get("RANK", 0)) > 0:
        return
    from ..training.logs import best_validation

    lines = [line for line in run.metrics() if line["split"] == "validation"]
    best = best_validation(lines) or lines[-1]
    if "loss" not in best:
        out.print(
            f"energy distance {best['energy distance']:.4g} between samples and validation data: no loss ranks the weights, "
            f"best, and the newest are kept, step {best['step']}"
        )
        next_command = "report" if run.abilities.scores else "sample"
        out.print(f"the run is in {run.path}; next: {commands.command(next_command, run.path)}")
        return
    parts = " + ".join(f"{n} {v:.2f}" for n, v in best.items() if n == "distortion" or n.startswith("rate/"))
    shown = f" ({parts})" if parts else f" (error {100 * best['error']:.2f} %)" if "error" in best else ""
    out.print(
        f"best validation loss {best['loss']:.2f} {run.data.kind.unit} at step {best['step']}{shown} on {run.data.benchmark}"
    )
    for remark in run.data.kind.remarks(run.data):
        out.print(remark, markup=False)
    out.print(f"the run is in {run.path}; next: {commands.command('report', run.path)}")


def resume(
    run: RunPath,
    steps: Annotated[
        int | None, typer.Option(min=1, help="new total number of steps, to train beyond the end")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="minutes after which training stops, to be resumed again")
    ] = None,
    data: RunData = None,
) -> None:
    """Resumes a run from its newest good checkpoint, to the same end as if it had never stopped."""
    from .. import runs

    finish(runs.resume(run, steps=steps, minutes=minutes, source=data, progress=True))


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="folder of the run; runs/demo by default, or runs/demo-N where there is one"
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 3000,
    threads: Annotated[
        int | None, typer.Option(min=1, help="number of CPU threads; by default the cores that are free")
    ] = None,
) -> None:
    """Trains a VAE on real digits, judges it and writes its report: about two minutes on two cores."""
    from ..evaluation import evaluate
    from ..runs.store import unused

    if folder is None:
        refuse_several()
        folder = unused(Path("runs/demo"))
    how: dict[str, Any] = {"steps": steps, "evaluate_every": 250}
    how |= {} if threads is None else {"threads": threads}
    kind = next(kind for kind in KINDS.values() if kind.shown_by)
    run = train(kind.usual["recipe"], kind.usual["data"], folder, arguments=dict(kind.shown_by), **how)
    show_evaluation(run, evaluate(run))
    report(folder, None)
