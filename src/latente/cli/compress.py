"""Compresses examples without loss from the command line, and decompresses them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RunError
from .app import out
from .options import RunPath
from .tables import needs, read_like

__all__ = ["compress", "decompress"]


def compress(
    run: RunPath,
    file: Annotated[Path, typer.Option("--out", help="file to write: .lat")],
    data: Annotated[
        str | None,
        typer.Option(
            help="file, folder or data set of the same kind as the run's data; by default its test examples",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads, for both directions; all free cores", show_default=False),
    ] = None,
    **options: Any,
) -> None:
    """Compresses examples without loss, by the model's likelihood and bits-back coding."""
    from .. import compression
    from ..runs import Run
    from ..training.checkpoint import write_whole
    from ..training.machine import free_cores

    opened = Run.open(run)
    needs(opened, "scores", "likelihood")
    if opened.abilities.takes:
        raise RunError(
            f"{run} reads {opened.abilities.takes} beside its examples, which are not in the file: compress with a model that "
            "reads none"
        )
    if data is None:
        opened.needs_examples()
        examples = opened.data.test.fixed()
    else:
        examples = read_like(opened, data, options).examples
    found = compression.compress(
        opened.model, examples, weights=opened.weights(), threads=threads or free_cores()
    )
    write_whole(file, found.content)
    size = len(found.content)
    out.print(
        f"{found.examples:,} examples of {found.numbers:,} numbers in {size:,} bytes: {file}", markup=False
    )
    whole = 8 * size / (found.examples * found.numbers)
    out.print(
        f"bits per dimension: {found.rate:.4f} net, where −ELBO is {found.expected:.4f}; {whole:.4f} with the header and the "
        "codes of the first batch"
    )
    out.print(
        f"decompress it with this run, these versions and this kind of CPU: latente decompress {file} --run {run}",
        markup=False,
    )


def decompress(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="file of latente compress")],
    run: Annotated[Path, typer.Option("--run", help="folder of the run that it was compressed with")],
    to: Annotated[
        Path, typer.Option("--out", help=".npz; .csv or .parquet for tables; .png for images")
    ] = Path("decompressed.npz"),
) -> None:
    """Decompresses a file of latente compress: the examples as the model reads them, equal to the last bit."""
    from .. import compression
    from ..runs import Run

    opened = Run.open(run)
    x = compression.decompress(opened.model, file, weights=opened.weights())
    bare = opened.without_examples
    bare.kind.write(to, x, bare, f"{opened.title}, {file}")
    out.print(f"{len(x):,} examples, equal to those that were compressed: {to}", markup=False)
