"""Judges runs from the command line: evaluation, diagnosis, comparison, sample quality, caption alignment and report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from .app import out
from .options import Guidance, LatentTemperature, RunData, RunPath, Seed, TopK, TopP

if TYPE_CHECKING:
    from ..doctor import Row
    from ..evaluation import Estimate, Evaluation
    from ..runs import Run

PLAIN = {  # what options of samples are where nobody gives them
    "guidance": None,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "candidates": None,
    "fid": False,
}


def evaluate(
    run: RunPath,
    k: Annotated[
        int | None,
        typer.Option(min=1, help="importance samples per example; 1000, or fewer for slow decoders"),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=2, help="number of held-out examples; all, or 1000 where that would take minutes"),
    ] = None,
    split: Annotated[Literal["validation", "test"], typer.Option(help="split to evaluate")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    data: RunData = None,
) -> None:
    """Evaluates a model on held-out data: figures, problems and remedies."""
    from ..evaluation import evaluate as measure
    from ..runs import Run

    opened = Run.open(run).at(data)
    print_figures(opened, measure(opened, k=k, examples=examples, split=split), as_json)


def print_figures(run: Run, found: Evaluation, as_json: bool) -> None:
    """Prints figures as JSON, or as a table with what they mean together."""
    if as_json:
        print(json.dumps({n: v for n, v in found.to_json().items() if n != "by_example"}, indent=1))
    else:
        show_evaluation(run, found)


def show_evaluation(run: Run, found: Evaluation) -> None:
    from ..report import figures, try_next

    rows = [[figure.name, figure.value] for figure in figures(found)]
    rows += [[name.replace("_", " "), f"none: {why}"] for name, why in found.absent.items()]
    out.print(f"{run.title}, {found.examples} {found.split} examples")
    print_table(rows)
    out.print(f"\n{found.verdict}", markup=False)
    for finding in found.findings:
        out.print(f"\n{finding.name} ({finding.sure}): {finding.evidence} {finding.advice}", markup=False)
        if command := try_next(run, finding):
            out.print(f"  {command}", markup=False)


def print_table(rows: Sequence[Sequence[str]], header: Sequence[str] = (), left: Sequence[str] = ()) -> None:
    """Prints rows; under a header numbers stand to the right, in columns that are not named as of the left."""
    table = Table(box=None, show_header=bool(header), padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, justify="left" if name in left else "right")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def diagnose(
    run: RunPath,
    examples: Annotated[
        int, typer.Option(min=10, help="number of held-out examples whose posterior is refined")
    ] = 200,
    try_them: Annotated[
        bool, typer.Option("--try", help="Retrain for a while with each of the best remedies.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="training steps per remedy")] = 1500,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    data: RunData = None,
) -> None:
    """Diagnoses the code: causes, their certainty, and remedies; --try trains with them."""
    from .. import doctor
    from ..runs import Run

    opened = Run.open(run).at(data)
    found = doctor.diagnose(opened, examples=examples)
    print_figures(opened, found, as_json)
    if try_them:
        folder = doctor.remedies_folder(opened)
        out.print(f"\nremedies, {steps} steps each, in {folder}:")
        changes = doctor.remedies(opened, found)
        show_rows(list(doctor.try_remedies(opened, changes, steps=steps, progress=True, out=folder)))


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="folders of the runs")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Compares the figures of runs in a table; evaluates those that were not evaluated yet."""
    from dataclasses import asdict

    from .. import doctor
    from ..runs import Run

    rows = doctor.compare([Run.open(path) for path in runs])
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show_rows(rows)


def show_rows(rows: list[Row]) -> None:
    """Prints the figures of runs side by side, with a warning where they do not compare."""

    def text(value: Estimate | None, digits: int = 2) -> str:
        return "–" if value is None else f"{value.mean:.{digits}f} ± {value.se:.{digits}f}"

    header = [
        "run",
        "−ELBO",
        "−log p(x)",
        "to the first",
        "rate",
        "I(x; z) ≥",
        "active",
        "shuffled",
        "AUC",
        "problem",
    ]
    figures = [
        [
            row.name,
            text(row.negative_elbo),
            text(row.nll),
            "–" if row.difference is None else f"{row.difference.mean:+.2f} ± {row.difference.se:.2f}",
            text(row.rate),
            text(row.information),
            "–" if row.active is None else f"{row.active[0]} of {row.active[1]}",
            text(row.shuffled),
            text(row.auc, 3),
            row.problem,
        ]
        for row in rows
    ]
    print_side_by_side(header, figures)
    benchmarks = sorted({row.benchmark for row in rows})
    if len(benchmarks) > 1:
        out.print(f"different benchmarks, whose figures do not compare: {'; '.join(benchmarks)}")
    asked = {row.asked: row.name for row in rows}
    if len(asked) == 1 == len(benchmarks) and len({row.held for row in rows}) > 1:
        out.print(
            "different held-out examples, whose figures do not compare: train on the same data and split"
        )
    if len(asked) > 1:
        each = "; ".join(f"{what} ({name})" for what, name in asked.items())
        out.print(f"different measurements, whose figures do not compare: {each}", markup=False)


def print_side_by_side(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a line for each row; where that is wider than the terminal a column for each, or one below the other."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = [header[0], *columns[0]]
    if fits(zip(header, *rows, strict=True)):
        print_table(rows, header, left=(header[0], header[-1]))
    elif fits([header, *rows]):
        turned = [[name, *column] for name, column in zip(header[1:], columns[1:], strict=True)]
        print_table(turned, names, left=names[:1])
    else:
        for row in rows:
            out.print(row[0])
            print_table([[f"  {name}", cell] for name, cell in zip(header[1:], row[1:], strict=True)])


def fits(columns: Iterable[Sequence[str]]) -> bool:
    """Tells whether columns stand beside each other in the terminal."""
    return sum(2 + max(map(len, column)) for column in columns) <= out.width


def quality(
    run: RunPath,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--n",
            min=10,
            help="number of generated images; 2000, or the size of the test split",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    fid: Annotated[
        bool, typer.Option("--fid", help="also FID and KID by Inception, with weights of your own")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    data: RunData = None,
) -> None:
    """Measures sample quality: Fréchet and kernel distances of generated images to real ones, precision and recall."""
    print_samples(run, "quality", n, seed, as_json, data, fid=fid)


def alignment(
    run: RunPath,
    n: Annotated[
        int | None,
        typer.Option("-n", "--n", min=10, help="number of generated images; 1000", show_default=False),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=2, help="number of images to retrieve from; 100", show_default=False)
    ] = None,
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: LatentTemperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    data: RunData = None,
) -> None:
    """Measures caption alignment: whether generated images match their captions."""
    how = {"guidance": guidance, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    print_samples(run, "alignment", n, seed, as_json, data, candidates=candidates, **how)


def print_samples(
    run: Path, figure: str, n: int | None, seed: int, as_json: bool, data: str | None, **given: Any
) -> None:
    """Measures a figure of samples, and prints it as JSON or as a table."""
    from ..evaluation import measure_samples
    from ..evaluation.measurement import measurements
    from ..runs import Run

    say = Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print
    chosen = {name: value for name, value in given.items() if value != PLAIN[name]}
    found = measure_samples(Run.open(run).at(data), figure=figure, n=n, seed=seed, say=say, **chosen)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
        return
    table = measurements()[figure].table(found[figure])
    assert table is not None
    if table.rows:
        print_table(table.rows, table.header, left=table.header[:1])
    for line in table.lines:
        out.print(line, markup=False)


def report(
    run: RunPath,
    file: Annotated[Path | None, typer.Option("--out", help="page to write")] = None,
    data: RunData = None,
) -> None:
    """Writes a self-contained HTML page: verdict, curves, pictures, figures, how to reproduce."""
    from .. import report as page
    from ..runs import Run

    out.print(f"report: {page.write(Run.open(run).at(data), file)}")


def outliers(
    run: RunPath,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="number of examples to show")] = 20,
    folds: Annotated[
        int,
        typer.Option(min=2, help="models that are trained, each to score the examples that it has not seen"),
    ] = 3,
    draws: Annotated[int, typer.Option(min=1, help="importance samples per example")] = 20,
    file: Annotated[
        Path, typer.Option("--out", help="table of all examples, the oddest first: .parquet, .csv or .npz")
    ] = Path("outliers.csv"),
    picture: Annotated[
        Path,
        typer.Option("--picture", help="picture of the oddest, where the data has one: .png, .svg or .pdf"),
    ] = Path("outliers.png"),
    data: RunData = None,
) -> None:
    """Lists the oddest examples of a run's own data, each scored by a model that was not trained on it, and what costs most."""
    from ..data.table_files import write_table
    from ..evaluation.outliers import find_outliers, table_of
    from ..runs import Run

    found = find_outliers(Run.open(run).at(data), n, folds, draws, lambda said: out.print(said, markup=False))
    names = [str(found.rows.called(int(place))) for place in found.places[: len(found.x)]]
    lines = zip(names, found.nats, found.because(), strict=False)
    for rank, (name, nats, because) in enumerate(lines, 1):
        out.print(f"{rank:>4}  {name}  {nats:,.1f} nats{f': {because}' if because else ''}", markup=False)
    write_table(file, table_of(found))
    out.print(f"all {len(found.nats):,} examples, the oddest first: {file}", markup=False)
    labels = [f"{name}\n{nats:,.0f} nats" for name, nats in zip(names, found.nats)]
    shown = found.data.kind.compared(
        found.data, found.x, found.expected, found.cost, labels, "The oddest examples"
    )
    if shown is not None:
        shown.save(picture)
        out.print(f"the oddest {len(names)}: {picture}", markup=False)
