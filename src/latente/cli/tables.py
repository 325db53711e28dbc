"""Writes codes, scores and classes of examples as tables from the command line, and decodes tables of codes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from ..errors import DataError, RunError
from .app import out
from .options import DataFile, RunPath, Seed

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data import Kind, Reading
    from ..data.kind import LabelUse
    from ..runs import Run


def encode(
    run: RunPath,
    data: DataFile,
    file: Annotated[Path, typer.Option("--out", help=".parquet, .csv or .npz")] = Path("codes.parquet"),
    **options: Any,
) -> None:
    """Writes the posterior mean and standard deviation of each example."""
    from .. import codes
    from ..runs import Run

    opened = Run.open(run)
    needs(opened, "encodes", "codes")
    reading = read_like(opened, data, options)
    write(file, reading, codes.encode(opened.model, reading.examples))
    out.print(f"codes of {len(reading)} examples: {file}", markup=False)


def decode(
    run: RunPath,
    table: Annotated[
        Path,
        typer.Option("--codes", help="table of latente encode, or any with columns z_0, z_1, …"),
    ],
    file: Annotated[
        Path,
        typer.Option(
            "--out",
            help=".npz; .csv or .parquet for tables; .png for images; .txt for sentences; .svg, .png or .gif for drawings",
        ),
    ] = Path("decoded.npz"),
) -> None:
    """Decodes a table of codes to the likelihood's means, or to the likeliest words or drawings."""
    from .. import codes
    from ..data.table_files import read_table
    from ..runs import Run

    opened = Run.open(run)
    needs(opened, "decodes", "decoded codes")
    rows = codes.decodable(read_table(table))
    bare = opened.without_examples
    x = codes.decode(opened.model, rows, bare)
    named = codes.passed_through(rows, opened.abilities.groups)
    bare.kind.write(file, x, bare, f"{opened.title}, {table}", named)
    out.print(f"{len(x)} decoded examples: {file}", markup=False)


def score(
    run: RunPath,
    data: DataFile,
    file: Annotated[Path, typer.Option("--out", help=".parquet, .csv or .npz")] = Path("scores.csv"),
    draws: Annotated[int, typer.Option(min=1, help="importance samples per example")] = 100,
    **options: Any,
) -> None:
    """Writes the bounds of each example, in nats; of a classifier the probabilities of the classes."""
    from .. import codes
    from ..runs import Run

    opened = Run.open(run)
    reading = read_like(opened, data, options)
    if opened.abilities.infers_labels and not opened.abilities.scores:
        found = codes.classify(opened.model, reading.examples, opened.record["data"]["classes"])
    else:
        found = codes.score(opened.model, reading.examples, draws, kind=opened.kind)
    write(file, reading, found)
    out.print(f"scores of {len(reading)} examples: {file}", markup=False)


def classify(
    run: RunPath,
    draws: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="importance samples per example and class for Bayes' rule; 0 for q(y|x), the default of models that "
            "have one; 30 for others",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="your own examples to classify, in place of held-out ones", show_default=False),
    ] = None,
    file: Annotated[Path, typer.Option("--out", help="output with --data: .parquet, .csv or .npz")] = Path(
        "classes.csv"
    ),
    examples: Annotated[
        int | None,
        typer.Option(min=2, help="held-out examples; all, or 1000 with --draws", show_default=False),
    ] = None,
    split: Annotated[Literal["validation", "test"], typer.Option(help="split to classify")] = "test",
    seed: Seed = 0,
    **options: Any,
) -> None:
    """Classifies examples by q(y|x) or Bayes' rule and reports the error on held-out ones."""
    from .. import codes
    from ..evaluation.figures.labels import confusion_table, error_of
    from ..evaluation.finding import share
    from ..runs import Run

    opened = Run.open(run)
    classes, draws = opened.record["data"]["classes"], drawn_to_classify(opened, draws)
    if data is not None:
        reading = read_like(opened, data, options, labels="none")
        write(file, reading, codes.classify(opened.model, reading.examples, classes, draws, seed))
        out.print(f"classes of {len(reading)} examples: {file}", markup=False)
        return
    if given := [name for name, value in options.items() if value is not None]:
        raise DataError(f"--{given[0].replace('_', '-')} says how new examples are read: give --data, too")
    opened.needs_examples()
    held = (opened.data.test if split == "test" else opened.data.validation).fixed()
    if held.y is None:
        raise DataError(f"{opened.data.name} has no labels to compare the classes with")
    held = held.known().subset(examples or (1000 if draws else len(held)))
    assert held.y is not None
    taken = codes.probabilities(opened.model, held, len(classes), draws, seed).argmax(1).cpu()
    y = held.y.cpu()
    show_confusion(confusion_table(y, taken, len(classes)), classes)
    how = f"Bayes' rule, {draws} draws per example and class" if draws else "q(y|x)"
    out.print(f"error {share(error_of(y, taken))} on {len(taken):,} {split} examples, by {how}")


def drawn_to_classify(run: Run, draws: int | None) -> int:
    """Returns the draws by which a run classifies, and refuses one that neither infers labels nor takes them."""
    can = run.abilities
    if can.infers_labels and not can.scores and draws:
        raise RunError(
            f"draws is {draws}, but {run.path} is a classifier, which bounds no likelihood: leave it out"
        )
    if not can.infers_labels:
        if can.takes != "labels" or len(run.record["data"]["classes"]) < 2:
            raise RunError(
                f"{run.path} neither infers labels nor takes them: train m2, classifier, or conditional-vae"
            )
        if draws == 0:
            raise RunError(f"draws is 0, but {run.path} has no q(y|x): Bayes' rule takes 1 or more")
    return (0 if can.infers_labels else 30) if draws is None else draws


def show_confusion(counts: Tensor, classes: list[str]) -> None:
    """Prints how many of each class, a row, are taken for each, a column; of many classes the worst ones only."""

    missed = (counts.sum(1) - counts.diagonal()).tolist()
    shown = sorted(sorted(range(len(classes)), key=lambda k: -missed[k])[:20])
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", *(classes[k] for k in shown)):
        table.add_column(name, justify="right")
    for a in shown:
        table.add_row(classes[a], *(str(int(counts[a, b]) or "·") for b in shown))
    out.print(table)


def needs(run: Run, ability: str, what: str) -> None:
    """Refuses what a model of a run has not the ability for."""
    if why := run.abilities.no.get(ability):
        raise RunError(f"{run.path} has no {what}: {why}")


def write(file: Path, reading: Reading, found: Mapping[str, np.ndarray]) -> None:
    """Writes what was found of examples, a row each that says which one it is."""
    from .. import codes
    from ..data.table_files import write_table

    write_table(file, codes.rows_of(reading, found, str(file)))
    if reading.note:
        out.print(reading.note, markup=False)


def read_like(run: Run, source: str, options: Mapping[str, Any], labels: LabelUse | None = None) -> Reading:
    """Reads examples as the run saw its own, and refuses those that its model cannot take.

    Arguments:
        run: The run.
        source: The examples; "-" for the standard input.
        options: How they are loaded.
        labels: The labels that are read; by default those that the model reads.
    """
    from ..data import read

    about, reads = run.record["data"], labels_read(run) if labels is None else labels
    with standard_input(run.kind) if source == "-" else nullcontext(source) as path:
        reading = read(path, about["label"], about, reads, **options)
    try:
        if labels is None:
            run.model(*reading.examples.told(slice(0, 1)))
    except ValueError as error:
        raise DataError(f"{source}: {error}") from None
    return reading


def labels_read(run: Run) -> LabelUse:
    """Says which labels the model of a run reads when it encodes."""
    if run.abilities.takes != "labels":
        return "none"
    return "known" if run.abilities.infers_labels else "all"


@contextmanager
def standard_input(kind: Kind) -> Iterator[str]:
    """Keeps what comes by the standard input in a file for a while, named as a kind of data reads it."""
    content = sys.stdin.buffer.read()
    if not content:
        raise DataError("the standard input holds nothing: write examples to it, or name a file with --data")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"standard input{kind.suffix_of(content)}"
        path.write_bytes(content)
        yield str(path)
