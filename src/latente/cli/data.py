"""Shows data from the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..data.kind import sources
from ..kinds import KINDS
from .app import out, print_lines
from .options import with_options


def show() -> Callable[..., None]:
    """Makes the command that shows data, with the options of all kinds."""
    return with_options(show_data, KINDS.values())


def show_data(
    source: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="a named data set, or a file or folder of your own")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="column of a table, or array of an .npz, that holds the labels")
    ] = None,
    picture: Annotated[Path, typer.Option("--out", help="picture of images beside the model's input")] = Path(
        "preview.png"
    ),
    **given: Any,
) -> None:
    """Lists the named data sets; or describes one, a file or a folder, with a picture of the model's input."""
    known = sources()
    if source is None:
        print_lines(known)
        return
    from .. import data
    from ..data.loading import options_of

    options = {n: v for n, v in given.items() if v is not None}
    folder = Path(os.path.expanduser(source))
    for kind in KINDS.values() if source not in known and folder.exists() else ():
        found = kind.survey(folder, options_of(kind, options))
        if found is not None:
            for line in found.lines:
                out.print(line, markup=False)
            out.print(f"model input: {found.draw(picture)}")
            return
    loaded = data.load(source, label=label, **options)
    about = loaded.describe()
    out.print(f"{loaded.benchmark}: {about['kind']} of shape {tuple(about['shape'])}", markup=False)
    out.print(", ".join(f"{name} {size:,}" for name, size in about["sizes"].items()))
    if names := about["learned"].get("columns"):
        many = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
        out.print(f"columns: {', '.join(names[:20])}{many}", markup=False)
    if loaded.classes:
        out.print(f"{len(loaded.classes)} classes: {', '.join(loaded.classes[:20])}", markup=False)
    if loaded.note:
        out.print(loaded.note, markup=False)
    draw = loaded.kind.preview(loaded)
    if draw is not None:
        draw(picture)
        out.print(f"model input: {picture}")
