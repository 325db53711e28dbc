"""Shows and converts data from the command line, and exchanges weights with Magenta's sketch-rnn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..data.kind import sources
from ..kinds import KINDS
from .app import out, show_table
from .options import RunPath, with_options


def show_data(
    source: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="a set with a name, or a file or folder of yours")
    ] = None,
    picture: Annotated[
        Path, typer.Option("--out", help="picture of images beside what a model sees of them")
    ] = Path("preview.png"),
    **given: Any,
) -> None:
    """Lists the data sets that have a name; or says what one, a file or a folder holds, and shows what a model sees of it."""
    known = sources()
    if source is None:
        show_table(known)
        return
    from .. import data
    from ..data.loading import chosen

    options = {n: v for n, v in given.items() if v is not None}
    folder = Path(source).expanduser()
    for kind in KINDS.values() if source not in known and folder.exists() else ():
        found = kind.survey(folder, chosen(kind, options))
        if found is not None:
            for line in found.lines:
                out.print(line, markup=False)
            out.print(f"what a model sees: {found.draw(picture)}")
            return
    loaded = data.load(source, **options)
    about = loaded.describe()
    out.print(f"{loaded.benchmark}: {about['kind']} of shape {tuple(about['shape'])}", markup=False)
    out.print(", ".join(f"{name} {size:,}" for name, size in about["sizes"].items()))
    if loaded.classes:
        out.print(f"{len(loaded.classes)} classes: {', '.join(loaded.classes[:20])}", markup=False)
    if loaded.note:
        out.print(loaded.note, markup=False)
    draw = loaded.kind.preview(loaded)
    if draw is not None:
        draw(picture)
        out.print(f"what a model sees: {picture}")


show_data.__signature__ = with_options(show_data, KINDS.values())  # type: ignore[attr-defined]


def convert(
    data: Annotated[str, typer.Argument(help="SVG files, .ndjson, .npz, or a set with a name")],
    file: Annotated[Path, typer.Option("--out", help=".npz to write")] = Path("drawings.npz"),
    longest: Annotated[
        int, typer.Option(min=2, help="points of a drawing; longer ones are simplified")
    ] = 250,
    tolerance: Annotated[
        float, typer.Option(min=0, help="how far a simplified line may be off, in the drawings' units")
    ] = 0,
    bad: Annotated[
        Literal["drop", "refuse"],
        typer.Option(help="what to do with drawings from which nothing can be learnt"),
    ] = "drop",
    validation: Annotated[
        float, typer.Option(help="share for validation, where the data does not say")
    ] = 0.1,
    test: Annotated[float, typer.Option(help="share for the test, where the data does not say")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="seed of the split")] = 0,
) -> None:
    """Reads drawings, simplifies, splits and counts them, and writes them as an .npz without a pickle."""
    from ..data import convert as write

    out.print(write(data, file, longest, tolerance, bad, validation, test, seed), markup=False)


def import_magenta(
    file: Annotated[Path, typer.Argument(help="weights of sketch-rnn-js, e.g. sheep.gen.json")],
    folder: Annotated[Path, typer.Option("--out", help="folder of the run to make")],
) -> None:
    """Makes a run of Magenta's weights, to sample from and to complete drawings with."""
    from ..magenta import import_run

    run = import_run(file, folder)
    out.print(f"the run is in {run.path}; next: latente sample {run.path}")


def export_magenta(
    run: RunPath, file: Annotated[Path, typer.Option("--out", help=".json to write")] = Path("sketch.json")
) -> None:
    """Writes a sketch-rnn of LSTMs as weights that sketch-rnn-js loads."""
    from ..magenta import export_run
    from ..runs import Run

    opened = Run.open(run)
    out.print(f"weights: {export_run(opened, file)}")
    if opened.record["arguments"].get("start") != "zeros":
        out.print(
            "sketch-rnn-js reads zeros before the first point: a run with --start zeros is what it expects"
        )
