"""Makes options of the command line: of a recipe's annotated parameters, and those that several commands have."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic.fields import FieldInfo

from ..data.kind import Kind

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run")]
Picture = Annotated[
    Path,
    typer.Option("--out", help="picture to write: .png, .svg or .pdf; of drawings .png, .svg, .gif or .npz"),
]
Seed = Annotated[int, typer.Option(help="seed of what is drawn")]
PointTemperature = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="spread of each point of a drawing: 0 takes the likeliest, 1 is the model's, 0.1 or 0.4 by default",
    ),
]
Animate = Annotated[
    bool, typer.Option("--animate", help="let a drawing's .svg be drawn line by line, as .gif always is")
]
DrawingsFile = Annotated[
    str | None,
    typer.Option("--drawings", help="drawings of yours, in place of test drawings", show_default=False),
]
Rescale = Annotated[
    bool, typer.Option("--rescale", help="bring them to the size of the moves that the model has learnt")
]
Label = Annotated[str | None, typer.Option(help="class, by name or number, for conditional models")]
DataFile = Annotated[
    str, typer.Option("--data", help="file, folder or data set with examples like those of the run")
]
Guidance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="how far written codes are pushed towards the caption: 1 is the model's own; 2 by default, where it can be guided",
        show_default=False,
    ),
]
LatentTemperature = Annotated[
    float, typer.Option(min=0, help="spread of what is drawn: 1 is the model's own, 0 the likeliest")
]
TopK = Annotated[int, typer.Option(min=0, help="how many of the likeliest codes are left in; 0 for all")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="mass of the likeliest codes that are left in")]


def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Makes an option of the command line of an annotated parameter; `None` stands for "not given"."""
    kind, *notes = typing.get_args(annotation)
    about = next(note for note in notes if isinstance(note, FieldInfo))
    simple = (
        {arg for arg in typing.get_args(kind) if arg is not type(None)}
        if type(None) in typing.get_args(kind)
        else {kind}
    )
    plain = simple.pop() if len(simple) == 1 else str
    if plain not in (int, float, bool, str) and typing.get_origin(plain) is not Literal:
        plain = str
    shown = ",".join(map(str, default)) if isinstance(default, list | tuple) else default
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{about.description}" + ("" if shown in (None, "", False) else f" [default: {shown}]")
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[plain | None, typer.Option(flag, help=help_text, show_default=False)],
    )


def loading_options(kinds: Iterable[Kind], taken: Iterable[str] = ()) -> list[inspect.Parameter]:
    """Makes options of how data of some kinds is loaded, each once, but for those whose names are taken."""
    found: dict[str, inspect.Parameter] = {}
    for kind in kinds:
        hints = typing.get_type_hints(kind.Options, include_extras=True)
        for field in dataclasses.fields(kind.Options):
            if field.name not in (*taken, *found):
                found[field.name] = option(field.name, hints[field.name], field.default)
    return list(found.values())


def with_options(command: Callable[..., Any], kinds: Iterable[Kind]) -> inspect.Signature:
    """Returns the signature of a command with the options of loading in place of its last parameter."""
    signature = inspect.signature(command, eval_str=True)
    *own, _ = signature.parameters.values()
    return signature.replace(parameters=[*own, *loading_options(kinds)])


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
    return origin in (list, tuple) or (
        origin in (typing.Union, types.UnionType) and any(map(holds_a_list, typing.get_args(annotation)))
    )
