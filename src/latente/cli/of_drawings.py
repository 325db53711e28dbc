"""Commands for drawings alone: to convert them, and to exchange weights with Magenta's sketch-rnn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..commands import command
from .app import out
from .options import RunPath

__all__ = ["COMMANDS"]


def convert(
    data: Annotated[str, typer.Argument(help="SVG files, .ndjson, .npz, or a named data set")],
    file: Annotated[Path, typer.Option("--out", help=".npz to write")] = Path("drawings.npz"),
    longest: Annotated[
        int, typer.Option(min=2, help="maximum points per drawing; longer ones are simplified")
    ] = 250,
    tolerance: Annotated[
        float, typer.Option(min=0, help="tolerance of the simplification, in the drawings' units")
    ] = 0,
    bad: Annotated[
        Literal["drop", "refuse"],
        typer.Option(help="drop or refuse degenerate drawings: empty, of no size, or with gaps"),
    ] = "drop",
    validation: Annotated[
        float, typer.Option(help="fraction for validation, where the data has no split")
    ] = 0.1,
    test: Annotated[float, typer.Option(help="fraction for the test, where the data has no split")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="random seed of the split")] = 0,
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
    out.print(f"the run is in {run.path}; next: {command('sample', run.path)}")


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


COMMANDS: Mapping[str, Callable[..., None]] = {
    "drawings": convert,
    "import-magenta": import_magenta,
    "export-magenta": export_magenta,
}
