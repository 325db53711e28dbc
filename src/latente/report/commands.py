"""The command that makes a run, as it was or with a change.

Only what differs from the recipe's defaults is named. A change may also name another recipe, or an argument that the run's recipe
fixes: the command is then one of the recipe that it is a case of.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .. import recipes
from ..data.kind import default, owners
from ..errors import RunError
from ..settings import Settings

if TYPE_CHECKING:
    from ..runs import Run

__all__ = ["command"]

SHARES = {"validation": 0.1, "test": 0.1, "split": "random"}


def command(run: Run, change: Mapping[str, Any] | None = None) -> str:
    """Writes the command line that trains a run again, with some arguments changed; the changed run has another folder.

    Arguments:
        run: The run.
        change: New values of arguments of its recipe, or of settings; `recipe` for another recipe.

    Raises:
        RunError: If a change names what neither the recipe nor the trainer has.
    """
    change = dict(change or {})
    if change.keys() == {"steps"}:
        return shlex.join(["latente", "resume", str(run.path), "--steps", str(change["steps"])])
    recipe, given = wanted(run.record["recipe"], run.record["arguments"], run.record["settings"], change)
    standard = defaults(recipe)
    words = ["latente", "train", recipe]
    options = source(run, recipe)
    options |= {n: v for n, v in given.items() if n in standard and v != standard[n]}
    for name, value in (options | {"out": str(run.path) + suffix(change)}).items():
        words += option(name, value)
    return shlex.join(words)


def source(run: Run, recipe: str) -> dict[str, Any]:
    """Names the data that a recipe is trained on, and the run that it builds on: this one, where that one does not."""
    builds = recipes.find(recipe).builds
    if builds and "base" not in run.record:
        return {"of": str(run.path)}
    asked = run.asked()
    options = {"of": asked.of} if builds else {}
    options |= {"data": asked.source, "label": asked.label}
    options |= {n: v for n, v in asked.options.items() if v != default(owners(n)[0], n)}
    return options | {n: v for n, v in vars(asked).items() if n in SHARES and v != SHARES[n]}


def wanted(
    recipe: str, arguments: Mapping[str, Any], settings: Mapping[str, Any], change: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Returns the recipe, and what is asked of it and of the trainer."""
    own = defaults(recipe)
    given = {n: v for n, v in {**arguments, **settings}.items() if n in own}
    other = change.get("recipe", recipe)
    change = {n: v for n, v in change.items() if n != "recipe"}
    if other != recipe:
        builds = recipes.find(other).builds  # so what was chosen for this run is part of it
        given = {} if builds else {n: v for n, v in given.items() if v != own[n]}
    elif not change.keys() <= own.keys() and (case := recipes.find(recipe).case) is not None:
        other, given = case.of, {**given, **case.fixed}
    if unknown := change.keys() - defaults(other).keys():
        raise RunError(f"{other} has no argument {', '.join(sorted(unknown))} to change")
    return other, given | change


def defaults(recipe: str) -> dict[str, Any]:
    """Returns the defaults of a recipe and its trainer, as JSON holds them."""
    own = {n: p.default for n, p in recipes.parameters(recipe).items()}
    return own | {f.name: f.default for f in fields(Settings)} | dict(recipes.find(recipe).settings)


def option(name: str, value: Any) -> list[str]:
    """Writes one option as words of a command line.

    Example:
        >>> option("lr_warmup", 500.0), option("hidden", [400, 200]), option("conditional", True)
        (['--lr-warmup', '500'], ['--hidden', '400,200'], ['--conditional'])
    """
    flag = f"--{name.replace('_', '-')}"
    if value is None:
        return []
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [flag, text(value)]


def text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(text(v) for v in value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def suffix(change: Mapping[str, Any]) -> str:
    """Names what a change makes, to end the name of a folder.

    Example:
        >>> suffix({"prior": "mixture"})
        '-prior-mixture'
    """
    parts = [text(v) if n == "recipe" else f"{n}-{text(v)}" for n, v in change.items()]
    return "".join("-" + re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in parts)
