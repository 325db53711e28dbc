"""Draws pictures from the command line: a command for each picture of the list, its options those of the picture's signature.

Where a kind of data has its own version of a picture, the command has the options of all versions, and refuses in a sentence one
that the version at hand has not.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

from ..data.kind import TABLES
from ..errors import LatenteError, RunError
from ..pictures.entry import Case, Entry, valid
from ..pictures.options import Positional, Repeated
from ..pictures.versions import every, kinds_with, ordered
from .app import out
from .options import RunData, RunPath, as_typed, keyword, listed, typed_as

Versions = Mapping[str, Entry[...]]
ANIMATE, DATA = "animate", "data"


def commands() -> dict[str, Callable[..., None]]:
    """Makes the commands of all pictures, in the order of the report."""
    return {entry.command: command(entry, found) for entry, found in every() if entry.command}


def command(entry: Entry[...], found: Versions) -> Callable[..., None]:
    """Makes the command of a picture."""

    def run(**given: Any) -> None:
        folder, file, animate = given.pop("run"), given.pop("picture"), given.pop(ANIMATE, None)
        options = {n: v for n, v in given.items() if v not in (None, [])}
        check_early(found, {n: v for n, v in options.items() if n != DATA})
        draw(entry, found, folder, file, options, bool(animate))

    run.__signature__ = inspect.Signature(parameters(entry, found))  # type: ignore[attr-defined]
    run.__doc__ = entry.summary
    return run


def parameters(entry: Entry[...], found: Versions) -> list[inspect.Parameter]:
    """Lists the arguments and options of a command: the run, the options of all versions, and the file."""
    names = dict.fromkeys(name for version in found.values() for name in version.options)
    own = [parameter(name, found) for name in names]
    kind, about = typing.get_args(RunPath)
    run = keyword("run", kind, about, inspect.Parameter.empty)
    animated = any(version.moves for version in found.values())
    formats = ".png, .svg, .pdf, or .npz for its numbers" + ("; .gif for an animation" if animated else "")
    formats += "; .csv or .parquet for a table" if any(v.drawn for v in found.values()) else ""
    where = typer.Option("--out", help=f"file to write: {formats}")
    file = keyword("picture", Path, where, Path(f"{entry.file or entry.name}.png"))
    text = "animate the .svg stroke by stroke (.gif always is)"
    moves = keyword(ANIMATE, bool | None, typer.Option("--animate", help=text, show_default=False), None)
    kept, about = typing.get_args(RunData)
    data = keyword(DATA, kept, about, None)
    return [run, *own, *([moves] if animated else []), data, file]


def parameter(name: str, found: Versions) -> inspect.Parameter:
    """Makes an argument or option of the command line of one that some versions have."""
    options = {what: version.options[name] for what, version in found.items() if name in version.options}
    first = next(iter(options.values()))
    _, *notes = typing.get_args(first.annotation)
    about = next(note for note in notes if isinstance(note, FieldInfo))
    help_text = f"{about.description}{defaults(options, found)}"
    marked = next((note for note in notes if isinstance(note, Positional | Repeated)), None)
    if isinstance(marked, Positional):
        several = typed_as(first.annotation) is str and marked.metavar.endswith("…")
        kind: Any = list[str] if several else str | None
        default = inspect.Parameter.empty if first.default is first.empty else None
        return keyword(
            name, kind, typer.Argument(metavar=marked.metavar, help=help_text, show_default=False), default
        )
    dashed = name.replace("_", "-")
    flags = [f"-{name}", f"--{name}"] if len(name) == 1 else [f"--{dashed}"]
    if isinstance(marked, Repeated):
        how = typer.Option(*flags, help=help_text, metavar=marked.metavar, show_default=False)
        return keyword(name, list[str] | None, how, None)
    kind = typed_as(first.annotation) | None
    return keyword(name, kind, typer.Option(*flags, help=help_text, show_default=False), None)


def defaults(options: Mapping[str, inspect.Parameter], found: Versions) -> str:
    """Says what an option is by default, and of which data where versions differ; and of which data it is, where not of all."""
    defaults = {what: as_typed(None if o.default is o.empty else o.default) for what, o in options.items()}
    if len(set(defaults.values())) == 1:
        shown = next(iter(defaults.values()))
        return f" [default: {shown}]" if shown else ""
    first = next(iter(defaults.values()))
    others = [f"{shown} of {what}" for what, shown in defaults.items() if what and shown != first]
    return f" [default: {', '.join([first, *others])}]"


def check_early(found: Versions, options: Mapping[str, Any]) -> None:
    """Finds a value that no version would take, before PyTorch is imported and the run is opened.

    Raises:
        LatenteError: If there is one.
    """
    for name, value in options.items():
        known = [version.options[name] for version in found.values() if name in version.options]
        wrong = None
        for option in known:
            try:
                valid(option, listed_of(option, value))
                break
            except LatenteError as error:
                wrong = wrong or error
        else:
            assert wrong is not None
            raise wrong


def listed_of(option: inspect.Parameter, value: Any) -> Any:
    """Reads numbers with commas between; a single one is a number where the option may be one."""
    found = listed(value, option.annotation)
    return value if isinstance(found, list) and len(found) == 1 and not isinstance(value, list) else found


def draw(
    entry: Entry[...], found: Versions, folder: Path, file: Path, options: dict[str, Any], animate: bool
) -> None:
    """Draws a picture of a run, and writes it, or shows it where a terminal can.

    Raises:
        RunError: If the run's data has no such picture, or its version has not one of the options.
    """
    from ..runs import Run

    opened = Run.open(folder).at(options.pop(DATA, None))
    case = Case.without_examples(opened)
    trained = f"{folder} was trained on {case.data.kind.nouns}"
    if entry.name not in {each.name for each in ordered(case.data)}:
        of = " and ".join(found)
        usual = kinds_with(entry.name)[0].usual["recipe"]
        raise RunError(f"{entry.called} are of {of}, and {trained}: see latente train {usual}")
    version = entry.version(case)
    is_table = version.drawn is not None and file.suffix in TABLES
    if version.examples and not is_table:
        case = Case.of(opened)
    for name in [*options, *([ANIMATE] if animate else [])]:
        if not has(version, name):
            raise RunError(f"--{name.replace('_', '-')} is of {owners(name, found)}, and {trained}")
    read = {n: listed_of(version.options[n], v) for n, v in options.items()}
    if is_table:
        many = version.table(case, file, read)
        out.print(f"{many} {case.data.kind.nouns}: {file}", markup=False)
        return
    shown = version.draw(case, **read)
    for remark in shown.remarks:
        out.print(remark, markup=False)
    if shown.text and file.suffix != ".txt":
        out.print(shown.text, markup=False)
        return
    shown.save(file, animate=animate)
    out.print(f"{shown.title[0].lower()}{shown.title[1:]}: {file}", markup=False)


def has(version: Entry[...], name: str) -> bool:
    """Tells whether a version has an option."""
    return version.moves if name == ANIMATE else name in version.options


def owners(name: str, found: Versions) -> str:
    """Says which data an option is of."""
    return " and ".join(what or "other data" for what, version in found.items() if has(version, name))
