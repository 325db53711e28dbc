"""Makes options of the command line: of a recipe's annotated parameters, and those that several commands have."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic.fields import FieldInfo

from ..data.kind import Kind

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run")]
Seed = Annotated[int, typer.Option(help="random seed")]
RunData = Annotated[
    str | None,
    typer.Option("--data", help="where the run's data is now, if it was moved", show_default=False),
]
DataFile = Annotated[
    str,
    typer.Option(
        "--data", help="file, folder or data set of the same kind as the run's data; - for standard input"
    ),
]
Guidance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="classifier-free guidance scale; 1 is off; 2 by default for models trained with caption dropout",
        show_default=False,
    ),
]
LatentTemperature = Annotated[
    float, typer.Option(min=0, help="sampling temperature: 1 is the model's own, 0 the likeliest")
]
TopK = Annotated[int, typer.Option(min=0, help="number of likeliest codes to sample from; 0 for all")]
TopP = Annotated[
    float, typer.Option(min=0, max=1, help="probability mass of the likeliest codes to sample from")
]


def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Makes an option of the command line of an annotated parameter; `None` stands for "not given"."""
    about = next(note for note in typing.get_args(annotation) if isinstance(note, FieldInfo))
    shown = as_typed(default)
    help_text = f"{about.description}" + (f" [default: {shown}]" if shown else "")
    dashed = name.replace("_", "-")
    flag = f"--{dashed}/--no-{dashed}" if default is True else f"--{dashed}"
    return keyword(
        name, typed_as(annotation) | None, typer.Option(flag, help=help_text, show_default=False), None
    )


def keyword(name: str, kind: Any, about: Any, default: Any) -> inspect.Parameter:
    """Makes a parameter of a command, of a type, with its `typer` description."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, about]
    )


def typed_as(annotation: Any) -> Any:
    """Returns the type that is typed for an annotated parameter: a number, a flag, one of some words, or text."""
    kind = typing.get_args(annotation)[0]
    simple = {arg for arg in typing.get_args(kind) if arg is not type(None)}
    only = kind if type(None) not in typing.get_args(kind) else simple.pop() if len(simple) == 1 else str
    return only if only in (int, float, bool, str) or typing.get_origin(only) is Literal else str


def as_typed(default: Any) -> str:
    """Writes a default as it would be typed; nothing where there is none."""
    if isinstance(default, list | tuple):
        return ",".join(map(str, default))
    return "" if default in (None, "", False) else str(default)


def loading_options(kinds: Iterable[Kind], taken: Iterable[str] = ()) -> list[inspect.Parameter]:
    """Makes options of how data of some kinds is loaded, each once, but for those whose names are taken."""
    found: dict[str, inspect.Parameter] = {}
    for kind in kinds:
        hints = typing.get_type_hints(kind.Options, include_extras=True)
        for field in dataclasses.fields(kind.Options):
            if field.name not in (*taken, *found):
                found[field.name] = option(field.name, hints[field.name], field.default)
    return list(found.values())


def with_options(command: Callable[..., None], kinds: Iterable[Kind]) -> Callable[..., None]:
    """Returns a command with the options of loading in place of its last parameter."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(**given)

    signature = inspect.signature(command, eval_str=True)
    *own, _ = signature.parameters.values()
    run.__signature__ = signature.replace(parameters=[*own, *loading_options(kinds)])  # type: ignore[attr-defined]
    return run


def listed(value: Any, annotation: Any) -> Any:
    """Turns "400,200" into a list where the parameter is one."""
    if isinstance(value, str) and holds_a_list(annotation):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def holds_a_list(annotation: Any) -> bool:
    """Tells whether an annotation is a list, or may be one."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return holds_a_list(typing.get_args(annotation)[0])
    return origin in (list, tuple, Sequence) or (
        origin in (typing.Union, types.UnionType) and any(map(holds_a_list, typing.get_args(annotation)))
    )
