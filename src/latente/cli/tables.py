"""Writes codes, scores and classes of examples as tables from the command line, and decodes tables of codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from ..errors import DataError, RunError
from .app import out
from .options import DataFile, RunPath, Seed

if TYPE_CHECKING:
    from torch import Tensor

    from ..data import Examples
    from ..runs import Run


def encode(
    run: RunPath,
    data: DataFile,
    file: Annotated[Path, typer.Option("--out", help=".parquet, .csv or .npz")] = Path("codes.parquet"),
) -> None:
    """Writes the posterior mean and standard deviation of each example."""
    from .. import codes
    from ..data.table_files import write_table
    from ..runs import Run

    opened = Run.open(run)
    needs(opened, "encodes", "codes")
    examples = read_like(opened, data)
    write_table(file, codes.encode(opened.model, examples))
    out.print(f"codes of {len(examples)} examples: {file}")


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
    x = codes.decode(opened.model, read_table(table), opened.data)
    opened.data.kind.write(file, x, opened.data, f"{opened.title}, {table}")
    out.print(f"{len(x)} decoded examples: {file}")


def score(
    run: RunPath,
    data: DataFile,
    file: Annotated[Path, typer.Option("--out", help=".parquet, .csv or .npz")] = Path("scores.csv"),
    draws: Annotated[int, typer.Option(min=1, help="importance samples per example")] = 100,
) -> None:
    """Writes the bounds of each example, in nats; of a classifier the probabilities of the classes."""
    from .. import codes
    from ..data.table_files import write_table
    from ..runs import Run

    opened = Run.open(run)
    examples = read_like(opened, data)
    if opened.abilities.infers_labels and not opened.abilities.scores:
        write_table(file, codes.classify(opened.model, examples, opened.record["data"]["classes"]))
    else:
        write_table(file, codes.score(opened.model, examples, draws, kind=opened.data.kind))
    out.print(f"scores of {len(examples)} examples: {file}")


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
) -> None:
    """Classifies examples by q(y|x) or Bayes' rule and reports the error on held-out ones."""
    import torch

    from .. import codes
    from ..data.table_files import write_table
    from ..evaluation.figures.labels import confusion_table, error_of
    from ..evaluation.finding import share
    from ..runs import Run

    opened = Run.open(run)
    classes, draws = opened.record["data"]["classes"], drawn_to_classify(opened, draws)
    if data is not None:
        table = codes.classify(opened.model, read_like(opened, data), classes, draws, seed)
        write_table(file, table)
        out.print(f"classes of {len(table['class'])} examples: {file}")
        return
    opened.needs_examples()
    held = (opened.data.test if split == "test" else opened.data.validation).fixed()
    if held.y is None:
        raise DataError(f"{opened.data.name} has no labels to compare the classes with")
    held = held.subset(examples or (1000 if draws else len(held)), opened.settings.seed)
    assert held.y is not None
    taken = torch.as_tensor(codes.classify(opened.model, held, classes, draws, seed)["class"])
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
    from rich.markup import escape

    missed = (counts.sum(1) - counts.diagonal()).tolist()
    shown = sorted(sorted(range(len(classes)), key=lambda k: -missed[k])[:20])
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", *(classes[k] for k in shown)):
        table.add_column(escape(name), justify="right")
    for a in shown:
        table.add_row(escape(classes[a]), *(str(int(counts[a, b]) or "·") for b in shown))
    out.print(table)


def needs(run: Run, ability: str, what: str) -> None:
    """Refuses what a model of a run has not the ability for."""
    if why := run.abilities.no.get(ability):
        raise RunError(f"{run.path} has no {what}: {why}")


def read_like(run: Run, source: str) -> Examples:
    """Reads examples as the run saw its own, and refuses those that its model cannot take, e.g. without labels."""
    from ..data import read

    about, kind = run.record["data"], run.data.kind
    examples = read(source, about["label"] if kind.read_columns(about) else None, about)
    try:
        run.model(*examples.batch(slice(0, 1)))
    except ValueError as error:
        raise DataError(f"{source}: {error}") from None
    return examples
